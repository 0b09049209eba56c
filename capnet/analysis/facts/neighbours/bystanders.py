"""Bystanders: points that show the broadcast questions of a station, and would not show the answers to it.

A switch sends a question to every port, and the answer to one. So a point shows answers if it is the asker's own
interface, or if it shows frames to the asker from others than the station whose interface it is. Where that is not
certain, as no frame or only those of two stations show whose interface it is, or a bridge may pass an answer on from
port to port: a station asks three times, a second apart, before it gives up (RFC 4861 section 10), if no answer comes.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs
from capnet.analysis.core.schema import Values
from capnet.analysis.facts.neighbours.exchanges import Exchange
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.speakers import RECEIVED

MIN_PERSISTENT = 3  # questions, as many as a host asks in vain before it gives up
MIN_GAP_NS, MAX_GAP_NS = 500_000_000, 2_000_000_000  # between them: a second, and some more between two tries
_ROLES_OF_ONE_STATION = ("container", "veth", "bridge")  # all frames to a container pass its interfaces


def shows_answers(context: Context, exchange: Exchange) -> bool:
    """Would the point of these questions show an answer to the asker?"""
    mac, point, is_persistent = exchange.asker_mac, exchange.point, _is_persistent(exchange)
    if not exchange.via and (point in interface_points(context).get(mac, ()) or is_alone(context, point, mac)):
        return True
    sources, destinations = unicast_frames(context, point, exchange.via, exchange.vni)
    if is_persistent and (not len(sources) or context.points[point].role == "bridge"):
        return True
    # Stations that are an end of every frame: the point is the interface of one of them.
    ends = {int(end) for end in (*sources[:1], *destinations[:1])}
    stations = {end for end in ends if ((sources == end) | (destinations == end)).all()}
    if mac in stations:
        return is_persistent or len(stations) == 1 or context.points[point].role in _ROLES_OF_ONE_STATION
    return bool(set(sources[destinations == mac].tolist()) - stations)


def _is_persistent(exchange: Exchange) -> bool:
    """Does the asker go on asking all stations, once a second? With an answer it would not."""
    requests = exchange.requests - exchange.unicast_requests
    return requests >= MIN_PERSISTENT and MIN_GAP_NS <= exchange.request_gap <= MAX_GAP_NS


def is_alone(context: Context, point: int, mac: int) -> bool:
    """Does one MAC alone send at a point? Then it is its own interface, where nothing else arrives."""
    table = context.stations
    is_sender = (table[:, schema.STATION_POINT] == point) & (table[:, schema.STATION_HOW] != RECEIVED)
    return bool((table[is_sender, schema.STATION_MAC] == mac).all())


@derived
def unicast_frames(context: Context, point: int, via: int, vni: int) -> tuple[Values, Values]:
    """Source and destination MACs of unicast frames at a point, in a tunnel: of flows, and of ARP."""
    ends = []
    for table, columns in (
        (context.flows, (*schema.FLOW_PLACE, schema.FLOW_SMAC, schema.FLOW_DMAC)),
        (context.arps, (schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI, schema.ARP_ETH_SOURCE,
                        schema.ARP_ETH_DESTINATION)),
    ):  # fmt: skip
        *place, source, destination = (table[:, column] for column in columns)
        is_there = (place[0] == point) & (place[1] == via) & (place[2] == vni)
        is_there &= (destination > 0) & ~are_multicast_macs(destination)
        ends.append((source[is_there], destination[is_there]))
    sources, destinations = zip(*ends, strict=True)
    return np.concatenate(sources), np.concatenate(destinations)

"""Packets that stay in their tunnel: they arrive at a host, and nothing comes out at the point inside.

Input: the insides of tunnels, flows and ARP messages in tunnels, when points listened. Output: `TunnelArrivals` per
inside of which nothing was seen to come out, though its own stations send into the tunnel there.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.overlay.insides import Inside, tunnel_insides
from capnet.analysis.fate.listening import listening
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value

MAX_INSIDES = 100  # that are looked at: one for each network of a host, and each point inside

_ARP_TUNNEL = [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI]


class TunnelArrivals(NamedTuple):
    """Packets of a tunnel to stations inside: arrays of one entry per flow, or kind of ARP message."""

    packets: Values
    sources: Values  # (n, 2): halves of addresses
    destinations: Values
    frames: Values  # their first frames
    is_heard: Mask  # came between the first and the last frame of the point inside
    is_for_device: Mask  # for the tunnel device by their MAC, not for an address that sends there

    @property
    def source_addresses(self) -> list[str]:
        """Who sent them, sorted."""
        return _addresses(self.sources)

    @property
    def destination_addresses(self) -> list[str]:
        """Who they are for, sorted."""
        return _addresses(self.destinations)

    def evidence(self, context: Context, inside: Inside) -> list[Evidence]:
        """Their first frames at the host's interface, in order."""
        return [context.evidence(inside.outer, frame) for frame in sorted(self.frames.tolist())]


@derived
def undelivered(context: Context) -> dict[Inside, TunnelArrivals]:
    """What arrived for tunnels of which nothing came out, in order of points: at one point inside of each host.

    This is the tunnel's own interface if it was captured, else the first one of the capture.
    """
    insides = tunnel_insides(context)
    delivered = {inside[:3] for inside in insides.left}
    silent: dict[tuple[int, ...], Inside] = {}
    for inside in sorted(insides.entered, key=lambda inside: context.points[inside.inner].role != "overlay"):
        if inside[:3] not in delivered:
            silent.setdefault(inside[:3], inside)
    return {inside: _arrivals(context, inside) for inside in sorted(silent.values())[:MAX_INSIDES]}


def _arrivals(context: Context, inside: Inside) -> TunnelArrivals:
    """What of the tunnel is for stations that send inside, at times when the point there listened."""
    flows, arps, points = context.flows, context.arps, listening(context)
    since, until = points.since[inside.inner], points.until[inside.inner]
    heard_from, heard_to = points.heard_from[inside.inner], points.heard_to[inside.inner]
    rows = np.flatnonzero((flows[:, schema.FLOW_PLACE] == inside[:3]).all(axis=1))
    first, last = flow_spans(context)
    # A point that heard nothing but ARP may have a filter for it.
    hears_ip = bool(points.hears[inside.inner].any()) and not points.is_dropping[inside.inner]
    rows = rows[(last[rows] >= since) & (first[rows] <= until) & hears_ip]
    messages = arps[(arps[:, _ARP_TUNNEL] == inside[:3]).all(axis=1)]
    zeros = np.zeros(len(messages), dtype=np.int64)
    all_packets = TunnelArrivals(
        np.concatenate((packets_without_duplicates(context)[rows], messages[:, schema.ARP_PACKETS])),
        np.concatenate(
            (flows[rows[:, None], schema.FLOW_SRC], np.stack((zeros, messages[:, schema.ARP_SENDER_LO]), axis=1))
        ),
        np.concatenate(
            (flows[rows[:, None], schema.FLOW_DST], np.stack((zeros, messages[:, schema.ARP_TARGET_LO]), axis=1))
        ),
        np.concatenate((flows[rows, schema.FLOW_FIRST_FRAME], messages[:, schema.ARP_FIRST_FRAME])),
        np.concatenate(
            (
                (last[rows] >= heard_from) & (first[rows] <= heard_to),
                (messages[:, schema.ARP_LAST] >= heard_from) & (messages[:, schema.ARP_FIRST] <= heard_to),
            )
        ),
        np.zeros(len(rows) + len(messages), dtype=bool),
    )
    stations = stations_inside(context, inside.inner)
    is_arrival = is_among(row_hash(all_packets.destinations), stations) & ~is_among(
        row_hash(all_packets.sources), stations
    )
    all_packets.is_for_device[: len(rows)] = _are_for_device(context, inside.inner, rows)
    all_packets.is_for_device[is_arrival] = False
    is_arrival |= all_packets.is_for_device
    return TunnelArrivals(*(column[is_arrival] for column in all_packets))


def _are_for_device(context: Context, point: int, rows: FlowRows) -> Mask:
    """For each of these flows in a tunnel: is the tunnel device at a point their destination, by its MAC?"""
    flows = context.flows
    if not len(rows) or context.points[point].role != "overlay":
        return np.zeros(len(rows), dtype=bool)
    own = flows[(flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0), schema.FLOW_SMAC]
    own = distinct(own[own > 0])
    target, source = flows[rows, schema.FLOW_DMAC], flows[rows, schema.FLOW_SMAC]
    return is_among(target, own) & ~is_among(source, own)


def stations_inside(context: Context, point: int) -> Values:
    """Hashes of the addresses that send at a point outside of tunnels."""
    flows, arps = context.flows, context.arps
    rows = np.flatnonzero((flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0))
    senders = arps[(arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_VIA] == 0), schema.ARP_SENDER_LO]
    asked = np.stack((np.zeros(len(senders), dtype=np.int64), senders), axis=1)
    return row_hash(np.concatenate((flows[rows[:, None], schema.FLOW_SRC], asked)))


def _addresses(ends: Values) -> list[str]:
    return sorted({address_text(*pair) for pair in ends.tolist()}, key=address_value)

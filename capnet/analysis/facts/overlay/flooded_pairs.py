"""Pairs of tunnel ends of which one sends the other nothing but copies for the whole network.

A host sends a broadcast, and a frame to a group, to all other ends of its network, and needs no answer of each of them.

Input: tunnels, flows, observations, ARP and ND exchanges. Output: whether a tunnel in one direction carries only such
frames. Method: an observation inside of the tunnel and that of its outer packet have one frame number.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs
from capnet.analysis.core.results import Tunnel
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.overlay.station_ends import askers_between, ends_of_address
from capnet.wire.addresses import address_value
from capnet.wire.protocols import KIND_OF_NAME

MIN_QUESTIONS = 2  # for a MAC, without an answer: a single one may be answered behind the capture


def carries_groups_only(context: Context, tunnel: Tunnel) -> bool:
    """Is all that a one-way tunnel carries for groups, and none of it a question in vain for a MAC behind it?"""
    kind, vni = KIND_OF_NAME[tunnel.kind].number, -1 if tunnel.vni is None else tunnel.vni
    point = next(number for number, of in enumerate(context.points) if of.name == tunnel.point)
    flows = context.flows
    is_outer = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0)
    ends = [address_value(end) for end in tunnel.vteps]
    for high, low in (schema.FLOW_SRC, schema.FLOW_DST):
        is_outer &= np.any([(flows[:, high] == end[0]) & (flows[:, low] == end[1]) for end in ends], axis=0)
    is_inner = (flows[:, schema.FLOW_PLACE] == (point, kind, vni)).all(axis=1)
    rows, frames = context.observations[:, schema.OBS_FLOW], context.observations[:, schema.OBS_FRAME]
    outer_frames = frames[is_outer[rows]]
    carried = distinct(rows[is_inner[rows] & is_among(frames, outer_frames)])
    numbers = set(outer_frames.tolist())
    askers = askers_between(context, kind, vni, set(tunnel.vteps))  # of copies for several ends, the first is elsewhere
    lookups = _lookups(context).get((point, kind, vni), [])
    lookups = [of for of in lookups if of.request_frame in numbers or of.asker_mac in askers]
    answered = _answered(context)
    open_lookups = (of for of in lookups if (of.kind, of.asker, of.target) not in answered and not of.is_announcement)
    if any(of.requests >= MIN_QUESTIONS and not _is_elsewhere(context, of, tunnel) for of in open_lookups):
        return False
    macs = flows[carried, schema.FLOW_DMAC]
    return bool((len(carried) or lookups) and (are_multicast_macs(macs) & (macs > 0)).all())


def _is_elsewhere(context: Context, lookup: Exchange, tunnel: Tunnel) -> bool:
    """Does the target speak from another end, so that none of these has to answer?"""
    homes = ends_of_address(context, lookup.via, lookup.vni, lookup.target)
    return bool(homes) and not homes & set(tunnel.vteps)


@derived
def _lookups(context: Context) -> dict[tuple[int, int, int], list[Exchange]]:
    """Point, kind and id of a tunnel → the questions for MACs in it."""
    lookups: dict[tuple[int, int, int], list[Exchange]] = {}
    for of in neighbours(context):
        lookups.setdefault((of.point, of.via, of.vni), []).append(of)
    return lookups


@derived
def _answered(context: Context) -> set[tuple[str, str, str]]:
    """Questions that were answered, at any point: kind, who asked, and for whom."""
    return {(of.kind, of.asker, of.target) for of in neighbours(context) if of.replies}

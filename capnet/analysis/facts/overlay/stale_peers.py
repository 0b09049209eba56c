"""Frames in a tunnel that go to another end than the one where their station speaks.

Input: frames that tunnels carry, answers. Output: `StalePeer`s: a MAC, the tunnel end that frames for it are
sent to, and the one where it speaks. Method: a station speaks at one end alone, also after the first frame that another
end gets for it. Limits: networks of three ends or more; the first MAX_CANDIDATES.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, distinct_rows, is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs, is_virtual_router, replies
from capnet.analysis.core.schema import FlowRows, Values
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.facts.overlay.carried_frames import (
    KINDS_WITH_VNI,
    TUNNEL_ENDS,
    VNI_BITS,
    CarriedFrames,
    carried_frames,
    tunnel_ends,
)
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text

MIN_ENDS = 3  # of one network: the sender, where it sends to, where the station is
MIN_PACKETS = 2  # without an answer: a single one may be the last of the capture
MIN_SPAN_NS = 900_000_000  # from the first to the last: they are sent again (RFC 6298), or go on
MAX_CANDIDATES = 100  # each is looked for among all frames


class StalePeer(NamedTuple):
    """Frames for one MAC that one tunnel end sends to the wrong other one."""

    kind: int
    vni: int
    mac: int
    sender: str  # outer addresses
    target: str
    home: str  # where the MAC speaks
    rows: FlowRows  # flows inside that are sent to the target and get no answer, at one point
    packets: int  # of them
    frames: list[tuple[int, int]]  # point and frame: the first of each flow, and the latest that the MAC sent


@derived
def stale_peers(context: Context) -> list[StalePeer]:
    """All of them, by network, MAC and sender."""
    if context.sample_share < 1.0 or not _has_large_network(context):
        return []
    carried = carried_frames(context)
    kinds = carried.take(_first_of_each(context, carried))
    sent = kinds.take((kinds.destination_mac > 0) & ~are_multicast_macs(kinds.destination_mac))
    ways = distinct_rows(np.column_stack((sent.network, sent.destination_mac, sent.source, sent.destination)))
    homes: dict[tuple[int, int], set[int]] = {}
    for network, mac, end in distinct_rows(np.column_stack((kinds.network, kinds.source_mac, kinds.source))).tolist():
        homes.setdefault((network, mac), set()).add(end)
    candidates = [
        (network, mac, sender, target)
        for network, mac, sender, target in ways.tolist()
        if len(homes.get((network, mac), ())) == 1
        and not homes[network, mac] & {sender, target}
        and not is_virtual_router(mac)
    ]
    peers = (_peer(context, carried, *each, *homes[each[:2]]) for each in candidates[:MAX_CANDIDATES])
    return [peer for peer in peers if peer]


def _first_of_each(context: Context, carried: CarriedFrames) -> Values:
    """Indexes of the first packet of each flow between two tunnel ends, and of all messages of ARP."""
    count = len(tunnel_ends(context)) + 1
    ways = (carried.row * count + carried.source) * count + carried.destination
    ways = np.where(carried.row >= 0, ways, -1 - np.arange(len(carried.row)))
    return np.unique(ways, return_index=True)[1]


def _peer(
    context: Context, carried: CarriedFrames, network: int, mac: int, sender: int, target: int, home: int
) -> StalePeer | None:
    in_network = carried.take(carried.network == network)
    spoken = in_network.take(in_network.source_mac == mac)
    sent = in_network.take((in_network.destination_mac == mac) & (in_network.source == sender))
    lost = sent.take(sent.destination == target)
    if _has_answer(context, distinct(lost.row)):
        return None
    lost = lost.take(~is_answered(context)[lost.row])
    if not len(lost.row):
        return None
    first, last, heard = int(lost.time.min()), int(lost.time.max()), int(spoken.time.max())
    # The station may have moved to the target after it spoke; and copies may go to all ends.
    if last - first < MIN_SPAN_NS or heard - first < MIN_SPAN_NS:
        return None
    latest, clock = int(np.argmax(spoken.time)), clocks(context)
    both = clock.of_point[[int(spoken.point[latest])]], clock.of_point[[int(lost.point[0])]]
    if not clock.are_comparable(*both).all():
        return None
    if ((sent.destination == home) & (sent.time >= first)).any():
        return None
    lost = lost.take(lost.point == lost.point[0])
    if len(lost.row) < MIN_PACKETS:
        return None
    firsts = np.unique(lost.row, return_index=True)[1]
    frames = [*zip(lost.point[firsts].tolist(), lost.frame[firsts].tolist(), strict=True)]
    frames.append((int(spoken.point[latest]), int(spoken.frame[latest])))
    ends = (address_text(*tunnel_ends(context)[end].tolist()) for end in (sender, target, home))
    sender_address, target_address, home_address = ends
    kind, vni = network >> VNI_BITS, network & (1 << VNI_BITS) - 1
    return StalePeer(
        kind, vni, mac, sender_address, target_address, home_address, distinct(lost.row), len(lost.row), frames
    )


def _has_answer(context: Context, rows: FlowRows) -> bool:
    """Does one of these flows get an answer, rather than being one at a hop of its chain?"""
    chain, answers, first = chain_of(context), replies(context), context.flows[:, schema.FLOW_FIRST]
    hops = np.flatnonzero(is_among(chain, chain[rows]))
    hops = hops[answers[hops] >= 0]
    are_answers = chain[hops[first[answers[hops]] <= first[hops]]]
    return bool((is_answered(context)[rows] & ~is_among(chain[rows], are_answers)).any())


def _has_large_network(context: Context) -> bool:
    tunnels = context.tunnels[is_one_of(context.tunnels[:, schema.TUNNEL_KIND], KINDS_WITH_VNI)]
    if not len(tunnels):
        return False
    network = tunnels[:, [schema.TUNNEL_KIND, schema.TUNNEL_VNI]]
    ends = distinct_rows(np.concatenate([np.hstack((network, tunnels[:, columns])) for columns in TUNNEL_ENDS]))
    _, counts = np.unique(row_hash(ends[:, :2]), return_counts=True)
    return bool((counts >= MIN_ENDS).any())

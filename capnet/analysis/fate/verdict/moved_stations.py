"""Stations that were behind one host, and later behind another one: migrated machines, containers made elsewhere.

Input: flow links, ARP and RARP, clocks. Output: `MovedStation`s, one per MAC; and points that a station left.
Method: a frame begins at the point that shows it first. All frames of a MAC that begin at points of one host are over
before the first one at a point of another host. Of ARP, all equal messages count as one, which begins at the earliest
point. Limits: a MAC at exactly two hosts, whose names the points have; so one move of each.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import Rows, distinct, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs, host_of
from capnet.analysis.core.schema import Mask, Values
from capnet.analysis.correlate.clocks import clocks, flow_spans
from capnet.analysis.correlate.link_building import flow_links
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import RARP_REQUEST

MAX_MOVED = 100  # stations of one capture
MIN_LATER_NS = 10_000_000  # a frame is at all points of a host within microseconds, and at others soon after

MAC, HOST, POINT, FIRST, LAST, FRAME, IS_RARP = range(7)  # columns of `_beginnings`
_MESSAGE = [
    schema.ARP_VIA_VNI, schema.ARP_OPERATION, schema.ARP_SENDER_MAC, schema.ARP_SENDER_LO, schema.ARP_TARGET_LO,
]  # fmt: skip


class MovedStation(NamedTuple):
    """A MAC that one host had, and another one has since. Times in ns by the reference clock."""

    mac: int
    before: int  # point at which its last frame at the first host began
    after: int  # point at which the first one at the second host began
    since: int  # when
    is_announced: bool  # that one was a RARP request, as a hypervisor sends it for a machine that migrated
    frames: list[tuple[int, int]]  # point and frame: the latest at the first host that is known, the first one after


def moved_stations(context: Context, macs: Values) -> list[MovedStation]:
    """Those of these MACs that moved, by MAC."""
    hosts = [host_of(point.name) for point in context.points]
    if None in hosts or len(set(hosts)) < 2 or context.sample_share < 1.0:
        return []
    rows = _beginnings(context, macs, [list(dict.fromkeys(hosts)).index(host) for host in hosts])
    rows = rows[np.lexsort((rows[:, FIRST], rows[:, MAC]))]
    starts = np.flatnonzero(np.append(True, rows[1:, MAC] != rows[:-1, MAC])[: len(rows)])
    if not len(starts):
        return []
    several = np.minimum.reduceat(rows[:, HOST], starts) != np.maximum.reduceat(rows[:, HOST], starts)
    ends = np.append(starts[1:], len(rows))
    groups = zip(starts[several].tolist(), ends[several].tolist(), strict=True)
    moved = (_moved(context, rows[start:end]) for start, end in groups)
    return [station for station in moved if station][:MAX_MOVED]


def _beginnings(context: Context, macs: Values, host_of_point: list[int]) -> Rows:
    """What these MACs began to send where, outside of tunnels: a row for each flow and each ARP message."""
    flows, arps = context.flows, context.arps[context.arps[:, schema.ARP_VIA] == 0]
    arps = arps[is_among(arps[:, schema.ARP_SENDER_MAC], macs)]
    hosts = np.array(host_of_point)
    first, last = flow_spans(context)
    begins = (flow_links(context).before < 0) & (flows[:, schema.FLOW_VIA] == 0)
    begins &= is_among(flows[:, schema.FLOW_SMAC], macs)
    chosen = np.flatnonzero(begins)
    point = flows[chosen, schema.FLOW_POINT]
    of_flows = np.column_stack((
        flows[chosen, schema.FLOW_SMAC], hosts[point], point, first[chosen], last[chosen],
        flows[chosen, schema.FLOW_FIRST_FRAME], np.zeros(len(chosen), dtype=np.int64),
    ))  # fmt: skip
    times = _arp_times(context, arps)
    arps, times = arps[is_own := _is_own(arps)], times[is_own]
    order = np.lexsort((times[:, 0], row_hash(arps[:, _MESSAGE])))
    keys = row_hash(arps[:, _MESSAGE])[order]
    earliest = order[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    arps, times = arps[earliest], times[earliest]
    point = arps[:, schema.ARP_POINT]
    of_arps = np.column_stack((
        arps[:, schema.ARP_SENDER_MAC], hosts[point], point, times, arps[:, schema.ARP_FIRST_FRAME],
        arps[:, schema.ARP_OPERATION] == RARP_REQUEST,
    ))  # fmt: skip
    return np.concatenate((of_flows, of_arps))


def _arp_times(context: Context, arps: Rows) -> Values:
    """First and last time of each ARP row by the reference clock."""
    capture_clocks = clocks(context)
    clock = capture_clocks.of_point[arps[:, schema.ARP_POINT]]
    columns = (schema.ARP_FIRST, schema.ARP_LAST)
    return np.column_stack([capture_clocks.correct_times(arps[:, column], clock) for column in columns])


def _is_own(arps: Rows) -> Mask:
    """Does the station that ARP names as the sender send the frame itself, rather than a relay?"""
    own: Mask = (arps[:, schema.ARP_SENDER_MAC] > 0) & (
        arps[:, schema.ARP_ETH_SOURCE] == arps[:, schema.ARP_SENDER_MAC]
    )
    return own


def _moved(context: Context, rows: Rows) -> MovedStation | None:
    """The move of one MAC, of its rows in order of time; None if it did not move once and for all."""
    is_later = rows[:, HOST] != rows[0, HOST]
    earlier, later = rows[~is_later], rows[is_later]
    clock = clocks(context).of_point[rows[:, POINT]]
    if (later[:, HOST] != later[0, HOST]).any() or earlier[:, LAST].max() >= later[0, FIRST]:
        return None
    if not clocks(context).are_comparable(clock, clock[:1].repeat(len(clock))).all():
        return None
    latest = earlier[np.argmax(earlier[:, LAST])]
    frames = [(int(row[POINT]), int(row[FRAME])) for row in (latest, later[0])]
    return MovedStation(
        int(rows[0, MAC]), int(latest[POINT]), int(later[0, POINT]), int(later[0, FIRST]), bool(later[0, IS_RARP]),
        frames,
    )  # fmt: skip


def have_left(context: Context, macs: Values, points: Values) -> Mask:
    """For each MAC and point: does another point show a broadcast of it that this one does not, after its last there?

    What is behind a point passes it before any other point. So the station is elsewhere now.
    """
    arps = context.arps[context.arps[:, schema.ARP_VIA] == 0]
    arps = arps[_is_own(arps) & are_multicast_macs(arps[:, schema.ARP_ETH_DESTINATION])]
    arps = arps[is_among(arps[:, schema.ARP_SENDER_MAC], macs)]
    left = np.zeros(len(macs), dtype=bool)
    if not len(arps):
        return left
    broadcasts: dict[int, list[tuple[int, int]]] = {}  # MAC → when a point first showed one of its messages
    for mac, point, time in zip(
        arps[:, schema.ARP_SENDER_MAC].tolist(), arps[:, schema.ARP_POINT].tolist(),
        _arp_times(context, arps)[:, 0].tolist(), strict=True,
    ):  # fmt: skip
        broadcasts.setdefault(mac, []).append((time, point))
    heard = _last_heard(context, np.array(sorted(broadcasts)))
    elsewhere = set()
    for mac, point in set(zip(macs.tolist(), points.tolist(), strict=True)):
        if (mac, point) in heard:
            since = heard[mac, point] + MIN_LATER_NS
            if any(time > since and at != point for time, at in broadcasts.get(mac, ())):
                elsewhere.add((mac, point))
    if elsewhere:
        left[:] = [pair in elsewhere for pair in zip(macs.tolist(), points.tolist(), strict=True)]
    return left


def _last_heard(context: Context, macs: Values) -> dict[tuple[int, int], int]:
    """MAC and point → when the MAC last sent there, by the reference clock."""
    flows, arps = context.flows, context.arps[context.arps[:, schema.ARP_VIA] == 0]
    rows = np.flatnonzero(is_among(flows[:, schema.FLOW_SMAC], macs) & (flows[:, schema.FLOW_VIA] == 0))
    arps = arps[is_among(arps[:, schema.ARP_SENDER_MAC], macs)]
    _, last = flow_spans(context)
    sent = np.concatenate((
        np.column_stack((flows[rows, schema.FLOW_SMAC], flows[rows, schema.FLOW_POINT], last[rows])),
        np.column_stack((
            arps[:, schema.ARP_SENDER_MAC], arps[:, schema.ARP_POINT], _arp_times(context, arps)[:, 1],
        )),
    ))  # fmt: skip
    sent = sent[np.lexsort((sent[:, 2], sent[:, 1], sent[:, 0]))]
    is_last = np.ones(len(sent), dtype=bool)
    is_last[:-1] = (sent[1:, :2] != sent[:-1, :2]).any(axis=1)
    return {(mac, point): time for mac, point, time in sent[is_last].tolist()}


@derived
def announced_since(context: Context) -> set[tuple[int, int]]:
    """MAC and point where a RARP request is the last that was seen of the MAC: it may have moved away from there."""
    arps = context.arps[context.arps[:, schema.ARP_VIA] == 0]
    arps = arps[arps[:, schema.ARP_OPERATION] == RARP_REQUEST]
    if not len(arps):
        return set()
    heard = _last_heard(context, distinct(arps[:, schema.ARP_SENDER_MAC]))
    places = arps[:, [schema.ARP_SENDER_MAC, schema.ARP_POINT]].tolist()
    times = _arp_times(context, arps)[:, 1].tolist()
    return {(mac, point) for (mac, point), time in zip(places, times, strict=True) if time >= heard[mac, point]}

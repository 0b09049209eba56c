"""Addresses that changed their MAC, while hosts went on sending to the old one.

Input: ARP and ND tables, stations, flows, observations. Output: `MacChange`s, one per point and address, of gateways
and of the stations themselves. Method: the address was at one MAC by ARP or Neighbor Discovery, or was probed there,
and later at another one. Packets to the old MAC count up to the first answer: those through a gateway after the old
MAC's last sign of life, those to the station itself after the new one's first. Limits: one change per address. A
gateway whose new MAC announces itself is a failover and is left out, as hosts follow it at once.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast_mac, replies
from capnet.analysis.core.schema import Values
from capnet.analysis.fate.speakers import RECEIVED, SENT
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.numbers import (
    ARP_REQUEST,
    ICMP,
    ICMP_ECHO_REQUEST,
    ICMPV6,
    ICMPV6_ECHO_REQUEST,
    ICMPV6_NEIGHBOR_ADVERTISEMENT,
)

MAX_CHANGES = 256
MIN_ANSWER_NS = 500_000_000  # what is answered before is not lost: SYNs are sent again after 1 s (RFC 6298)
MAX_ROWS = 1000  # flows through one gateway that are looked at


class MacChange(NamedTuple):
    """An address whose MAC changed at a point; times in ns by the clock of the point."""

    point: int
    address: str
    old: int
    new: int
    since: int  # last sign of life of the old MAC, or the first packet to it; of a station the new MAC's first sign
    until: int  # last packet to the old MAC
    frames: list[int]  # the last word of the old MAC, the first answer of the new one
    rows: list[int]  # flows whose packets went to the old MAC after its end
    packets: int  # these packets


class _Word(NamedTuple):
    """What ARP or Neighbor Discovery says at a time: an address is at a MAC."""

    time: int
    last: int
    mac: int
    frame: int
    is_announcement: bool
    is_own: bool  # the MAC says it itself; else another station believes it


def mac_changes(context: Context) -> list[MacChange]:
    """All changes of gateways, by point and address; packets through them to other addresses."""
    return _changes(context, of_gateways=True)


def moved_stations(context: Context) -> list[MacChange]:
    """All changes of stations, by point and address; packets to the address itself."""
    return _changes(context, of_gateways=False)


def _changes(context: Context, *, of_gateways: bool) -> list[MacChange]:
    changes: list[MacChange] = []
    for (point, high, low), spoken in _renamed(context):
        if len(changes) < MAX_CHANGES:
            change = _change(context, point, (high, low), spoken, of_gateways)
            if change is not None:
                changes.append(change)
    return changes


@derived
def _renamed(context: Context) -> list[tuple[tuple[int, int, int], list[_Word]]]:
    """Point and address, and what is said of it, for addresses of several MACs."""
    words: dict[tuple[int, int, int], list[_Word]] = {}
    _add_arp(context, words)
    _add_nd(context, words)
    return sorted((place, spoken) for place, spoken in words.items() if len({word.mac for word in spoken}) > 1)


def _add_arp(context: Context, words: dict[tuple[int, int, int], list[_Word]]) -> None:
    for row in context.arps[context.arps[:, schema.ARP_VIA] == 0].tolist():
        sender, target, to = row[schema.ARP_SENDER_LO], row[schema.ARP_TARGET_LO], row[schema.ARP_ETH_DESTINATION]
        times = row[schema.ARP_FIRST], row[schema.ARP_LAST]
        frame, point = row[schema.ARP_FIRST_FRAME], row[schema.ARP_POINT]
        if sender & 0xFFFFFFFF and row[schema.ARP_SENDER_MAC] > 0:
            word = _Word(*times, row[schema.ARP_SENDER_MAC], frame, sender == target or _is_group_reply(row), True)
            words.setdefault((point, 0, sender), []).append(word)
        if row[schema.ARP_OPERATION] == ARP_REQUEST and to > 0 and not is_multicast_mac(to):
            word = _Word(times[0], times[0], to, frame, False, False)
            words.setdefault((point, 0, target), []).append(word)


def _is_group_reply(row: list[int]) -> bool:
    return row[schema.ARP_OPERATION] != ARP_REQUEST and is_multicast_mac(row[schema.ARP_ETH_DESTINATION])


def _add_nd(context: Context, words: dict[tuple[int, int, int], list[_Word]]) -> None:
    for row in context.nd[context.nd[:, schema.ND_VIA] == 0].tolist():
        times = row[schema.ND_FIRST], row[schema.ND_LAST]
        frame, point, to = row[schema.ND_FIRST_FRAME], row[schema.ND_POINT], row[schema.ND_ETH_DESTINATION]
        target = row[schema.ND_TARGET_HI], row[schema.ND_TARGET_LO]
        is_to_group = is_multicast_mac(to)
        if row[schema.ND_TYPE] == ICMPV6_NEIGHBOR_ADVERTISEMENT:
            word = _Word(*times, row[schema.ND_ETH_SOURCE], frame, is_to_group, True)
        elif to > 0 and not is_to_group:
            word = _Word(*times, to, frame, False, False)
        else:
            continue
        words.setdefault((point, *target), []).append(word)


def _change(
    context: Context, point: int, address: tuple[int, int], spoken: list[_Word], is_gateway: bool
) -> MacChange | None:
    """The change from the MAC that was named first to the one that was named last, if hosts missed it."""
    named: dict[int, int] = {}  # MAC → first time
    for word in sorted(spoken):
        named.setdefault(word.mac, word.time)
    old, new = next(iter(named)), next(reversed(named))
    first_of_new = min((word for word in spoken if word.mac == new and word.is_own), default=None)
    if first_of_new is None or (is_gateway and first_of_new.is_announcement) or len(named) > 2:
        return None
    died = max((word.last for word in spoken if word.mac == old and word.is_own), default=-1)
    died = max([died, *(_last_time(context, row, new) for row in _rows_of(context, point, schema.FLOW_SMAC, old))])
    if died >= first_of_new.time:
        return None
    begin = died if is_gateway else first_of_new.time
    questions = _questions_to(context, point, old, address, is_gateway)
    stale = [_stale_times(context, row, new, begin) for row in questions]
    rows = [row for row, times in stale if len(times)]
    if not rows:
        return None
    times = np.concatenate([times for _, times in stale])
    before = max((word for word in spoken if word.mac == old), key=lambda word: word.time)
    return MacChange(
        point, address_text(*address), old, new, begin if begin >= 0 else int(times.min()), int(times.max()),
        [before.frame, first_of_new.frame], rows, int(len(times) / context.sample_share),
    )  # fmt: skip


def _rows_of(context: Context, point: int, column: int, mac: int) -> Values:
    """Flows at a point, outside of tunnels, whose first packet has a MAC in a column."""
    flows = context.flows
    is_of_mac = (flows[:, schema.FLOW_POINT] == point) & (flows[:, column] == mac) & (flows[:, schema.FLOW_VIA] == 0)
    return np.flatnonzero(is_of_mac)[:MAX_ROWS]


def _questions_to(context: Context, point: int, mac: int, address: tuple[int, int], is_gateway: bool) -> list[int]:
    """Flows that began with packets to a MAC and that expect answers: of others than its address, or of that one."""
    rows = _rows_of(context, point, schema.FLOW_DMAC, mac)
    flows = context.flows[rows]
    is_question = (replies(context)[rows] >= 0) | (flows[:, schema.FLOW_SYNS] > 0)
    for proto, kind in ((ICMP, ICMP_ECHO_REQUEST), (ICMPV6, ICMPV6_ECHO_REQUEST)):
        is_question |= (flows[:, schema.FLOW_PROTO] == proto) & (flows[:, schema.FLOW_KIND] == kind * 256)
    is_to_address = flows[:, schema.FLOW_DST_LO] == address[1]
    if not is_gateway:
        is_to_address &= flows[:, schema.FLOW_DST_HI] == address[0]
    questions: list[int] = rows[is_question & (is_to_address != is_gateway)].tolist()
    return questions


def _stale_times(context: Context, row: int, new: int, begin: int) -> tuple[int, Values]:
    """The row; times of its packets after `begin`, up to the first answer or packet to the new MAC."""
    to_new = _first_time(context, row, new, RECEIVED, schema.FLOW_DST)
    answers = _times_of(context, int(replies(context)[row]))
    end = answers[answers > begin].min(initial=to_new)
    times = _times_of(context, row)
    times = times[(times > begin) & (times < end)]
    return row, times[:0] if len(times) and end - times[0] < MIN_ANSWER_NS else times


def _last_time(context: Context, row: int, new: int) -> int:
    """Time of the last packet of a flow that its first MAC sent, before the new MAC took over."""
    from_new = _first_time(context, row, new, SENT, schema.FLOW_SRC)
    times = _times_of(context, row)
    return int(times[times < from_new].max(initial=-1))


def _first_time(context: Context, row: int, mac: int, how: int, address: list[int]) -> int:
    """When a MAC first got or sent packets of an address of a flow that has packets with another MAC than its first."""
    flow, table = context.flows[row], context.stations
    never = int(np.iinfo(np.int64).max)
    if not flow[schema.FLOW_STRAYS]:
        return never
    columns = [schema.STATION_POINT, schema.STATION_VIA, schema.STATION_MAC, schema.STATION_HOW]
    is_wanted = (table[:, columns] == [flow[schema.FLOW_POINT], 0, mac, how]).all(axis=1)
    is_wanted &= (table[:, [schema.STATION_IP_HI, schema.STATION_IP_LO]] == flow[address]).all(axis=1)
    return int(table[is_wanted, schema.STATION_FIRST].min(initial=never))


def _times_of(context: Context, row: int) -> Values:
    """Times of the observed packets of a flow; none for -1."""
    flows, times = _times_by_flow(context)
    start, stop = np.searchsorted(flows, [row, row + 1])
    return times[start:stop]


@derived
def _times_by_flow(context: Context) -> tuple[Values, Values]:
    """Flow row and time of each observation, by flow row."""
    flows = context.observations[:, schema.OBS_FLOW]
    order = np.argsort(flows, kind="stable")
    return flows[order], context.observations[order, schema.OBS_TIME]

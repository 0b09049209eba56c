"""routing-loop: routers send packets to each other until their TTL ends.

Looks at: packets (by digest) that one point shows at least four times, each time with a smaller TTL, from a TTL that
no traceroute begins with; and ICMP "time exceeded" about flows that left with such a TTL and got no answer.
Says: which packets, between which routers, at which point, from which TTL to which. An error where the passes were
captured; a warning where only "time exceeded" was.
Wrong when: more than 32 routers lie on the path, or one of them sets the TTL of packets to a small value.
Fix: compare the routes of both routers to the destination. Usually one routes a whole prefix to the other, which has no
route for this address and returns the packets by its default route; a blackhole route for the prefix there ends it.
Verify: `ip route get DESTINATION` on both routers; while the loop exists, each names the other as its next hop.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_icmp_error, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import FlowRow, FlowRows
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.fate.speakers import MAX_LINK_LOCAL_TTL, RECEIVED, SENT, speakers
from capnet.wire.addresses import address_value, mac_text
from capnet.wire.numbers import ICMP, ICMP_TIME_EXCEEDED, ICMPV6, ICMPV6_TIME_EXCEEDED

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # no router of the lab routes a prefix to one of the hosts
WITNESS = "pcaps/bridge-hairpin-noproxy.pcapng"  # a bridge that records packets twice, some with TTL - 1
EXPLAINS = ("duplicate-observation", "retransmissions")

SEEN = Text(
    en="{packets:packet} from {sources} to {destinations} went in a circle{between} at {points}: TTL {first} → {last}",
    zh="",
)
BETWEEN = Text(en=" between {routers}", zh="")
EXPIRED = Text(en="; {senders} answered 'time exceeded'", zh="")
SEEN_FIX = Text(
    en="compare the routes of both routers to {destination}: one sends it to the other, which has no route for it and "
    "sends it back; a blackhole route for the whole prefix ends the loop (`ip route add blackhole PREFIX`). "
    "`ip route get {destination}` on both shows the next hop",
    zh="",
)
INFERRED = Text(
    en="packets from {sources} to {destinations} left with TTL {first}, and {senders} answered 'time exceeded': they "
    "probably went in a circle",
    zh="",
)
INFERRED_FIX = Text(
    en="compare the routes to {destination} on {senders} and on its neighbours (`ip route get {destination}`): two of "
    "them send it to each other",
    zh="",
)

MIN_TTL = MAX_LINK_LOCAL_TTL + 1  # at the first pass: traceroute begins with 1 and ends at 30
MIN_FALLS = 3  # of the TTL: a packet that passes one host twice, or `any`, shows one or two
MIN_PASSES_PER_ROUTER = 2  # a capture of several networks shows each router of a path once
MIN_PASSES_WITHOUT_MACS = 8  # the routers cannot be counted: more than a path has in one capture
MAX_ROUND_NS = 1_000_000_000  # between two passes: beyond, it is an equal packet sent again
MAX_FLOWS = 1000  # with loops, or with "time exceeded", that are looked at one by one
MAX_QUOTED_FLOWS = 64  # with the ports of one error: of more, as in a scan, it does not say which it is about
MAX_ERROR_FRAMES = 4  # of "time exceeded" in the evidence

_PLACE = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_VIA_VNI]
_SENDER = [*_PLACE, schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_SPORT, schema.FLOW_DPORT]
_ERROR_ABOUT = [*_PLACE, schema.FLOW_DST_HI, schema.FLOW_DST_LO, schema.FLOW_SPORT, schema.FLOW_DPORT]


class _Loop(NamedTuple):
    """Looping packets of one flow at its point: how many, their largest and smallest TTL, frames of the first one."""

    row: int
    packets: int
    first_ttl: int
    last_ttl: int
    frames: list[int]


class _TimeExceeded(NamedTuple):
    """An ICMP error flow, and a flow that it is about."""

    error_row: int
    row: int


def diagnose(context: Context) -> list[Finding]:
    loops = _loops(context)
    errors = _time_exceeded(context)
    by_routers: dict[tuple[int, ...], list[_Loop]] = {}
    for loop in loops:
        by_routers.setdefault(_routers(context, context.flows[loop.row]), []).append(loop)
    looping = {_ends(context.flows[loop.row]) for loop in loops}
    findings = [_seen(context, routers, by_routers[routers], errors) for routers in sorted(by_routers)]
    inferred = [error for error in errors if _ends(context.flows[error.row]) not in looping]
    return findings + _inferred(context, inferred)


def _seen(context: Context, routers: tuple[int, ...], loops: list[_Loop], errors: list[_TimeExceeded]) -> Finding:
    """The finding about loops between the same routers, given by their MACs."""
    flows = context.flows
    ends = {_ends(flows[loop.row]) for loop in loops}
    about = [error.error_row for error in errors if _ends(flows[error.row]) in ends]
    points = sorted({context.points[flows[loop.row, schema.FLOW_POINT]].name for loop in loops})
    sources = sorted({src for src, _ in ends}, key=address_value)
    destinations = sorted({dst for _, dst in ends}, key=address_value)
    senders = sorted({source(flows[row]) for row in about}, key=address_value)
    names = [_router_name(context, mac, int(flows[loops[0].row, schema.FLOW_POINT])) for mac in routers]
    first, last = max(loop.first_ttl for loop in loops), min(loop.last_ttl for loop in loops)
    packets = sum(loop.packets for loop in loops)
    says = SEEN.fill(
        packets=packets,
        sources=several(sources),
        destinations=several(destinations),
        between=BETWEEN.fill(routers=several(names)) if names else "",
        points=several(points),
        first=first,
        last=last,
    )
    return Finding(
        NAME,
        "error",
        says + (EXPIRED.fill(senders=several(senders)) if senders else ""),
        SEEN_FIX.fill(destination=destinations[0]),
        {
            "points": points,
            "routers": [mac_text(mac) for mac in routers],
            "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE],
            "packets": packets,
            "ttl_first": first,
            "ttl_last": last,
            "time_exceeded_by": senders,
        },
        _evidence(context, loops, about),
    )


def _inferred(context: Context, errors: list[_TimeExceeded]) -> list[Finding]:
    """Findings where the passes were not captured: flows with a TTL that no path uses up, and without an answer."""
    flows, answers = context.flows, replies(context)
    by_sender: dict[str, list[_TimeExceeded]] = {}
    for _, group in groupby(errors, key=lambda error: error.error_row):
        about = list(group)
        rows = [error.row for error in about]
        # The error names no destination: it must hold for each flow that it may be about.
        if (flows[rows, schema.FLOW_TTL_MIN] >= MIN_TTL).all() and (answers[rows] < 0).all():
            by_sender.setdefault(source(flows[about[0].error_row]), []).extend(about)
    findings = []
    for sender, about in sorted(by_sender.items()):
        ends = {_ends(flows[error.row]) for error in about}
        sources = sorted({src for src, _ in ends}, key=address_value)
        destinations = sorted({dst for _, dst in ends}, key=address_value)
        first = int(flows[[error.row for error in about], schema.FLOW_TTL_MAX].max())
        error_rows = sorted({error.error_row for error in about})
        findings.append(
            Finding(
                NAME,
                "warning",
                INFERRED.fill(
                    sources=several(sources), destinations=several(destinations), first=first, senders=sender
                ),
                INFERRED_FIX.fill(destination=destinations[0], senders=sender),
                {
                    "sources": sources[:MAX_EVIDENCE],
                    "destinations": destinations[:MAX_EVIDENCE],
                    "ttl_first": first,
                    "time_exceeded_by": [sender],
                },
                sorted(_first_frame(context, row) for row in error_rows)[:MAX_EVIDENCE],
            )
        )
    return findings


def _loops(context: Context) -> list[_Loop]:
    """One for each flow with packets that pass its point again and again, at most MAX_FLOWS."""
    flows = context.flows
    lowest, highest = flows[:, schema.FLOW_TTL_MIN], flows[:, schema.FLOW_TTL_MAX]
    is_candidate = (highest >= MIN_TTL) & (highest - lowest >= MIN_FALLS)
    if not is_candidate.any():
        return []
    passes = context.observations[is_candidate[context.observations[:, schema.OBS_FLOW]]]
    order = [schema.OBS_SEQ, schema.OBS_TIME, schema.OBS_DIGEST, schema.OBS_FLOW]
    passes = passes[np.lexsort(passes[:, order].T)]
    flow, digest, time, ttl = passes[:, [schema.OBS_FLOW, schema.OBS_DIGEST, schema.OBS_TIME, schema.OBS_TTL]].T
    is_next_pass = np.zeros(len(passes), dtype=bool)
    is_next_pass[1:] = (flow[1:] == flow[:-1]) & (digest[1:] == digest[:-1]) & (ttl[1:] <= ttl[:-1])
    is_next_pass[1:] &= time[1:] - time[:-1] <= MAX_ROUND_NS
    is_fall = is_next_pass.copy()
    is_fall[1:] &= ttl[1:] < ttl[:-1]
    starts = np.flatnonzero(~is_next_pass)
    if not len(starts):
        return []
    falls = np.add.reduceat(is_fall.astype(np.int64), starts)
    stops = np.append(starts[1:], len(passes))
    is_loop = (falls >= MIN_FALLS) & (ttl[starts] >= MIN_TTL)
    starts, stops, falls = starts[is_loop], stops[is_loop], falls[is_loop]
    loops = []
    rows, first, counts = np.unique(flow[starts], return_index=True, return_counts=True)
    for row, begin, count in list(zip(rows.tolist(), first.tolist(), counts.tolist(), strict=True))[:MAX_FLOWS]:
        of_flow = slice(begin, begin + count)
        if int(falls[of_flow].max()) + 1 < _min_passes(context, flows[row]):
            continue
        earliest = begin + int(np.argmin(time[starts[of_flow]]))
        frames = passes[starts[earliest] : stops[earliest], schema.OBS_FRAME][:MAX_EVIDENCE].tolist()
        ttl_first, ttl_last = int(ttl[starts[of_flow]].max()), int(ttl[stops[of_flow] - 1].min())
        loops.append(_Loop(row, count, ttl_first, ttl_last, frames))
    return loops


def _min_passes(context: Context, flow: FlowRow) -> int:
    """How often a packet of this flow must pass: more often than there are routers, by the MACs that sent it."""
    senders = len(_macs(context, flow, SENT, min_ttls=1))
    return max(MIN_FALLS + 1, MIN_PASSES_PER_ROUTER * senders) if senders else MIN_PASSES_WITHOUT_MACS


def _routers(context: Context, flow: FlowRow) -> tuple[int, ...]:
    """MACs that the flow's packets circle between, sorted: those that sent and got them with several TTLs."""
    senders, receivers = _macs(context, flow, SENT, min_ttls=2), _macs(context, flow, RECEIVED, min_ttls=2)
    # On a link that the packets pass in one direction only, one router sends and the other one receives.
    return tuple(sorted(senders & receivers if len(senders & receivers) > 1 else senders | receivers))


def _macs(context: Context, flow: FlowRow, how: int, min_ttls: int) -> set[int]:
    """MACs that sent packets of the flow's source, or received those to its destination, with so many TTLs."""
    table = context.stations
    hi, lo = (schema.FLOW_SRC_HI, schema.FLOW_SRC_LO) if how == SENT else (schema.FLOW_DST_HI, schema.FLOW_DST_LO)
    place = [schema.STATION_POINT, schema.STATION_VIA, schema.STATION_VIA_VNI]
    rows = (table[:, schema.STATION_HOW] == how) & (table[:, place] == flow[_PLACE]).all(axis=1)
    rows &= (table[:, schema.STATION_IP_HI] == flow[hi]) & (table[:, schema.STATION_IP_LO] == flow[lo])
    rows &= table[:, schema.STATION_TTL_MAX] - table[:, schema.STATION_TTL_MIN] >= min_ttls - 1
    return {mac for mac in table[rows, schema.STATION_MAC].tolist() if mac > 0}


def _router_name(context: Context, mac: int, point: int) -> str:
    """`192.168.111.1 (00:50:56:c0:00:08)`, or the MAC alone if no address of its own is known."""
    speaker = speakers(context, point).get(mac)
    addresses = sorted(speaker.claimed or speaker.own, key=address_value) if speaker else []
    return f"{addresses[0]} ({mac_text(mac)})" if addresses else mac_text(mac)


def _time_exceeded(context: Context) -> list[_TimeExceeded]:
    """Flows of "time exceeded" with the flows of the same point that they may be about, by rows of the errors."""
    flows = context.flows
    kinds = ((ICMP, ICMP_TIME_EXCEEDED), (ICMPV6, ICMPV6_TIME_EXCEEDED))
    is_error = np.zeros(len(flows), dtype=bool)
    for proto, icmp_type in kinds:
        is_error |= (flows[:, schema.FLOW_PROTO] == proto) & (flows[:, schema.FLOW_KIND] == icmp_type * 256)
    error_rows: FlowRows = np.flatnonzero(is_error & (flows[:, schema.FLOW_SPORT] >= 0))[:MAX_FLOWS]
    if not len(error_rows):
        return []
    keys = row_hash(flows[error_rows[:, None], _ERROR_ABOUT])
    sender_keys = row_hash(flows[:, _SENDER])
    rows = np.flatnonzero(is_among(sender_keys, keys))
    _, key_numbers, counts = np.unique(sender_keys[rows], return_inverse=True, return_counts=True)
    by_key: dict[int, list[int]] = {}
    for row in rows[counts[key_numbers] <= MAX_QUOTED_FLOWS].tolist():
        if not is_icmp_error(flows[row]):
            by_key.setdefault(int(sender_keys[row]), []).append(row)
    pairs = zip(error_rows.tolist(), keys.tolist(), strict=True)
    return [_TimeExceeded(error_row, row) for error_row, key in pairs for row in by_key.get(key, ())]


def _evidence(context: Context, loops: list[_Loop], error_rows: list[int]) -> list[Evidence]:
    """The first passes at each point, and the first frames of "time exceeded"."""
    errors = sorted({_first_frame(context, row) for row in error_rows})[:MAX_ERROR_FRAMES]
    of_point = {int(context.flows[loop.row, schema.FLOW_POINT]): loop for loop in reversed(loops)}
    share = max(1, (MAX_EVIDENCE - len(errors)) // len(of_point))
    passes = [context.evidence(point, frame) for point, loop in of_point.items() for frame in loop.frames[:share]]
    return sorted([*passes, *errors])[:MAX_EVIDENCE]


def _first_frame(context: Context, row: int) -> Evidence:
    return context.flow_evidence(row, int(context.flows[row, schema.FLOW_FIRST_FRAME]))


def _ends(flow: FlowRow) -> tuple[str, str]:
    return source(flow), destination(flow)

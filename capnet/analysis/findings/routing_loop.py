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

from typing import NamedTuple

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import FlowRow
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.fate.speakers import MAX_LINK_LOCAL_TTL, RECEIVED, SENT, speakers
from capnet.wire.addresses import address_text, address_value, mac_text
from capnet.wire.numbers import ICMP_TIME_EXCEEDED, ICMPV6_TIME_EXCEEDED, TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault routing-loop"
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
MAX_FLOWS = 1000  # with loops, that are looked at one by one
MAX_ERROR_FRAMES = 4  # of "time exceeded" in the evidence

_PLACE = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_VIA_VNI]
_ENDS = [schema.FLOW_PROTO, schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_DST_HI, schema.FLOW_DST_LO]
_QUOTED_PLACE = [schema.ICMP_POINT, schema.ICMP_VIA, schema.ICMP_VIA_VNI]
_QUOTED_ENDS = [
    schema.ICMP_QUOTED_PROTO, schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO, schema.ICMP_QUOTED_DST_HI,
    schema.ICMP_QUOTED_DST_LO, schema.ICMP_QUOTED_SPORT, schema.ICMP_QUOTED_DPORT,
]  # fmt: skip


class _Loop(NamedTuple):
    """Looping packets of one flow at its point: how many, their largest and smallest TTL, frames of the first one."""

    row: int
    packets: int
    first_ttl: int
    last_ttl: int
    frames: list[int]


class _TimeExceeded(NamedTuple):
    """ICMP errors that are alike: their row, their sender, both addresses of the packets that they quote."""

    row: int
    sender: str
    ends: tuple[str, str]


def diagnose(context: Context) -> list[Finding]:
    loops = _loops(context)
    errors = _time_exceeded(context)
    by_routers: dict[tuple[int, ...], list[_Loop]] = {}
    for loop in loops:
        by_routers.setdefault(_routers(context, context.flows[loop.row]), []).append(loop)
    looping = {_ends(context.flows[loop.row]) for loop in loops}
    findings = [_seen(context, routers, by_routers[routers], errors) for routers in sorted(by_routers)]
    return findings + _inferred(context, [error for error in errors if error.ends not in looping])


def _seen(context: Context, routers: tuple[int, ...], loops: list[_Loop], errors: list[_TimeExceeded]) -> Finding:
    """The finding about loops between the same routers, given by their MACs."""
    flows = context.flows
    ends = {_ends(flows[loop.row]) for loop in loops}
    errors = [error for error in errors if error.ends in ends]
    points = sorted({context.points[flows[loop.row, schema.FLOW_POINT]].name for loop in loops})
    sources = sorted({src for src, _ in ends}, key=address_value)
    destinations = sorted({dst for _, dst in ends}, key=address_value)
    senders = sorted({error.sender for error in errors}, key=address_value)
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
        _evidence(context, loops, errors),
    )


def _inferred(context: Context, errors: list[_TimeExceeded]) -> list[Finding]:
    """Findings where the passes were not captured: flows with a TTL that no path uses up, and without an answer."""
    by_sender: dict[str, list[_TimeExceeded]] = {}
    first_ttls: dict[str, int] = {}
    for error, first_ttl in zip(errors, _ttls_of_unanswered(context, errors), strict=True):
        if first_ttl >= MIN_TTL:
            by_sender.setdefault(error.sender, []).append(error)
            first_ttls[error.sender] = max(first_ttls.get(error.sender, 0), first_ttl)
    findings = []
    for sender, of_sender in sorted(by_sender.items()):
        sources = sorted({error.ends[0] for error in of_sender}, key=address_value)
        destinations = sorted({error.ends[1] for error in of_sender}, key=address_value)
        says = INFERRED.fill(
            sources=several(sources), destinations=several(destinations), first=first_ttls[sender], senders=sender
        )
        facts: dict[str, object] = {
            "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE],
            "ttl_first": first_ttls[sender],
            "time_exceeded_by": [sender],
        }
        fix = INFERRED_FIX.fill(destination=destinations[0], senders=sender)
        evidence = sorted(_error_frame(context, error) for error in of_sender)[:MAX_EVIDENCE]
        findings.append(Finding(NAME, "warning", says, fix, facts, evidence))
    return findings


def _ttls_of_unanswered(context: Context, errors: list[_TimeExceeded]) -> list[int]:
    """For each error, the smallest TTL of the flows that it quotes, at its point; 0 without any, or with an answer."""
    if not errors:
        return []
    flows, answers = context.flows, replies(context)
    has_ports = is_one_of(flows[:, schema.FLOW_PROTO], (TCP, UDP))[:, None]
    flow_ports = np.where(has_ports, flows[:, [schema.FLOW_SPORT, schema.FLOW_DPORT]], -1)  # as errors quote them
    flow_keys = row_hash(np.hstack((flows[:, _PLACE + _ENDS], flow_ports)))
    quoted_keys = row_hash(context.icmp_errors[[error.row for error in errors]][:, _QUOTED_PLACE + _QUOTED_ENDS])
    rows = np.flatnonzero(is_among(flow_keys, quoted_keys))
    if not len(rows):
        return [0] * len(errors)
    rows = rows[np.argsort(flow_keys[rows], kind="stable")]
    keys = flow_keys[rows]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    is_answered = np.maximum.reduceat(answers[rows], starts) >= 0
    ttls = np.where(is_answered, 0, np.minimum.reduceat(flows[rows, schema.FLOW_TTL_MIN], starts))
    ttl_of_key = dict(zip(keys[starts].tolist(), ttls.tolist(), strict=True))
    return [ttl_of_key.get(key, 0) for key in quoted_keys.tolist()]


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
    """The rows of "time exceeded" that quote a packet's addresses, in order of first sight."""
    table = context.icmp_errors
    is_v6 = table[:, schema.ICMP_IS_V6] > 0
    icmp_type = np.where(is_v6, ICMPV6_TIME_EXCEEDED, ICMP_TIME_EXCEEDED)
    is_expired = (table[:, schema.ICMP_TYPE] == icmp_type) & (table[:, schema.ICMP_CODE] == 0)
    is_expired &= table[:, schema.ICMP_QUOTED_PROTO] >= 0
    errors = []
    for row in np.flatnonzero(is_expired).tolist():
        error = table[row].tolist()
        sender = address_text(error[schema.ICMP_SRC_HI], error[schema.ICMP_SRC_LO])
        ends = (
            address_text(error[schema.ICMP_QUOTED_SRC_HI], error[schema.ICMP_QUOTED_SRC_LO]),
            address_text(error[schema.ICMP_QUOTED_DST_HI], error[schema.ICMP_QUOTED_DST_LO]),
        )
        errors.append(_TimeExceeded(row, sender, ends))
    return errors


def _evidence(context: Context, loops: list[_Loop], errors: list[_TimeExceeded]) -> list[Evidence]:
    """The first passes at each point, and the first frames of "time exceeded"."""
    error_frames = sorted({_error_frame(context, error) for error in errors})[:MAX_ERROR_FRAMES]
    of_point = {int(context.flows[loop.row, schema.FLOW_POINT]): loop for loop in reversed(loops)}
    share = max(1, (MAX_EVIDENCE - len(error_frames)) // len(of_point))
    passes = [context.evidence(point, frame) for point, loop in of_point.items() for frame in loop.frames[:share]]
    return sorted([*passes, *error_frames])[:MAX_EVIDENCE]


def _error_frame(context: Context, error: _TimeExceeded) -> Evidence:
    point, frame = context.icmp_errors[error.row, [schema.ICMP_POINT, schema.ICMP_FIRST_FRAME]].tolist()
    return context.evidence(point, frame)


def _ends(flow: FlowRow) -> tuple[str, str]:
    return source(flow), destination(flow)

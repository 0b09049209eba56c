"""Handshakes that stop after the SYN-ACK: the server answers again and again, and the client goes on sending SYNs.

Input: flows, flow chains, SYNs. Output: `UnfinishedHandshake`s, one per server, port and place. Method: TCP flows of
SYNs alone, of which a hop shows SYN-ACKs; the client sends a SYN a second or more after the first of them, or connects
anew again and again (`fate.verdict.given_up`). Where the client's first point lacks them, they stop before it, if it
shows other packets to the client, or would show these (`fate.verdict.stopped_answers`), or if they go on at another
point of its host, or an ICMP error rejects them. Where no hop shows any: SYN-ACKs to these SYNs at another point.
Limits: MAX_FLOWS.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import (
    MIN_SYN_RETRY_NS,
    awaited_acknowledgment,
    destination,
    first_acknowledgment,
    is_syn_retried,
    is_virtual_router,
    replies,
    reply_values,
)
from capnet.analysis.core.schema import FlowMask, FlowRows
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.vlans import shows_several_links
from capnet.analysis.facts.losses.scanning_clients import is_of_scan
from capnet.analysis.facts.ways.rejected_answers import rejected_answers
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.listening import listening
from capnet.analysis.fate.next_points import chain_of
from capnet.analysis.fate.verdict.given_up import are_never_finished
from capnet.analysis.fate.verdict.other_way import OtherWay, elsewhere_of, host_of_point, other_way_of
from capnet.analysis.fate.verdict.stopped_answers import stopped_answers
from capnet.quick_tuple import NamedTuple
from capnet.topology import INNER_ROLES
from capnet.wire.addresses import address_value
from capnet.wire.fields import ABSENT
from capnet.wire.numbers import TCP, TCP_CWR, TCP_ECE, TCP_SYN

MIN_SYNACKS = 2
MAX_FLOWS = 10_000
_ENDS = [schema.FLOW_POINT, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
_CONNECTION = _ENDS[1:]
_BACK = [*schema.FLOW_OPPOSITE_ADDRESSES, schema.FLOW_DPORT, schema.FLOW_SPORT]
_SYN_ENDS = [
    schema.SYN_POINT, schema.SYN_SRC_HI, schema.SYN_SRC_LO, schema.SYN_DST_HI, schema.SYN_DST_LO, schema.SYN_SPORT,
    schema.SYN_DPORT,
]  # fmt: skip


class UnfinishedHandshake(NamedTuple):
    """Handshakes with one server, whose SYN-ACKs the clients do not take."""

    server: str
    port: int
    rows: list[int]  # SYNs at the clients' first points
    last_rows: list[int]  # and at their last ones
    answers: list[int]  # rows of the SYN-ACKs where they were last seen
    due: int  # point that lacks them; -1: the clients' first point shows them
    is_at_client: bool  # that is the client's own interface
    gateways: tuple[int, int]  # MACs where the answers were last seen: SYNs come from one, answers go to another; or -1
    elsewhere: int  # point to which the answers go on instead, of the same host; -1: none was captured
    other_way: OtherWay  # what they do at `elsewhere`
    verdict: int  # on the checksums of all of them: UNFILLED or WRONG where they differ from others', else RIGHT


@derived
def unfinished_handshakes(context: Context) -> list[UnfinishedHandshake]:
    """All of them, by server and place."""
    flows = context.flows
    groups: dict[tuple[tuple[int, int], int, int, int], tuple[list[int], list[int]]] = {}
    for row in _candidates(context).tolist():
        place = _last_seen(context, row)
        if place is not None:
            answer, due = place
            key = (address_value(destination(flows[row])), int(flows[row, schema.FLOW_DPORT]),
                   int(flows[answer, schema.FLOW_POINT]), due)  # fmt: skip
            rows, answers = groups.setdefault(key, ([], []))
            rows.append(row)
            answers.append(answer)
    return [_handshake(context, due, *groups[_, port, point, due]) for _, port, point, due in sorted(groups)]


def _candidates(context: Context) -> FlowRows:
    """First hops of flows of SYNs alone that are sent again and that no scan explains."""
    flows, links = context.flows, flow_links(context)
    is_new = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    is_open = is_new & (flows[:, schema.FLOW_TCP_FLAGS] & ~(TCP_SYN | TCP_ECE | TCP_CWR) == 0)
    is_open &= is_syn_retried(flows) | are_never_finished(context)
    if not is_open.any():
        return np.zeros(0, dtype=np.int64)
    is_closed = is_new & (_synack_times(context) < 0)
    is_scan = is_of_scan(context, is_new, is_closed, is_half_open=is_open)
    return np.flatnonzero(is_open & (links.before < 0) & ~is_scan)[:MAX_FLOWS]


def _synack_times(context: Context) -> np.ndarray:
    return np.where(replies(context) >= 0, reply_values(context, schema.FLOW_SYNACK_TIME), -1)


def _last_seen(context: Context, row: int) -> tuple[int, int] | None:
    """The SYN-ACKs' row where they come nearest to the client, and the point before it that lacks them, -1 if none."""
    flows, links, answers = context.flows, flow_links(context), replies(context)
    hop, before, hops = row, -1, [row]
    while answers[hop] < 0:
        if links.after[hop] < 0:
            return _seen_elsewhere(context, hops)
        before, hop = hop, int(links.target[links.after[hop]])
        hops.append(hop)
    answer = int(answers[hop])
    is_answered = flows[answer, schema.FLOW_SYNACK_TIME] >= 0 and flows[answer, schema.FLOW_PACKETS] >= MIN_SYNACKS
    # Who gives up sooner than it sends its SYN again lets the server repeat alone.
    until = flows[answer, schema.FLOW_LAST] if are_never_finished(context)[row] else flows[hop, schema.FLOW_SYN_TIME]
    if not (is_answered and until - flows[answer, schema.FLOW_SYNACK_TIME] >= MIN_SYN_RETRY_NS):
        return None
    due = int(flows[before, schema.FLOW_POINT]) if before >= 0 else -1
    if before < 0 or _lacks_answers(context, before) or elsewhere_of(context, [answer], due) >= 0:
        return answer, due
    # They go to another router there, or do not pass one that says so. One without the client's MAC asks for that.
    rejected = rejected_answers(context, [answer])
    is_lost = _gateways(context, [answer])[0] > 0 or (rejected is not None and not rejected.is_unresolved)
    return (answer, -1) if is_lost else None


def _seen_elsewhere(context: Context, hops: list[int]) -> tuple[int, int] | None:
    """SYN-ACKs at a point that these SYNs do not pass, of the last hop's host if there are, and that hop's point."""
    flows, by_ends = context.flows, _lone_synacks(context)
    if not by_ends:
        return None
    acknowledged = awaited_acknowledgment(int(flows[hops[0], schema.FLOW_FIRST_SEQ]))
    passed, last = set(flows[hops, schema.FLOW_POINT].tolist()), int(flows[hops[-1], schema.FLOW_SYN_TIME])
    due = int(flows[hops[-1], schema.FLOW_POINT])
    answers = [
        answer
        for key in set(hash_of(flows, _CONNECTION, np.array(hops)).tolist())
        for answer in by_ends.get(key, ())
        if first_acknowledgment(int(flows[answer, schema.FLOW_FIRST_SEQ])) == acknowledged
        and last - flows[answer, schema.FLOW_SYNACK_TIME] >= MIN_SYN_RETRY_NS
        and flows[answer, schema.FLOW_POINT] not in passed
    ]
    answers.sort(
        key=lambda answer: host_of_point(context, int(flows[answer, schema.FLOW_POINT])) != host_of_point(context, due)
    )
    return (answers[0], due) if answers else None


@derived
def _lone_synacks(context: Context) -> dict[int, list[int]]:
    """SYN-ACKs that are sent again at points that show nothing of the other direction, by a hash of that one's ends."""
    flows = context.flows
    is_lone = (flows[:, schema.FLOW_SYNACK_TIME] >= 0) & (replies(context) < 0)
    rows = np.flatnonzero(is_lone & (flows[:, schema.FLOW_PACKETS] >= MIN_SYNACKS))
    by_ends: dict[int, list[int]] = {}
    for key, row in zip(hash_of(flows, _BACK, rows).tolist(), rows.tolist(), strict=True):
        by_ends.setdefault(key, []).append(row)
    return by_ends


def _lacks_answers(context: Context, row: int) -> bool:
    """Would the point of these SYNs show answers to them? It shows packets to their sender, and none to their port.

    Or it shows packets of others than their sender, as replies to ARP.
    """
    flows, flow = context.flows, context.flows[row]
    at_point = flows[:, schema.FLOW_POINT] == flow[schema.FLOW_POINT]
    is_to_mac = at_point & (flows[:, schema.FLOW_DMAC] == flow[schema.FLOW_SMAC]) & (flow[schema.FLOW_SMAC] > 0)
    is_to_address = at_point & (flows[:, schema.FLOW_DST_HI] == flow[schema.FLOW_SRC_HI])
    is_to_address &= flows[:, schema.FLOW_DST_LO] == flow[schema.FLOW_SRC_LO]
    is_to_port = is_to_address & (flows[:, schema.FLOW_PROTO] == TCP)
    is_to_port &= flows[:, schema.FLOW_DPORT] == flow[schema.FLOW_SPORT]
    is_dropping = bool(listening(context).is_dropping[int(flow[schema.FLOW_POINT])])
    shows_answers = (is_to_mac | is_to_address).any() or row in stopped_answers(context).request
    return bool(shows_answers and not is_to_port.any() and not is_dropping)


def _handshake(context: Context, due: int, rows: list[int], answers: list[int]) -> UnfinishedHandshake:
    flows, flow = context.flows, context.flows[rows[0]]
    is_at_client = due < 0 and all(
        int(flows[row, schema.FLOW_POINT]) in interface_points(context).get(int(flows[row, schema.FLOW_SMAC]), ())
        and flows[row, schema.FLOW_POINT] == flows[answer, schema.FLOW_POINT]
        for row, answer in zip(rows, answers, strict=True)
    )
    verdict = _verdict(context, answers, is_at_client) if due < 0 else schema.RIGHT
    server, port = destination(flow), int(flow[schema.FLOW_DPORT])
    last_rows = np.flatnonzero(is_among(chain_of(context), np.array(rows)) & (flow_links(context).after < 0)).tolist()
    gateways = _gateways(context, answers)
    elsewhere = elsewhere_of(context, answers, due)
    other_way = other_way_of(context, last_rows, answers, due, elsewhere)
    return UnfinishedHandshake(
        server, port, rows, last_rows, answers, due, is_at_client, gateways, elsewhere, other_way, verdict
    )


def _gateways(context: Context, answers: list[int]) -> tuple[int, int]:
    """The MACs from which SYNs come and to which answers go, where these are last seen; -1 if they are the same.

    Unknown where a point shows them on several links, and inside a tunnel: Cilium sends the frames of a pod in it,
    whose MACs mean something on the pod's node only.
    """
    flows = context.flows
    if (
        (flows[answers, schema.FLOW_VIA] > 0).any()
        or (replies(context)[answers] < 0).any()
        or shows_several_links(context)[flows[answers, schema.FLOW_POINT]].any()
    ):
        return -1, -1
    pairs = {
        (int(flows[int(replies(context)[row]), schema.FLOW_SMAC]), int(flows[row, schema.FLOW_DMAC])) for row in answers
    }
    (came_from, goes_to), *others = pairs
    is_other_way = not others and came_from > 0 and goes_to > 0 and came_from != goes_to
    return (came_from, goes_to) if is_other_way and not is_virtual_router(goes_to) else (-1, -1)


def _verdict(context: Context, answers: list[int], is_at_client: bool) -> int:
    """UNFILLED or WRONG if all of these SYN-ACKs are so and that sets them apart, else RIGHT.

    Before a card and on veth, unfilled checksums are usual. At the own interface of a client with a card they are not,
    nor where all SYN-ACKs that clients take have right ones.
    """
    syns = context.syns[context.syns[:, schema.SYN_POINT] == context.flows[answers[0], schema.FLOW_POINT]]
    keys, verdicts = row_hash(syns[:, _SYN_ENDS]), syns[:, schema.SYN_CHECKSUM]
    own, taken = (
        set(verdicts[is_among(keys, hash_of(context.flows, _ENDS, rows))].tolist()) - {ABSENT}
        for rows in (np.array(answers), np.flatnonzero(_taken(context)))
    )
    if len(own) != 1 or not own <= {schema.UNFILLED, schema.WRONG}:
        return schema.RIGHT
    (verdict,) = own
    is_on_veth = context.points[int(context.flows[answers[0], schema.FLOW_POINT])].role in INNER_ROLES
    is_unusual = is_at_client and not (is_on_veth and verdict == schema.UNFILLED)
    return int(verdict) if is_unusual or taken == {schema.RIGHT} else schema.RIGHT


def _taken(context: Context) -> FlowMask:
    """Per flow: SYN-ACKs after which the client went on."""
    flows = context.flows
    mask: FlowMask = (flows[:, schema.FLOW_SYNACK_TIME] >= 0) & (replies(context) >= 0)
    mask &= reply_values(context, schema.FLOW_TCP_FLAGS) & ~(TCP_SYN | TCP_ECE | TCP_CWR) != 0
    return mask

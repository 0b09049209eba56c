"""What answers each flow: the other direction, a reset, an ICMP error that quotes it, or another address.

Input: flow table, replies, ICMP error table. Output: per flow row, the row of what answers it, at its point; of ICMP
errors, anywhere. Method: hash and sort, linear in flows; ICMP errors and answers of other addresses are looked for
only where there are any. Limits: equal ports on both sides, as of gossip, or none, as of ESP, prove no answer, because
both ends ask.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, are_to_groups, replies
from capnet.analysis.core.schema import FlowMask, FlowRows, IcmpErrorTable, Mask, PerFlow, Values
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import (
    ICMP_FRAGMENTATION_NEEDED,
    ICMP_REDIRECT,
    ICMP_REQUESTS,
    ICMP_SOURCE_QUENCH,
    ICMP_UNREACHABLE,
    ICMPV6_ECHO_REQUEST,
    ICMPV6_PACKET_TOO_BIG,
    MAX_PORT,
    SCTP,
    TCP,
    TCP_RST,
    UDP,
)

_REQUESTS = (*ICMP_REQUESTS, ICMPV6_ECHO_REQUEST)  # no error is about an error (RFC 1122 section 3.2.2)
MAX_CUT_QUOTES = 1_000  # each is compared with all flows
MAX_ERROR_DELAY_NS = 4_000_000_000  # of "host unreachable": it waits for three questions for a MAC, a second each
MAX_OTHER_END_DELAY_NS = 2_000_000_000  # of an answer: resolvers have asked again by then

_FLOW_ENDS = [schema.FLOW_PROTO, *schema.FLOW_ADDRESSES]
_QUOTED_ENDS = [
    schema.ICMP_QUOTED_PROTO, schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO, schema.ICMP_QUOTED_DST_HI,
    schema.ICMP_QUOTED_DST_LO, schema.ICMP_QUOTED_SPORT, schema.ICMP_QUOTED_DPORT,
]  # fmt: skip
_PLACE = [*schema.FLOW_PLACE, schema.FLOW_DEPTH]


@derived
def answering_replies(context: Context) -> PerFlow:
    """Per flow: the row of the other direction at its point, -1 if there is none or it proves no answer.

    A datagram from another port of the same address counts too: TFTP answers so (RFC 1350 section 4), and so does a
    point that shows one direction before and the other behind a translation, as of Docker's DNS.
    """
    flows, answers = context.flows, replies(context)
    has_equal_ports = flows[:, schema.FLOW_SPORT] == flows[:, schema.FLOW_DPORT]  # both -1: ESP, GRE and the like
    is_symmetric = has_equal_ports & ~is_one_of(flows[:, schema.FLOW_PROTO], (TCP, SCTP, *ICMP_PROTOCOLS))
    answered_by = np.where(is_symmetric, -1, answers)
    asks, by = _lone_answers(context, schema.FLOW_DST, schema.FLOW_SRC)
    answered_by[asks], answered_by[by] = by, asks
    return answered_by


@derived
def is_reset(context: Context) -> FlowMask:
    """Per flow: a SYN that is answered by RST, without SYN-ACK and without data."""
    flows, answers = context.flows, answering_replies(context)
    rows = np.flatnonzero((answers >= 0) & (flows[:, schema.FLOW_SYNS] > 0) & (flows[:, schema.FLOW_PROTO] == TCP))
    rows = rows[flows[:, schema.FLOW_TCP_FLAGS][answers[rows]] & TCP_RST != 0]
    answer = answers[rows]
    mask = np.zeros(len(flows), dtype=bool)
    mask[rows] = (flows[answer, schema.FLOW_SYNACK_TIME] < 0) & (flows[answer, schema.FLOW_PAYLOAD] == 0)
    return mask


@derived
def quoting_errors(context: Context) -> PerFlow:
    """Per flow: the first row of the ICMP error table that quotes its addresses and ports, -1 if none does.

    Not what asks for another way (redirect), for a lower rate (source quench) or, but of echo requests, for smaller
    packets: others pass.
    """
    flows, errors = context.flows, context.icmp_errors
    by_flow = np.full(len(flows), -1)
    kind, code, is_v6 = (errors[:, column] for column in (schema.ICMP_TYPE, schema.ICMP_CODE, schema.ICMP_IS_V6))
    refuses = errors[:, schema.ICMP_QUOTED_PROTO] >= 0
    refuses &= (is_v6 == 1) | ~is_one_of(kind, (ICMP_REDIRECT, ICMP_SOURCE_QUENCH))
    is_about_size = (is_v6 == 0) & (kind == ICMP_UNREACHABLE) & (code == ICMP_FRAGMENTATION_NEEDED)
    is_about_size |= (is_v6 == 1) & (kind == ICMPV6_PACKET_TOO_BIG)
    rows = np.flatnonzero(refuses & ~is_about_size)
    _add_large_echoes(context, np.flatnonzero(refuses & is_about_size), by_flow)
    if not len(rows):
        return by_flow
    keys = hash_of(errors, _QUOTED_ENDS, rows)
    order = np.argsort(keys, kind="stable")  # of equal ones, the first
    is_message = is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS)
    candidates = np.flatnonzero(~is_message | is_one_of(flows[:, schema.FLOW_KIND] >> 8, _REQUESTS))
    wanted = row_hash(np.hstack((flows[candidates[:, None], _FLOW_ENDS], _quoted_ports(context, candidates))))
    position = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    is_quoted = keys[order][position] == wanted
    by_flow[candidates[is_quoted]] = rows[order[position[is_quoted]]]
    _add_cut_quotes(context, rows, by_flow)
    return by_flow


def _add_large_echoes(context: Context, rows: FlowRows, by_flow: PerFlow) -> None:
    """Errors among these rows that ask for smaller packets, about echo requests that are larger and get no reply.

    A program that measures the MTU of a path sends no others. Requests of which some are smaller fail otherwise, too.
    """
    flows = context.flows
    rows = rows[is_one_of(context.icmp_errors[rows, schema.ICMP_QUOTED_PROTO], ICMP_PROTOCOLS)][:MAX_CUT_QUOTES]
    rows = rows[context.icmp_errors[rows, schema.ICMP_MTU] > 0]  # old routers name none (RFC 1191 section 5)
    if not len(rows):
        return
    are_large = np.minimum(
        flows[:, schema.FLOW_LARGEST_IP], flows[:, schema.FLOW_BYTES] // flows[:, schema.FLOW_PACKETS]
    )
    is_silent_echo = is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS) & (replies(context) < 0)
    is_silent_echo &= is_one_of(flows[:, schema.FLOW_KIND] >> 8, _REQUESTS)
    for row in rows[::-1].tolist():  # of several, the first remains
        error = context.icmp_errors[row]
        is_about = is_silent_echo & (flows[:, _FLOW_ENDS] == error[_QUOTED_ENDS[:5]]).all(axis=1)
        by_flow[is_about & (are_large > error[schema.ICMP_MTU])] = row


def _add_cut_quotes(context: Context, rows: FlowRows, by_flow: PerFlow) -> None:
    """Errors among these rows whose quoted ports the capture cut: by addresses and time, at their point.

    Each packet that is refused draws one: they are as many as the flows, and the last comes behind the last packet.
    """
    flows, errors = context.flows, context.icmp_errors[rows]
    is_cut = (errors[:, schema.ICMP_QUOTED_SPORT] < 0) & is_one_of(
        errors[:, schema.ICMP_QUOTED_PROTO], (TCP, UDP, SCTP)
    )
    for row in rows[is_cut][:MAX_CUT_QUOTES].tolist():
        error = context.icmp_errors[row]
        is_about = (flows[:, _FLOW_ENDS] == error[_QUOTED_ENDS[:5]]).all(axis=1) & (by_flow < 0)
        is_about &= flows[:, schema.FLOW_POINT] == error[schema.ICMP_POINT]
        is_about &= flows[:, schema.FLOW_FIRST] <= error[schema.ICMP_LAST]
        is_about &= flows[:, schema.FLOW_LAST] >= error[schema.ICMP_FIRST] - MAX_ERROR_DELAY_NS
        is_about &= flows[:, schema.FLOW_LAST] <= error[schema.ICMP_LAST]
        if error[schema.ICMP_PACKETS] >= is_about.sum():
            by_flow[is_about] = row


def quoted_rows(context: Context, errors: IcmpErrorTable) -> FlowRows:
    """Flow rows with the addresses and ports that these rows of the ICMP error table quote, at any point."""
    if not len(errors):
        return np.zeros(0, dtype=np.int64)
    ends = np.hstack((context.flows[:, _FLOW_ENDS], _quoted_ports(context, np.arange(len(context.flows)))))
    return np.flatnonzero(is_among(row_hash(ends), hash_of(errors, _QUOTED_ENDS)))


def _quoted_ports(context: Context, rows: FlowRows) -> Values:
    """Ports as ICMP errors quote them, shape (n, 2): -1 for all but TCP, UDP and SCTP."""
    flows = context.flows
    has_ports = is_one_of(flows[rows, schema.FLOW_PROTO], (TCP, UDP, SCTP))[:, None]
    return np.where(has_ports, flows[rows[:, None], [schema.FLOW_SPORT, schema.FLOW_DPORT]], -1)


@derived
def other_address_answers(context: Context) -> PerFlow:
    """Per flow: the row that answers it from another address, -1 if there is none.

    UDP without an answer, and a datagram from the port that was asked to the one that asked, at the same point within
    MAX_OTHER_END_DELAY_NS, that answers no flow either. Who asks a group is always answered by another address.
    """
    by_flow = np.full(len(context.flows), -1)
    asks, by = _lone_answers(context, [schema.FLOW_DPORT], [schema.FLOW_SPORT])
    asks_one = ~are_to_groups(context, asks)
    asks, by = asks[asks_one], by[asks_one]
    is_other = (context.flows[asks[:, None], schema.FLOW_DST] != context.flows[by[:, None], schema.FLOW_SRC]).any(
        axis=1
    )
    by_flow[asks[is_other]] = by[is_other]
    return by_flow


@derived
def are_group_answers(context: Context) -> FlowMask:
    """Per flow: does it answer a question to a group, of LLMNR, SSDP and the like, or to a broadcast address?

    UDP from the port that was asked to the end that asked a group at the same point before.
    """
    mask = np.zeros(len(context.flows), dtype=bool)
    asks, by = _lone_flows(context)
    asks = asks[are_to_groups(context, asks)]
    if not len(asks):
        return mask
    asks = asks[np.argsort(context.flows[asks, schema.FLOW_FIRST], kind="stable")]
    keys = hash_of(context.flows, [*_PLACE, *schema.FLOW_SRC, schema.FLOW_SPORT, schema.FLOW_DPORT], asks)
    order = np.argsort(keys, kind="stable")  # of equal ones, the earliest first
    wanted = hash_of(context.flows, [*_PLACE, *schema.FLOW_DST, schema.FLOW_DPORT, schema.FLOW_SPORT], by)
    position = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    question = asks[order[position]]
    is_later = context.flows[by, schema.FLOW_FIRST] >= context.flows[question, schema.FLOW_FIRST]
    mask[by[(keys[order][position] == wanted) & is_later]] = True
    return mask


class _LoneAnswers(NamedTuple):
    """Flow rows, pair by pair."""

    asks: FlowRows
    by: FlowRows


def _lone_answers(context: Context, asked: list[int], answering: list[int]) -> _LoneAnswers:
    """UDP without a reply, and a flow back to its port soon after that is no reply either, at the same point.

    `asked` of the first are equal to `answering` of the second.
    """
    flows, (asks, by) = context.flows, _lone_flows(context)
    if not len(asks):
        return _LoneAnswers(asks, by)
    keys = hash_of(flows, [*_PLACE, *schema.FLOW_DST, schema.FLOW_DPORT, *answering], by)
    order = np.argsort(keys, kind="stable")
    wanted = hash_of(flows, [*_PLACE, *schema.FLOW_SRC, schema.FLOW_SPORT, *asked], asks)
    position = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    answer = by[order[position]]
    is_answer = (keys[order][position] == wanted) & _is_soon_after(context, asks, answer)
    return _LoneAnswers(asks[is_answer], answer[is_answer])


@derived
def _lone_flows(context: Context) -> _LoneAnswers:
    """Rows of UDP without a reply that send from an address and port to which others send, and rows of these.

    Not pair by pair: each in order.
    """
    flows = context.flows
    is_lone = (flows[:, schema.FLOW_PROTO] == UDP) & (replies(context) < 0)
    is_lone &= flows[:, schema.FLOW_SPORT] != flows[:, schema.FLOW_DPORT]
    rows = np.flatnonzero(is_lone)
    # Most ports are on one side only, and ports are quicker to compare than hashes of all.
    sports, dports = (flows[:, column][rows] for column in (schema.FLOW_SPORT, schema.FLOW_DPORT))
    is_sport, is_dport = (np.zeros(MAX_PORT + 2, dtype=bool) for _ in range(2))  # the last one is for ABSENT, -1
    is_sport[sports], is_dport[dports] = True, True
    rows = rows[is_dport[sports] | is_sport[dports]]
    senders = hash_of(flows, [*_PLACE, *schema.FLOW_SRC, schema.FLOW_SPORT], rows)
    receivers = hash_of(flows, [*_PLACE, *schema.FLOW_DST, schema.FLOW_DPORT], rows)
    return _LoneAnswers(rows[is_among(senders, receivers)], rows[is_among(receivers, senders)])


def _is_soon_after(context: Context, rows: FlowRows, answers: FlowRows) -> Mask:
    delays_ns = context.flows[answers, schema.FLOW_FIRST] - context.flows[rows, schema.FLOW_FIRST]
    return (delays_ns >= 0) & (delays_ns <= MAX_OTHER_END_DELAY_NS)

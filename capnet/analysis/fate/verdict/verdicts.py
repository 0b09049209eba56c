"""The verdict on each flow chain that asks: where its packets ended, and what answered.

Input: fates of flow chains, answers, loss on links. Output: `Verdicts`, one entry per chain that begins an exchange,
and per answering chain that loses packets itself. Method: each verdict rests on packets that were seen, on a point that
must have seen them, or on an answer; the worst one that holds counts. What remains is UNKNOWN, with the reason.
Limits: loss is counted on the MAX_LOSSY links with the most missing packets.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FlowMask, FlowRows, Mask, PerFlow, Values
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.duplicates import duplicates, packets_without_duplicates, syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments
from capnet.analysis.fate.answers import answering_replies, is_reset, other_address_answers, quoting_errors
from capnet.analysis.fate.chain_values import any_of_chain, largest_of_chain, smallest_of_chain
from capnet.analysis.fate.fates import DELIVERED as ARRIVED
from capnet.analysis.fate.fates import STOPS, Fates, fates
from capnet.analysis.fate.hop_loss import lost_packets
from capnet.analysis.fate.listening import records_one_direction
from capnet.analysis.fate.next_points import HOME, chain_of, is_answered
from capnet.analysis.fate.refutation import GROUP
from capnet.analysis.fate.verdict.accepted_answers import are_accepted_from_elsewhere
from capnet.analysis.fate.verdict.answers_elsewhere import is_answered_elsewhere
from capnet.analysis.fate.verdict.loops import looping_flows
from capnet.analysis.fate.verdict.stopped_answers import stopped_answers
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, ICMPV6, ICMPV6_ECHO_REQUEST, PORT_DNS, TCP, UDP

# The worst first, in the order of `contract.keys.FATES`.
LOOPED, STOPS_AT, ANSWER_STOPS, ANSWERED_BY, LOSES, REPEATED, UNKNOWN, COPIED, DELIVERED = range(9)
MAX_LOSSY = 10_000
ASKED_PORTS = (PORT_DNS, 123, 161, 1812)  # UDP that asks one server: DNS, NTP, SNMP, RADIUS


class Verdicts(NamedTuple):
    """One entry per flow chain, in order of their first rows. A value that a verdict does not have is -1."""

    first: FlowRows  # its first hop
    last: FlowRows  # the hop where it ends; of several ends, the one that says most
    verdict: Values
    point: Values  # where packets, or answers, were last seen
    next: Values  # point where they were due, or where the others arrived
    rank: Values  # by which that is known (`next_points`); 0 if it is no conclusion
    siblings: Values  # flows that show it
    missing: Values  # packets lost between the two points
    repeats: Values  # how often who asked sent again
    reason: Values  # of UNKNOWN, why (`fates.Fates.reason`)
    is_replied: Mask  # the other direction was seen


@derived
def verdicts(context: Context) -> Verdicts:
    """What became of the packets of each flow chain that asks."""
    outcome = fates(context)
    lossy = _loss_by_chain(context)
    entries = _decisive_entries(context, outcome)
    entries = entries[(~_is_answer(context) | (lossy.packets > 0))[chain_of(context)[outcome.last[entries]]]]
    last = outcome.last[entries]
    first = chain_of(context)[last]
    is_replied = any_of_chain(context, answering_replies(context) >= 0)[last]
    worst = lossy.link[first]
    loops = np.zeros(len(context.flows), dtype=bool)
    loops[[loop.row for loop in looping_flows(context)]] = True
    stopped = stopped_answers(context)
    stopped_at = np.full(len(context.flows), -1)
    stopped_at[chain_of(context)[stopped.request[::-1]]] = np.arange(len(stopped.request))[::-1]
    answer = stopped_at[first]
    repeats = _repeats(context)[first]
    verdict = _verdicts(context, outcome, entries, is_replied, repeats)
    verdict[is_replied & (lossy.packets[first] > 0)] = LOSES
    verdict[~is_replied & (lossy.packets[first] > 0) & (verdict >= LOSES)] = LOSES
    verdict[is_replied & (answer >= 0)] = ANSWER_STOPS
    verdict[any_of_chain(context, loops)[last]] = LOOPED
    point, following = context.flows[:, schema.FLOW_POINT][last], outcome.due[entries].copy()
    links = flow_links(context)
    loses = verdict == LOSES
    point[loses] = context.flows[links.source[worst[loses]], schema.FLOW_POINT]
    following[loses] = context.flows[links.target[worst[loses]], schema.FLOW_POINT]
    returns = verdict == ANSWER_STOPS
    point[returns] = context.flows[stopped.answer[answer[returns]], schema.FLOW_POINT]
    following[returns] = context.flows[stopped.request[answer[returns]], schema.FLOW_POINT]
    following[~(loses | returns | (verdict == STOPS_AT))] = -1
    is_at_home = (outcome.state[entries] == ARRIVED) & ~is_replied
    columns = Verdicts(
        first,
        last,
        verdict,
        point,
        following,
        np.where(verdict == STOPS_AT, outcome.rank[entries], np.where(is_at_home, HOME, 0)),
        outcome.siblings[entries],
        np.where(loses, lossy.packets[first], -1),
        repeats,
        np.where(verdict == UNKNOWN, outcome.reason[entries], -1),
        is_replied,
    )
    others = np.flatnonzero(_is_answer(context)[first] & ~loses)
    return Verdicts(*(np.delete(column, others) for column in columns)) if len(others) else columns


def _verdicts(context: Context, outcome: Fates, entries: Values, is_replied: Mask, repeats: Values) -> Values:
    """The verdicts on chains by their last hops; loss, loops, and answers that stop come on top."""
    last, state = outcome.last[entries], outcome.state[entries]
    flows = context.flows
    verdict = np.full(len(last), UNKNOWN)
    was_copied = np.zeros(len(flows), dtype=bool)
    was_copied[duplicates(context).flow_rows] = True
    is_group = outcome.reason[entries] == GROUP
    verdict[any_of_chain(context, was_copied)[last] & ~is_group] = COPIED
    # Where a client of TCP sends its SYN again, the answer did not reach it.
    is_elsewhere = any_of_chain(context, is_answered_elsewhere(context))[last]
    goes_on = is_elsewhere & (flows[last, schema.FLOW_PROTO] != TCP)
    verdict[(repeats > 0) & ~is_group & ~goes_on] = REPEATED
    verdict[(state == ARRIVED) | goes_on] = DELIVERED
    is_silent = ~is_replied & ~is_elsewhere & ~is_answered(context)[last]
    is_silent &= _wants_answer(context)[last] & ~_may_be_answered_unseen(context)[last]
    verdict[(state == ARRIVED) & is_silent] = ANSWERED_BY  # nothing
    verdict[state == STOPS] = STOPS_AT
    is_other = (other_address_answers(context) >= 0) & ~are_accepted_from_elsewhere(context)
    has_other_answer = any_of_chain(context, (quoting_errors(context) >= 0) | is_other)
    verdict[has_other_answer[last] & ~is_replied & ~is_group] = ANSWERED_BY  # no ICMP error is about a group's
    verdict[is_replied] = DELIVERED
    has_data = any_of_chain(context, (answering_replies(context) >= 0) & ~is_reset(context))
    verdict[is_replied & ~has_data[last]] = ANSWERED_BY  # RST
    return verdict


def _decisive_entries(context: Context, outcome: Fates) -> Values:
    """Of the ends of each chain, that which says most: a stop, an arrival, else where most packets were."""
    chain = chain_of(context)[outcome.last]
    if not len(chain) or np.bincount(chain).max() == 1:
        return np.argsort(chain)
    says = np.select([outcome.state == STOPS, outcome.state == ARRIVED], [0, 1], 2)
    packets = context.flows[outcome.last, schema.FLOW_PACKETS]
    order = np.lexsort((outcome.last, -packets, says, chain))
    return order[np.append(True, chain[order][1:] != chain[order][:-1])[: len(order)]]


@derived
def _wants_answer(context: Context) -> FlowMask:
    """Per flow: SYNs and echo requests, which every receiver answers."""
    flows = context.flows
    proto, kind = flows[:, schema.FLOW_PROTO], flows[:, schema.FLOW_KIND] >> 8
    is_echo = (proto == ICMP) & (kind == ICMP_ECHO_REQUEST) | (proto == ICMPV6) & (kind == ICMPV6_ECHO_REQUEST)
    mask: FlowMask = is_echo | (proto == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    return mask


def _may_be_answered_unseen(context: Context) -> FlowMask:
    """Per flow: does its point record one direction alone? A SYN that is sent again has no answer all the same."""
    flows = context.flows
    is_one_way: FlowMask = records_one_direction(context)[flows[:, schema.FLOW_POINT]]
    return is_one_way & (flows[:, schema.FLOW_PROTO] != TCP)


def _repeats(context: Context) -> PerFlow:
    """Per flow: packets sent again without an answer: SYNs, segments, echo requests, what asks by UDP."""
    flows, answers = context.flows, answering_replies(context)
    is_tcp = flows[:, schema.FLOW_PROTO] == TCP
    sent_again = np.maximum(syns_without_duplicates(context) - 1, retransmitted_segments(context))
    sent_again[~is_tcp | (flows[:, schema.FLOW_SYNS] <= 0)] = 0
    asks = (flows[:, schema.FLOW_PROTO] == UDP) & is_one_of(flows[:, schema.FLOW_DPORT], ASKED_PORTS)
    asks |= _wants_answer(context) & ~is_tcp
    asks &= (answers < 0) & (replies(context) < 0)  # a clock answers from the port that asks, to the same one
    asks &= ~_may_be_answered_unseen(context)
    return np.where(asks, packets_without_duplicates(context) - 1, sent_again)


@derived
def _is_answer(context: Context) -> FlowMask:
    """Per flow: does its chain answer another one: that which has the SYN, else which began earlier?"""
    flows, answers = context.flows, answering_replies(context)
    chain = chain_of(context)
    opens = largest_of_chain(context, flows[:, schema.FLOW_SYNS]) > 0
    start_ns = smallest_of_chain(context, flow_spans(context)[0])
    has_answer, other_opens = answers >= 0, opens[answers]
    rows_that_answer: FlowMask = has_answer & other_opens & ~opens
    own = np.flatnonzero(has_answer & (other_opens == opens))
    other = answers[own]
    rows_that_answer[own] = (start_ns[other] < start_ns[own]) | (start_ns[other] == start_ns[own]) & (
        chain[other] < chain[own]
    )
    return any_of_chain(context, rows_that_answer)


class _Loss(NamedTuple):
    """Per flow row that begins a chain: packets lost on its links, and the link that lost most of them, -1 if none."""

    packets: PerFlow
    link: PerFlow


def _loss_by_chain(context: Context) -> _Loss:
    links = flow_links(context)
    packets, worst = np.zeros(len(context.flows), dtype=np.int64), np.full(len(context.flows), -1)
    lossy = np.flatnonzero((links.missing > 0) | (links.missing_bytes > 0))
    lossy = lossy[np.argsort(-links.missing[lossy], kind="stable")][:MAX_LOSSY]
    most: dict[int, int] = {}
    for link in lossy.tolist():
        lost = lost_packets(context, links, link) or 0
        start = int(chain_of(context)[links.source[link]])
        packets[start] += lost
        if lost > most.get(start, 0):
            most[start], worst[start] = lost, link
    return _Loss(packets, worst)

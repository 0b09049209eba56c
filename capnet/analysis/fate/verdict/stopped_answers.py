"""Answers that stop on their way back to who asked.

Input: flow links and replies. Output: per flow row of a request, the row of its answer where that was last seen, and
the point where it was due next: the one that the request came from.
Method: the answer to a request that passed point F and then P is seen at P and not at F. Nothing refutes a loss in
between, F shows packets of others too, and who asked has no answer: SYNs are sent again, or F is its own interface.
Limits: an answer on another way back looks the same where who asked does not repeat and F is not its own interface;
then nothing is stated.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.correlate.duplicates import packets_without_duplicates, syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.answers import answering_replies
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.refutation import NOTHING, refutations
from capnet.analysis.fate.verdict.given_up import are_never_finished
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, TCP_ACK

MIN_REPEATED = 2  # requests that get no answer: one alone may be answered after the capture


class StoppedAnswers(NamedTuple):
    """One entry per request whose answer stops."""

    request: FlowRows  # its row at the point where the answer was due
    answer: FlowRows  # the answer where it was last seen


@derived
def stopped_answers(context: Context) -> StoppedAnswers:
    """The requests whose answers stop on their way back."""
    flows, links, answers = context.flows, flow_links(context), answering_replies(context)
    before, behind = links.source, links.target
    answer = answers[behind]
    stops = (answer >= 0) & (answers[before] < 0) & (links.after[answer] < 0)
    stops &= flows[before, schema.FLOW_POINT] != flows[behind, schema.FLOW_POINT]
    stops &= flows[behind, schema.FLOW_FIRST] <= flows[answer, schema.FLOW_FIRST]
    request, answer = before[stops], answer[stops]
    is_waiting = _is_waiting(context, request) & _shows_others(context, request)
    request, answer = request[is_waiting], answer[is_waiting]
    if not len(request):
        return StoppedAnswers(request, answer)
    due = flows[request, schema.FLOW_POINT]
    is_lost = refutations(context, answer, due, np.zeros(len(answer), dtype=bool)) == NOTHING
    return StoppedAnswers(request[is_lost], answer[is_lost])


def _is_waiting(context: Context, rows: FlowRows) -> Mask:
    """Has who asked no answer? SYNs are sent again, or for other protocols, the row is at its own interface.

    A client that gives up before it sends its SYN again begins anew.
    """
    flows = context.flows
    is_tcp = flows[rows, schema.FLOW_PROTO] == TCP
    has_no_answer = flows[rows, schema.FLOW_TCP_FLAGS] & TCP_ACK == 0
    repeats = (syns_without_duplicates(context)[rows] >= MIN_REPEATED) & has_no_answer
    repeats |= are_never_finished(context)[rows]
    homes = [(mac, point) for mac, points in interface_points(context).items() for point in points]
    is_home = np.zeros(len(rows), dtype=bool)
    if homes:
        ends = hash_of(flows, [schema.FLOW_SMAC, schema.FLOW_POINT], rows)
        is_home = is_among(ends, row_hash(np.array(homes, dtype=np.int64)))
    return np.where(is_tcp, repeats, is_home & (packets_without_duplicates(context)[rows] >= MIN_REPEATED))


def _shows_others(context: Context, rows: FlowRows) -> Mask:
    """Does the point of each row show packets of others than the row's source, so that it hears both directions?"""
    source = [schema.FLOW_POINT, *schema.FLOW_SRC]
    senders = context.flows[:, source]
    points = context.flows[rows, schema.FLOW_POINT]
    own = hash_of(context.flows, source, rows)
    hears: dict[int, set[int]] = {}
    for point in set(points.tolist()):
        hears[point] = set(row_hash(senders[senders[:, 0] == point]).tolist()) | _arp_senders(context, point)
    return np.array(
        [bool(hears[point] - {key}) for point, key in zip(points.tolist(), own.tolist(), strict=True)], dtype=bool
    )


def _arp_senders(context: Context, point: int) -> set[int]:
    """As hashes of point and address."""
    rows = context.arps[context.arps[:, schema.ARP_POINT] == point]
    low = rows[:, schema.ARP_SENDER_LO]
    keys: Values = np.stack((np.full(len(rows), point), np.zeros(len(rows), dtype=np.int64), low), axis=1)
    return set(row_hash(keys).tolist())

"""Translation steps: runs of flow links that rewrite addresses, ports or ICMP identifiers on one host.

Input: the flow links, whose two flows have the same packets. Output: one row of `Steps` per run.
Method: netfilter rewrites destination and source one after the other. A point between them (a bridge with
br_netfilter) shows the half-rewritten packet, so links of one host with at most one router between them are one step.
Nearly all paths have one link that rewrites. Runs of several are found path by path, and become rows together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import Hashes, distinct, hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, has_icmp_errors, host_of, sends_to_itself
from capnet.analysis.core.schema import FlowRows, Mask, PerFlow, PerLink, Values
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.facts.nat.tuples import tuples_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP_REQUESTS, ICMPV6_ECHO_REQUEST, TCP, UDP

ADDRESS_COLUMNS = schema.FLOW_ADDRESSES
TUPLE_COLUMNS = [*ADDRESS_COLUMNS, schema.FLOW_SPORT, schema.FLOW_DPORT]
_SENDER = [schema.FLOW_PROTO, *schema.FLOW_SRC_END]
_RECEIVER = [schema.FLOW_PROTO, *schema.FLOW_DST_END]
MAX_TTL_FALL = 1  # one translation happens in one network namespace, which routes a packet once
_ICMP_REQUEST_TYPES = (*ICMP_REQUESTS, ICMPV6_ECHO_REQUEST)


class TranslationStep(NamedTuple):
    """One translation that no link shows: flow rows `first` and `last` are both directions of a connection."""

    first: int
    last: int
    confidence: float
    is_entering: bool  # the point shows what enters the translator: the request as it was sent, the answer as it comes


class Steps(NamedTuple):
    """Translation steps by columns, -1 for links where there are none."""

    first: FlowRows
    last: FlowRows
    first_link: Values
    last_link: Values
    is_one_link: Mask
    leaves_fork: Mask  # some packets of the flow that a link leaves take another link
    is_reply: Mask
    ttl_delta: Values
    confidence: Values
    is_entering: Mask  # as in `TranslationStep`, False of what links show

    def __add__(self, more: Steps) -> Steps:  # type: ignore[override]
        return Steps(*(np.concatenate(pair) for pair in zip(self, more, strict=True)))

    def take(self, rows: Values) -> Steps:
        """The steps of these rows."""
        return Steps(*(column[rows] for column in self))


def steps_of(steps: Iterable[TranslationStep]) -> Steps:
    """Steps that no link shows, none of which is a reply yet."""
    steps = list(steps)
    first, last = (np.array([getattr(step, name) for step in steps], dtype=np.int64) for name in ("first", "last"))
    no_link, no = np.full(len(steps), -1), np.zeros(len(steps), dtype=bool)
    confidence = np.array([step.confidence for step in steps], dtype=np.float64)
    is_entering = np.array([step.is_entering for step in steps], dtype=bool)
    no_ttl_delta = np.zeros(len(steps), dtype=np.int64)
    return Steps(first, last, no_link, no_link, no, no, no, no_ttl_delta, confidence, is_entering)


def linked_steps(context: Context, links: Links, answers: PerFlow) -> Steps:
    """The translations that flow links show, path by path; `answers` are the `replies` of the flows."""
    flows = context.flows
    rewrites = np.zeros(len(links), dtype=bool)
    for column in TUPLE_COLUMNS:
        rewrites |= flows[links.source, column] != flows[links.target, column]
    is_to_itself = sends_to_itself_at(context, links.target)
    of_rewriting = links.first_links[rewrites]
    rewriting = np.flatnonzero(rewrites)
    is_alone = np.bincount(of_rewriting, minlength=len(links))[of_rewriting] == 1
    is_alone &= ~is_among(of_rewriting, links.first_links[links.is_join])
    is_kept = is_alone & ~is_to_itself[rewriting]
    is_kept[is_kept] = _are_tracked(context, links.source[of_rewriting[is_kept]])
    steps = _steps_by(context, links, rewriting[is_kept], np.ones(int(is_kept.sum()), dtype=np.int64))
    run_paths, runs = _runs(context, links, distinct(of_rewriting[~is_alone]), rewrites, is_to_itself)
    lengths = np.array([len(run) for run in runs], dtype=np.int64)
    steps += _steps_by(context, links, np.array(list(chain.from_iterable(runs)), dtype=np.int64), lengths)
    paths = np.append(of_rewriting[is_kept], run_paths)
    steps = steps.take(np.argsort(paths, kind="stable"))
    steps = steps.take(np.flatnonzero(_rewrite(context, steps)))
    return steps._replace(is_reply=are_replies(context, steps.first, steps.last, answers))


def _runs(
    context: Context, links: Links, paths: PerLink, rewrites: Mask, is_to_itself: Mask
) -> tuple[PerLink, list[list[int]]]:
    """The runs of links that rewrite, in paths that rewrite several times or join: the path of each run, and the runs.

    `paths`: the first link of each.
    """
    runs, run_paths = list[list[int]](), list[int]()
    rewriting_runs = _RewritingRuns(context, links, rewrites, is_to_itself)
    for path in paths[_are_tracked(context, links.source[paths])].tolist():
        for run in rewriting_runs.of(links.chain(path)):
            _drop_half_rewritten_end(run, is_to_itself)
            if run:
                runs.append(run)
                run_paths.append(path)
    return np.array(run_paths, dtype=np.int64), runs


def sends_to_itself_at(context: Context, rows: FlowRows) -> Mask:
    """For each of these flows: is it a hairpin between its DNAT and its SNAT? See `sends_to_itself`."""
    flows = context.flows
    is_equal = flows[rows, schema.FLOW_SRC_LO] == flows[rows, schema.FLOW_DST_LO]
    is_equal[is_equal] = sends_to_itself(flows[rows[is_equal]])
    return is_equal


def _steps_by(context: Context, links: Links, chosen: Values, lengths: Values) -> Steps:
    """A step for each run of links: `lengths` of them, one run of `chosen` after the other; none is a reply yet."""
    ends = np.cumsum(lengths)
    starts = ends - lengths
    first_link, last_link = chosen[starts], chosen[ends - 1]
    first, last = links.source[first_link], links.target[last_link]
    confidence = links.confidences(chosen, np.repeat(context.flows[first, schema.FLOW_PROTO] == TCP, lengths))
    ttl_delta, leaves_fork = links.ttl_delta[chosen], links.leaves_fork[chosen]
    if len(chosen) > len(lengths):
        confidence, ttl_delta = np.minimum.reduceat(confidence, starts), np.add.reduceat(ttl_delta, starts)
        leaves_fork = np.logical_or.reduceat(leaves_fork, starts)
    no = np.zeros(len(lengths), dtype=bool)
    return Steps(first, last, first_link, last_link, lengths == 1, leaves_fork, no, ttl_delta, confidence, no)


def _rewrite(context: Context, steps: Steps) -> Mask:
    """For each step: have its two ends different tuples? Within a run, one link can undo another."""
    result = np.zeros(len(steps.first), dtype=bool)
    for before, after in zip(tuples_of(context, steps.first), tuples_of(context, steps.last), strict=True):
        result |= before != after
    return result


class _RewritingRuns:
    """Finds the links of each translation in a path. Memoryviews: one by one, numbers of arrays take thrice as long."""

    def __init__(self, context: Context, links: Links, rewrites: Mask, is_to_itself: Mask) -> None:
        names = [host_of(point.name) for point in context.points]
        numbers = np.array([-1 if name is None else names.index(name) for name in names] or [-1])
        self._host = numbers[context.flows[links.target, schema.FLOW_POINT]].data
        self._rewrites, self._is_to_itself = rewrites.data, is_to_itself.data
        self._ttl_delta = links.ttl_delta.data

    def of(self, path: list[int]) -> Iterator[list[int]]:
        """The links of each translation in a path, with the links between them that rewrite nothing."""
        run: list[int] = []
        end = ttl_delta = 0  # position in the path behind the run, and the change of the TTL in it
        for position, link in enumerate(path):
            if not self._rewrites[link]:
                continue
            if run:
                between = path[end : position + 1]
                more = sum(self._ttl_delta[each] for each in between)
                if self._is_on_one_host(run, between) and ttl_delta + more >= -MAX_TTL_FALL:
                    run += between
                    end, ttl_delta = position + 1, ttl_delta + more
                    continue
                yield run
            run = [link]
            end, ttl_delta = position + 1, self._ttl_delta[link]
        yield run

    def _is_on_one_host(self, run: list[int], between: list[int]) -> bool:
        """Do these links lead to points of one host, or is the packet half rewritten, which it is on one host alone?"""
        host = self._host[run[0]]
        return bool(self._is_to_itself[run[-1]]) or (host >= 0 and all(self._host[link] == host for link in between))


def _drop_half_rewritten_end(run: list[int], is_to_itself: Mask) -> None:
    """Cut the run behind its last link to a flow that does not send to itself.

    A promiscuous bridge has a copy of the half-rewritten packet routed, behind the whole translation.
    """
    while run and is_to_itself[run[-1]]:
        run.pop()


def _are_tracked(context: Context, rows: FlowRows) -> Mask:
    """For each of these flows: can it have a conntrack entry of its own?

    An ICMP error belongs to the connection that it is about, and later fragments show no ports.
    """
    proto, has_numbers = context.flows[rows, schema.FLOW_PROTO], context.flows[rows, schema.FLOW_SPORT] >= 0
    is_icmp = is_one_of(proto, ICMP_PROTOCOLS)
    is_error = is_icmp & has_numbers
    is_error[is_error] = has_icmp_errors(context.flows[rows[is_error]])
    result: Mask = np.where(is_icmp | is_one_of(proto, (TCP, UDP)), has_numbers & ~is_error, True)
    return result


def are_replies(context: Context, first: FlowRows, last: FlowRows, answers: PerFlow) -> Mask:
    """For each two hops: do they carry the replies of a connection that the other side opened? `answers`: `replies`."""
    flows = context.flows
    result = np.zeros(len(first), dtype=bool)
    for row in (last, first):  # what the first hop says counts more
        answer = answers[row]
        is_later = flows[answer, schema.FLOW_FIRST] < flows[row, schema.FLOW_FIRST]
        result = np.where(answer >= 0, is_later, result)
    if len(first):  # the connection may be older than the capture
        from_server, to_server = (
            _are_accepting(context, first, end) | _are_accepting(context, last, end) for end in (_SENDER, _RECEIVER)
        )
        result = np.where(from_server != to_server, from_server, result)
    is_tcp = flows[first, schema.FLOW_PROTO] == TCP
    for column, is_reply_then in ((schema.FLOW_SYNACK_TIME, True), (schema.FLOW_SYN_TIME, False)):  # a SYN counts more
        has_time = (flows[first, column] >= 0) | (flows[last, column] >= 0)
        result = np.where(is_tcp & has_time, is_reply_then, result)
    is_icmp = is_one_of(flows[first, schema.FLOW_PROTO], ICMP_PROTOCOLS)
    is_request = is_one_of(flows[first, schema.FLOW_KIND] >> 8, _ICMP_REQUEST_TYPES)
    result = np.where(is_icmp, ~is_request, result)
    return result


def _are_accepting(context: Context, rows: FlowRows, end: list[int]) -> Mask:
    """Per flow row: does this end of it accept TCP connections, which clients do not do?"""
    return is_among(hash_of(context.flows, end, rows), _accepting_ends(context))


@derived
def _accepting_ends(context: Context) -> Hashes:
    """Address and port of all ends that accept TCP connections."""
    flows = context.flows
    is_accepting = (flows[:, schema.FLOW_SYNACK_TIME] >= 0) & (flows[:, schema.FLOW_PROTO] == TCP)
    return hash_of(flows, _SENDER, np.flatnonzero(is_accepting))


def is_reply(context: Context, first: int, last: int, answers: PerFlow) -> bool:
    """Do these two hops carry the replies of a connection that the other side opened? `answers`: `replies`."""
    return bool(are_replies(context, np.array([first]), np.array([last]), answers)[0])

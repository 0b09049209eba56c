"""Translation steps: runs of flow links that rewrite addresses, ports or ICMP identifiers on one host.

Input: the flow links, whose two flows have the same packets. Output: one `TranslationStep` per run.
Method: netfilter rewrites destination and source one after the other. A point between them (a bridge with
br_netfilter) shows the half-rewritten packet, so links of one host with at most one router between them are one step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import echo_id, host_of, ports, sends_to_itself
from capnet.analysis.core.schema import FlowRow, FlowTable, PerFlow, PerLink
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.facts.nat.tuples import TranslationKey, flow_tuple, nat_kind, reply_tuple
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP, ICMP_REQUESTS, ICMPV6, ICMPV6_ECHO_REQUEST, TCP, UDP

ADDRESS_COLUMNS = [schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_DST_HI, schema.FLOW_DST_LO]
TUPLE_COLUMNS = [*ADDRESS_COLUMNS, schema.FLOW_SPORT, schema.FLOW_DPORT]
MAX_TTL_FALL = 1  # one translation happens in one network namespace, which routes a packet once
_ICMP_REQUEST_TYPES = (*ICMP_REQUESTS, ICMPV6_ECHO_REQUEST)


class TranslationStep(NamedTuple):
    """One translation of one direction, from flow row `first` to flow row `last`.

    `links` are consecutive. Without links, the two rows are the two directions of a connection, seen at one point.
    A reply goes from the translated tuple to the original one.
    """

    first: int
    last: int
    links: tuple[int, ...]
    is_reply: bool
    ttl_delta: int
    confidence: float


def linked_steps(context: Context, links: Links, answers: PerFlow) -> list[TranslationStep]:
    """The translations that flow links show, chain by chain; `answers` are the `replies` of the flows."""
    flows = context.flows
    rewrites = (flows[links.source[:, None], TUPLE_COLUMNS] != flows[links.target[:, None], TUPLE_COLUMNS]).any(axis=1)
    is_to_itself = sends_to_itself(flows[links.target])
    point_hosts = [host_of(point.name) for point in context.points]
    steps = []
    for chain in links.chains(rewrites):
        if _is_tracked(flows[links.source[chain[0]]]):
            for run in _rewriting_runs(context, links, chain, rewrites, point_hosts):
                _drop_half_rewritten_end(run, is_to_itself)
                if run:
                    steps.append(_linked_step(context, links, run, answers))
    return _with_rewrite(flows, steps)


def _with_rewrite(flows: FlowTable, steps: list[TranslationStep]) -> list[TranslationStep]:
    """The steps whose two ends have different tuples: within a run, one link can undo another."""
    rows = np.array([(step.first, step.last) for step in steps], dtype=np.int64).reshape(-1, 2)
    addresses = flows[rows[:, :, None], ADDRESS_COLUMNS]
    has_other_address = (addresses[:, 0] != addresses[:, 1]).any(axis=1).tolist()
    return [
        step
        for step, is_clear in zip(steps, has_other_address, strict=True)
        if is_clear or flow_tuple(flows[step.first]) != flow_tuple(flows[step.last])
    ]


def _rewriting_runs(
    context: Context, links: Links, chain: list[int], rewrites: PerLink, point_hosts: list[str | None]
) -> Iterator[list[int]]:
    """The links of each translation in a chain, with the links between them that rewrite nothing."""
    run: list[int] = []
    end = ttl_delta = 0  # position in the chain behind the run, and the change of the TTL in it
    for position, link in enumerate(chain):
        if not rewrites[link]:
            continue
        if run:
            between = chain[end : position + 1]
            more = int(links.ttl_delta[between].sum())
            points = context.flows[links.target[[run[0], *between]], schema.FLOW_POINT]
            hosts = {point_hosts[point] for point in points.tolist()}
            on_one_host = len(hosts) == 1 and None not in hosts
            on_one_host |= bool(sends_to_itself(context.flows[links.target[run[-1:]]])[0])
            if on_one_host and ttl_delta + more >= -MAX_TTL_FALL:
                run += between
                end, ttl_delta = position + 1, ttl_delta + more
                continue
            yield run
        run = [link]
        end, ttl_delta = position + 1, int(links.ttl_delta[link])
    yield run


def _drop_half_rewritten_end(run: list[int], is_to_itself: PerLink) -> None:
    """Cut the run behind its last link to a flow that does not send to itself.

    A promiscuous bridge has a copy of the half-rewritten packet routed, behind the whole translation.
    """
    while run and is_to_itself[run[-1]]:
        run.pop()


def _linked_step(context: Context, links: Links, run: list[int], answers: PerFlow) -> TranslationStep:
    first, last = int(links.source[run[0]]), int(links.target[run[-1]])
    tcp = bool(context.flows[first, schema.FLOW_PROTO] == TCP)
    return TranslationStep(
        first,
        last,
        tuple(run),
        is_reply(context, first, last, answers),
        sum(int(links.ttl_delta[link]) for link in run),
        min(links.confidence(link, tcp) for link in run),
    )


def _is_tracked(row: FlowRow) -> bool:
    """Can a flow have a conntrack entry of its own?

    An ICMP error belongs to the connection that it is about, and later fragments show no ports.
    """
    proto = int(row[schema.FLOW_PROTO])
    if proto in (ICMP, ICMPV6):
        return echo_id(row) is not None
    return proto not in (TCP, UDP) or ports(row)[0] is not None


def is_reply(context: Context, first: int, last: int, answers: PerFlow) -> bool:
    """Do these two hops carry the replies of a connection that the other side opened? `answers`: `replies`."""
    flows = context.flows
    if flows[first, schema.FLOW_PROTO] in (ICMP, ICMPV6):
        return flows[first, schema.FLOW_KIND] >> 8 not in _ICMP_REQUEST_TYPES
    if flows[first, schema.FLOW_PROTO] == TCP:
        if flows[first, schema.FLOW_SYN_TIME] >= 0 or flows[last, schema.FLOW_SYN_TIME] >= 0:
            return False
        if flows[first, schema.FLOW_SYNACK_TIME] >= 0 or flows[last, schema.FLOW_SYNACK_TIME] >= 0:
            return True
    for row in (first, last):
        answer = int(answers[row])
        if answer >= 0:
            return bool(flows[answer, schema.FLOW_FIRST] < flows[row, schema.FLOW_FIRST])
    return False


def translation_key(context: Context, step: TranslationStep) -> TranslationKey:
    """Where a translation happens, and between which tuples, in original direction."""
    first, last = context.flows[step.first], context.flows[step.last]
    if not step.links:
        # The request shows the translated tuple, the reply the original one.
        before, after = reply_tuple(last), flow_tuple(first)
    elif step.is_reply:
        before, after = reply_tuple(last), reply_tuple(first)
    else:
        before, after = flow_tuple(first), flow_tuple(last)
    # If the two points are on two hosts: SNAT happens on the source's side, a port is published on the server's side.
    source_side, destination_side = (
        host_of(context.points[row[schema.FLOW_POINT]].name) or "" for row in (first, last)
    )
    if step.is_reply:
        source_side, destination_side = destination_side, source_side
    dnat = nat_kind(before, after) == "dnat"
    host = destination_side or source_side if dnat else source_side or destination_side
    return TranslationKey(host, int(first[schema.FLOW_PROTO]), before, after)

"""Which rule or counter rose by as many packets as are missing.

Input: missing packets, and what rose in their namespaces. Output: `Cause`s, each with the flow rows that it stopped.
Method: a rule is a candidate where the walk of a packet through the rules can end at it, a counter where it can have
counted the packet. Numbers decide: packets, and octets where both are known, must be equal (EQUAL); or a rule that only
these packets can meet counted fewer (PART). Two candidates for the same packets are both POSSIBLE, and so is one
packet alone, where a test of the walk is open or a counter has no setting that explains it. What rose by more counted
other traffic too, and is not named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.kernel.cause import COUNTERS as BY_COUNTERS
from capnet.analysis.facts.kernel.cause import EQUAL, IMPLIED, PART, POSSIBLE, RULES, Cause
from capnet.analysis.facts.kernel.counters import BALANCES, COUNTERS, KernelCounter, arrival_counters, device_counters
from capnet.analysis.facts.kernel.missing_packets import MissingPackets, missing_packets
from capnet.analysis.facts.kernel.namespaces import BEFORE_DELIVERY_V6, NamespaceChanges, Rise
from capnet.analysis.facts.kernel.netfilter.rule_walk import Drop, Packet, possible_drops
from capnet.analysis.facts.kernel.netfilter.rules import REJECT, Rule
from capnet.quick_tuple import NamedTuple

TCP_RESET = re.compile("tcp[- ]reset")  # as iptables and nftables write it
MIN_EQUAL = 2  # packets that are as many by no chance: one alone may be another one
MAX_WALKS = 100  # of different packets: a walk through ten thousand rules takes milliseconds
_SHORTEST_IP = 20  # octets of an IP header
_SPECIFIC = ("src", "dst", "sport", "dport", "in")  # tests that not every packet passes


class _Candidate(NamedTuple):
    rule: Rule | None
    counter: KernelCounter | None
    rise: Rise | None  # None: it has no counter
    flows: list[MissingPackets]
    is_certain: bool  # the packets end there, if they come that far; of a counter: a setting explains it


@derived
def counted_causes(context: Context) -> list[Cause]:
    """What stopped packets, by namespace, rules before counters."""
    stopped: list[Cause] = []

    def namespace(each: MissingPackets) -> tuple[str, tuple[str, ...]]:
        return each.namespace.name, each.namespace.points  # a restarted container has two of one name

    missing = sorted(missing_packets(context), key=lambda each: (*namespace(each), each.row))
    for _, group in groupby(missing, key=namespace):
        of_namespace = list(group)
        for is_refused in (False, True):
            flows = [each for each in of_namespace if each.is_refused == is_refused]
            if flows and _may_explain(flows[0].namespace):
                causes = _distinct(list(_causes(context, flows, is_refused)))
                stopped += causes or _by_balance(context, flows, is_refused)
    return stopped


def _may_explain(namespace: NamespaceChanges) -> bool:
    return namespace.is_compared and bool(namespace.rises or namespace.counters or namespace.tables)


def _causes(context: Context, flows: list[MissingPackets], is_refused: bool) -> Iterator[Cause]:
    namespace = flows[0].namespace
    for candidate in (*_rules(context, flows, is_refused), *_counters(context, flows, is_refused)):
        if candidate.rise is None:
            if candidate.is_certain and candidate.rule and not candidate.rule.number:  # a policy
                yield _cause(candidate, namespace, candidate.flows, IMPLIED, is_refused)
            continue
        chosen = _equal(context, candidate)
        if chosen:
            is_equal = candidate.is_certain or candidate.rise.packets >= MIN_EQUAL
            yield _cause(candidate, namespace, chosen, EQUAL if is_equal else POSSIBLE, is_refused)
        elif 0 < candidate.rise.packets < _packets(candidate.flows) and _is_specific(candidate):
            yield _cause(candidate, namespace, candidate.flows, PART, is_refused)


def _by_balance(context: Context, flows: Sequence[MissingPackets], is_refused: bool) -> list[Cause]:
    """That rules stopped as many, where neither a rule nor a counter of its own tells it."""
    namespace = flows[0].namespace
    for counter in BALANCES if not is_refused else ():
        counted = [each for each in flows if counter.counts(each)]
        if counter.name == BEFORE_DELIVERY_V6 and _has_fragments_of_v6(context):
            continue
        rise = Rise(namespace.counters.get(counter.name, 0), 0)
        candidate = _Candidate(None, counter, rise, counted, False)
        if rise.packets >= MIN_EQUAL and _agrees(candidate, counted):
            rule = _only_uncounted(context, counted) if not counter.setting(counted[0]) else None
            if rule:
                return [_cause(_Candidate(rule, None, rise, counted, True), namespace, counted, IMPLIED, is_refused)]
            match = EQUAL if counter.setting(counted[0]) else POSSIBLE
            return [_cause(candidate, namespace, counted, match, is_refused)]
    return []


def _only_uncounted(context: Context, flows: Sequence[MissingPackets]) -> Rule | None:
    """The only rule or policy without a counter where all these packets can end, if no counter of another rose."""
    wanted, rules = {each.row for each in flows}, list(_rules(context, flows, False))
    if any(each.rise and each.rise.packets for each in rules):
        return None
    candidates = [each for each in rules if each.rise is None]
    ends = [each.rule for each in candidates if wanted <= {flow.row for flow in each.flows}]
    return ends[0] if len(candidates) == len(ends) == 1 else None


def _has_fragments_of_v6(context: Context) -> bool:
    return bool(((context.flows[:, schema.FLOW_FRAGMENTS] > 0) & (context.flows[:, schema.FLOW_SRC_HI] != 0)).any())


def _cause(
    candidate: _Candidate, namespace: NamespaceChanges, flows: Sequence[MissingPackets], match: str, is_refused: bool
) -> Cause:
    counter = candidate.counter
    packets = candidate.rise.packets if candidate.rise else 0
    is_refused |= candidate.rule is not None and candidate.rule.verdict == REJECT
    return Cause(
        namespace, tuple(each.row for each in flows), candidate.rule, counter.name if counter else "",
        counter.setting(flows[0]) if counter else "", packets, _packets(flows), match, is_refused,
        RULES if match == IMPLIED else BY_COUNTERS,
    )  # fmt: skip


def _rules(context: Context, flows: Sequence[MissingPackets], is_refused: bool) -> Iterator[_Candidate]:
    """The rules, and policies, where the packets can end."""
    namespace = flows[0].namespace
    ends: dict[Rule, list[tuple[MissingPackets, Drop]]] = {}
    walked: dict[Packet, list[Drop]] = {}
    reads_source_ports = any(test.what == "sport" for rule in _all_rules(namespace) for test in rule.tests)
    for each in flows:
        packet = each.packet if reads_source_ports else each.packet._replace(sport=0)
        if packet not in walked and len(walked) < MAX_WALKS:
            walked[packet] = possible_drops(namespace.tables, packet)
        for drop in walked.get(packet, ()):
            if (drop.rule.verdict == REJECT) == is_refused or _resets_unseen(context, drop.rule, each):
                ends.setdefault(drop.rule, []).append((each, drop))
    for rule, pairs in ends.items():
        is_certain = all(drop.is_certain for _, drop in pairs)
        yield _Candidate(rule, None, namespace.rise(rule), [each for each, _ in pairs], is_certain)


def _resets_unseen(context: Context, rule: Rule, missing: MissingPackets) -> bool:
    """Does a rule answer with a RST that a bridge does not show? It leaves by the port that the packet came in by."""
    point = context.points[int(context.flows[missing.row, schema.FLOW_POINT])]
    return point.role == "bridge" and rule.verdict == REJECT and TCP_RESET.search(rule.text) is not None


def _all_rules(namespace: NamespaceChanges) -> Iterator[Rule]:
    return (rule for table in namespace.tables for chain in table.chains.values() for rule in chain.steps())


def _counters(context: Context, flows: Sequence[MissingPackets], is_refused: bool) -> Iterator[_Candidate]:
    rose = flows[0].namespace.counters
    arrived_by = sorted({name for each in flows for name in each.packet.in_ or ()})
    of_arrivals = (counter for device in arrived_by for counter in arrival_counters(device))
    for counter in (*COUNTERS, *_of_devices(context, flows), *of_arrivals):
        if counter.name in rose and counter.is_refusal == is_refused:
            counted = [each for each in flows if counter.counts(each)]
            if counted:
                is_explained = counter.setting(counted[0]) != ""
                yield _Candidate(None, counter, Rise(rose[counter.name], 0), counted, is_explained)


def _of_devices(context: Context, flows: Sequence[MissingPackets]) -> Iterator[KernelCounter]:
    """Counters of the interfaces of this namespace where packets were due next."""
    points = flows[0].namespace.points
    for due in sorted({each.due for each in flows if each.due >= 0}):
        point = context.points[due]
        if point.name in points and point.device:
            yield from device_counters(point.device, lambda each, due=due: each.due == due)  # type: ignore[misc]


def _equal(context: Context, candidate: _Candidate) -> Sequence[MissingPackets]:
    """The missing packets that are as many as it counted: all that can be meant, or those to one service."""
    assert candidate.rise is not None
    if _agrees(candidate, candidate.flows):
        return candidate.flows

    def service(each: MissingPackets) -> tuple[int, str, str, int]:
        point = int(context.flows[each.row, schema.FLOW_POINT])
        return point, each.packet.proto, each.packet.dst, each.packet.dport or 0

    if candidate.rule is None:
        return ()
    groups = [list(group) for _, group in groupby(sorted(candidate.flows, key=service), key=service)]
    equal = [group for group in groups if all(each.octets for each in group) and _agrees(candidate, group)]
    return equal[0] if len(equal) == 1 else ()


def _agrees(candidate: _Candidate, flows: Sequence[MissingPackets]) -> bool:
    """Are the packets as many as it counted, and so are their octets, where these are known?"""
    rise = candidate.rise
    if rise is None or rise.packets != _packets(flows):
        return False
    if candidate.rule is None or any(each.octets is None for each in flows):
        return True
    octets = sum(each.octets or 0 for each in flows)
    if any(each.is_padded for each in flows):
        return _SHORTEST_IP * rise.packets <= rise.octets <= octets
    return rise.octets == octets


def _packets(flows: Iterable[MissingPackets]) -> int:
    return sum(each.packets for each in flows)


def _is_specific(candidate: _Candidate) -> bool:
    """Is it a counter, or does a rule name an address, a port or an interface, or stop all that come to it?"""
    if candidate.rule is None:
        return True
    return candidate.is_certain or any(test.what in _SPECIFIC for test in candidate.rule.tests)


def _distinct(candidates: list[Cause]) -> list[Cause]:
    """Each flow row has one cause: an equal one, else a possible, a partial one or a policy; of several, all may be."""
    result: list[Cause] = []
    explained: set[int] = set()
    for match in (EQUAL, POSSIBLE, PART, IMPLIED):
        of_match = [cause for cause in candidates if cause.match == match and not explained & set(cause.rows)]
        for cause in of_match:
            rivals = [other for other in of_match if other is not cause and set(other.rows) & set(cause.rows)]
            result.append(cause._replace(match=POSSIBLE) if rivals else cause)
        explained |= {row for cause in of_match for row in cause.rows}
    return result

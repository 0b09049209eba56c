"""Fates of flows as a report lists them: the worst first, then those with the most packets.

Input: `fate.verdict`. Output: `Fate`s, at most MAX_LISTED, and how many flows have which fate. Left out: multicast and
broadcast, ICMP messages that ask nothing, and carriers of tunnels of which nothing is wrong: what they carry is listed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.keys import FATES, MAX_LISTED
from capnet.analysis.core.contract.outcomes import Fate
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, echo_id, flow_key, proto_name, replies
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence
from capnet.analysis.core.schema import Mask, Values
from capnet.analysis.correlate.duplicates import duplicates, packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.path_mtu import learned_path_mtu
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.outcomes.answers import chain_answers
from capnet.analysis.facts.outcomes.route_probes import are_route_probes
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.analysis.facts.tunnels import carrier_flows
from capnet.analysis.fate import fates, refutation
from capnet.analysis.fate.answers import are_group_answers
from capnet.analysis.fate.chain_values import any_of_chain
from capnet.analysis.fate.next_points import HOME, HOST, REVERSE, TWIN, chain_of
from capnet.analysis.fate.unrecorded.any_drops import dropped_at_any
from capnet.analysis.fate.unrecorded.unrecorded_packets import unrecorded_packets
from capnet.analysis.fate.verdict import verdicts as verdict
from capnet.analysis.fate.verdict.answers_elsewhere import is_answered_elsewhere
from capnet.analysis.fate.verdict.loops import looping_flows
from capnet.analysis.fate.verdict.verdicts import Verdicts, verdicts
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP_REQUESTS, ICMPV6_ECHO_REQUEST, TCP, TCP_ACK

KNOWN_BY = {TWIN: "service", HOST: "host", HOME: "interface", REVERSE: "reverse"}  # ranks of the next point
REASONS = {
    refutation.GROUP: "group",
    refutation.ONE_PACKET: "one-packet",
    refutation.NOT_LISTENING: "not-listening",
    refutation.SEEN_THERE: "seen-there",
    fates.ONE_POINT: "one-point",
    fates.NEXT_UNKNOWN: "next-unknown",
    fates.TOO_MANY: "too-many",
}
_FATES_AT_ONCE = 1000  # whose values are Python's at a time

# Verdicts that need no conclusion about the next point: what shows them.
_SHOWN_BY = {
    verdict.LOOPED: "ttl",
    verdict.ANSWER_STOPS: "request",
    verdict.LOSES: "packets",
    verdict.REPEATED: "repeats",
    verdict.COPIED: "copies",
}


def fate_facts(context: Context) -> list[Fate]:
    """What became of flows, at most MAX_LISTED, the worst and busiest ones."""
    return list(every_fate(context, MAX_LISTED))


def every_fate(context: Context, most: int | None = None) -> Iterator[Fate]:
    """What became of flows, the worst and busiest ones first, `most` of them or all; one is made at a time."""
    outcome = _outcome(context)
    listed = np.flatnonzero(_is_listed(context))
    badness = (outcome.verdict[listed] << 48) - context.flows[:, schema.FLOW_PACKETS][outcome.first[listed]]
    if most is not None and len(listed) > most:  # sorting a few takes less time
        is_among_worst = badness <= np.partition(badness, most)[most]
        listed, badness = listed[is_among_worst], badness[is_among_worst]
    order = np.lexsort((outcome.first[listed], badness))
    listed = listed[order][:most]
    for together in np.array_split(listed, range(_FATES_AT_ONCE, len(listed), _FATES_AT_ONCE)):
        yield from _fates(context, outcome, together)


class Totals(NamedTuple):
    """Of all flows that are listed, however many."""

    fates: dict[str, int]  # fate → flows
    answered: int  # flows of which the other direction was seen
    unrecorded: dict[str, int]  # point → packets that passed it, at least, and that it does not show


def outcome_totals(context: Context) -> Totals:
    """How many flows have which fate, how many have an answer, and what the points did not record."""
    outcome, listed = _outcome(context), _is_listed(context)
    of_fates = np.bincount(outcome.verdict[listed], minlength=len(FATES)).tolist()
    links, missed = flow_links(context), unrecorded_packets(context)
    unrecorded: dict[str, int] = {}
    counts = dropped_at_any(context).copy()
    np.add.at(counts, context.flows[links.target, schema.FLOW_POINT], missed)
    for point in np.flatnonzero(counts).tolist():
        name = context.points[point].name
        unrecorded[name] = unrecorded.get(name, 0) + int(counts[point])
    fates_of_flows = {name: number for name, number in zip(FATES, of_fates, strict=True) if number}
    # Of equal ports, as of gossip, the other direction proves no answer, but was seen. Equal ends have one direction.
    has_reply = (replies(context) >= 0) & (replies(context) != np.arange(len(context.flows)))
    is_seen = any_of_chain(context, has_reply | is_answered_elsewhere(context))[outcome.last]
    return Totals(fates_of_flows, int((listed & (outcome.is_replied | is_seen)).sum()), unrecorded)


@derived
def _outcome(context: Context) -> Verdicts:
    """The verdicts, by which a flow arrives whose sender was told the path's MTU, and sent again what was too large."""
    outcome = verdicts(context)
    losing = np.flatnonzero(outcome.verdict == verdict.LOSES)
    learned = losing[learned_path_mtu(context)[outcome.first[losing]]] if len(losing) else losing
    arrived = [number for number in learned.tolist() if _is_acknowledged(context, int(outcome.first[number]))]
    if not arrived:
        return outcome
    kinds = outcome.verdict.copy()
    kinds[arrived] = verdict.DELIVERED
    return Verdicts(**(outcome._asdict() | {"verdict": kinds}))


def _is_acknowledged(context: Context, row: int) -> bool:
    """Is all that a flow of TCP sent acknowledged at its point? A sender that was not told goes on in vain."""
    flows, answer = context.flows, int(replies(context)[row])
    if flows[row, schema.FLOW_PROTO] != TCP or answer < 0:
        return False
    control = observations_of(context, answer)[:, schema.OBS_CONTROL]
    control = control[control >> 48 & TCP_ACK > 0]  # a SYN has no acknowledgment number
    ahead = ((control & 0xFFFFFFFF) - flows[row, schema.FLOW_NEXT_SEQ]) & 0xFFFFFFFF
    return bool((ahead < 1 << 31).any())


@derived
def _is_listed(context: Context) -> Mask:
    """Per verdict: is it about a flow that a report lists?"""
    outcome = _outcome(context)
    proto, kind = (context.flows[:, column][outcome.first] for column in (schema.FLOW_PROTO, schema.FLOW_KIND))
    is_message = is_one_of(proto, ICMP_PROTOCOLS)
    asks_nothing = is_message & ~is_one_of(kind >> 8, (*ICMP_REQUESTS, ICMPV6_ECHO_REQUEST))
    is_fine = is_one_of(outcome.verdict, (verdict.UNKNOWN, verdict.COPIED, verdict.DELIVERED))
    is_carrier = carrier_flows(context)[outcome.first] & is_fine
    # Who asked a group may have closed the port when the second answer comes. A traceroute asks for errors.
    is_in_vain = is_one_of(outcome.verdict, (verdict.ANSWERED_BY, verdict.REPEATED))
    is_group_answer = are_group_answers(context)[outcome.first]
    is_probe = are_route_probes(context)[outcome.first] & ~outcome.is_replied
    is_by_design = (is_group_answer | is_probe) & (is_fine | is_in_vain)
    return ~(asks_nothing | is_carrier | is_by_design | (outcome.reason == refutation.GROUP))


def _fates(context: Context, outcome: Verdicts, numbers: Values) -> Iterator[Fate]:
    """The fates of these verdicts."""
    firsts = outcome.first[numbers]
    columns = (
        outcome.last, outcome.verdict, outcome.rank, outcome.next, outcome.point, outcome.missing, outcome.repeats,
        outcome.siblings, outcome.reason,
    )  # fmt: skip
    values = zip(
        context.flows[firsts].tolist(),
        packets_without_duplicates(context)[firsts].tolist(),
        firsts.tolist(),
        *(column[numbers].tolist() for column in columns),
        strict=True,
    )
    for flow, packets, first, last, kind, rank, following, point, missing, repeats, siblings, reason in values:
        answers = chain_answers(context, first)
        known_by = _SHOWN_BY.get(kind) or KNOWN_BY.get(rank, "topology" if rank else None)
        if kind in (verdict.DELIVERED, verdict.ANSWERED_BY) and any(answer.kind != "none" for answer in answers):
            known_by = "answer"
        yield Fate(
            proto=proto_name(flow[schema.FLOW_PROTO]),
            flow=flow_key(flow),
            id=echo_id(flow),
            fate=FATES[kind],
            point=context.points[point].name,
            next=context.points[following].name if following >= 0 else None,
            packets=packets,
            missing=missing if kind == verdict.LOSES else None,
            repeats=repeats,
            known_by=None if kind == verdict.UNKNOWN else known_by,
            siblings=siblings if kind == verdict.STOPS_AT else 0,
            unknown=REASONS.get(reason) if kind == verdict.UNKNOWN else None,
            answers=answers,
            first=flow[schema.FLOW_FIRST],
            evidence=_evidence(context, kind, first, last),
        )


def _evidence(context: Context, kind: int, first: int, last: int) -> list[Evidence]:
    """The passes of a loop, a packet and its copy, or the first frame at each hop."""
    chain = chain_of(context)
    if kind == verdict.LOOPED:
        loops = [loop for loop in looping_flows(context) if chain[loop.row] == chain[first]]
        return [context.flow_evidence(loop.row, frame) for loop in loops for frame in loop.frames][:MAX_EVIDENCE]
    if kind == verdict.COPIED:
        copies = duplicates(context)
        of_chain = np.flatnonzero(chain[copies.flow_rows] == chain[first])[:1].tolist()
        pairs = [(int(copies.flow_rows[number]), copies.frames[number].tolist()) for number in of_chain]
        return [context.flow_evidence(row, frame) for row, frames in pairs for frame in frames]
    return hop_evidence(context, [last]) if first != last else [context.first_frame(first)]

"""NAT facts: which connections had addresses, ports or ICMP identifiers rewritten, and between which two points.

Input: steps that flow links show (`steps`), and connections of which one side was captured (`half_translated`).
Output: one row per connection and host, in the direction of the first packet (TCP: of the SYN, ICMP: of the request).
Replies show the inverse translation; they confirm the row and do not become one.
"""

from __future__ import annotations

from dataclasses import replace

from capnet.analysis.aggregate import limits
from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import proto_name, replies
from capnet.analysis.core.results import Evidence, Nat, Side
from capnet.analysis.core.schema import PerFlow
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.nat.conntrack import Entries
from capnet.analysis.facts.nat.half_translated import half_translated
from capnet.analysis.facts.nat.partial_translations import TupleIndex, is_half_rewritten, is_part
from capnet.analysis.facts.nat.translation_steps import TranslationStep, linked_steps, translation_key
from capnet.analysis.facts.nat.tuples import FlowTuple, TranslationKey, nat_kind
from capnet.quick_tuple import NamedTuple


def nat_facts(context: Context) -> list[Nat]:
    """Translations by time of the first packet."""
    return _nat_facts(context).translations


def half_translations(context: Context) -> int:
    """Number of translations of which one side was captured, including those that the report leaves out."""
    return _nat_facts(context).halves


class _NatFacts(NamedTuple):
    translations: list[Nat]
    halves: int


class _Translation:
    """The first step of each direction of one translated connection on one host."""

    def __init__(self, forward: TranslationStep | None = None) -> None:
        self.forward = forward
        self.backward: TranslationStep | None = None

    def add(self, context: Context, step: TranslationStep) -> None:
        """Keep a step if it is the earliest of its direction."""
        earliest = self.backward if step.is_reply else self.forward
        if earliest is None or _start(context, step) < _start(context, earliest):
            if step.is_reply:
                self.backward = step
            else:
                self.forward = step

    @property
    def step(self) -> TranslationStep:
        """The step that describes the translation: of the original direction, if that was seen."""
        step = self.forward or self.backward
        assert step is not None  # a translation is made with one of its steps
        return step


_Translations = dict[TranslationKey, _Translation]


@derived
def _nat_facts(context: Context) -> _NatFacts:
    links = flow_links(context)
    answers = replies(context)
    steps = linked_steps(context, links, answers)
    translations = _whole_translations(context, steps)
    linked_rows = {row for step in steps for row in (step.first, step.last)}
    halves = _add_half_translations(context, translations, answers, linked_rows)
    entries = Entries(context.topology)
    packets = packets_without_duplicates(context)
    facts = []
    for key in sorted(translations, key=lambda key: _start(context, translations[key].step)):
        entry = _conntrack_entry(key, entries)
        fact = _fact(context, links, translations[key], entry or key, packets, answers)
        if entry is not None:
            fact = replace(fact, confidence=1.0, method=fact.method if entry == key else "conntrack")
        facts.append(fact)
    return _NatFacts(facts, halves)


def _start(context: Context, step: TranslationStep) -> tuple[int, int]:
    """Time of the first packet of a step, ns, and its flow row."""
    return int(context.flows[step.first, schema.FLOW_FIRST]), step.first


def _whole_translations(context: Context, steps: list[TranslationStep]) -> _Translations:
    """Translations of linked steps, without those that are part of another one: their packets are in that one too."""
    translations: _Translations = {}
    for step in steps:
        translations.setdefault(translation_key(context, step), _Translation()).add(context, step)
    index = TupleIndex(translations)
    for key in list(translations):
        if any(other in translations and is_part(key, other) for other in index.sharing_a_tuple(key)):
            del translations[key]
    for key in [key for key in translations if is_half_rewritten(key)]:
        del translations[key]
    return translations


def _add_half_translations(
    context: Context, translations: _Translations, answers: PerFlow, linked_rows: set[int]
) -> int:
    """Add what `half_translated` shows beyond these translations; return how many there are.

    At most `limits.MAX_HALF_TRANSLATIONS` are added.

    A sender can invent any number of such connections, so the rest is counted only.
    """
    index = TupleIndex(translations)
    present = {key[1:] for key in translations}  # without the host, which links may place elsewhere
    halves = 0
    for step in half_translated(context, answers, linked_rows):
        key = translation_key(context, step)
        if key[1:] in present or any(is_part(key, other) for other in index.sharing_a_tuple(key)):
            continue
        halves += 1
        if halves <= limits.MAX_HALF_TRANSLATIONS:
            present.add(key[1:])
            translations[key] = _Translation(forward=step)
    return halves


def _conntrack_entry(key: TranslationKey, entries: Entries) -> TranslationKey | None:
    """The conntrack entry that a translation is, or is a part of; None if there is none."""
    proto = proto_name(key.proto)
    if entries.has(proto, key.before, key.after):
        return key
    for before in entries.befores(proto, key.after):
        whole = key._replace(before=before)
        if is_part(key, whole):
            return whole
    return None


def _fact(
    context: Context,
    links: Links,
    translation: _Translation,
    key: TranslationKey,
    packets: PerFlow,
    answers: PerFlow,
) -> Nat:
    """The row of the report; `packets` are those of `packets_without_duplicates`."""
    step = translation.step
    before, after = key.before, key.after
    before_row, after_row = step.first, step.last
    if step.is_reply or not step.links:
        before_row, after_row = after_row, before_row
    confidence = step.confidence
    evidence = _evidence(context, links, step)
    if translation.forward is not None and translation.backward is not None:
        confidence = 1 - (1 - confidence) * (1 - translation.backward.confidence)
        evidence += _evidence(context, links, translation.backward)
    # If a flow forks, its row also counts packets that were translated otherwise.
    counted_row = step.last if any(links.leaves_fork[link] for link in step.links) else step.first
    return Nat(
        kind=nat_kind(before, after),
        proto=proto_name(key.proto),
        before=_side(context, before, before_row),
        after=_side(context, after, after_row),
        port_rewritten=(before.sport, before.dport, before.id) != (after.sport, after.dport, after.id),
        ttl_delta=step.ttl_delta,
        packets=int(packets[counted_row]),
        bytes=int(context.flows[counted_row, schema.FLOW_BYTES]),
        reply_seen=step.is_reply
        or not step.links
        or translation.backward is not None
        or bool(answers[step.first] >= 0 or answers[step.last] >= 0),
        latency_us=links.delay(step.links[0]) if len(step.links) == 1 else None,
        method="same-packet" if step.links and not step.is_reply else "reply-pairing",
        confidence=round(confidence, 3),
        evidence=evidence,
    )


def _evidence(context: Context, links: Links, step: TranslationStep) -> list[Evidence]:
    """The first packet of the step in both tuples."""
    if not step.links:
        frames = context.flows[:, schema.FLOW_FIRST_FRAME]
        return [context.flow_evidence(row, int(frames[row])) for row in (step.first, step.last)]
    return [
        context.flow_evidence(step.first, int(links.frames[step.links[0], 0])),
        context.flow_evidence(step.last, int(links.frames[step.links[-1], 1])),
    ]


def _side(context: Context, form: FlowTuple, row: int) -> Side:
    point = context.points[context.flows[row, schema.FLOW_POINT]].name
    return Side(form.src, form.sport, form.dst, form.dport, point, form.id)

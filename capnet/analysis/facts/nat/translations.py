"""NAT facts: which connections had addresses, ports or ICMP identifiers rewritten, and between which two points.

Input: steps that flow links show (`steps`), and connections of which one side was captured (`half_translated`).
Output: one row per connection and host, in the direction of the first packet (TCP: of the SYN, ICMP: of the request).
Replies show the inverse translation; they confirm the row and do not become one.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate import limits
from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import proto_name, replies
from capnet.analysis.core.schema import FlowRows, PerFlow, Values
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.nat.conntrack import Entries
from capnet.analysis.facts.nat.grouping import StepKeys, contradicted, directions, step_keys, whole
from capnet.analysis.facts.nat.half_translated import half_translated
from capnet.analysis.facts.nat.partial_translations import TupleIndex, is_part
from capnet.analysis.facts.nat.translation_rows import Places, Translations, evidence_columns
from capnet.analysis.facts.nat.translation_steps import Steps, linked_steps, steps_of
from capnet.analysis.facts.nat.tuples import TranslationKey
from capnet.quick_tuple import NamedTuple


def nat_facts(context: Context) -> Translations:
    """Translations by time of the first packet."""
    return _nat_facts(context).translations


def half_translations(context: Context) -> int:
    """Number of translations of which one side was captured, including those that the report leaves out."""
    return _nat_facts(context).halves


class _NatFacts(NamedTuple):
    translations: Translations
    halves: int


class _Directions(NamedTuple):
    """For each translation its first step of each direction, -1 where a direction was not seen."""

    forward: Values
    backward: Values

    @property
    def leading(self) -> Values:
        """The step that describes the translation: of the original direction, if that was seen."""
        leading: Values = np.where(self.forward >= 0, self.forward, self.backward)
        return leading


@derived
def _nat_facts(context: Context) -> _NatFacts:
    links, answers = flow_links(context), replies(context)
    steps = linked_steps(context, links, answers)
    keys = step_keys(context, steps)
    both = _Directions(*directions(context, steps, keys))
    both = _Directions(*(column[~contradicted(keys, *both)] for column in both))
    both = _Directions(*(column[whole(keys, both.leading)] for column in both))
    halves, count = _half_translations(context, keys, both, answers, np.append(steps.first, steps.last))
    if len(halves.first):
        added = np.arange(len(halves.first)) + len(steps.first)
        steps = steps + halves
        keys = step_keys(context, steps)
        both = _Directions(np.append(both.forward, added), np.append(both.backward, np.full(len(added), -1)))
    leading = both.leading
    start = context.flows[steps.first[leading], schema.FLOW_FIRST]
    order = np.lexsort((steps.first[leading], start))
    both = _Directions(both.forward[order], both.backward[order])
    return _NatFacts(_rows(context, links, steps, keys, both), count)


def _half_translations(
    context: Context, keys: StepKeys, both: _Directions, answers: PerFlow, linked_rows: FlowRows
) -> tuple[Steps, int]:
    """What `half_translated` shows beyond the translations of both directions, and how many there are of it.

    At most `limits.MAX_HALF_TRANSLATIONS` are added.

    A sender can invent any number of such connections, so the rest is counted only.
    """
    steps = list(half_translated(context, answers, linked_rows))
    if not steps:
        return steps_of([]), 0
    translations = [keys.key(step) for step in both.leading.tolist()]
    index = TupleIndex(translations)
    present = {key[1:] for key in translations}  # without the host, which links may place elsewhere
    candidates = step_keys(context, steps_of(steps))
    added = []
    halves = 0
    for number, step in enumerate(steps):
        key = candidates.key(number)
        if key[1:] in present or any(is_part(key, other) for other in index.sharing_a_tuple(key)):
            continue
        halves += 1
        if halves <= limits.MAX_HALF_TRANSLATIONS:
            present.add(key[1:])
            added.append(step)
    return steps_of(added), halves


def _rows(context: Context, links: Links, steps: Steps, keys: StepKeys, both: _Directions) -> Translations:
    """The rows of the report."""
    flows, answers = context.flows, replies(context)
    leading = both.leading
    own = steps.take(leading)
    is_pair = own.first_link < 0
    is_turned = own.is_reply | is_pair
    before_row, after_row = np.where(is_turned, own.last, own.first), np.where(is_turned, own.first, own.last)
    has_both = (both.forward >= 0) & (both.backward >= 0)
    confidence = own.confidence
    confidence = np.where(has_both, 1 - (1 - confidence) * (1 - steps.confidence[both.backward]), confidence)
    # If a flow forks, its row also counts packets that were translated otherwise.
    counted_row = np.where(own.leaves_fork, own.last, own.first)
    seen, inverse = (evidence_columns(context, links, steps.take(rows)) for rows in (leading, both.backward))
    is_timed = own.is_one_link.copy()
    is_timed[is_timed] = links.is_timed[own.first_link[is_timed]]
    delays_ns = np.full((len(leading), 4), -1)
    delays_ns[is_timed] = links.delays_ns[own.first_link[is_timed]]
    rows = Translations(
        places=Places(context.points, context.series),
        proto=keys.proto[leading],
        before=keys.before.take(leading),
        after=keys.after.take(leading),
        before_point=flows[before_row, schema.FLOW_POINT],
        after_point=flows[after_row, schema.FLOW_POINT],
        ttl_delta=own.ttl_delta,
        packets=packets_without_duplicates(context)[counted_row],
        bytes=flows[counted_row, schema.FLOW_BYTES],
        reply_seen=is_turned | has_both | (answers[own.first] >= 0) | (answers[own.last] >= 0),
        is_timed=is_timed,
        delays_ns=delays_ns,
        method=np.where(is_turned, 1, 0),
        confidence=confidence,
        evidence=np.column_stack([seen, np.where(has_both[:, None], inverse, -1)]),
    )
    _take_from_conntrack(context, rows, keys, leading)
    return rows


def _take_from_conntrack(context: Context, rows: Translations, keys: StepKeys, leading: Values) -> None:
    """What the kernel says itself of a translation: it is sure, and the whole of what a part shows."""
    entries = Entries(context.topology)
    if not entries:
        return
    for number, step in enumerate(leading.tolist()):
        key = keys.key(step)
        entry = _conntrack_entry(key, entries)
        if entry is not None:
            rows.confidence[number] = 1.0
            if entry != key:
                rows.before.put(number, entry.before)
                rows.method[number] = 2


def _conntrack_entry(key: TranslationKey, entries: Entries) -> TranslationKey | None:
    """The conntrack entry that a translation is, or is a part of; None if there is none."""
    proto = proto_name(key.proto)
    if entries.has(proto, key.before, key.after):
        return key
    for before in entries.befores(proto, key.after):
        whole_key = key._replace(before=before)
        if is_part(key, whole_key):
            return whole_key
    return None

"""Translations: steps between the same tuples on one host, of the original direction and of the replies.

Input: `Steps`. Output: for each translation its host, its tuples, and the first step of each direction.
A step that is a part of another translation is left out: its packets are in that one too.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, equal_rows, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import Mask, Values
from capnet.analysis.facts.nat.partial_translations import TupleIndex, is_part
from capnet.analysis.facts.nat.translation_steps import Steps
from capnet.analysis.facts.nat.tuples import TranslationKey, TupleColumns, chosen, kinds_of, tuples_of
from capnet.quick_dataclass import frozen


@frozen
class StepKeys:
    """Where each step happens, and between which tuples, in original direction."""

    hosts: list[str]  # numbered; the first is the unknown one
    host: Values
    proto: Values
    before: TupleColumns
    after: TupleColumns

    def key(self, step: int) -> TranslationKey:
        """The key of one step."""
        before, after = self.before.flow_tuple(step), self.after.flow_tuple(step)
        return TranslationKey(self.hosts[self.host[step]], int(self.proto[step]), before, after)

    @cached_property
    def first_equal(self) -> Values:
        """For each step the first one with the same key."""
        return equal_rows([self.host, self.proto, *self.before, *self.after])


def step_keys(context: Context, steps: Steps) -> StepKeys:
    """The keys of steps."""
    flows = context.flows
    first, last = tuples_of(context, steps.first), tuples_of(context, steps.last)
    # Without links, one of request and answer shows the original tuple, and the other one the translated tuple.
    is_pair = steps.first_link < 0
    before = chosen((steps.is_reply | is_pair) & ~steps.is_entering, last.reversed(), first)
    after = chosen(is_pair, first, chosen(steps.is_reply, first.reversed(), last))
    after = chosen(steps.is_entering, last.reversed(), after)
    hosts = [""]
    host_of_point = []
    for point in context.points:
        host = host_of(point.name) or ""
        if host not in hosts:
            hosts.append(host)
        host_of_point.append(hosts.index(host))
    numbers = np.array(host_of_point or [0], dtype=np.int64)
    sides = [numbers[flows[rows, schema.FLOW_POINT]] for rows in (steps.first, steps.last)]
    # If the two points are on two hosts: SNAT happens on the source's side, a port is published on the server's side.
    source_side = np.where(steps.is_reply, sides[1], sides[0])
    destination_side = np.where(steps.is_reply, sides[0], sides[1])
    is_source, is_destination = kinds_of(before, after)
    is_dnat = is_destination & ~is_source
    preferred = np.where(is_dnat, destination_side, source_side)
    host = np.where(preferred > 0, preferred, np.where(is_dnat, source_side, destination_side))
    return StepKeys(hosts, host, flows[steps.first, schema.FLOW_PROTO], before, after)


def directions(context: Context, steps: Steps, keys: StepKeys) -> tuple[Values, Values]:
    """Per translation, in order of its first step, its earliest step of the original direction and of the replies.

    -1 where a direction was not seen.
    """
    start = context.flows[steps.first, schema.FLOW_FIRST]
    numbers = np.arange(len(start))
    order = np.lexsort((numbers, steps.first, start, steps.is_reply, keys.first_equal))
    group, is_reply = keys.first_equal[order], steps.is_reply[order]
    is_earliest = np.ones(len(order), dtype=bool)
    is_earliest[1:] = (group[1:] != group[:-1]) | (is_reply[1:] != is_reply[:-1])
    groups = distinct(group)
    forward, backward = (np.full(len(start), -1) for _ in range(2))
    for direction, wanted in ((forward, ~is_reply), (backward, is_reply)):
        direction[group[is_earliest & wanted]] = order[is_earliest & wanted]
    return forward[groups], backward[groups]


def whole(keys: StepKeys, leading: Values) -> Mask:
    """For each translation: is it no part of another one, and no half-rewritten hairpin? `leading`: a step of each."""
    is_whole = ~(keys.before.take(leading).has_equal_addresses() | keys.after.take(leading).has_equal_addresses())
    candidates = _sharing_a_tuple(keys, leading)
    of_candidates = {place: keys.key(int(leading[place])) for place in candidates.tolist()}
    present = set(of_candidates.values())
    index = TupleIndex(of_candidates.values())
    for place, key in of_candidates.items():
        if any(other in present and is_part(key, other) for other in index.sharing_a_tuple(key)):
            present.remove(key)
            is_whole[place] = False
    return is_whole


def contradicted(keys: StepKeys, forward: Values, backward: Values) -> Mask:
    """For each translation: do replies alone show it, and the original direction of another one its very inverse?

    A bridge that translates what it forwards (bridge-nf-call-iptables) hands a reply to the port, translated back,
    before the tap of the bridge gets it as it came: by time, that looks like a translation of the reply the other way.
    """
    leading = np.where(forward >= 0, forward, backward)
    host, proto = keys.host[leading], keys.proto[leading]
    before, after = keys.before.take(leading), keys.after.take(leading)
    forms = [np.concatenate(pair) for pair in (*zip(before, after, strict=True), *zip(after, before, strict=True))]
    own, inverse = equal_rows([np.tile(host, 2), np.tile(proto, 2), *forms]).reshape(2, -1)
    mask: Mask = (forward < 0) & is_among(inverse, own[forward >= 0])
    return mask


def _sharing_a_tuple(keys: StepKeys, leading: Values) -> Values:
    """Places of the translations with a tuple that another one on the same host has: they alone can be parts."""
    host, proto = keys.host[leading], keys.proto[leading]
    forms = zip(keys.before.take(leading), keys.after.take(leading), strict=True)
    columns = [np.tile(host, 2), np.tile(proto, 2), *(np.concatenate(pair) for pair in forms)]
    first = equal_rows(columns)
    counts = np.bincount(first, minlength=len(first))[first]
    is_shared = (counts > 1).reshape(2, -1).any(axis=0)
    return np.flatnonzero(is_shared)

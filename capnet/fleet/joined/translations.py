"""Connections before and behind a translation: which key of `connections` became which other one, and when.

Input: of a capture its NAT facts, and what its topology holds: conntrack entries, and published ports (`published`).
Output: an array of TRANSLATION, a row for each translated connection of which the capture shows one form or both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import Mask, Values
from capnet.analysis.facts.nat.conntrack import Entry, parse
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.nat.tuples import FlowTuple, TupleColumns
from capnet.fleet.joined.connections import (
    AFTER,
    BEFORE,
    KEY,
    TRANSLATION,
    Connections,
    TranslationRows,
    are_comparable,
    hashes_of,
    keys_of,
)
from capnet.fleet.joined.published import published_translations
from capnet.wire.numbers import ICMP, ICMPV6, TCP, UDP

_NUMBERS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6}


def translations_of(context: Context, connections: Connections) -> TranslationRows:
    """The translated connections of a capture; `connections`: all of it, in the order of their hashes."""
    facts = nat_facts(context)
    entries = _entries(context)
    proto = np.append(facts.proto, np.array([_NUMBERS[entry.proto] for entry in entries], dtype=np.int64))
    rows = np.zeros(len(proto), dtype=TRANSLATION)
    is_comparable = np.ones(len(proto), dtype=bool)
    for side, own in ((BEFORE, facts.before), (AFTER, facts.after)):
        more = _columns([entry.before if side == BEFORE else entry.after for entry in entries])
        forms = TupleColumns(*(np.append(column, added) for column, added in zip(own, more, strict=True)))
        low_port, high_port = (np.where(forms.id >= 0, forms.id, port) for port in (forms.sport, forms.dport))
        source, target = (forms.src_hi, forms.src_lo, low_port), (forms.dst_hi, forms.dst_lo, high_port)
        keys = keys_of(proto, source, target)
        for name in KEY:
            rows[side + name] = keys[name]
        rows[side + "hash"] = hashes_of(keys)
        is_comparable &= are_comparable(source, target)
    rows["first"], rows["last"], is_shown = _times(rows, connections)
    rows = rows[is_shown & is_comparable]
    published = published_translations(context.topology, connections)
    is_new = ~is_among(_hash_of_both(published), _hash_of_both(rows))
    return np.concatenate([rows, published[is_new]])


def _hash_of_both(rows: TranslationRows) -> Values:
    both: Values = (rows[BEFORE + "hash"] ^ (rows[AFTER + "hash"] << np.uint64(1))).view(np.int64)
    return both


def _entries(context: Context) -> list[Entry]:
    """The conntrack entries of translated connections, in the topology."""
    lines = (line for host in (context.topology.hosts if context.topology else ()) for line in host.conntrack)
    return [entry for entry in map(parse, lines) if entry and entry.before != entry.after]


def _columns(forms: Sequence[FlowTuple]) -> TupleColumns:
    made = TupleColumns(*(np.zeros(len(forms), dtype=np.int64) for _ in TupleColumns._fields))
    for row, form in enumerate(forms):
        made.put(row, form)
    return made


def _times(rows: TranslationRows, connections: Connections) -> tuple[Values, Values, Mask]:
    """From when until when each translated connection is shown, in one form or both; and whether it is."""
    first = np.full(len(rows), np.iinfo(np.int64).max)
    last, is_shown = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=bool)
    if not len(connections):
        return first, last, is_shown
    for side in (BEFORE, AFTER):
        place = np.minimum(np.searchsorted(connections["hash"], rows[side + "hash"]), len(connections) - 1)
        shown = connections[place]
        is_equal = np.ones(len(rows), dtype=bool)
        for name in KEY:
            is_equal &= shown[name] == rows[side + name]
        first = np.where(is_equal, np.minimum(first, shown["first"]), first)
        last = np.where(is_equal, np.maximum(last, shown["last"]), last)
        is_shown |= is_equal
    return first, last, is_shown

"""Translations that show only a part of another one: one end is rewritten, the other end already is or will be.

netfilter rewrites the destination before routing and the source after it. A point between them shows the
half-rewritten packet, and another translation seems to begin or to end there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from capnet.analysis.facts.nat.tuples import FlowTuple, TranslationKey, nat_kind


class TupleIndex:
    """Translations by host, protocol and each of their tuples."""

    def __init__(self, keys: Iterable[TranslationKey]) -> None:
        self._keys: dict[tuple[str, int, FlowTuple], list[TranslationKey]] = {}
        for key in keys:
            for form in (key.before, key.after):
                self._keys.setdefault((key.host, key.proto, form), []).append(key)

    def sharing_a_tuple(self, key: TranslationKey) -> Iterator[TranslationKey]:
        """Other translations with a tuple of this one: it can be a part of these only."""
        for form in (key.before, key.after):
            for other in self._keys.get((key.host, key.proto, form), ()):
                if other is not key:
                    yield other


def is_part(part: TranslationKey, whole: TranslationKey) -> bool:
    """Does `part` rewrite one end as `whole` does, with the other end rewritten already, or not yet?"""
    if (part.host, part.proto) != (whole.host, whole.proto):
        return False
    if nat_kind(part.before, part.after) == "snat+dnat" or nat_kind(whole.before, whole.after) != "snat+dnat":
        return False
    return (
        (part.before == whole.before or part.after == whole.after)
        and _sources(part) <= _sources(whole)
        and _destinations(part) <= _destinations(whole)
    )


def _sources(key: TranslationKey) -> set[tuple[str, int | None]]:
    return {(key.before.src, key.before.sport), (key.after.src, key.after.sport)}


def _destinations(key: TranslationKey) -> set[tuple[str, int | None]]:
    return {(key.before.dst, key.before.dport), (key.after.dst, key.after.dport)}

"""Finds a smallest part of a list that still has a property: delta debugging (Zeller and Hildebrandt 2002, ddmin)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Budget:
    """How much may still be tried. `is_late`: whether the time is over."""

    def __init__(self, trials: int, is_late: Callable[[], bool]) -> None:
        self.left = trials
        self.used = 0
        self._is_late = is_late

    @property
    def is_spent(self) -> bool:
        """May nothing more be tried?"""
        return self.left <= 0 or self._is_late()

    def take(self) -> None:
        """One trial."""
        self.left -= 1
        self.used += 1


def smallest(items: list[T], holds: Callable[[list[T]], bool], budget: Budget) -> list[T]:
    """A part of `items`, in their order, for which `holds` is true, as it is for all.

    No single item of the part can be left out, unless the budget was spent before.
    """
    parts = 2
    while len(items) >= 2 and not budget.is_spent:
        size = -(-len(items) // parts)
        chunks = [items[at : at + size] for at in range(0, len(items), size)]
        smaller = _smaller(items, chunks, holds, budget)
        if smaller is not None:
            items, is_chunk = smaller
            parts = 2 if is_chunk else max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(parts * 2, len(items))
    return items


def _smaller(
    items: list[T], chunks: list[list[T]], holds: Callable[[list[T]], bool], budget: Budget
) -> tuple[list[T], bool] | None:
    """A chunk alone (True), or all but one (False), for which the property holds; None if it does for neither."""
    size = len(chunks[0])
    candidates = [(chunk, True) for chunk in chunks] if len(chunks) > 1 else []
    if len(chunks) > 2:
        starts = range(0, len(items), size)
        candidates += [(items[:at] + items[at + size :], False) for at in starts]
    for candidate, is_chunk in candidates:
        if budget.is_spent:
            return None
        budget.take()
        if holds(candidate):
            return candidate, is_chunk
    return None

"""Delta debugging finds a part of which nothing can be left out, within its budget."""

from __future__ import annotations

import pytest

from capnet.reduce.search import Budget, smallest

ALL = list(range(100))


def never() -> bool:
    return False


@pytest.mark.parametrize("needed", [{0}, {99}, {3, 97}, {10, 11, 12, 50}, set(range(0, 100, 9)), set(ALL)])
def test_smallest_part_is_exactly_what_is_needed(needed):
    assert set(smallest(ALL, lambda part: needed <= set(part), Budget(10_000, never))) == needed


def test_order_of_the_items_stays():
    assert smallest(ALL, lambda part: {70, 20, 40} <= set(part), Budget(10_000, never)) == [20, 40, 70]


def test_spent_budget_leaves_a_part_that_holds():
    tried = []

    def holds(part: list[int]) -> bool:
        tried.append(part)
        return {3, 97} <= set(part)

    budget = Budget(5, never)
    assert {3, 97} <= set(smallest(ALL, holds, budget))
    assert (len(tried), budget.used, budget.is_spent) == (5, 5, True)


def test_late_search_tries_nothing():
    assert smallest(ALL, lambda part: pytest.fail("too late"), Budget(10, lambda: True)) == ALL

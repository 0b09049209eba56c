"""Values are found among others, few and many."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import capnet
from capnet.analysis.core.arrays import (
    are_repeated,
    distinct_rows,
    first_equal,
    first_of_groups,
    hash_of,
    hash_slots,
    numbered,
    order_in_groups,
    row_hash,
    sorted_in_groups,
)


@pytest.mark.parametrize(
    "key_count, wanted_count", [(0, 5), (5, 0), (9, 12), (40, 40), (3000, 40), (40, 3000), (3000, 3000)]
)
@pytest.mark.parametrize("highest", [10, 1000, 1 << 62])
@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_first_equal_is_the_first(key_count: int, wanted_count: int, highest: int, dtype: type) -> None:
    """Of few and many values, equal ones among them."""
    numbers = np.random.default_rng(key_count + wanted_count)
    keys, wanted = (numbers.integers(0, highest, count).astype(dtype) for count in (key_count, wanted_count))
    wanted[::2] = np.resize(keys, wanted_count)[::2] if key_count else wanted[::2]
    first: dict[int, int] = {}
    for index, key in enumerate(keys.tolist()):
        first.setdefault(key, index)
    assert first_equal(keys, wanted).tolist() == [first.get(value, -1) for value in wanted.tolist()]


def test_first_equal_finds_keys_of_one_hash() -> None:
    """Keys that differ in bits which the hash does not look at."""
    inverse = pow(0x9E3779B97F4A7C15, -1, 1 << 64)
    keys = np.array([inverse * low % (1 << 64) for low in range(3000)], dtype=np.uint64)
    assert len(set(hash_slots(keys, 12).tolist())) == 1
    assert first_equal(keys, keys[::-1]).tolist() == list(range(3000))[::-1]


@pytest.mark.parametrize("highest", [3, 1 << 40])
@pytest.mark.parametrize("count", [0, 1, 50, 5000])
def test_values_are_numbered_and_counted_as_sets_do(count: int, highest: int) -> None:
    """Of few and many values, most of them equal or nearly none."""
    values = np.random.default_rng(count).integers(-highest, highest, count)
    different, number = numbered(values)
    assert different.tolist() == sorted(set(values.tolist()))
    assert different[number].tolist() == values.tolist()
    occurrences = Counter(values.tolist())
    assert are_repeated(values).tolist() == [occurrences[value] > 1 for value in values.tolist()]


@pytest.mark.parametrize("count", [0, 1, 200])
@pytest.mark.parametrize("is_ordered", [True, False])
def test_groups_stay_and_are_ordered_within(count: int, is_ordered: bool) -> None:
    """As Python sorts, which leaves equal entries as they were."""
    numbers = np.random.default_rng(count)
    groups = np.repeat(numbers.permutation(count // 4 + 1), 4)[:count]
    first, second = numbers.integers(0, 3, (2, count))
    place = {group: index for index, group in enumerate(dict.fromkeys(groups.tolist()))}
    rows = list(zip([place[of] for of in groups.tolist()], first.tolist(), second.tolist(), strict=True))
    if is_ordered:
        rows.sort()
        first, second = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    expected = sorted(range(count), key=lambda index: rows[index])
    assert order_in_groups(groups, first, second).tolist() == expected


@pytest.mark.parametrize("highest", [50, 1 << 62])
def test_values_of_groups_are_sorted_and_the_first_lowest_found(highest: int) -> None:
    """Of values that fit one number with their group, and of values that do not."""
    numbers = np.random.default_rng(3)
    groups = np.append(np.arange(40), numbers.integers(0, 40, 300))
    values = numbers.integers(-highest, highest, len(groups))
    pairs = list(zip(groups.tolist(), values.tolist(), strict=True))
    assert sorted_in_groups(groups, values).tolist() == [value for _, value in sorted(pairs)]
    lowest = [pairs.index(min(pair for pair in pairs if pair[0] == group)) for group in range(40)]
    assert first_of_groups(groups, values, 40).tolist() == lowest
    assert not len(sorted_in_groups(groups[:0], values[:0]))


def test_hash_of_is_row_hash_of_columns() -> None:
    table = np.random.default_rng(1).integers(-5, 1 << 40, (200, 6))
    rows = np.array([7, 3, 3, 199])
    assert hash_of(table, [4, 0, 5]).tolist() == row_hash(table[:, [4, 0, 5]]).tolist()
    assert hash_of(table, [4, 0], rows).tolist() == row_hash(table[rows][:, [4, 0]]).tolist()


@pytest.mark.parametrize("count", [0, 1, 50])
def test_distinct_rows_are_sorted_and_once(count: int) -> None:
    rows = np.random.default_rng(2).integers(0, 3, (count, 3))
    assert list(map(tuple, distinct_rows(rows).tolist())) == sorted(set(map(tuple, rows.tolist())))


def test_no_step_imports_masked_arrays() -> None:
    """`np.unique` does, if it is asked for values alone: 20 ms of every report."""
    package = Path(capnet.__file__).parent
    calls = [
        f"{path.relative_to(package)}:{node.lineno}"
        for folder in ("analysis", "wire", "report")
        for path in sorted((package / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.unique"
        if not any(keyword.arg and keyword.arg.startswith("return_") for keyword in node.keywords)
    ]
    assert not calls, "take `distinct` or `distinct_rows` of analysis.core.arrays"


@pytest.mark.parametrize("shift", [0, 32, 48, 56])
def test_rows_that_differ_in_a_few_bits_have_different_hashes(shift: int) -> None:
    """Also in high bits alone, as addresses of two IPv6 networks with equal interface identifiers."""
    few = np.arange(1 << 8, dtype=np.int64)
    rows = np.stack(np.meshgrid(few, few), axis=-1).reshape(-1, 2) << shift
    assert len(np.unique(row_hash(rows))) == len(rows)

"""More points and other names never take a translation away, and never add one that conntrack does not have.

Truth: the conntrack listings in the topologies of the golden captures, read by `tests.conntrack`.
"""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest

from capnet.analysis.engine import study
from capnet.analysis.facts.nat.partial_translations import is_part
from capnet.analysis.facts.nat.tuples import FlowTuple, TranslationKey
from tests.conntrack import translations
from tests.points import merged_at_any, split

PCAPS = Path(__file__).resolve().parents[4] / "pcaps"
GOLDENS = [
    path.with_name(path.name.replace(".topology.json", ".pcapng"))
    for path in sorted(PCAPS.glob("*.topology.json"))
    if translations(path)
]
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
SUBSETS = 8  # of the points of each golden, drawn anew for no run

Rows = set[TranslationKey]


def rows_of(paths: list[Path]) -> Rows:
    """The translations of a report, wherever they happen."""

    def form(side: object) -> FlowTuple:
        return FlowTuple(*(getattr(side, name) for name in ("src", "sport", "dst", "dport", "id")))

    nat = study(paths).report.nat
    return {TranslationKey("", NUMBERS[row.proto], form(row.before), form(row.after)) for row in nat}


def conntrack_rows(golden: Path) -> Rows:
    listed = translations(golden.with_suffix(".topology.json"))
    return {
        TranslationKey("", NUMBERS[row.proto], FlowTuple(*row.before), FlowTuple(*row.after))  # type: ignore[arg-type]
        for row in listed
    }


def missing(rows: Rows, others: Rows) -> Rows:
    """Those rows that the others neither have, nor have a part or several steps of."""
    joined = set(others)
    for _ in range(3):  # namespaces of a host one behind the other
        joined |= {
            first._replace(after=second.after)
            for first in joined
            for second in others
            if (first.proto, first.after) == (second.proto, second.before)
        }
    absent = {row for row in rows - joined if not any(is_part(row, whole) for whole in joined)}
    return {row for row in absent if row.before.dst != "127.0.0.11"}  # of a container's namespace, which is not listed


def drawn(paths: list[Path]) -> list[list[Path]]:
    """Sets of points: each with one point more."""
    draw = random.Random(len(paths))
    sizes = range(1, len(paths))
    sets = [list(chosen) for size in sizes for chosen in combinations(paths, size)]
    return draw.sample(sets, min(SUBSETS, len(sets)))


@pytest.mark.by_turns
@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_another_point_takes_no_translation_away(tmp_path: Path, golden: Path) -> None:
    truth = conntrack_rows(golden)
    for named in (True, False):
        paths = split(golden, tmp_path / f"named-{named}", named=named)
        for chosen in drawn(paths):
            rows = rows_of(chosen)
            assert missing(rows, truth) == set()
            one_more = next(path for path in paths if path not in chosen)
            assert missing(rows, rows_of([*chosen, one_more])) == set(), (chosen, one_more)


@pytest.mark.by_turns
@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_names_of_points_take_no_translation_away(tmp_path: Path, golden: Path) -> None:
    """None has a name, one of them has one, all have one."""
    neutral, named = (split(golden, tmp_path / f"named-{names}", named=names) for names in (False, True))
    for chosen in drawn(neutral):
        numbers = [neutral.index(path) for path in chosen]
        rows = rows_of(chosen)
        assert missing(rows, rows_of([named[numbers[0]], *chosen[1:]])) == set(), numbers
        assert missing(rows, rows_of([named[number] for number in numbers])) == set(), numbers


@pytest.mark.by_turns
@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_capture_at_any_has_the_translations_of_its_host(tmp_path: Path, golden: Path) -> None:
    paths = split(golden, tmp_path / "points", named=True)
    own = [path for path in paths if path.name.startswith("A__") and path.name.count("__") == 1]
    merged = rows_of([merged_at_any(golden, tmp_path / "any.pcap", "A")])
    assert missing(rows_of(own), merged) == set()
    assert missing(merged, conntrack_rows(golden)) == set()

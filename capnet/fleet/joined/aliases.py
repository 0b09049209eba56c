"""Which connections of a fleet are another one behind a translation: they are compared by its key instead of their own.

Input: the translations of all captures. A row is another connection's if one translation alone made its key at its
time, give or take the difference of clocks. Behind several translations, one after the other, the first key counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core.arrays import Hashes
from capnet.fleet.joined.connections import AFTER, BEFORE, KEY, TRANSLATION, TranslationRows

MAX_TRANSLATIONS = 1_000_000  # of a fleet, 110 bytes each: those of further captures join nothing
MAX_ALIKE = 64  # translations to one key that are compared: with more, ports come again and again, or are invented
MAX_TRANSLATORS = 4  # that a connection passes
KeyRows: TypeAlias = Annotated[np.ndarray, "(n,) with the fields KEY, first and last"]
Indexes: TypeAlias = Annotated[np.ndarray, "(n,) int64"]


class Aliases:
    """The translations of a fleet, in order of the keys that they make."""

    def __init__(self, files: Iterable[Path], tolerance_ns: int) -> None:
        self._tolerance_ns = tolerance_ns
        pieces, total = [np.zeros(0, dtype=TRANSLATION)], 0
        for file in files:
            rows = np.load(file, allow_pickle=False)
            if total + len(rows) <= MAX_TRANSLATIONS:
                pieces.append(rows)
                total += len(rows)
        rows = _united(np.concatenate(pieces))
        self.rows: TranslationRows = rows[np.argsort(rows[AFTER + "hash"], kind="stable")]
        self._resolve()

    def __bool__(self) -> bool:
        return bool(len(self.rows))

    def of(self, hashes: Hashes, rows: KeyRows) -> Indexes:
        """For each of these rows the index of the one translation that made it, -1 if none did, or several did.

        `rows`: with the keys of connections, `first` and `last`; `hashes`: of their keys.
        """
        made = self.rows[AFTER + "hash"]
        begin, end = (np.searchsorted(made, hashes, side=side) for side in ("left", "right"))
        result = np.full(len(rows), -1)
        for at in np.flatnonzero((end > begin) & (end - begin <= MAX_ALIKE)).tolist():
            row = rows[at]
            fitting = [number for number in range(int(begin[at]), int(end[at])) if self._fits(number, row)]
            if len(fitting) == 1:
                result[at] = fitting[0]
        return result

    def _fits(self, number: int, row: np.void) -> bool:
        own = self.rows[number]
        return (
            all(own[AFTER + name] == row[name] for name in KEY)
            and row["first"] <= own["last"] + self._tolerance_ns
            and own["first"] <= row["last"] + self._tolerance_ns
        )

    def _resolve(self) -> None:
        """Let the first key of a connection stand before each of its translations."""
        for _ in range(MAX_TRANSLATORS):
            before = np.zeros(len(self.rows), dtype=[*((name, "i8") for name in KEY), ("first", "i8"), ("last", "i8")])
            for name in KEY:
                before[name] = self.rows[BEFORE + name]
            before["first"], before["last"] = self.rows["first"], self.rows["last"]
            earlier = self.of(self.rows[BEFORE + "hash"], before)
            later = np.flatnonzero((earlier >= 0) & (earlier != np.arange(len(earlier))))
            if not len(later):
                return
            for name in ("hash", *KEY):
                self.rows[BEFORE + name][later] = self.rows[BEFORE + name][earlier[later]]


def _united(rows: TranslationRows) -> TranslationRows:
    """One row for each pair of keys: what several captures show of it, from the first time to the last."""
    if not len(rows):
        return rows
    names = [name for name in TRANSLATION.names or () if name not in ("first", "last")]
    rows = rows[np.lexsort([rows["first"], *(rows[name] for name in names)])]
    is_new = np.zeros(len(rows), dtype=bool)
    is_new[0] = True
    for name in names:
        is_new[1:] |= rows[name][1:] != rows[name][:-1]
    starts = np.flatnonzero(is_new)
    united: TranslationRows = rows[starts]
    united["last"] = np.maximum.reduceat(rows["last"], starts)
    return united

"""A batch of rows, as reading a capture yields them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from capnet.wire.fields import COLUMN, NAMES, WIDTH


class Block:
    """A batch of rows: `rows` is an int64 array of shape (n, WIDTH), reused by the next batch but one.

    `raw` and `record_at` lead back to the bytes: frame of row r begins at
    `raw[record_at[r] + rows[r, START]]`. `layers` is the union of all rows' LAYERS; `odd` says whether any row has a
    REASON, `answers` whether any comes from port 53, where name servers answer. `view`: the rows as kernels take them,
    see `Machine.view`.
    """

    __slots__ = ("answers", "count", "flat", "layers", "odd", "raw", "record_at", "rows", "view")

    def __init__(
        self,
        flat: np.ndarray,
        view: Any,
        count: int,
        raw: memoryview,
        record_at: np.ndarray,
        layers: int,
        odd: bool,
        answers: bool,
    ) -> None:
        self.flat = flat
        self.view = view
        self.count = count
        self.layers = layers
        self.odd = odd
        self.answers = answers
        self.rows = flat[: count * WIDTH].reshape(count, WIDTH)
        self.raw = raw
        self.record_at = record_at

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, name: str) -> np.ndarray:
        """One field of all rows by its lower-case name, as an int64 array."""
        return self.rows[:, COLUMN[name]]

    def dicts(self) -> Iterator[dict[str, int]]:
        """Row by row as dictionaries: for looking and for tests, never on the hot path."""
        for row in self.rows:
            yield dict(zip(NAMES, map(int, row), strict=True))

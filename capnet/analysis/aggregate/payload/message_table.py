"""A table of messages that are equal but for their time: how many there are of each, and when.

Input: keys, int64 of shape (n, key columns), with the frame and time of each. Output: `rows`, one per distinct key in
order of first sight: the key, then packets, first frame, first and last time [ns]. Limits: `max_rows` rows; messages
with further keys are counted in `left_out`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core.schema import Values

Keys: TypeAlias = Annotated[np.ndarray, "(n, key columns) int64"]
CountedKeys: TypeAlias = Annotated[np.ndarray, "(distinct keys, key columns + COUNTERS) int64"]
COUNTERS = 4  # columns after the key: packets, first frame, first and last time


class MessageTable:
    """Fill with `add`, then read `rows`."""

    def __init__(self, key_columns: int, max_rows: int) -> None:
        self._key_columns = key_columns
        self._max_rows = max_rows
        self._entries: dict[bytes, list[int]] = {}
        self.left_out = 0

    def add(self, keys: Keys, frames: Values, times: Values) -> None:
        """Count messages, in the order of their capture."""
        for key, frame, time in zip(keys, frames.tolist(), times.tolist(), strict=True):
            entry = self._entries.get(name := key.tobytes())
            if entry is not None:
                entry[0] += 1
                entry[3] = time
            elif len(self._entries) < self._max_rows:
                self._entries[name] = [1, frame, time, time]
            else:
                self.left_out += 1

    @property
    def rows(self) -> CountedKeys:
        """The table, in order of first sight."""
        table = np.zeros((len(self._entries), self._key_columns + COUNTERS), dtype=np.int64)
        for number, (key, entry) in enumerate(self._entries.items()):
            table[number, : self._key_columns] = np.frombuffer(key, dtype=np.int64)
            table[number, self._key_columns :] = entry
        return table

"""Numbers for the distinct addresses of a capture, so that each is written as text once.

Memory is bounded: after MAX_VALUES addresses the numbers begin anew. Batches that were made before keep their texts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import numpy as np

from capnet.jit.kernel import Machine
from capnet.table.batch import Codes
from capnet.table.texts import Texts, ipv4_texts, joined, mac_texts, texts_of
from capnet.wire.addresses import MAPPED, address_text
from capnet.wire.tables.codes_kernel import number_values

MAX_VALUES = 1 << 19  # 8 MB of numbers and as much of text: more than four columns of a batch can hold
_SLOTS = 1 << 20

Numbers: TypeAlias = Annotated[np.ndarray, "(n,) int64"]


class ValueCodes:
    """Call `begin` before each block, then `codes` for its columns. `write`: texts of values, from their two halves."""

    def __init__(self, machine: Machine, write: Callable[[Numbers, Numbers], Texts]) -> None:
        self._machine = machine
        self._write = write
        self._secret = int.from_bytes(os.urandom(8), "big") >> 3  # so that no capture can hold addresses that collide
        self._values = np.zeros(2 * MAX_VALUES, dtype=np.int64)
        self._clear()

    def _clear(self) -> None:
        self._slots = np.zeros(_SLOTS, dtype=np.int64)
        self._count = np.zeros(1, dtype=np.int64)
        self._texts = texts_of([])

    def begin(self, rows: int) -> None:
        """Make room for the values of a block with so many rows."""
        if self._count[0] + 4 * rows > MAX_VALUES:
            self._clear()

    def codes(self, rows: Any, n: int, high_at: int, low_at: int, layers: int, codes: Numbers) -> None:
        """Put the numbers of a column's values into `codes`, see `number_values`. `rows`: as kernels take them."""
        view = self._machine.view
        self._machine.run(number_values)(
            rows, n, high_at, low_at, layers, self._secret, view(self._slots), _SLOTS - 1, view(self._values),
            view(self._count), view(codes),
        )  # fmt: skip

    def as_text(self, codes: Numbers) -> Codes:
        """A column of texts."""
        count, written = int(self._count[0]), len(self._texts)
        if count > written:
            values = self._values[: 2 * count].reshape(count, 2)[written:]
            self._texts = joined([self._texts, self._write(values[:, 0], values[:, 1])])
        return Codes(codes.astype(np.int32), self._texts)


def address_texts(high: Numbers, low: Numbers) -> Texts:
    """Texts of IP addresses, as `addresses.address_text` writes each."""
    is_ipv4 = (high == 0) & (low >> 32 == MAPPED >> 32)
    if is_ipv4.all():
        return ipv4_texts(low & 0xFFFFFFFF)
    return texts_of(address_text(*halves) for halves in zip(high.tolist(), low.tolist(), strict=True))


def mac_address_texts(high: Numbers, low: Numbers) -> Texts:
    """Texts of MAC addresses."""
    return mac_texts(low)

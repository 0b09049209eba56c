"""Batches and blocks: the records that a reader fills, and the rows that are decoded from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

import numpy as np

from capnet.jit.arrays import Buffer
from capnet.jit.kernel import Machine
from capnet.wire import fields
from capnet.wire.formats import record

MAX_RECORDS = 8192  # per batch
MAX_ROWS = 16384  # per block

Rows: TypeAlias = Annotated[np.ndarray, "(n, fields.WIDTH) int64"]
FlatRows: TypeAlias = Annotated[np.ndarray, "(MAX_ROWS * fields.WIDTH,) int64"]
RowValues: TypeAlias = Annotated[np.ndarray, "(n,) int64, one value for each row"]

_NO_BYTES = Buffer(0)


class Batch:
    """Records that were read and not yet decoded, and the memory to decode them in. Reused: see `Capture.read_batch`.

    Batches share no memory, so each may be decoded in a thread of its own.
    """

    def __init__(self, machine: Machine) -> None:
        self.records = np.zeros(MAX_RECORDS * record.WIDTH, dtype=np.int64)
        self.flat = np.empty(MAX_ROWS * fields.WIDTH, dtype=np.int64)
        self.record_at = np.zeros(MAX_ROWS, dtype=np.int64)
        self.out = np.zeros(8, dtype=np.int64)
        self.view = {
            name: machine.view(array)
            for name, array in (
                ("records", self.records),
                ("flat", self.flat),
                ("record_at", self.record_at),
                ("out", self.out),
                ("blank", fields.BLANK),
            )
        }
        self.interfaces = 0  # of the capture, up to these records
        self.clear()

    def clear(self) -> None:
        """Forget the records and their bytes."""
        self.buffer = _NO_BYTES
        self.count = 0  # records
        self.done = 0  # records that are decoded


class Block:
    """A batch of rows: `rows` is an int64 array of shape (n, WIDTH), overwritten by the next block of the same batch.

    `raw` and `record_at` lead back to the bytes: the frame of row r begins at
    `raw[record_at[r] + rows[r, START]]`. `layers`: the union of all rows' LAYERS. `odd`: whether any row has a REASON.
    `dns`: whether any row has port 53. `icmp_errors`: whether any row may be an ICMP error. `syns`: whether any row is
    a SYN of TCP. `dhcp`: whether any row is to a port of DHCP. `view`: the rows as kernels take them (`Machine.view`).
    """

    __slots__ = (
        "count",
        "dhcp",
        "dns",
        "flat",
        "icmp_errors",
        "layers",
        "odd",
        "raw",
        "record_at",
        "rows",
        "syns",
        "view",
    )

    def __init__(
        self,
        flat: FlatRows,
        view: Any,
        count: int,
        raw: memoryview,
        record_at: RowValues,
        layers: int,
        odd: bool,
        dns: bool,
        icmp_errors: bool,
        syns: bool,
        dhcp: bool,
    ) -> None:
        self.flat = flat
        self.view = view
        self.count = count
        self.layers = layers
        self.odd = odd
        self.dns = dns
        self.icmp_errors = icmp_errors
        self.syns = syns
        self.dhcp = dhcp
        self.rows: Rows = flat[: count * fields.WIDTH].reshape(count, fields.WIDTH)
        self.raw = raw
        self.record_at = record_at

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, name: str) -> RowValues:
        """One field of all rows, by its lower-case name. KeyError if there is no such field."""
        return self.rows[:, fields.COLUMN[name]]

    def dicts(self) -> Iterator[dict[str, int]]:
        """Each row as a dictionary: for display and tests, too slow for the pass."""
        for row in self.rows:
            yield dict(zip(fields.NAMES, map(int, row), strict=True))

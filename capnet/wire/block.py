"""Batches and blocks: the records that a reader fills, and the rows that are decoded from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeAlias

import numpy as np

from capnet.errors import UsageError
from capnet.jit.arrays import Buffer, Int64Array
from capnet.jit.kernel import Machine
from capnet.wire import fields
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.formats import record

if TYPE_CHECKING:
    from capnet.table.batch import Batch

MAX_RECORDS = 8192  # per batch
MAX_ROWS = 16384  # per block
MAX_SHOWN = 20  # rows in a notebook

Rows: TypeAlias = Annotated[np.ndarray, "(n, fields.WIDTH) int64"]
FlatRows: TypeAlias = Annotated[np.ndarray, "(MAX_ROWS * fields.WIDTH,) int64"]
RowValues: TypeAlias = Annotated[np.ndarray, "(n,) int64, one value for each row"]

_NO_BYTES = Buffer(0)


class RecordBatch:
    """Records that were read and not yet decoded, and the memory to decode them in. Reused: see `Capture.read_batch`.

    Batches share no memory, so each may be decoded in a thread of its own.
    """

    def __init__(self, machine: Machine) -> None:
        self.records = np.zeros(MAX_RECORDS * record.WIDTH, dtype=np.int64)
        self.flat = np.empty(MAX_ROWS * fields.WIDTH, dtype=np.int64)
        self.record_at = np.zeros(MAX_ROWS, dtype=np.int64)
        self.out = np.zeros(9, dtype=np.int64)
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

    `block["ttl"]` is an array of its own, which stays. A block that was overwritten raises UsageError.

    `raw` and `record_at` lead back to the bytes: the frame of row r begins at
    `raw[record_at[r] + rows[r, START]]`. `layers`: the union of all rows' LAYERS. `odd`: whether any row has a REASON.
    `dns`: whether any row has port 53. `icmp_errors`: whether any row may be an ICMP error. `syns`: whether any row is
    a SYN of TCP. `dhcp`: whether any row is to a port of DHCP. `control`: whether any row has a port of IKE or BGP.
    `view`: the rows as kernels take them (`Machine.view`).
    """

    __slots__ = (
        "control",
        "count",
        "dhcp",
        "dns",
        "flat",
        "icmp_errors",
        "is_over",
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
        view: Int64Array,
        count: int,
        raw: memoryview,
        record_at: RowValues,
        layers: int,
        odd: bool,
        dns: bool,
        icmp_errors: bool,
        syns: bool,
        dhcp: bool,
        control: bool,
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
        self.control = control
        self.rows: Rows = flat[: count * fields.WIDTH].reshape(count, fields.WIDTH)
        self.raw = raw
        self.record_at = record_at
        self.is_over = False

    def __len__(self) -> int:
        return self.count

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the fields: what `block[name]` takes. docs/rows.md says what they mean."""
        return fields.NAMES

    def __getitem__(self, name: str) -> RowValues:
        """One field of all rows, by its lower-case name. KeyError, which lists the names, if there is no such field."""
        column = fields.COLUMN.get(name)
        if column is None:
            raise KeyError(_no_field(name))
        return self.rows[:, column].copy()

    def expire(self) -> None:
        """The memory is used for other rows from now on: what is asked of this block is an error."""
        self.is_over = True
        del self.rows, self.flat, self.view, self.raw, self.record_at

    def __getattr__(self, name: str) -> NoReturn:
        """Only called for what a block does not have, or not any more."""
        if name in type(self).__slots__:
            raise UsageError(
                "this block was overwritten by the next one: copy what you need while it is the current one, such as "
                'block["ttl"], pyarrow.record_batch(block), or take capture.frames()'
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a block is memory that is used again, and cannot be pickled: pyarrow.record_batch(block) can")

    def text(self, name: str) -> list[str | None]:
        """`src`, `dst` as IP addresses, `smac`, `dmac`, `arp_sha`, `arp_tha` as MACs; None where there is none."""
        if name in ("src", "dst"):
            is_there = (self["layers"] & (fields.LAYER_IP | fields.LAYER_ARP) != 0).tolist()
            halves = zip(self[f"{name}_hi"].tolist(), self[f"{name}_lo"].tolist(), is_there, strict=True)
            return [address_text(high, low) if has_address else None for high, low, has_address in halves]
        if name in ("smac", "dmac", "arp_sha", "arp_tha"):
            return [mac_text(value) if value >= 0 else None for value in self[name].tolist()]
        raise KeyError(f"{name!r} is no address: src, dst, smac, dmac, arp_sha or arp_tha")

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """The rows as typed columns, for programs that read Arrow's C interface: `pyarrow.record_batch(block)`."""
        from capnet.table.arrow import array_capsules

        return array_capsules(self._table_batch())

    def _table_batch(self) -> Batch:
        from capnet.jit.kernel import Machine
        from capnet.wire.tables.frames import FrameColumns

        points = [str(number) for number in range(int(self["point"].max(initial=0)) + 1)]
        return next(FrameColumns(Machine(compiled=False), "").batches([self], lambda: points))

    def __repr__(self) -> str:
        if self.is_over:
            return f"<capnet block of {self.count} rows, overwritten by the next one>"
        depth = int(self["depth"].max(initial=0))
        inner = f", up to {depth} tunnels deep" if depth else ""
        return f"<capnet block of {self.count} rows{inner}; columns: {', '.join(fields.NAMES)}>"

    def _repr_html_(self) -> str:
        """The first rows, for notebooks."""
        from html import escape

        from capnet.table.html import html_table

        if self.is_over:
            return escape(repr(self))

        batch = self._table_batch()
        return html_table("rows", [column.name for column in batch.columns], [batch], MAX_SHOWN)

    def _ipython_key_completions_(self) -> list[str]:
        return list(fields.NAMES)

    def dicts(self) -> Iterator[dict[str, int]]:
        """Each row as a dictionary: for display and tests, too slow for the pass."""
        for row in self.rows:
            yield dict(zip(fields.NAMES, map(int, row), strict=True))


def _no_field(name: str) -> str:
    hint = f"block.text({name!r}) has it as text; " if name in ("src", "dst") else ""
    return f"no column {name!r}: {hint}the columns are {', '.join(fields.NAMES)}"

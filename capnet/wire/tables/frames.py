"""Blocks of rows as batches of typed columns.

    columns = FrameColumns(machine, "bridge.pcapng")
    for batch in columns.batches(capture.blocks(), points): ...

Method: fields are copied into columns by one kernel, of which each batch has a memory of its own; addresses are written
as text once (`codes`). Memory: one batch, and the texts of at most `codes.MAX_VALUES` addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Protocol, TypeAlias

import numpy as np

from capnet.jit.kernel import Machine
from capnet.table.batch import Batch, Codes, ColumnData, Values, codes_of_list, octets_of
from capnet.table.column import KINDS, DataColumn
from capnet.table.texts import Texts, texts_of
from capnet.wire import fields
from capnet.wire.numbers import proto_name
from capnet.wire.protocols import TUNNEL_KINDS
from capnet.wire.tables.codes import ValueCodes, address_texts, mac_address_texts
from capnet.wire.tables.columns import FRAME_COLUMNS, REASONS, FrameColumn
from capnet.wire.tables.columns_kernel import put_columns
from capnet.wire.tables.layout import ColumnLayout, Memory

MAX_BATCH = 3 << 14  # rows: 9 MB
MAX_BLOCK = 1 << 14  # rows of a block (block.MAX_ROWS)
_ARP_CODE = 256  # behind the 256 protocols of IP
_PROTOCOLS = [*map(proto_name, range(_ARP_CODE)), "arp"]
_TUNNELS = [kind.name for kind in TUNNEL_KINDS]

Numbers: TypeAlias = Annotated[np.ndarray, "(n,) int64"]
Octets: TypeAlias = Annotated[np.ndarray, "(n,) 16 octets each"]


class AnyBlock(Protocol):
    """What is read of a `Block`."""

    rows: Annotated[np.ndarray, "(n, fields.WIDTH) int64"]
    flat: Numbers
    layers: int


def frame_columns(is_binary: bool = False) -> list[DataColumn]:
    """The columns of the table `frames`. `is_binary`: IP addresses are 16 octets each."""
    return [
        column._replace(kind="octets") if is_binary and column.kind == "address" else column
        for column, *_ in FRAME_COLUMNS
    ]


_CODED = [column for column in FRAME_COLUMNS if column.how in ("mac", "address")]


class FrameColumns:
    """Makes batches of the blocks of one file. `is_binary`: IP addresses are 16 octets each, not text."""

    def __init__(self, machine: Machine, file: str, is_binary: bool = False, capacity: int = MAX_BATCH) -> None:
        self.columns = frame_columns(is_binary)
        self._machine = machine
        self._is_binary = is_binary
        self._layout = ColumnLayout(capacity)
        self._addresses = ValueCodes(machine, address_texts)
        self._macs = ValueCodes(machine, mac_address_texts)
        self._file = texts_of([file])
        self._points: tuple[list[str], Texts] = [], texts_of([])

    def batches(self, blocks: Iterable[AnyBlock], points: Callable[[], Sequence[str]]) -> Iterator[Batch]:
        """All blocks as batches. `points`: the names of the capture points, by number, so far."""
        memory = self._new_memory()
        for block in blocks:
            self._add(memory, block)
            if memory.rows + MAX_BLOCK > self._layout.capacity:
                yield self._batch(memory, points())
                memory = self._new_memory()
        if memory.rows:
            yield self._batch(memory, points())

    def batch(self, block: AnyBlock, points: Sequence[str]) -> Batch:
        """One block as a batch."""
        memory = self._new_memory()
        self._add(memory, block)
        return self._batch(memory, points)

    def _new_memory(self) -> Memory:
        for codes in (self._addresses, self._macs):
            codes.begin(self._layout.capacity)
        self._codes = np.empty((len(_CODED), self._layout.capacity), dtype=np.int64)
        self._octets: list[list[Octets]] = [[] for _ in _CODED]
        return Memory(self._layout)

    def _add(self, memory: Memory, block: AnyBlock) -> None:
        view, n = self._machine.view, len(block.rows)
        rows = view(block.flat)
        spec, counts = self._layout.of_layers(block.layers)
        self._machine.run(put_columns)(
            rows, n, memory.rows, view(spec), *counts, view(memory.octets), view(memory.words), view(memory.is_there)
        )
        for number, (_, how, field, layers) in enumerate(_CODED):
            codes = self._codes[number, memory.rows : memory.rows + n]
            if not block.layers & layers:
                codes.fill(-1)
            elif how == "mac":
                self._macs.codes(rows, n, -1, field, 0, codes)
            elif not self._is_binary:
                self._addresses.codes(rows, n, field, field + 1, layers, codes)
            else:
                codes[:] = np.where(block.rows[:, fields.LAYERS] & layers, 0, -1)
            if self._is_binary and how == "address":
                self._octets[number].append(octets_of(block.rows[:, field], block.rows[:, field + 1]))
        memory.rows += n

    def _batch(self, memory: Memory, points: Sequence[str]) -> Batch:
        if list(points) != self._points[0]:
            self._points = list(points), texts_of(points)
        return Batch(self.columns, [self._data(column, memory) for column in FRAME_COLUMNS], memory.rows)

    def _data(self, column: FrameColumn, memory: Memory) -> ColumnData:
        if column.how in ("mac", "address"):
            return self._coded(column, memory.rows)
        name = column.column.name
        if column.how == "file":
            return Codes(np.zeros(memory.rows, dtype=np.int32), self._file)
        if column.how == "point":
            return Codes(memory.values(name, "i4").values, self._points[1])
        if column.how in ("tunnel", "reason"):
            texts = _TUNNELS if column.how == "tunnel" else REASONS
            return codes_of_list(memory.values(name, "i4").values - np.int32(1), texts)
        if column.how == "proto":
            return self._proto(memory)
        values = memory.values(name, KINDS[column.column.kind].dtype)
        return Values(values.values, values.values != 0) if column.how in ("digest", "detail") else values

    def _coded(self, column: FrameColumn, rows: int) -> ColumnData:
        number = _CODED.index(column)
        codes = self._codes[number, :rows]
        if column.how == "mac":
            return self._macs.as_text(codes)
        if self._is_binary:
            return Values(np.concatenate(self._octets[number]), codes >= 0)
        return self._addresses.as_text(codes)

    def _proto(self, memory: Memory) -> Codes:
        """ARP has no protocol number; its name is that of a number behind them."""
        codes, is_there = memory.values("proto", "i4").values, memory.values("proto", "i4").is_there
        if is_there is not None:
            codes = np.where(is_there, codes, -1).astype(np.int32)
        operations = memory.values("arp_op", "u2").is_there
        if operations is None or operations.any():
            codes = np.where(True if operations is None else operations, _ARP_CODE, codes).astype(np.int32)
        return codes_of_list(codes, _PROTOCOLS)

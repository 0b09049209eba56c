"""The table `joined` of a fleet: a row for each capture of each connection that several captures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from capnet.analysis.tables import coded
from capnet.fleet.joined.joining import JoinedRows
from capnet.table.batch import Batch, ColumnData, Values
from capnet.table.column import DataColumn
from capnet.table.table import Table

MAX_BATCH = 1 << 16  # rows
COLUMNS = (
    DataColumn("connection", "int64", "its number: rows of one connection have the same"),
    DataColumn("file", "text", "the capture: its file, of a ring the first"),
    DataColumn("proto", "text", "tcp, udp, icmp, …"),
    DataColumn("low", "address", "the lower of both addresses"),
    DataColumn("low_port", "uint16", "its port, or the identifier of an ICMP echo"),
    DataColumn("high", "address", "the other address"),
    DataColumn("high_port", "uint16", "its port, or the identifier"),
    DataColumn(
        "translated", "bool", "whether the capture shows it behind a translation, with other ends than before it"
    ),
    DataColumn("first", "time", "time of the first packet in this capture"),
    DataColumn("last", "time", "time of the last packet in this capture"),
    DataColumn("packets", "int64", "packets at the point and in the direction that has most"),
    DataColumn("bytes", "int64", "their lengths on the wire [octets]"),
)


def joined_table(parts: Iterable[JoinedRows], files: Sequence[str]) -> Table:
    """The table; it can be read once. `files`: of each capture."""

    def batches() -> Iterator[Batch]:
        for rows in parts:
            for begin in range(0, len(rows), MAX_BATCH):
                part = rows[begin : begin + MAX_BATCH]
                yield Batch(COLUMNS, _data(part, files), len(part))

    return Table("joined", COLUMNS, batches)


def _data(rows: JoinedRows, files: Sequence[str]) -> list[ColumnData]:
    present, codes = np.unique(rows["capture"], return_inverse=True)
    ports = rows["ports"]
    data: dict[str, ColumnData] = {
        "connection": Values(rows["number"].copy()),
        "file": coded.names(codes, [files[index] for index in present.tolist()]),
        "proto": coded.protocols(ports >> 32),
        "low": coded.addresses(rows["low_hi"].copy(), rows["low_lo"].copy(), False),
        "low_port": coded.numbers(ports >> 16 & 0xFFFF, "uint16"),
        "high": coded.addresses(rows["high_hi"].copy(), rows["high_lo"].copy(), False),
        "high_port": coded.numbers(ports & 0xFFFF, "uint16"),
    }
    data["translated"] = Values(rows["alias"] >= 0)
    for name in ("first", "last", "packets", "bytes"):
        data[name] = Values(rows[name].copy())
    return [data[column.name] for column in COLUMNS]

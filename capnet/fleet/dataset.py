"""The tables of a fleet's data set: those of `capnet export`, with the file and the host in front of each row.

Each capture writes its part of each table. A folder of parts is read as one table by DuckDB, Polars, pandas and Dask.
`host`: the host in the name of the row's capture point; missing where the point names none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from capnet.analysis.fact_tables.fact_table import fact_table
from capnet.analysis.tables.flows import flow_table
from capnet.quick_tuple import NamedTuple
from capnet.table.batch import Batch, Codes, ColumnData, batch_of
from capnet.table.column import DataColumn
from capnet.table.table import Table
from capnet.table.texts import texts_of

if TYPE_CHECKING:
    from capnet.analysis.core.contract.report import Report
    from capnet.analysis.engine import Study

FRONT = (
    DataColumn("file", "text", "the capture: its file, of a ring the first"),
    DataColumn("host", "text", "the host that captured it, as the capture point names it"),
)
MODEL_COLUMNS = (
    DataColumn("model", "text", "Docker's network model"),
    DataColumn("confidence", "float64", "how sure this is [0 to 1]"),
    DataColumn("because", "texts", "what shows it"),
)


class CapturePart(NamedTuple):
    """Of one capture: its file, and point → host."""

    file: str
    hosts: dict[str, str | None]


def part_tables(study: Study, file: str) -> dict[str, Table]:
    """Name → the part of each table that a capture has."""
    report = study.report
    part = CapturePart(file, {point.name: point.host for point in report.points})
    return {
        "flows": _of_capture(flow_table(study.context), part, "point"),
        "nat": _of_capture(fact_table("nat", list(report.nat)), part, "before_point"),
        "findings": _of_capture(fact_table("findings", list(report.findings)), part, "evidence_point"),
        "models": _of_capture(_model_table(report), part, ""),
    }


def columns_of(table: Table) -> list[DataColumn]:
    """The columns of the data set that a table of a capture gets."""
    return [*FRONT, *(column for column in table.fields if column.name != "file")]


def _model_table(report: Report) -> Table:
    rows = [(model.model, model.confidence, model.because) for model in report.models]
    return Table("models", MODEL_COLUMNS, lambda: iter([batch_of(MODEL_COLUMNS, rows)]), len(rows))


def _of_capture(table: Table, part: CapturePart, point: str) -> Table:
    """The table with the columns in front. `point`: the column whose point names the host; empty if it has none."""
    names = [column.name for column in table.fields]
    kept = [index for index, name in enumerate(names) if name != "file"]
    columns = columns_of(table)

    def batches() -> Iterator[Batch]:
        for batch in table.batches():
            hosts = _hosts(batch.data[names.index(point)], part) if point else _only_host(part, batch.rows)
            files = Codes(np.zeros(batch.rows, dtype=np.int32), texts_of([part.file]))
            yield Batch(columns, [files, hosts, *(batch.data[index] for index in kept)], batch.rows)

    return Table(table.name, columns, batches)


def _hosts(points: ColumnData, part: CapturePart) -> Codes:
    """The host of each row, by its point."""
    assert isinstance(points, Codes)
    of_point = [part.hosts.get(name) for name in points.texts.to_list()]
    numbers, hosts = _numbered([*of_point, None])  # code -1, no point, is the last one
    return Codes(numbers[points.codes], texts_of(hosts))


def _only_host(part: CapturePart, rows: int) -> Codes:
    """The host of all points, if they have one in common."""
    hosts = {host for host in part.hosts.values() if host}
    _, texts = _numbered(list(hosts) if len(hosts) == 1 else [])
    return Codes(np.full(rows, len(texts) - 1, dtype=np.int32), texts_of(texts))


def _numbered(hosts: Sequence[str | None]) -> tuple[np.ndarray, list[str]]:
    """The number of each host, -1 for None, and the hosts."""
    names = list(dict.fromkeys(host for host in hosts if host))
    return np.array([names.index(host) if host else -1 for host in hosts], dtype=np.int32), names

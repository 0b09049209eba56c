"""Tables of captures in SQL, by DuckDB (extra `sql`).

A table is read when a query names it, again for each query: frames by reading the capture, the others by one analysis
that is kept. DuckDB gets batches as it asks for them, so that frames need no memory of their own.
DuckDB installs no extensions by itself here: a query reaches no other host.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from capnet.analysis.tables.library import Tables
from capnet.analysis.tables.names import TABLES
from capnet.errors import RefusedQuery
from capnet.export.extras import library
from capnet.quick_tuple import NamedTuple

MAX_ROWS = 10_000  # fetched at a time

_ORDER = ("set autoinstall_known_extensions = false", "set timezone = 'UTC'")


class Answer(NamedTuple):
    """What a statement returns: names of columns, and rows in pieces."""

    columns: list[str]
    rows: Iterator[list[Any]]


class Database:
    """DuckDB with the tables of some captures. EnvironmentLacks without DuckDB."""

    def __init__(self, tables: Tables) -> None:
        self._duckdb = library("duckdb", "sql", "SQL")
        self._connection = self._duckdb.connect()
        for setting in _ORDER:
            self._connection.execute(setting)
        self._tables = {name: tables.lazy(name) for name in TABLES}
        for name, table in self._tables.items():
            self._connection.register(name, table)

    def ask(self, text: str) -> Iterator[Answer]:
        """The answers to the statements of a query, one after the other. RefusedQuery for what DuckDB refuses."""
        try:
            for statement in self._connection.extract_statements(text):
                cursor = self._connection.execute(statement)
                if cursor.description:
                    yield Answer([column[0] for column in cursor.description], self._rows(cursor))
        except self._duckdb.Error as error:
            raise self._refused(error) from error

    def _rows(self, cursor: Any) -> Iterator[list[Any]]:
        try:
            while rows := cursor.fetchmany(MAX_ROWS):
                yield from (list(map(_plain, row)) for row in rows)
        except self._duckdb.Error as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> RefusedQuery:
        return RefusedQuery(f"{error}\nTables: {', '.join(TABLES)}; `describe frames` lists columns (docs/export.md)")


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int | float | str | bool | None) else str(value)

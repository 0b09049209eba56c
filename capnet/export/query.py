"""Tables of captures in SQL, by DuckDB (extra `sql`).

A table is read when a query names it, again for each query: frames by reading the capture, the others by one analysis
that is kept. DuckDB gets batches as it asks for them, so that frames need no memory of their own.
DuckDB works in a thread of its own, so that Ctrl-C is heard meanwhile. It installs no extensions by itself here: a
query reaches another host only if it installs one (`install httpfs`).
"""

from __future__ import annotations

import re
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from capnet.analysis.aggregate.parallel import MAX_UNINTERRUPTED
from capnet.analysis.tables.library import Tables
from capnet.analysis.tables.names import TABLES
from capnet.errors import CapnetError, RefusedQuery
from capnet.export.extras import library
from capnet.quick_tuple import NamedTuple
from capnet.table.batch import Batch
from capnet.table.table import Table

MAX_ROWS = 10_000  # fetched at a time
MAX_INTERRUPTS = 20  # a second; where DuckDB waits for a stream, it stops with the process

T = TypeVar("T")

_ORDER = (
    "set autoinstall_known_extensions = false",
    "set timezone = 'UTC'",
    "set python_enable_replacements = false",  # else a query would find variables of capnet as tables
)
_NANOSECONDS = re.compile(r"TIMESTAMP(TZ)?_NS")
_TIME = re.compile(r"(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(\+00)?")


class QueryResult(NamedTuple):
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
        self._unread: CapnetError | None = None  # why the last query could not read a capture
        self._tables = {name: self._watched(tables.lazy(name)) for name in TABLES}
        for name, table in self._tables.items():
            self._connection.register(name, table)

    def ask(self, text: str) -> Iterator[QueryResult]:
        """The answers to the statements of a query, one after the other. RefusedQuery for what DuckDB refuses.

        Raises what reading the captures raises: UnreadableInput, UsageError for a stream that is read twice.
        """
        try:
            for statement in self._connection.extract_statements(text):
                if statement.type == self._duckdb.StatementType.SELECT:
                    yield self._selected(statement.query)
                    continue
                cursor = self._beside(partial(self._connection.execute, statement))
                if cursor.description:
                    yield QueryResult([column[0] for column in cursor.description], self._rows(cursor))
        except self._duckdb.Error as error:
            raise self._refused(error) from error

    def _selected(self, query: str) -> QueryResult:
        """The answer to a query. DuckDB makes datetimes of times, which have no nanoseconds: they are asked as text."""
        relation = self._beside(partial(self._connection.sql, query))  # reads columns of tables, and no rows
        types = list(map(str, relation.types))
        times = [number for number, type_ in enumerate(types) if _NANOSECONDS.search(type_)]
        if times:
            columns = ", ".join(
                f"cast(#{number} as {_NANOSECONDS.sub('VARCHAR', type_)})" if number - 1 in times else f"#{number}"
                for number, type_ in enumerate(types, start=1)
            )
            query = f"select {columns} from (\n{query.rstrip().rstrip(';')}\n)"
        cursor = self._beside(partial(self._connection.execute, query))
        return QueryResult(list(relation.columns), self._rows(cursor, times))

    def _rows(self, cursor: Any, times: Sequence[int] = ()) -> Iterator[list[Any]]:
        """The rows that are left. `times`: columns whose times are text."""
        try:
            while rows := self._beside(partial(cursor.fetchmany, MAX_ROWS)):
                for row in rows:
                    values = list(map(_plain, row))
                    for column in times:
                        values[column] = _with_nanoseconds(values[column])
                    yield values
        except self._duckdb.Error as error:
            raise self._refused(error) from error

    def _beside(self, work: Callable[[], T]) -> T:
        """What `work` returns, from a thread of its own. An interruption of the caller interrupts DuckDB.

        With a lock alone: Python's Event, Condition and Thread raise RuntimeError where Ctrl-C comes as they begin to
        wait.
        """
        results: list[T] = []
        errors: list[BaseException] = []
        working = allocate_lock()
        working.acquire()

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:  # raised again in the thread that asks
                errors.append(error)
            working.release()

        try:
            start_new_thread(run, ())
            while not working.acquire(timeout=MAX_UNINTERRUPTED):
                pass
        except KeyboardInterrupt:
            for _ in range(MAX_INTERRUPTS):  # one that comes before DuckDB has begun is lost
                self._connection.interrupt()
                if working.acquire(timeout=0.05):
                    break
            raise
        if errors:
            raise errors[0]
        return results[0]

    def _watched(self, table: Table) -> Table:
        """The table; what reading it raises is kept, because DuckDB makes an error of its own of it."""

        def batches() -> Iterator[Batch]:
            try:
                yield from table.batches()
            except CapnetError as error:
                self._unread = error
                raise

        return Table(table.name, table.fields, batches)

    def _refused(self, error: Exception) -> CapnetError:
        if self._unread is not None:
            unread, self._unread = self._unread, None
            return unread
        tables = f"Tables: {', '.join(TABLES)}; `describe frames` lists columns (docs/export.md)"
        return RefusedQuery(f"{_reason(str(error))}\n{tables}")


def _reason(text: str) -> str:
    """What DuckDB says, without the list of all functions of a name; of times, what to write instead."""
    text, list_, _ = text.partition("\tCandidate functions:")
    if list_ and _NANOSECONDS.search(text):
        text += (
            "Times have nanoseconds: epoch_ns(time) is a number that can be subtracted, "
            "cast(time as timestamp) a time with microseconds"
        )
    return text.strip().replace("\t", "    ")


def _plain(value: Any) -> Any:
    """A value as JSON has it; times and what has no type there as text."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        number = int(value) if value == value.to_integral_value() else float(value)
        return number if Decimal(str(number)) == value else str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def _with_nanoseconds(value: Any) -> Any:
    """Times as `capnet export` writes them, from DuckDB's text, which leaves out zeros at the end."""
    if isinstance(value, str) and (time := _TIME.fullmatch(value)):
        day, clock, fraction, utc = time.groups()
        return f"{day}T{clock}.{(fraction or '').ljust(9, '0')}{'Z' if utc else ''}"
    if isinstance(value, list):
        return [_with_nanoseconds(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_nanoseconds(item) for key, item in value.items()}
    return value

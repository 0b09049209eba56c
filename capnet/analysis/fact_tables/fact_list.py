"""Lists of facts in a report that other programs can read.

report.nat[0].kind, len(report.nat), for nat in report.nat, report.nat["kind"]
pyarrow.table(report.nat), polars.DataFrame(report.nat), duckdb.sql("from nat"), report.nat.to_pandas()
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from capnet.analysis.core.contract.document import PrintedRows
from capnet.analysis.fact_tables.station_documents import StationDocuments
from capnet.analysis.facts.nat.translation_documents import TranslationDocuments
from capnet.analysis.facts.nat.translation_rows import Translations
from capnet.analysis.facts.stations import Stations

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from capnet.table.table import Table

Fact = TypeVar("Fact", covariant=True)

# Fields of a report that are tables too.
NAMES = ("nat", "tunnels", "stations", "paths", "findings", "points", "conversations", "protocols")

MAX_REPR_FACTS = 20  # that a list shows of itself: each is a line or more


class FactList(Generic[Fact]):
    """Facts in order, which are a table too. `name`: of the table; docs/export.md has its columns.

    It is compared as a list. It is none, and no Sequence: pyarrow and Polars ask a list for its items, and everything
    else for its columns.
    """

    def __init__(self, name: str, facts: Iterable[Fact] | Translations | Stations = ()) -> None:
        self.name = name
        self._facts: Any = facts if isinstance(facts, Translations | Stations) else list(facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._facts)

    @overload
    def __getitem__(self, index: int) -> Fact: ...
    @overload
    def __getitem__(self, index: slice) -> FactList[Fact]: ...
    @overload
    def __getitem__(self, index: str) -> list[Any]: ...
    def __getitem__(self, index: int | slice | str) -> Fact | FactList[Fact] | list[Any]:
        """A fact; of a slice, those facts, which are a table too; of a name, this column of the table."""
        if isinstance(index, str):
            return self.table[index]
        return FactList(self.name, self._facts[index]) if isinstance(index, slice) else self._facts[index]

    def __contains__(self, fact: object) -> bool:
        return fact in self._facts

    def __reversed__(self) -> Iterator[Fact]:
        return reversed(self._facts)

    def __add__(self, others: Iterable[Any]) -> list[Any]:
        return [*self._facts, *others]

    def __radd__(self, others: Iterable[Any]) -> list[Any]:
        return [*others, *self._facts]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FactList):
            return list(self) == list(other)
        return list(self) == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        """As of a list; of a long one the first facts."""
        if len(self) <= MAX_REPR_FACTS:
            return repr(list(self))
        first = ", ".join(map(repr, self[:MAX_REPR_FACTS]))
        return f"[{first}, … {len(self)} {self.name} in all]"

    def __reduce__(self) -> tuple[Any, ...]:
        return FactList, (self.name, list(self))

    def index(self, fact: object, *bounds: int) -> int:
        """Where a fact is; ValueError if it is not there."""
        return self._facts.index(fact, *bounds)

    def count(self, fact: object) -> int:
        """How often a fact is there."""
        return self._facts.count(fact)

    def documents(self, files: Mapping[str, str]) -> PrintedRows | None:
        """The rows of a report's document, where these may be many; None elsewhere. `files`: as the report names them.

        A row is made when it is asked for.
        """
        if self.name == "stations":
            return StationDocuments(self._facts)
        return TranslationDocuments(self._facts, files) if isinstance(self._facts, Translations) else None

    # -- other programs --------------------------------------------------------------------------------
    @property
    def table(self) -> Table:
        """The facts as a table of typed columns."""
        from capnet.analysis.fact_tables.fact_table import fact_table

        return fact_table(self.name, self._facts)

    @property
    def columns(self) -> list[str]:
        """The names of the table's columns."""
        return self.table.columns

    @property
    def dtypes(self) -> dict[str, str]:
        """Name of the column → its type."""
        return self.table.dtypes

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The table, for programs that read Arrow's C stream interface."""
        return self.table.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        """Its columns, for such programs."""
        return self.table.__arrow_c_schema__()

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a data frame of pandas, which must be installed."""
        return self.table.to_pandas()

    def to_arrow(self) -> pyarrow.Table:
        """The table as one of pyarrow, which must be installed."""
        return self.table.to_arrow()

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def as_tables(facts: dict[str, Any]) -> dict[str, Any]:
    """Fields of a report, in which lists of facts can be read as tables; those that are missing are empty."""
    return facts | {name: FactList(name, facts.get(name, ())) for name in NAMES}

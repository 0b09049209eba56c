"""What the lists of facts in a report can do, for type checkers and editors: be read as a list, and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from capnet.analysis.core.contract.document import PrintedRows
    from capnet.table.table import Table

Fact = TypeVar("Fact", covariant=True)


class Facts(Protocol[Fact]):
    """Facts of one kind in their order. `analysis.fact_tables.fact_list` has the one class of them."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Fact]: ...
    def __reversed__(self) -> Iterator[Fact]: ...
    def __contains__(self, fact: object, /) -> bool: ...
    @overload
    def __getitem__(self, index: int, /) -> Fact: ...
    @overload
    def __getitem__(self, index: slice, /) -> Facts[Fact]: ...
    @overload
    def __getitem__(self, index: str, /) -> list[Any]: ...
    def __add__(self, others: Iterable[Any], /) -> list[Any]: ...
    def __radd__(self, others: Iterable[Any], /) -> list[Any]: ...
    def index(self, fact: object, *bounds: int) -> int:
        """Where a fact is; ValueError if it is not there."""

    def count(self, fact: object) -> int:
        """How often a fact is there."""

    def documents(self, files: Mapping[str, str]) -> PrintedRows | None:
        """The rows of a report's document, where facts are columns; None elsewhere.

        `files`: as the report names them.
        """

    @property
    def table(self) -> Table:
        """The facts as a table of typed columns."""

    @property
    def columns(self) -> list[str]:
        """The names of the table's columns."""

    @property
    def dtypes(self) -> dict[str, str]:
        """Name of the column → its type."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def to_pandas(self) -> pandas.DataFrame:
        """The table as a data frame of pandas, which must be installed."""

    def to_arrow(self) -> pyarrow.Table:
        """The table as one of pyarrow, which must be installed."""

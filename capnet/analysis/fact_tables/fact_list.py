"""Lists of facts in a report that other programs can read.

report.nat.to_pandas(), report.nat.to_arrow(), polars.DataFrame(report.nat.table)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from capnet.table.table import Table

NAMES = ("nat", "tunnels", "stations", "paths", "findings", "points")  # fields of a report that are tables too


class FactList(list[Any]):
    """A list of facts, and the same as a table. `name`: of the table; docs/export.md has its columns."""

    def __init__(self, name: str, facts: Iterable[Any] = ()) -> None:
        super().__init__(facts)
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return FactList, (self.name, list(self))

    @property
    def table(self) -> Table:
        """The facts as a table of typed columns."""
        from capnet.analysis.fact_tables.fact_table import fact_table

        return fact_table(self.name, self)

    @property
    def columns(self) -> list[str]:
        """The names of the table's columns."""
        return self.table.columns

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a data frame of pandas, which must be installed."""
        return self.table.to_pandas()

    def to_arrow(self) -> pyarrow.Table:
        """The table as one of pyarrow, which must be installed."""
        return self.table.to_arrow()

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def as_tables(facts: dict[str, Any]) -> dict[str, Any]:
    """Fields of a report, in which lists of facts can be read as tables."""
    return {name: FactList(name, value) if name in NAMES else value for name, value in facts.items()}

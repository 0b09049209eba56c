"""The tables by name, and how each is made of captures: what `capnet export`, `capnet sql`, `capnet.tables` offer.

tables = capnet.tables("bridge.pcapng")
tables["flows"].to_pandas()             # a capture is analyzed when the first table asks for it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from capnet.analysis.core.sources import AnySource, as_sources
from capnet.analysis.tables.names import TABLES
from capnet.errors import UsageError
from capnet.table.batch import Batch
from capnet.table.column import DataColumn
from capnet.table.table import Table

if TYPE_CHECKING:
    from capnet.analysis.core.contract.report import Report
    from capnet.analysis.core.results import Problem
    from capnet.analysis.core.schema import FlowMask
    from capnet.analysis.core.sources import Source
    from capnet.analysis.engine import Study
    from capnet.topology import Topology

MAX_REPR_SOURCES = 3  # that tables show of themselves


def tables(
    sources: AnySource | Iterable[AnySource],
    topology: Topology | None = None,
    *,
    flow: str = "",
    vxlan_port: int = 0,
    binary: bool = False,
) -> Tables:
    """The tables of captures, with all rows: `capnet.tables("bridge.pcapng")["flows"].to_pandas()`.

    - `sources`: a file, or several; each a path or a `Source`
    - `topology`: who owns which address; None = the file `NAME.topology.json` beside each source, if there is one
    - `flow`: only what belongs to these flows, in the words of `capnet trace`; `findings` belong to none
    - `vxlan_port`: a UDP port that always carries VXLAN, besides 4789; 0 = none
    - `binary`: IP addresses are 16 octets each, not text

    Reading a table raises UnreadableInput if a source cannot be read, and UsageError for an expression that is none.
    """
    return Tables(as_sources(sources), topology, vxlan_port, flow, binary)


class Tables(Mapping[str, Table]):
    """The tables of some captures by name: `tables["flows"]`, `list(tables)`, `tables.items()`.

    The captures are read when a table is first asked for. A stream can be read once: it gives frames, or the other
    tables.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        topology: Topology | None = None,
        vxlan_port: int = 0,
        expression: str = "",
        is_binary: bool = False,
    ) -> None:
        self.sources = list(sources)
        self._topology = topology
        self._vxlan_port = vxlan_port
        self._expression = expression
        self._is_binary = is_binary
        self._is_read = False
        self._problems: dict[str, list[Problem]] = {}

    def __getitem__(self, name: str) -> Table:
        """A table. KeyError, which lists the names, if there is no such table."""
        if name not in TABLES:
            raise KeyError(f"no table {name!r}: the tables are {', '.join(TABLES)}")
        return self.table(name)

    def __iter__(self) -> Iterator[str]:
        """The names of the tables."""
        return iter(TABLES)

    def __contains__(self, name: object) -> bool:
        return name in TABLES

    # The same tables are others: their rows are read when they are asked for.
    __eq__, __hash__ = object.__eq__, object.__hash__

    def __reduce__(self) -> tuple[type[Tables], tuple[object, ...]]:
        """For other processes, which read the captures themselves."""
        return Tables, (self.sources, self._topology, self._vxlan_port, self._expression, self._is_binary)

    def _ipython_key_completions_(self) -> list[str]:
        return list(TABLES)

    def __len__(self) -> int:
        return len(TABLES)

    def __repr__(self) -> str:
        files = ", ".join(ascii(source.label)[1:-1] for source in self.sources[:MAX_REPR_SOURCES])
        more = f", … {len(self.sources)} in all" if len(self.sources) > MAX_REPR_SOURCES else ""
        return f"<capnet tables of {files}{more}: {', '.join(TABLES)}>"

    @property
    def problems(self) -> dict[str, list[Problem]]:
        """What is wrong with the files that were read, by their labels."""
        studied = [vars(self)[name].report.inputs for name in ("_full", "study") if name in vars(self)]
        return {**self._problems, **{each.file: each.problems for inputs in studied for each in inputs}}

    def table(self, name: str) -> Table:
        """A table by its name. Raises UnreadableInput for captures that cannot be read, UsageError for other names."""
        makers: dict[str, Callable[[], Table]] = {
            "frames": self._frames, "flows": self._flows, "conversations": self._conversations,
            "protocols": self._protocols,
        }  # fmt: skip
        if name in makers:
            return makers[name]()
        if name not in TABLES:
            raise UsageError(f"there is no table {name!r}: {', '.join(TABLES)}")
        return self._facts(name)

    def _facts(self, name: str) -> Table:
        """A table of facts; with an expression, those of the flows that it chooses."""
        from capnet.analysis.fact_tables.fact_table import fact_table, path_table
        from capnet.analysis.facts.paths import every_path

        belongs: Callable[[object], bool] | None = None
        if self._expression:
            from capnet.analysis.tables import chosen_facts

            if name not in chosen_facts.TABLES:
                raise UsageError(f"--flow does not go with the table {name}, whose rows are about no flows alone")
            if name != "paths":
                self._full  # noqa: B018  the flows are chosen in the same study that the facts come from
            facts = chosen_facts.ChosenFacts(self._flow_study.context, self._mask)
            belongs = partial(facts.has, name)
        if name == "paths":
            return path_table(
                lambda: (path for path in every_path(self._flow_study.context) if not belongs or belongs(path))
            )
        return fact_table(name, [fact for fact in getattr(self.report, name) if not belongs or belongs(fact)])

    def lazy(self, name: str) -> Table:
        """A table that is made when it is read: its columns are known before."""

        def batches() -> Iterator[Batch]:
            yield from self.table(name).batches()

        columns = columns_of(name)
        if self._is_binary:
            columns = [c._replace(kind="octets") if c.kind == "address" else c for c in columns]
        return Table(name, columns, batches)

    @property
    def report(self) -> Report:
        """The report on the captures."""
        return self._full.report

    @cached_property
    def study(self) -> Study:
        """The captures, read once: their flows, without conclusions."""
        return self._read(flows_only=True)

    @cached_property
    def _full(self) -> Study:
        return self._read(flows_only=False)

    def _read(self, flows_only: bool) -> Study:
        from capnet.analysis.engine import Options, study

        self._begin_reading()
        options = Options(vxlan_port=self._vxlan_port)
        return study(self.sources, self._topology, options, flows_only=flows_only)

    def _begin_reading(self) -> None:
        """Raises UsageError if a stream is read once more."""
        if self._is_read and any(source.path is None for source in self.sources):
            raise UsageError("standard input can be read once, and this needs it twice; save it to a file first")
        self._is_read = True

    @property
    def _flow_study(self) -> Study:
        """A study that there is already, or one without conclusions."""
        return self._full if "_full" in vars(self) else self.study

    @cached_property
    def _chosen(self) -> FlowMask | None:
        return self._mask if self._expression else None

    @cached_property
    def _mask(self) -> FlowMask:
        """The flows that the expression chooses."""
        from capnet.analysis.tables.frames import flows_of

        return flows_of(self._flow_study, self._expression)

    def _frames(self) -> Table:
        from capnet.analysis.tables.frames import chosen_frames, frame_table

        chosen = self._chosen
        self._begin_reading()
        if chosen is not None:
            return chosen_frames(self._flow_study, chosen, self._is_binary)
        return frame_table(self.sources, self._topology, self._vxlan_port, self._is_binary, self._problems)

    def _flows(self) -> Table:
        from capnet.analysis.tables.flows import flow_table

        return flow_table(self._flow_study.context, self._chosen, self._is_binary)

    def _conversations(self) -> Table:
        from capnet.analysis.tables.conversations import conversation_table
        from capnet.analysis.tables.frames import first_bytes

        study = self._flow_study
        return conversation_table(study.context, self._chosen, self._is_binary, first_bytes(study))

    def _protocols(self) -> Table:
        from capnet.analysis.tables.protocols import protocol_table

        return protocol_table(self._flow_study.context, self._chosen)


def columns_of(name: str) -> Sequence[DataColumn]:
    """The columns of a table, for documentation."""
    if name == "frames":
        from capnet.wire.tables.frames import frame_columns

        return frame_columns()
    if name in ("flows", "conversations", "protocols"):
        from capnet.analysis.tables import conversations, flows, protocols

        return {"flows": flows, "conversations": conversations, "protocols": protocols}[name].COLUMNS
    from capnet.analysis.fact_tables.fact_table import FACT_COLUMNS

    return [column for column, _ in FACT_COLUMNS[name]]

"""The table `frames` of several captures: every frame, and every frame inside a tunnel, with the name of its point.

Captures are read when the table is read, one after the other, in bounded memory. With a flow expression they are read
twice: before it is known which flows it chooses, no frame of them is known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.aggregate.hash_table import new_index, slots_for
from capnet.analysis.aggregate.inputs import points_of
from capnet.analysis.aggregate.kernels.hash_table import reindex
from capnet.analysis.core import schema
from capnet.analysis.core.options import Options
from capnet.analysis.core.results import Problem
from capnet.analysis.core.rings.file_names import joined
from capnet.analysis.core.rings.opening import open_source
from capnet.analysis.core.schema import FlowMask, Values
from capnet.analysis.core.sources import Source
from capnet.analysis.core.topologies import topology_of
from capnet.analysis.engine import Study
from capnet.analysis.facts.volume.applications import FirstBytes
from capnet.analysis.trace.packet_ids import open_again
from capnet.analysis.trace.packet_ids_kernels import SCRATCH_SIZE, find_flows
from capnet.jit.kernel import Machine
from capnet.table.batch import Batch
from capnet.table.table import Table
from capnet.topology import Topology
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.capture import Capture
from capnet.wire.tables.frames import FrameColumns, frame_columns


def frame_table(
    sources: list[Source],
    topology: Topology | None = None,
    vxlan_port: int = 0,
    is_binary: bool = False,
    problems: dict[str, list[Problem]] | None = None,
) -> Table:
    """All frames of these sources. Raises UnreadableInput when the table is read.

    `problems`: the table's reading adds to it what is wrong with each file, by its label.
    """

    def batches() -> Iterator[Batch]:
        loaded = topology_of(sources, topology).topology
        taken: set[str] = set()
        for source in joined(sources):
            names: set[str] = set()
            for part in source.parts:
                with open_source(part, Options(vxlan_port=vxlan_port)) as capture:
                    names_now = _Names(source, capture, taken, loaded)
                    columns = FrameColumns(capture.machine, part.label, is_binary)
                    yield from columns.batches(capture.blocks(), names_now)
                    names.update(names_now())
                    if problems is not None:
                        problems[part.label] = [Problem(each.name, each.offset, each.says) for each in capture.problems]
            taken |= names

    return Table("frames", frame_columns(is_binary), batches)


class _Names:
    """The names of a capture's points, as reports have them; asked again when there are more."""

    def __init__(self, source: Source, capture: Capture, taken: set[str], topology: Topology | None) -> None:
        self._arguments = source, capture, set(taken), topology
        self._names: list[str] = []

    def __call__(self) -> list[str]:
        capture = self._arguments[1]
        if len(capture.interfaces) != len(self._names):
            self._names = [point.name for point in points_of(*self._arguments)]
        return self._names


def chosen_frames(study: Study, chosen: FlowMask, is_binary: bool = False) -> Table:
    """The frames of flows that are chosen, by a second pass over a study's sources."""

    def batches() -> Iterator[Batch]:
        finder = FlowFinder(study)
        names = [point.name for point in study.report.points]
        for number, source in enumerate(study.sources):
            base = study.bases[number]
            later_names = names[base:]
            for part in source.parts:
                with open_again(study, part) as capture:
                    columns = FrameColumns(capture.machine, part.label, is_binary)
                    blocks = _parts(capture, chosen, finder, base)
                    yield from columns.batches(blocks, later_names.copy)

    return Table("frames", frame_columns(is_binary), batches)


def _parts(capture: Capture, chosen: FlowMask, finder: FlowFinder, base: int) -> Iterator[_Part]:
    for block in capture.blocks():
        part = _Part(block, chosen, finder.flows(block, base))
        if len(part.rows):
            yield part


class _Part:
    """Rows of a block: those of flows that are chosen."""

    def __init__(self, block: Block, chosen: FlowMask, flow_rows: Values) -> None:
        wanted = (flow_rows >= 0) & chosen[flow_rows]
        self.rows = block.rows[wanted]
        self.flat = self.rows.reshape(-1)
        self.layers = int(np.bitwise_or.reduce(self.rows[:, fields.LAYERS])) if len(self.rows) else 0


class FlowFinder:
    """Finds the flow row of each row of blocks, of captures that were studied."""

    def __init__(self, study: Study) -> None:
        flows = study.context.flows
        self._machine = Machine(bool(study.options.compiled))
        self._flows = np.ascontiguousarray(flows).reshape(-1)
        self._index = new_index(slots_for(len(flows)), len(flows))
        view = self._machine.view
        self._machine.run(reindex)(view(self._index), view(self._flows), schema.FLOW_WIDTH, schema.FLOW_KEY)
        self._scratch = np.zeros(SCRATCH_SIZE, dtype=np.int64)

    def flows(self, block: Block, base: int) -> Values:
        """For each row its flow row, -1 = none. `base`: number of the first point of the block's capture."""
        flow_rows = np.zeros(len(block), dtype=np.int64)
        view = self._machine.view
        self._machine.run(find_flows)(
            view(block.flat), len(block), base, view(self._index), view(self._flows), view(self._scratch),
            view(flow_rows),
        )  # fmt: skip
        return flow_rows


def first_bytes(study: Study) -> FirstBytes | None:
    """The first 8 octets of each flow's payload, by a second pass; None if a source cannot be read twice."""
    if not all(source.path is not None and source.path.is_file() for source in study.sources):
        return None
    octets = np.zeros(len(study.context.flows), dtype=np.int64)
    finder = FlowFinder(study)
    for number, source in enumerate(study.sources):
        with open_again(study, source) as capture:
            for block in capture.blocks():
                _note_first_bytes(block, finder.flows(block, study.bases[number]), octets)
    return octets


def _note_first_bytes(block: Block, flow_rows: Values, octets: FirstBytes) -> None:
    table = block.rows
    rows = np.flatnonzero((flow_rows >= 0) & (table[:, fields.PAYLOAD] > 0) & (table[:, fields.PAYLOAD_AT] >= 0))
    rows = rows[octets[flow_rows[rows]] == 0]
    at = block.record_at[rows] + table[rows, fields.PAYLOAD_AT]
    end = block.record_at[rows] + table[rows, fields.START] + table[rows, fields.CAPLEN]
    whole = at + 8 <= end
    rows, at = rows[whole][::-1], at[whole][::-1]  # of several packets of a flow, the first is written last
    if len(rows):
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        octets[flow_rows[rows]] = raw[at[:, None] + np.arange(8)].view(">i8").reshape(-1)


def flows_of(study: Study, expression: str) -> FlowMask:
    """The flows that an expression chooses (docs/cli.md, `capnet trace`)."""
    from capnet.analysis.filters.parser import parse

    return parse(expression).flows(study.context)

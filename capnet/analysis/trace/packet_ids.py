"""Which frames, at which points, are one packet: a packet id for every frame of a second pass over the input.

Input: a study, whose links tell which flows are one flow chain, and its sources once more.
Output: `IdentifiedBlock`s. The id of a packet is the same at every point.
Method: a packet is a flow chain, a digest, and its rank among the equal packets of that digest (payloads repeat), so
that ids need no memory of packets. Duplicates share an id. Where hops saw different numbers of equal packets,
`repeated_packets` tells which is which.
Limits: of a segment that is cut on the way, the first piece keeps the id, because it begins with the same octet; the
others get ids of their own. Repeats are told apart if no more than about MAX_SLOTS other packets lie between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from capnet.analysis.aggregate import hash_table
from capnet.analysis.aggregate.hash_table import new_index, slots_for
from capnet.analysis.aggregate.kernels.hash_table import reindex
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.rings.opening import open_source
from capnet.analysis.core.schema import PerFlow, Values
from capnet.analysis.core.sources import Source
from capnet.analysis.correlate.duplicates import duplicates
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.engine import Study
from capnet.analysis.trace.packet_ids_kernels import (
    RECENT_PROBES,
    RECENT_WIDTH,
    SCRATCH_SIZE,
    find_flows,
    identify,
)
from capnet.analysis.trace.repeated_packets import moved_ranks
from capnet.errors import UnreadableInput
from capnet.jit.kernel import Machine
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.capture import Capture

MIN_SLOTS = 1024
MAX_SLOTS = 1 << 20  # of a table of recent packets: 32 MiB with four columns


def recent_table(packets: int, width: int) -> Values:
    """A table that remembers about as many packets, MAX_SLOTS at most, each with `width` columns, for `slot_of`."""
    slots = MIN_SLOTS
    while slots < min(4 * packets, MAX_SLOTS):
        slots *= 2
    table = np.zeros(1 + (slots + RECENT_PROBES) * width, dtype=np.int64)
    table[0] = slots
    return table


@dataclass
class IdentifiedBlock:
    """A block whose frames have packet ids. Arrays have an entry per row; only rows of depth 0 have an id."""

    source: int
    first_point: int  # number of the source's first point
    capture: Capture
    block: Block
    ids: Values  # of packets: positive, 0 = none
    id_rows: Values  # the row that the id comes from: the innermost one with a digest
    flow_rows: Values  # of each row, -1 = none


class PacketIds:
    """Gives ids to frames. Blocks of one source come in order; sources come in any order, also interleaved."""

    def __init__(self, study: Study) -> None:
        context = study.context
        self.machine = Machine(bool(study.options.compiled))
        self.links = flow_links(context)
        flow_count = len(context.flows)
        self._flows = np.ascontiguousarray(context.flows).reshape(-1)
        self._chain_of_flow = flow_chains(self.links, flow_count)
        self._has_duplicates = _has_duplicates(context, self._chain_of_flow)
        self._moved_ranks = _rank_table(moved_ranks(context, self.links, self._chain_of_flow, self._has_duplicates))
        self._index = new_index(slots_for(flow_count), flow_count)
        view = self.machine.view
        self.machine.run(reindex)(view(self._index), view(self._flows), schema.FLOW_WIDTH, schema.FLOW_KEY)
        self._recent = recent_table(study.report.coverage.frames, RECENT_WIDTH)
        self._scratch = np.zeros(SCRATCH_SIZE, dtype=np.int64)
        self._rows_before = 0  # in earlier blocks

    def identify(self, source: int, first_point: int, capture: Capture, block: Block) -> IdentifiedBlock:
        """The next block of a source with the ids of its frames."""
        n = len(block)
        flow_rows, ids, id_rows = (np.zeros(n, dtype=np.int64) for _ in range(3))
        view, run = self.machine.view, self.machine.run
        run(find_flows)(
            view(block.flat), n, first_point, view(self._index), view(self._flows),
            view(self._scratch), view(flow_rows),
        )  # fmt: skip
        run(identify)(
            view(block.flat), n, view(flow_rows), view(self._chain_of_flow), view(self._has_duplicates),
            view(self._moved_ranks), len(self._moved_ranks) // 2 - 1, int(hash_table.SECRET[0]),
            view(self._recent), self._rows_before, view(ids), view(id_rows),
        )  # fmt: skip
        self._rows_before += n
        return IdentifiedBlock(source, first_point, capture, block, ids, id_rows, flow_rows)


def second_pass(study: Study, digests: Sequence[int] | None = None) -> Iterator[IdentifiedBlock]:
    """All frames of a study's sources once more, source by source, with packet ids.

    `digests`: only frames with one of these digests, and fragments, without which the others have no flow.
    UnreadableInput if a source cannot be read twice, or has changed.
    """
    packet_ids = PacketIds(study)
    for number, source in enumerate(study.sources):
        with open_again(study, source) as capture:
            for block in capture.blocks():
                wanted = block if digests is None else _with_digests(block, digests)
                if len(wanted):
                    yield packet_ids.identify(number, study.bases[number], capture, wanted)


def _with_digests(block: Block, digests: Sequence[int]) -> Block:
    """The frames of a block that have a row with one of these digests, or a fragment."""
    rows = block.rows
    is_wanted = is_one_of(rows[:, fields.DIGEST], digests)
    if block.layers & fields.LAYER_FRAGMENT:
        is_wanted |= rows[:, fields.LAYERS] & fields.LAYER_FRAGMENT != 0
    chosen = np.flatnonzero(is_wanted)
    if len(chosen):  # all rows of their frames
        starts = np.flatnonzero(rows[:, fields.DEPTH] == 0)
        is_frame_wanted = np.logical_or.reduceat(is_wanted, starts)
        chosen = np.flatnonzero(np.repeat(is_frame_wanted, np.diff(starts, append=len(rows))))
    copy = rows[chosen]
    outer = copy[:, fields.OUTER]
    outer[:] = np.where(outer >= 0, np.searchsorted(chosen, outer), outer)
    return Block(
        copy.reshape(-1), None, len(copy), block.raw, block.record_at[chosen],
        block.layers, block.odd, block.dns, block.icmp_errors, block.syns, block.dhcp, block.control,
    )  # fmt: skip


def open_again(study: Study, source: Source, on_block: Any = None) -> Capture:
    """A source of a study, or one of its files, opened for a second pass. UnreadableInput if it is no file."""
    if source.path is None or not source.path.is_file():
        raise UnreadableInput(f"{source.label}: is read twice, which a stream cannot be; save it first")
    return open_source(source, replace(study.options, until=None, waiting=None), on_block=on_block)


def _has_duplicates(context: Context, chain_of_flow: PerFlow) -> PerFlow:
    """1 for each flow row with duplicates, if other hops of its chain have fewer of them or there are none; else 0."""
    recorded_twice = duplicates(context)
    counts = np.zeros(len(chain_of_flow), dtype=np.int64)
    counts[recorded_twice.flow_rows] = recorded_twice.counts
    fewest = np.full(len(chain_of_flow), np.iinfo(np.int64).max)
    np.minimum.at(fewest, chain_of_flow, counts)
    is_alone = np.bincount(chain_of_flow, minlength=len(chain_of_flow))[chain_of_flow] == 1
    return ((counts > 0) & (is_alone | (counts > fewest[chain_of_flow]))).astype(np.int64)


def _rank_table(ranks: dict[int, int]) -> Values:
    """A hash table of (key, rank), half empty at least; one slot if there are none."""
    slots = 1
    while ranks and slots < 2 * len(ranks) + 2:
        slots *= 2
    table = np.zeros(2 * slots, dtype=np.int64)
    for key, rank in ranks.items():
        slot = (key >> 7) & (slots - 1)
        while table[2 * slot]:
            slot = (slot + 1) & (slots - 1)
        table[2 * slot : 2 * slot + 2] = key, rank
    return table

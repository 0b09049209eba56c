"""Kernels of `annotate`: tables of the frames to write, and which comment each of them gets."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.kernel import kernel
from capnet.record.bundle.annotation import previous_hop_kernel as hop
from capnet.wire import fields
from capnet.wire.formats import pcapng_emit as emit

EmitTable: TypeAlias = Annotated[np.ndarray, "(frames, pcapng_emit.WIDTH) int64"]

SHAPES = 3  # how many there are, see `previous_hop`
UNMET = -2  # no comment has been made yet of a flow and shape
UNSAID = -1  # there is nothing to say


@kernel
def fill_tables(
    rows: Int64Array, frame_rows: Int64Array, count: int, record_at: Int64Array, ids: Int64Array, id_rows: Int64Array,
    flow_rows: Int64Array, interface_of_point: Int64Array, first_point: int, first_interface: int,
    link_before: Int64Array, link_source: Int64Array, table: Int64Array, sights: Int64Array,
) -> None:  # fmt: skip
    """Fills the columns of `table` (`pcapng_emit`) that come from the frames, and `sights` (`previous_hop_kernel`)."""
    for k in range(count):
        row = frame_rows[k]
        outer = row * fields.WIDTH
        inner = id_rows[row] * fields.WIDTH  # the row that the id comes from
        t = k * emit.WIDTH
        table[t + emit.AT] = record_at[row]
        table[t + emit.CAPLEN] = rows[outer + fields.CAPLEN]
        table[t + emit.WIRELEN] = rows[outer + fields.WIRELEN]
        table[t + emit.TIMED] = 0
        table[t + emit.INTERFACE] = interface_of_point[first_point + rows[outer + fields.POINT]] - first_interface
        table[t + emit.ID] = 0
        flow = -1
        if rows[outer + fields.TIME] >= 0:
            table[t + emit.TIMED] = 1
            table[t + emit.ID] = ids[row]
            if ids[row] != 0:
                flow = flow_rows[id_rows[row]]
        s = k * hop.SIGHT
        sights[s + hop.ID] = table[t + emit.ID]
        sights[s + hop.FLOW] = flow
        sights[s + hop.BEFORE] = -1
        if flow >= 0 and link_before[flow] >= 0:
            sights[s + hop.BEFORE] = link_source[link_before[flow]]
        sights[s + hop.SEQ] = rows[inner + fields.SEQ]
        sights[s + hop.OCTETS] = 0
        is_tcp = rows[inner + fields.LAYERS] & fields.LAYER_TCP
        if is_tcp and rows[inner + fields.FRAG_OFFSET] <= 0 and rows[inner + fields.PAYLOAD] > 0:
            sights[s + hop.OCTETS] = rows[inner + fields.PAYLOAD]


@kernel
def choose_comments(
    sights: Int64Array, count: int, since: Int64Array, shape: Int64Array, starts: Int64Array, ends: Int64Array,
    is_joined: ByteArray, table: Int64Array, unmet: Int64Array,
) -> None:  # fmt: skip
    """Fills SINCE, TEXT and TEXT_END of `table`; `unmet` gets the comments that are to be made, their number first.

    `starts`, `ends`: where the comment of a flow and shape lies, or UNMET, UNSAID. Where flows join, a packet without
    a frame at the previous hop may have come from another flow, so it gets no comment.
    """
    unmet[0] = 0
    for k in range(count):
        t = k * emit.WIDTH
        table[t + emit.SINCE] = since[k]
        table[t + emit.TEXT] = UNSAID
        flow = sights[k * hop.SIGHT + hop.FLOW]
        if flow >= 0:
            comment = flow * SHAPES + shape[k]
            if starts[comment] == UNMET:
                unmet[0] += 1
                unmet[unmet[0]] = comment
            elif starts[comment] >= 0 and (since[k] > 0 or is_joined[flow] == 0):
                table[t + emit.TEXT] = starts[comment]
                table[t + emit.TEXT_END] = ends[comment]

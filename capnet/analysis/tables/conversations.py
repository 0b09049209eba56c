"""The table `conversations`: both directions of a connection at one point, in one row (`facts.volume.pairs`)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments
from capnet.analysis.facts.volume import applications
from capnet.analysis.facts.volume.applications import FirstBytes
from capnet.analysis.facts.volume.pairs import (
    STATES,
    Pairs,
    application_numbers,
    conversation_pairs,
    conversation_states,
)
from capnet.analysis.tables import coded
from capnet.analysis.tables.flows import MAX_BATCH, WHERE_AND_WHAT, columns_for, ends_of, icmp_of, round_trips
from capnet.table.batch import Batch, ColumnData
from capnet.table.batch import Values as ColumnValues
from capnet.table.column import DataColumn
from capnet.table.table import Table
from capnet.wire.numbers import UDP

COLUMNS = (
    DataColumn("flow", "int64", "number of the forward flow in `flows`"),
    DataColumn("reply", "int64", "number of the backward flow; missing if nothing came back"),
    *WHERE_AND_WHAT,
    DataColumn("src", "address", "who opened it, by SYN or SYN-ACK; else who sent the first packet"),
    DataColumn("sport", "uint16", "its port"),
    DataColumn("dst", "address", "the other side"),
    DataColumn("dport", "uint16", "its port"),
    DataColumn("icmp_id", "uint16", "identifier of an echo"),
    DataColumn("application", "text", "application, by first bytes or port"),
    DataColumn("application_by", "text", "bytes or port: what shows the application"),
    DataColumn("state", "text", "unanswered, one-way, answered, refused, open, closing, closed, reset or midstream"),
    DataColumn("first", "time", "time of the first packet"),
    DataColumn("last", "time", "time of the last packet"),
    DataColumn("duration", "float64", "between them [s]"),
    DataColumn("packets", "int64", "packets, both directions"),
    DataColumn("bytes", "int64", "their lengths on the wire [octets]"),
    DataColumn("forward_packets", "int64", "packets of `flow`"),
    DataColumn("forward_bytes", "int64", "their lengths [octets]"),
    DataColumn("backward_packets", "int64", "packets of `reply`"),
    DataColumn("backward_bytes", "int64", "their lengths [octets]"),
    DataColumn("payload", "int64", "transport payload, both directions [octets]"),
    DataColumn("rate", "float64", "bytes over duration [bit/s]"),
    DataColumn("retransmissions", "int64", "segments of TCP that were sent again, both directions"),
    DataColumn("rtt_us", "float64", "from SYN to SYN-ACK at this point [µs]"),
    DataColumn("first_frame", "int64", "number of the first packet's frame"),
)


def conversation_table(
    context: Context,
    chosen: FlowMask | None = None,
    is_binary: bool = False,
    first_bytes: FirstBytes | None = None,
) -> Table:
    """All conversations, or those with a flow that is chosen. `first_bytes`: of each flow, if they are known."""
    pairs = conversation_pairs(context, chosen)
    columns = columns_for(COLUMNS, is_binary)

    def batches() -> Iterator[Batch]:
        for begin in range(0, len(pairs.forward), MAX_BATCH):
            part = Pairs(*(rows[begin : begin + MAX_BATCH] for rows in pairs))
            yield Batch(columns, _data(context, part, is_binary, first_bytes), len(part.forward))

    return Table("conversations", columns, batches, len(pairs.forward))


def _data(context: Context, pairs: Pairs, is_binary: bool, first_bytes: FirstBytes | None) -> list[ColumnData]:
    rows, has_answer = pairs.forward, pairs.backward >= 0
    flows, answers = context.flows[rows], context.flows[pairs.backward]
    first = np.where(has_answer, np.minimum(flows[:, schema.FLOW_FIRST], answers[:, schema.FLOW_FIRST]),
                     flows[:, schema.FLOW_FIRST])  # fmt: skip
    last = np.where(has_answer, np.maximum(flows[:, schema.FLOW_LAST], answers[:, schema.FLOW_LAST]),
                    flows[:, schema.FLOW_LAST])  # fmt: skip
    duration = (last - first) / 1e9
    backward = {name: np.where(has_answer, answers[:, column], 0) for name, column in _SUMS.items()}
    forward = {name: flows[:, column] for name, column in _SUMS.items()}
    sums = {name: np.maximum(forward[name], 0) + np.maximum(backward[name], 0) for name in _SUMS}
    resent = retransmitted_segments(context)
    data: dict[str, ColumnData] = {
        "flow": ColumnValues(rows.astype(np.int64)),
        "reply": coded.numbers(pairs.backward, "int64"),
        "state": coded.names(conversation_states(context, pairs), STATES),
        "first": ColumnValues(first),
        "last": ColumnValues(last),
        "duration": ColumnValues(duration),
        "rate": ColumnValues(np.divide(8 * sums["bytes"], duration, out=np.zeros(len(rows)), where=duration > 0),
                             duration > 0),
        "retransmissions": ColumnValues(resent[rows] + np.where(has_answer, resent[pairs.backward], 0)),
        "rtt_us": round_trips(context, rows),
        "first_frame": coded.numbers(flows[:, schema.FLOW_FIRST_FRAME], "int64"),
    }  # fmt: skip
    data |= ends_of(context, flows, is_binary) | icmp_of(flows) | _applications(context, pairs, first_bytes)
    data |= {name: ColumnValues(values) for name, values in sums.items()}
    for name in ("packets", "bytes"):
        data[f"forward_{name}"] = ColumnValues(forward[name].copy())
        data[f"backward_{name}"] = ColumnValues(backward[name])
    return [data[column.name] for column in COLUMNS]


_SUMS = {"packets": schema.FLOW_PACKETS, "bytes": schema.FLOW_BYTES, "payload": schema.FLOW_PAYLOAD}


def _applications(context: Context, pairs: Pairs, first_bytes: FirstBytes | None) -> dict[str, ColumnData]:
    by_port = application_numbers(context, pairs)
    by_bytes = np.full(len(by_port), -1, dtype=np.int64)
    if first_bytes is not None:
        is_udp = context.flows[pairs.forward, schema.FLOW_PROTO] == UDP
        for rows in (pairs.backward, pairs.forward):
            octets = np.where(rows >= 0, first_bytes[rows], 0)
            numbers = applications.by_first_bytes(octets, is_udp)
            by_bytes = np.where(numbers >= 0, numbers, by_bytes)
    shown_by = np.where(by_bytes >= 0, 0, np.where(by_port >= 0, 1, -1))
    return {
        "application": coded.names(np.where(by_bytes >= 0, by_bytes, by_port), applications.NAMES),
        "application_by": coded.names(shown_by, ["bytes", "port"]),
    }

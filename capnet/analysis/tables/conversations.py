"""The table `conversations`: both directions of a connection at one point, in one row.

Forward is the direction of the first SYN, else of the first packet.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, replies
from capnet.analysis.core.schema import FlowMask, FlowRows, Values
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments
from capnet.analysis.tables import applications, coded
from capnet.analysis.tables.applications import FirstBytes
from capnet.analysis.tables.flows import MAX_BATCH, columns_for, ends_of, icmp_of, round_trips
from capnet.quick_tuple import NamedTuple
from capnet.table.batch import Batch, ColumnData
from capnet.table.batch import Values as ColumnValues
from capnet.table.column import Column
from capnet.table.table import Table
from capnet.wire.numbers import TCP, TCP_FIN, TCP_RST, UDP

COLUMNS = (
    Column("flow", "int64", "number of the forward flow in `flows`"),
    Column("reply", "int64", "number of the backward flow; missing if nothing came back"),
    Column("file", "text", "the input"),
    Column("point", "text", "capture point"),
    Column("via", "text", "kind of tunnel that it is in"),
    Column("via_vni", "uint32", "its VNI or key"),
    Column("depth", "uint8", "how many tunnels it is in"),
    Column("vlan", "uint16", "outermost VLAN id of its first packet"),
    Column("proto", "text", "tcp, udp, icmp, …"),
    Column("src", "address", "who opened it"),
    Column("sport", "uint16", "its port"),
    Column("dst", "address", "the other side"),
    Column("dport", "uint16", "its port"),
    Column("icmp_id", "uint16", "identifier of an echo"),
    Column("application", "text", "application, by first bytes or port"),
    Column("application_by", "text", "bytes or port: what shows the application"),
    Column("state", "text", "of TCP unanswered, refused, open, closing, closed, reset or midstream; else (un)answered"),
    Column("first", "time", "time of the first packet"),
    Column("last", "time", "time of the last packet"),
    Column("duration", "float64", "between them [s]"),
    Column("packets", "int64", "packets, both directions"),
    Column("bytes", "int64", "their lengths on the wire [octets]"),
    Column("forward_packets", "int64", "packets of `flow`"),
    Column("forward_bytes", "int64", "their lengths [octets]"),
    Column("backward_packets", "int64", "packets of `reply`"),
    Column("backward_bytes", "int64", "their lengths [octets]"),
    Column("payload", "int64", "transport payload, both directions [octets]"),
    Column("rate", "float64", "bytes over duration [bit/s]"),
    Column("retransmissions", "int64", "segments of TCP that were sent again, both directions"),
    Column("rtt_us", "float64", "from SYN to SYN-ACK at this point [µs]"),
    Column("first_frame", "int64", "number of the first packet's frame"),
)
STATES = ("unanswered", "answered", "refused", "open", "closing", "closed", "reset", "midstream")
(UNANSWERED, ANSWERED, REFUSED, OPEN, CLOSING, CLOSED, RESET, MIDSTREAM) = range(len(STATES))


class Pairs(NamedTuple):
    """The flow rows of conversations: forward, and backward or -1."""

    forward: FlowRows
    backward: FlowRows


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


def conversation_pairs(context: Context, chosen: FlowMask | None = None) -> Pairs:
    """Conversations in order of first sight."""
    flows, answers = context.flows, replies(context)
    rows = np.arange(len(flows))
    is_mutual = (answers >= 0) & (answers[answers] == rows)
    begins = ~is_mutual | (rows <= answers)
    if chosen is not None:
        begins &= chosen | (is_mutual & chosen[answers])
    begin_rows = rows[begins]
    answer_rows = np.where(is_mutual[begin_rows] & (answers[begin_rows] != begin_rows), answers[begin_rows], -1)
    has_syn, answer_has_syn = (
        (flows[side, schema.FLOW_SYNS] > 0) & (flows[side, schema.FLOW_SYNACK_TIME] < 0)
        for side in (begin_rows, answer_rows)
    )
    is_later = flows[answer_rows, schema.FLOW_FIRST] < flows[begin_rows, schema.FLOW_FIRST]
    is_swapped = (answer_rows >= 0) & ~has_syn & (answer_has_syn | is_later)
    return Pairs(np.where(is_swapped, answer_rows, begin_rows), np.where(is_swapped, begin_rows, answer_rows))


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


def conversation_states(context: Context, pairs: Pairs) -> Values:
    """Numbers of STATES."""
    has_answer = pairs.backward >= 0
    flows, answers = context.flows[pairs.forward], context.flows[pairs.backward]
    flags, answer_flags = (side[:, schema.FLOW_TCP_FLAGS] for side in (flows, answers))
    answer_flags = np.where(has_answer, answer_flags, 0)
    has_syn = flows[:, schema.FLOW_SYNS] > 0
    has_syn_ack = has_answer & (answers[:, schema.FLOW_SYNACK_TIME] >= 0)
    is_reset = (flags | answer_flags) & TCP_RST != 0
    fins = (flags & TCP_FIN != 0).astype(np.int64) + (answer_flags & TCP_FIN != 0)
    is_tcp = flows[:, schema.FLOW_PROTO] == TCP
    return np.select(
        [
            ~is_tcp & has_answer, ~is_tcp,
            has_syn & ~has_syn_ack & (answer_flags & TCP_RST != 0), has_syn & ~has_answer,
            is_reset, fins == 2, fins == 1, has_syn & has_syn_ack,
        ],
        [ANSWERED, UNANSWERED, REFUSED, UNANSWERED, RESET, CLOSED, CLOSING, OPEN],
        MIDSTREAM,
    )  # fmt: skip


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


def application_numbers(context: Context, pairs: Pairs) -> Values:
    """Numbers of `applications.NAMES` by port: that of the other side, else of the side that opened it."""
    flows = context.flows[pairs.forward]
    has_ports = ~is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS)
    of_server, of_client = (
        applications.by_port(np.where(has_ports, flows[:, column], -1))
        for column in (schema.FLOW_DPORT, schema.FLOW_SPORT)
    )
    return np.where(of_server >= 0, of_server, of_client)

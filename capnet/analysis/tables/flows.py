"""The table `flows`: one 5-tuple, in one direction, at one point, in one tunnel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, replies
from capnet.analysis.core.schema import FlowMask, FlowRows, FlowTable, Values
from capnet.analysis.correlate.tcp_gaps import retransmitted_segments
from capnet.analysis.tables import coded
from capnet.table.batch import Batch, ColumnData
from capnet.table.batch import Values as ColumnValues
from capnet.table.column import DataColumn
from capnet.table.table import Table

MAX_BATCH = 1 << 16  # flows

# Of flows and of conversations.
WHERE_AND_WHAT = (
    DataColumn("file", "text", "the input"),
    DataColumn("point", "text", "capture point"),
    DataColumn("via", "text", "kind of tunnel that it is in"),
    DataColumn("via_vni", "uint32", "its VNI or key"),
    DataColumn("depth", "uint8", "how many tunnels it is in"),
    DataColumn("vlan", "uint16", "outermost VLAN id of its first packet"),
    DataColumn("proto", "text", "tcp, udp, icmp, …"),
)
COLUMNS = (
    DataColumn("flow", "int64", "its number, by which `reply` and `conversations` name it"),
    DataColumn("reply", "int64", "the flow of the other direction at this point"),
    *WHERE_AND_WHAT,
    DataColumn("src", "address", "source address"),
    DataColumn("sport", "uint16", "source port"),
    DataColumn("dst", "address", "destination address"),
    DataColumn("dport", "uint16", "destination port"),
    DataColumn("icmp_type", "uint8", "type of ICMP or ICMPv6"),
    DataColumn("icmp_code", "uint8", "its code"),
    DataColumn("icmp_id", "uint16", "identifier of an echo"),
    DataColumn("packets", "int64", "packets"),
    DataColumn("bytes", "int64", "their lengths on the wire [octets]"),
    DataColumn("payload", "int64", "transport payload, by the headers [octets]"),
    DataColumn("first", "time", "time of the first packet"),
    DataColumn("last", "time", "time of the last packet"),
    DataColumn("first_frame", "int64", "number of the first packet's frame"),
    DataColumn("smac", "text", "source MAC of the first packet"),
    DataColumn("dmac", "text", "destination MAC of the first packet"),
    DataColumn("ttl", "int16", "TTL of the first packet"),
    DataColumn("ttl_min", "int16", "smallest TTL"),
    DataColumn("ttl_max", "int16", "largest TTL"),
    DataColumn("largest_ip", "uint32", "largest IP packet [octets]"),
    DataColumn("fragments", "int64", "packets that are fragments"),
    DataColumn("tcp_flags", "uint16", "all flags of TCP that were ever set, as in `frames`"),
    DataColumn("syns", "int64", "SYNs without ACK"),
    DataColumn("retransmissions", "int64", "segments of TCP that were sent again"),
    DataColumn("rtt_us", "float64", "from SYN to SYN-ACK at this point [µs]"),
    DataColumn("tunnel", "text", "kind of tunnel that its first packet carries"),
    DataColumn("vni", "uint32", "its VNI or key"),
)


def flow_table(context: Context, chosen: FlowMask | None = None, is_binary: bool = False) -> Table:
    """All flows, or those chosen, in order of first sight."""
    rows = np.arange(len(context.flows)) if chosen is None else np.flatnonzero(chosen)
    columns = columns_for(COLUMNS, is_binary)

    def batches() -> Iterator[Batch]:
        for begin in range(0, len(rows), MAX_BATCH):
            part = rows[begin : begin + MAX_BATCH]
            yield Batch(columns, _data(context, part, is_binary), len(part))

    return Table("flows", columns, batches, len(rows))


def columns_for(columns: tuple[DataColumn, ...], is_binary: bool) -> list[DataColumn]:
    """The columns, addresses as text or as octets."""
    return [column._replace(kind="octets") if is_binary and column.kind == "address" else column for column in columns]


def _data(context: Context, rows: FlowRows, is_binary: bool) -> list[ColumnData]:
    flows = context.flows[rows]
    data: dict[str, ColumnData] = {
        "flow": ColumnValues(rows.astype(np.int64)),
        "reply": coded.numbers(replies(context)[rows], "int64"),
        "payload": coded.numbers(np.maximum(flows[:, schema.FLOW_PAYLOAD], 0), "int64"),
        "fragments": coded.numbers(flows[:, schema.FLOW_FRAGMENTS], "int64"),
        "syns": coded.numbers(flows[:, schema.FLOW_SYNS], "int64"),
        "retransmissions": coded.numbers(retransmitted_segments(context)[rows], "int64"),
        "rtt_us": round_trips(context, rows),
        "tunnel": coded.tunnels(flows[:, schema.FLOW_CARRIES]),
        "vni": _ids(flows, schema.FLOW_CARRIES, schema.FLOW_CARRIES_VNI),
        "first": ColumnValues(flows[:, schema.FLOW_FIRST].copy()),
        "last": ColumnValues(flows[:, schema.FLOW_LAST].copy()),
        "smac": coded.macs(flows[:, schema.FLOW_SMAC]),
        "dmac": coded.macs(flows[:, schema.FLOW_DMAC]),
        "tcp_flags": _tcp_flags(flows),
    }
    data.update(ends_of(context, flows, is_binary))
    data.update(icmp_of(flows))
    for name, (column, kind) in _PLAIN.items():
        data[name] = coded.numbers(flows[:, column], kind)
    return [data[column.name] for column in COLUMNS]


_PLAIN = {
    "packets": (schema.FLOW_PACKETS, "int64"), "bytes": (schema.FLOW_BYTES, "int64"),
    "first_frame": (schema.FLOW_FIRST_FRAME, "int64"), "ttl": (schema.FLOW_TTL, "int16"),
    "ttl_min": (schema.FLOW_TTL_MIN, "int16"), "ttl_max": (schema.FLOW_TTL_MAX, "int16"),
    "largest_ip": (schema.FLOW_LARGEST_IP, "uint32"),
}  # fmt: skip


def ends_of(context: Context, flows: FlowTable, is_binary: bool) -> dict[str, ColumnData]:
    """Where flows were seen, in which tunnel, and between which ends."""
    points = flows[:, schema.FLOW_POINT]
    files = list(dict.fromkeys(point.file for point in context.points))
    file_of_point = np.array([files.index(point.file) for point in context.points], dtype=np.int64)
    vlan = flows[:, schema.FLOW_VLAN]
    has_ports = ~is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS) & (flows[:, schema.FLOW_SPORT] >= 0)
    return {
        "file": coded.names(file_of_point[points], files),
        "point": coded.names(points, [point.name for point in context.points]),
        "via": coded.tunnels(flows[:, schema.FLOW_VIA]),
        "via_vni": _ids(flows, schema.FLOW_VIA, schema.FLOW_VIA_VNI),
        "depth": coded.numbers(flows[:, schema.FLOW_DEPTH], "uint8"),
        "vlan": coded.numbers(np.where(vlan >= 0, vlan & 0xFFF, -1), "uint16"),
        "proto": coded.protocols(flows[:, schema.FLOW_PROTO]),
        "src": coded.addresses(flows[:, schema.FLOW_SRC_HI], flows[:, schema.FLOW_SRC_LO], is_binary),
        "sport": coded.numbers(flows[:, schema.FLOW_SPORT], "uint16", has_ports),
        "dst": coded.addresses(flows[:, schema.FLOW_DST_HI], flows[:, schema.FLOW_DST_LO], is_binary),
        "dport": coded.numbers(flows[:, schema.FLOW_DPORT], "uint16", has_ports),
    }


def icmp_of(flows: FlowTable) -> dict[str, ColumnData]:
    """Type, code and echo identifier."""
    kind = flows[:, schema.FLOW_KIND]
    ids = flows[:, schema.FLOW_SPORT]
    is_echo = is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS) & is_one_of(kind >> 8, _ECHO_TYPES) & (ids >= 0)
    return {
        "icmp_type": coded.numbers(np.where(kind >= 0, kind >> 8, -1), "uint8"),
        "icmp_code": coded.numbers(np.where(kind >= 0, kind & 255, -1), "uint8"),
        "icmp_id": coded.numbers(ids, "uint16", is_echo),
    }


_ECHO_TYPES = (0, 8, 128, 129)


def round_trips(context: Context, rows: FlowRows) -> ColumnValues:
    """Microseconds from the last SYN to the first SYN-ACK of the reply, at the same point and in the same tunnel."""
    flows = context.flows
    syn_times, answers = flows[rows, schema.FLOW_SYN_TIME], replies(context)[rows]
    answer_times = np.where(answers >= 0, flows[answers, schema.FLOW_SYNACK_TIME], -1)
    is_there = (syn_times >= 0) & (answers >= 0) & (answer_times >= syn_times)
    return ColumnValues(np.where(is_there, (answer_times - syn_times) / 1000, 0.0), is_there)


def _tcp_flags(flows: FlowTable) -> ColumnValues:
    is_tcp = flows[:, schema.FLOW_PROTO] == 6
    return coded.numbers(flows[:, schema.FLOW_TCP_FLAGS] & (schema.USED_AGAIN - 1), "uint16", is_tcp)


def _ids(flows: FlowTable, kind: int, ident: int) -> ColumnValues:
    """The id of a tunnel, where there is a tunnel that has one."""
    ids: Values = flows[:, ident]
    return coded.numbers(ids, "uint32", (flows[:, kind] > 0) & (ids >= 0))

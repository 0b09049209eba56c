"""Facts of a report as tables. A path has a row for each of its hops.

The largest conversations, and the shares of protocols, have the columns of the report here; all of them are the tables
of the same names of `analysis.tables`.

Evidence is the first frame that shows the fact, and the file that has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from capnet.analysis.core.results import Evidence, Hop, Nat, Path, Side
from capnet.quick_tuple import NamedTuple
from capnet.table.batch import Batch, batch_of
from capnet.table.column import DataColumn
from capnet.table.table import Table

MAX_BATCH = 1 << 12  # rows of Python values at a time


class FactColumn(NamedTuple):
    """A column, and how to read its value off a fact."""

    column: DataColumn
    value: Callable[[Any], Any]


def _of(name: str, kind: str, says: str, value: Callable[[Any], Any] | None = None) -> FactColumn:
    return FactColumn(DataColumn(name, kind, says), value or (lambda fact: getattr(fact, name)))


def _first(evidence: Sequence[Evidence], key: str) -> Any:
    return getattr(evidence[0], key) if evidence else None


_EVIDENCE = (
    _of("evidence_file", "text", "input that shows it", lambda fact: _first(fact.evidence, "file")),
    _of("evidence_point", "text", "capture point of the first frame that shows it",
        lambda fact: _first(fact.evidence, "point")),
    _of("evidence_frame", "int64", "number of this frame", lambda fact: _first(fact.evidence, "frame")),
)  # fmt: skip


def _side(name: str, says: str) -> tuple[FactColumn, ...]:
    def of_side(key: str) -> Callable[[Nat], Any]:
        return lambda nat: getattr(_side_of(nat, name), key)

    return (
        _of(f"{name}_src", "text", f"source address {says}", of_side("src")),
        _of(f"{name}_sport", "uint16", f"source port {says}", of_side("sport")),
        _of(f"{name}_dst", "text", f"destination address {says}", of_side("dst")),
        _of(f"{name}_dport", "uint16", f"destination port {says}", of_side("dport")),
        _of(f"{name}_id", "uint16", f"ICMP echo identifier {says}", of_side("id")),
        _of(f"{name}_point", "text", f"where it was seen {says}", of_side("point")),
    )


def _side_of(nat: Nat, name: str) -> Side:
    side: Side = getattr(nat, name)
    return side


NAT = (
    _of("kind", "text", "which end was rewritten: snat, dnat or both"),
    _of("proto", "text", "protocol"),
    *_side("before", "before the translation"),
    *_side("after", "after it"),
    _of("port_rewritten", "bool", "a port, or the echo identifier, was rewritten as well"),
    _of("ttl_delta", "int32", "TTL after minus TTL before"),
    _of("packets", "int64", "packets translated"),
    _of("bytes", "int64", "their lengths on the wire [octets]"),
    _of("reply_seen", "bool", "the inverse translation of replies was seen"),
    _of("latency_us", "float64", "median time between the two points [µs]",
        lambda nat: nat.latency_us.median if nat.latency_us else None),
    _of("method", "text", "how it is known"),
    _of("confidence", "float64", "how sure this is [0 to 1]"),
    *_EVIDENCE,
)  # fmt: skip

TUNNELS = (
    _of("kind", "text", "kind of tunnel"),
    _of("vni", "int64", "its id: VNI, key or other"),
    _of("point", "text", "where it was seen"),
    _of("vtep_a", "text", "address of one end", lambda tunnel: tunnel.vteps[0]),
    _of("vtep_b", "text", "address of the other end", lambda tunnel: tunnel.vteps[-1]),
    _of("port", "uint16", "destination UDP port"),
    _of("frames", "int64", "outer frames"),
    _of("bytes", "int64", "their lengths on the wire [octets]"),
    _of("inner_bytes", "int64", "lengths of the frames inside [octets]"),
    _of("overhead_percent", "float64", "share of the outer bytes that is not inside [%]"),
    _of("source_ports", "int64", "how many different outer source ports"),
    _of("inner_macs", "texts", "MAC addresses inside"),
    _of("inner_ips", "texts", "IP addresses inside"),
    _of("largest_inner_ip", "int64", "largest IP packet inside [octets]"),
    _of("one_way", "bool", "only one direction was seen"),
    _of("encrypted", "bool", "what is inside cannot be read"),
    _of("network", "text", "name of the Docker network"),
    *_EVIDENCE,
)

STATIONS = (
    _of("mac", "text", "MAC address"),
    _of("kind", "text", "what it is"),
    _of("ips", "texts", "its IP addresses; of a router, those it forwards for"),
    _of("names", "texts", "names of these addresses"),
    _of("points", "texts", "where it was seen"),
    _of("packets", "int64", "frames from and to it"),
    _of("vlan", "numbers", "VLAN ids of its frames"),
)

FINDINGS = (
    _of("name", "text", "which finding; docs/findings.md has its page"),
    _of("level", "text", "error, warning or info"),
    _of("says", "text", "what was found, in a sentence"),
    _of("fix", "text", "what to do about it"),
    _of("verify", "text", "how to check it outside of the capture"),
    _of("count", "int64", "how much it concerns"),
    _of("id", "text", "the same for the same fault in another capture"),
    _of("explained_by", "text", "id of the finding whose symptom this one is"),
    _of("facts", "text", "the numbers and names in the sentence, as JSON",
        lambda finding: json.dumps(finding.facts, default=str, sort_keys=True)),
    *_EVIDENCE,
)  # fmt: skip

POINTS = (
    _of("name", "text", "name of the capture point"),
    _of("file", "text", "the input"),
    _of("interface", "int64", "number of the interface in this input, from 0"),
    _of("linktype", "text", "link type"),
    _of("role", "text", "which kind of interface it is"),
    _of("host", "text", "host in its name"),
    _of("container", "text", "container in its name"),
    _of("device", "text", "interface in its name"),
    _of("packets", "int64", "frames captured"),
    _of("bytes", "int64", "their lengths on the wire [octets]"),
    _of("dropped", "int64", "frames that the capture lost"),
    _of("first", "time", "time of its earliest frame"),
    _of("last", "time", "time of its latest frame"),
)


CONVERSATIONS = (
    _of("point", "text", "where it was seen"),
    _of("proto", "text", "protocol"),
    _of("src", "text", "who opened it, by SYN or SYN-ACK; else who sent the first packet"),
    _of("sport", "uint16", "its port"),
    _of("dst", "text", "the other side"),
    _of("dport", "uint16", "its port"),
    _of("application", "text", "what its port is for"),
    _of("state", "text", "how it ended, or that nothing came back"),
    _of("packets", "int64", "packets, both directions"),
    _of("bytes", "int64", "their lengths on the wire [octets]"),
    _of("packets_back", "int64", "packets of the other side"),
    _of("bytes_back", "int64", "their lengths [octets]"),
    _of("first", "time", "time of the first packet"),
    _of("last", "time", "time of the last packet"),
    _of("duration_us", "float64", "between them [µs]"),
    _of("bits_per_second", "float64", "bytes over duration [bit/s]"),
    _of("retransmissions", "int64", "segments of TCP that were sent again, both directions"),
    _of("rtt_us", "float64", "from SYN to SYN-ACK at this point [µs]"),
    _of("vni", "int64", "id of the tunnel it is in"),
    _of("id", "uint16", "ICMP echo identifier"),
    _of("vlan", "numbers", "VLAN ids, the outermost first"),
)

PROTOCOLS = (
    _of("protocol", "text", "the layers, outermost first: ip/tcp/http"),
    _of("level", "uint8", "how many layers that is"),
    _of("flows", "int64", "flows, each direction one"),
    _of("packets", "int64", "their packets; one counts at each point that it passes"),
    _of("bytes", "int64", "their lengths on the wire [octets]"),
)


class _PathHop(NamedTuple):
    """A row of the table `paths`."""

    number: int
    path: Path
    hop_number: int
    hop: Hop


def _of_hop(name: str, kind: str, says: str, value: Callable[[Hop], Any] | None = None) -> FactColumn:
    read = value or (lambda hop: getattr(hop, name))
    return FactColumn(DataColumn(name, kind, says), lambda row: read(row.hop))


PATHS = (
    _of("path", "int64", "its number, from 1", lambda row: row.number),
    _of("hop", "int64", "number of the hop, from 1", lambda row: row.hop_number),
    _of("proto", "text", "protocol", lambda row: row.path.proto),
    _of_hop("point", "text", "capture point"),
    _of_hop("src", "text", "source address here"),
    _of_hop("sport", "uint16", "source port here"),
    _of_hop("dst", "text", "destination address here"),
    _of_hop("dport", "uint16", "destination port here"),
    _of_hop("id", "uint16", "ICMP echo identifier here"),
    _of_hop("smac", "text", "source MAC of the first packet"),
    _of_hop("dmac", "text", "destination MAC of the first packet"),
    _of_hop("ttl", "int16", "TTL of the first packet"),
    _of_hop("tunnel", "text", "kind of tunnel that the flow is in here",
            lambda hop: hop.tunnel.kind if hop.tunnel else None),
    _of_hop("vni", "int64", "its id", lambda hop: hop.tunnel.vni if hop.tunnel else None),
    _of_hop("change", "texts", "what happened since the hop before: bridged, routed, snat, dnat, encapsulated, …"),
    _of_hop("packets", "int64", "packets seen here"),
    _of_hop("bytes", "int64", "their lengths on the wire [octets]"),
    _of_hop("delta_us", "float64", "median time since the hop before [µs]",
            lambda hop: hop.delta_us.median if hop.delta_us else None),
    _of_hop("lost", "int64", "packets of the hop before that did not arrive while this point listened"),
    _of("ends", "text", "how the path ends: delivered, stops-at POINT, …", lambda row: row.path.ends),
    _of("reply", "bool", "the other side opened the connection", lambda row: row.path.reply),
)  # fmt: skip

FACT_COLUMNS: dict[str, Sequence[FactColumn]] = {
    "nat": NAT, "tunnels": TUNNELS, "stations": STATIONS, "paths": PATHS, "findings": FINDINGS, "points": POINTS,
    "conversations": CONVERSATIONS, "protocols": PROTOCOLS,
}  # fmt: skip


def fact_table(name: str, facts: Sequence[Any]) -> Table:
    """The table of these facts of one kind."""
    if name == "paths":
        return path_table(lambda: iter(facts))
    return Table(name, _columns(name), lambda: _batches(name, facts), len(facts))


def path_table(paths: Callable[[], Iterator[Path]]) -> Table:
    """The table of paths that are made while it is read."""
    return Table("paths", _columns("paths"), lambda: _batches("paths", _hops(paths())))


def _columns(name: str) -> list[DataColumn]:
    return [column for column, _ in FACT_COLUMNS[name]]


def _batches(name: str, facts: Iterable[Any]) -> Iterator[Batch]:
    """Batches of at most MAX_BATCH rows."""
    described, rows = FACT_COLUMNS[name], iter(facts)
    while part := list(islice(rows, MAX_BATCH)):
        yield batch_of(_columns(name), [[value(fact) for _, value in described] for fact in part])


def _hops(paths: Iterable[Path]) -> Iterator[_PathHop]:
    for number, path in enumerate(paths, 1):
        for hop_number, hop in enumerate(path.hops, 1):
            yield _PathHop(number, path, hop_number, hop)

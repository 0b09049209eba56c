"""Entries of `conntrack -L -o extended`, which a recorded topology holds, in the terms of NAT facts.

Each line has the original tuple and the tuple that a reply is expected to have. Where the second is not the first
reversed, the connection is translated (nf_conntrack, Documentation/networking/nf_conntrack-sysctl).
"""

from __future__ import annotations

from capnet.analysis.facts.nat.tuples import FlowTuple
from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology
from capnet.wire.addresses import address_value
from capnet.wire.numbers import MAX_PORT

PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6")


class Entry(NamedTuple):
    """One conntrack entry, in original direction."""

    proto: str
    before: FlowTuple
    after: FlowTuple  # equal to `before` when nothing is translated
    replied: bool


def parse(line: str) -> Entry | None:
    """The entry of one line; None for a protocol without ports or identifiers, and for a damaged line."""
    words = line.split()
    proto = next((word for word in words if word in PROTOCOLS), None)
    fields: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            fields.setdefault(key, []).append(value)
    if proto is None or len(fields.get("src", ())) != 2 or len(fields.get("dst", ())) != 2:
        return None
    (src, reply_src), (dst, reply_dst) = fields["src"], fields["dst"]
    try:
        for address in (src, dst, reply_src, reply_dst):
            address_value(address)  # ValueError for what is none
        if proto.startswith("icmp"):
            echo_id, reply_echo_id = map(_number, fields["id"])
            before = FlowTuple(src, None, dst, None, echo_id)
            after = FlowTuple(reply_dst, None, reply_src, None, reply_echo_id)
        else:
            (sport, reply_sport), (dport, reply_dport) = (map(_number, fields[key]) for key in ("sport", "dport"))
            before = FlowTuple(src, sport, dst, dport)
            after = FlowTuple(reply_dst, reply_dport, reply_src, reply_sport)
    except (KeyError, ValueError):
        return None
    return Entry(proto, before, after, "[UNREPLIED]" not in words)


def _number(text: str) -> int:
    """A port or an identifier. ValueError for what is none."""
    number = int(text)
    if not 0 <= number <= MAX_PORT:
        raise ValueError(text)
    return number


class Entries:
    """The conntrack entries of all hosts of a topology."""

    def __init__(self, topology: Topology | None) -> None:
        parsed = (parse(line) for host in (topology.hosts if topology else []) for line in host.conntrack)
        self._entries = {(entry.proto, entry.before, entry.after) for entry in parsed if entry}
        self._befores: dict[tuple[str, FlowTuple], list[FlowTuple]] = {}
        for proto, before, after in sorted(self._entries):
            self._befores.setdefault((proto, after), []).append(before)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def has(self, proto: str, before: FlowTuple, after: FlowTuple) -> bool:
        """Is there an entry with just these tuples?"""
        return (proto, before, after) in self._entries

    def befores(self, proto: str, after: FlowTuple) -> list[FlowTuple]:
        """Original tuples of the entries that translate to `after`, sorted."""
        return self._befores.get((proto, after), [])

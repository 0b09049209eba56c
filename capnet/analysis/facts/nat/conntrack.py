"""Lines of `conntrack -L -o extended`, as a recorded topology holds them, in the terms of NAT facts.

Each line has the original tuple and the tuple that a reply is expected to have; where the second is not the first
turned round, the connection is translated (nf_conntrack, Documentation/networking/nf_conntrack-sysctl).
"""

from __future__ import annotations

from typing import NamedTuple

from capnet.topology import Topology

PROTOS = ("tcp", "udp", "icmp", "icmpv6")


class Form(NamedTuple):
    """A connection in original direction; ICMP has its identifier instead of ports."""

    src: str
    sport: int | None
    dst: str
    dport: int | None
    id: int | None = None


class Entry(NamedTuple):
    proto: str
    before: Form
    after: Form  # equal to `before` when nothing is translated
    replied: bool


def parse(line: str) -> Entry | None:
    """One line, or None if it is not about a protocol with ports or identifiers, or is damaged."""
    words = line.split()
    proto = next((word for word in words if word in PROTOS), None)
    fields: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            fields.setdefault(key, []).append(value)
    if proto is None or len(fields.get("src", ())) != 2 or len(fields.get("dst", ())) != 2:
        return None
    (src, back_src), (dst, back_dst) = fields["src"], fields["dst"]
    try:
        if proto.startswith("icmp"):
            ident, back_ident = (int(value) for value in fields["id"])
            before = Form(src, None, dst, None, ident)
            after = Form(back_dst, None, back_src, None, back_ident)
        else:
            (sport, back_sport), (dport, back_dport) = (
                [int(value) for value in fields[key]] for key in ("sport", "dport")
            )
            before = Form(src, sport, dst, dport)
            after = Form(back_dst, back_dport, back_src, back_sport)
    except (KeyError, ValueError):
        return None
    return Entry(proto, before, after, "[UNREPLIED]" not in words)


def entries(topology: Topology | None) -> set[tuple[str, Form, Form]]:
    """(proto, before, after) of every entry of every host."""
    parsed = (parse(line) for host in (topology.hosts if topology else []) for line in host.conntrack)
    return {(entry.proto, entry.before, entry.after) for entry in parsed if entry}

"""Wireshark display filters for what a report names. The syntax is that of Wireshark 4 (wireshark-filter(4))."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from capnet.analysis.core.contract.document import Document
from capnet.wire.protocols import KIND_OF_NAME


def address(value: str) -> str:
    """Packets from or to this IPv4 or IPv6 address."""
    field = "ip.addr" if ip_address(value).version == 4 else "ipv6.addr"
    return f"{field} == {value}"


def flow(proto: str, side: Document) -> str:
    """Both directions of one flow: `ip.addr == a && ip.addr == b && tcp.port == 1 && tcp.port == 2`."""
    return " && ".join([address(side["src"]), address(side["dst"]), *_ports(proto, side)])


def nat(row: Document) -> str:
    """Both forms of a translated flow, wherever they were seen.

    The end that was not rewritten is in both forms; with its port it is enough, unless both ends were rewritten.
    """
    before, after, proto = row["before"], row["after"], row["proto"]
    if proto == "icmp":
        ids = sorted({side["id"] for side in (before, after) if side.get("id") is not None})
        kept = before["dst"] if before["dst"] == after["dst"] else before["src"]
        return " && ".join([address(kept), *([_any("icmp.ident", ids)] if ids else [])])
    for end, port in (("src", "sport"), ("dst", "dport")):
        if before[end] == after[end] and before[port] == after[port] is not None:
            other = "dport" if port == "sport" else "sport"
            ports = sorted({before[other], after[other]} - {None})
            return " && ".join([address(before[end]), f"{proto}.port == {before[port]}", _any(f"{proto}.port", ports)])
    return f"({flow(proto, before)}) || ({flow(proto, after)})"


def tunnel(row: Document) -> str:
    """The frames of one tunnel. On a port where Wireshark does not look for its kind: the port and the two hosts."""
    kind = KIND_OF_NAME[row["kind"]]
    ends = [address(each) for each in row["vteps"][:2]]
    if kind.udp_port is not None and row["port"] not in (None, kind.udp_port):
        return " && ".join([f"udp.port == {row['port']}", *ends])
    return " && ".join([kind.filter_of(row["vni"]), *(ends if kind.is_filtered_by_ends else [])])


def frames(evidence: Iterable[Document]) -> str:
    """`frame.number in {3, 17}`: these frames, all of one file."""
    numbers = sorted({frame["frame"] for frame in evidence})
    return f"frame.number == {numbers[0]}" if len(numbers) == 1 else _any("frame.number", numbers)


def best(document: Document) -> tuple[str, str] | None:
    """(what it shows, filter) of what a reader most likely wants to see next; None if there is nothing to show."""
    for finding in document.get("findings", []):
        evidence = finding["evidence"]
        if finding["level"] == "error" and evidence:
            file = evidence[0]["file"]
            return finding["name"], frames(frame for frame in evidence if frame["file"] == file)
    if document.get("nat"):
        return "the first translated flow", nat(document["nat"][0])
    if document.get("tunnels"):
        row = document["tunnels"][0]
        return f"the {row['kind']} tunnel", tunnel(row)
    for key, meaning in (("paths", "the first path"), ("flows", "the biggest flow")):
        rows = document.get(key) or []
        rows = rows["top"] if isinstance(rows, dict) else rows
        if rows:
            return meaning, flow(rows[0]["proto"], rows[0].get("flow", rows[0]))
    return None


def _ports(proto: str, side: Document) -> list[str]:
    if proto == "icmp" and side.get("id") is not None:
        return [f"icmp.ident == {side['id']}"]
    if proto == "icmpv6" and side.get("id") is not None:
        return [f"icmpv6.echo.identifier == {side['id']}"]
    if proto not in ("tcp", "udp", "sctp"):
        return [proto] if proto in ("icmp", "icmpv6", "arp", "igmp", "gre", "esp") else []
    ports = dict.fromkeys(port for port in (side["sport"], side["dport"]) if port is not None)
    return [f"{proto}.port == {port}" for port in ports]


def _any(field: str, values: list[int]) -> str:
    if len(values) == 1:
        return f"{field} == {values[0]}"
    return f"{field} in {{{', '.join(map(str, values))}}}"

"""Wireshark display filters for what a report names. The syntax is that of Wireshark 4 (wireshark-filter(4))."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.wire.protocols import KIND_OF_NAME

_DISSECTORS = {"vxlan": "vxlan", "geneve": "geneve", "gtpu": "gtp"}  # kind of tunnel → as `tshark -d` calls it
MAX_FORMS = 12  # of flows in one filter: 1,500 characters


def address(value: str) -> str:
    """Packets from or to this IPv4 or IPv6 address."""
    field = "ip.addr" if ip_address(value).version == 4 else "ipv6.addr"
    return f"{field} == {value}"


def flow(proto: str, side: Document) -> str:
    """Both directions of one flow: `ip.addr == a && ip.addr == b && tcp.port == 1 && tcp.port == 2`."""
    return " && ".join([address(side["src"]), address(side["dst"]), *_ports(proto, side)])


def nat(row: Document) -> str:
    """Both forms of a translated flow, wherever they were seen.

    The end that was not rewritten is in both forms; with its port it is enough. Where both ends were rewritten, replies
    may be seen with one end restored, so each end may have either address.
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
    sources, targets = ([side[end] for side in (before, after)] for end in ("src", "dst"))
    ports = [[side[port] for side in (before, after) if side[port] is not None] for port in ("sport", "dport")]
    forms = [
        _any_address(sources),
        _any_address(targets),
        *(_any(f"{proto}.port", sorted({*each})) for each in ports if each),
    ]
    return " && ".join(forms)


class PathFilter(NamedTuple):
    """A display filter, and whether it selects other flows between the same addresses as well."""

    text: str
    is_wider: bool


def paths(group: Sequence[Document]) -> PathFilter:
    """Both directions of the flows of these paths, in the form that they have at each of their hops.

    Of more than MAX_FORMS forms: all of their protocol between their addresses.
    """
    sides = [(path["proto"], hop) for path in group for hop in path["hops"]]
    forms = list(dict.fromkeys(flow(proto, _ordered(side)) for proto, side in sides))
    is_wider = len(forms) > MAX_FORMS
    if is_wider:
        pairs = ((proto, {**_ordered(side), "sport": None, "dport": None, "id": None}) for proto, side in sides)
        forms = list(dict.fromkeys(" && ".join([flow(proto, pair), *_protocol(proto)]) for proto, pair in pairs))
    return PathFilter(forms[0] if len(forms) == 1 else " || ".join(f"({form})" for form in forms), is_wider)


def _ordered(side: Document) -> Document:
    """A flow and its reverse as the same flow."""
    ends = sorted([(side["src"], side["sport"]), (side["dst"], side["dport"])], key=str)
    (src, sport), (dst, dport) = ends
    return {"src": src, "sport": sport, "dst": dst, "dport": dport, "id": side.get("id")}


def _protocol(proto: str) -> list[str]:
    return [proto] if proto in ("tcp", "udp", "sctp") else []


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
        return Text(en="the first translated flow", zh="第一条被转换的流").fill(), nat(document["nat"][0])
    if document.get("tunnels"):
        row = document["tunnels"][0]
        return Text(en="the {kind} tunnel", zh="{kind} 隧道").fill(kind=row["kind"]), tunnel(row)
    if document.get("paths"):
        return Text(en="the first path", zh="第一条路径").fill(), paths(document["paths"][:1]).text
    flows = document.get("flows", {}).get("top")
    biggest = Text(en="the biggest flow", zh="最大的流").fill()
    return (biggest, flow(flows[0]["proto"], flows[0])) if flows else None


def decode_as(document: Document) -> str:
    """tshark's option for a tunnel on a port where Wireshark does not look for its kind; empty without such a tunnel.

    Filters by what is inside the tunnel select nothing without it.
    """
    for row in document.get("tunnels", []):
        name = _DISSECTORS.get(row["kind"])
        if name and row["port"] not in (None, KIND_OF_NAME[row["kind"]].udp_port):
            return f"-d udp.port=={row['port']},{name}"
    return ""


def _ports(proto: str, side: Document) -> list[str]:
    if proto == "icmp" and side.get("id") is not None:
        return [f"icmp.ident == {side['id']}"]
    if proto == "icmpv6" and side.get("id") is not None:
        return [f"icmpv6.echo.identifier == {side['id']}"]
    if proto not in ("tcp", "udp", "sctp"):
        return (
            [proto]
            if proto in ("icmp", "icmpv6", "arp", "igmp", "gre", "esp", "ah", "ospf", "pim", "vrrp", "eigrp")
            else []
        )
    ports = dict.fromkeys(port for port in (side["sport"], side["dport"]) if port is not None)
    return [f"{proto}.port == {port}" for port in ports]


def _any_address(values: Iterable[str]) -> str:
    """Packets from or to one of these addresses, all of one version."""
    first, *others = dict.fromkeys(values)
    field = address(first).split()[0]
    return f"{field} in {{{', '.join([first, *others])}}}" if others else address(first)


def _any(field: str, values: list[int]) -> str:
    if len(values) == 1:
        return f"{field} == {values[0]}"
    return f"{field} in {{{', '.join(map(str, values))}}}"

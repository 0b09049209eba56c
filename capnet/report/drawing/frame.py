"""Writes one frame as capnet decoded it, a line for each layer; what a tunnel carries is indented below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from capnet.analysis.aggregate.decode_coverage import reason_words
from capnet.analysis.core.contract.document import iso_time
from capnet.analysis.core.flow_rows import proto_name
from capnet.report.escape import visible
from capnet.report.text import count, fill, number
from capnet.wire import fields, numbers
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.fields import ABSENT
from capnet.wire.protocols import KIND_OF_NUMBER
from capnet.wire.protocols.linktypes import linktype_name

Row = Mapping[str, int]  # a row of wire.fields by its field names (Block.dicts)

LABEL_WIDTH = 10  # columns of a layer's name
MAX_COMMENT_LINES = 40  # a screen; a comment may have 64 kB
_ETHERTYPES = {
    numbers.ETHERTYPE_IPV4: "IPv4",
    numbers.ETHERTYPE_ARP: "ARP",
    numbers.ETHERTYPE_IPV6: "IPv6",
    numbers.ETHERTYPE_VLAN: "802.1Q",
    numbers.ETHERTYPE_MPLS: "MPLS",
    numbers.ETHERTYPE_PPPOE: "PPPoE",
    numbers.ETHERTYPE_QINQ: "802.1ad",
    numbers.ETHERTYPE_LLDP: "LLDP",
}
_ARP = {numbers.ARP_REQUEST: "request", numbers.ARP_REPLY: "reply"}
_ICMP = {
    numbers.ICMP_ECHO_REPLY: "echo reply",
    numbers.ICMP_UNREACHABLE: "destination unreachable",
    numbers.ICMP_REDIRECT: "redirect",
    numbers.ICMP_ECHO_REQUEST: "echo request",
    numbers.ICMP_TIME_EXCEEDED: "time exceeded",
}
_ICMPV6 = {
    numbers.ICMPV6_UNREACHABLE: "destination unreachable",
    numbers.ICMPV6_PACKET_TOO_BIG: "packet too big",
    numbers.ICMPV6_TIME_EXCEEDED: "time exceeded",
    numbers.ICMPV6_ECHO_REQUEST: "echo request",
    numbers.ICMPV6_ECHO_REPLY: "echo reply",
    numbers.ICMPV6_ROUTER_SOLICITATION: "router solicitation",
    numbers.ICMPV6_ROUTER_ADVERTISEMENT: "router advertisement",
    numbers.ICMPV6_NEIGHBOR_SOLICITATION: "neighbor solicitation",
    numbers.ICMPV6_NEIGHBOR_ADVERTISEMENT: "neighbor advertisement",
    numbers.ICMPV6_LISTENER_REPORT: "listener report",
}
_PACKET_TYPES = ("to us", "broadcast", "multicast", "to someone else", "sent by us")  # SLL packet type


def render(
    rows: Sequence[Row],
    file: str,
    point: str,
    width: int = 100,
    names: Mapping[str, str] | None = None,
    comments: Sequence[str] = (),
    logged_by: str = "",
) -> str:
    """Text of one frame. `rows`: the captured frame and what is inside it, outermost first.

    `logged_by`: the rule of a firewall that logged it, in words.
    """
    names = names or {}
    outermost = rows[0]
    when = iso_time(outermost["time"])[:-1].replace("T", " ") + " UTC" if outermost["time"] >= 0 else "no time"
    length = count(outermost["wirelen"], "byte")
    if outermost["caplen"] < outermost["wirelen"]:
        length += f", {number(outermost['caplen'])} captured"
    head = f"Frame {outermost['frame']} of {visible(file)} · {visible(point)} · {when} · {length}"
    lines = [*fill(head, width), ""]
    if logged_by:
        lines += fill(visible(f"{'rule':{LABEL_WIDTH}}{logged_by}"), width, "  ", "  " + " " * LABEL_WIDTH)
    for row in rows:
        indent = "  " * (row["depth"] + 1)
        for layer, text in _layers(row, names):
            lines += fill(visible(f"{layer:{LABEL_WIDTH}}{text}"), width, indent, indent + " " * LABEL_WIDTH)
    return "\n".join(lines + _comments(comments, width)) + "\n"


def _comments(comments: Sequence[str], width: int) -> list[str]:
    """Every line begins with the word `comment`, so that no comment can forge a line of the decoder."""
    lines = [line for comment in comments for line in comment.splitlines() if line.strip()]
    shown: list[str] = []
    for line in lines:
        filled = [f"  {'comment':{LABEL_WIDTH}}{part}" for part in fill(visible(line), width - 2 - LABEL_WIDTH)]
        if len(shown) + len(filled) > MAX_COMMENT_LINES:
            return [*shown, f"  {'comment':{LABEL_WIDTH}}… and more; {count(len(lines), 'line')} in all"]
        shown += filled
    return shown


def hex_dump(raw: bytes, most: int = 256) -> str:
    """Offset, 16 bytes in hex, the same as ASCII; as `tcpdump -XX` and Wireshark show it."""
    lines = []
    for at in range(0, min(len(raw), most), 16):
        chunk = raw[at : at + 16]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in chunk)
        lines.append(f"  {at:04x}  {chunk[:8].hex(' '):23}  {chunk[8:].hex(' '):23}  {shown}".rstrip())
    if len(raw) > most:
        lines.append(f"  … and {count(len(raw) - most, 'more byte')}")
    return "\n".join(lines) + "\n"


def _layers(row: Row, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    layers = row["layers"]
    yield from _link(row)
    if layers & fields.LAYER_ARP:
        sender, target = _ends(row, names)
        yield (
            "ARP",
            (
                f"{_ARP.get(row['arp_op'], 'operation ' + str(row['arp_op']))}, "
                f"sender {sender} at {_mac(row['arp_sha'])}, target {target} at {_mac(row['arp_tha'])}"
            ),
        )
    if layers & fields.LAYER_IP:
        yield _network(row, names)
    if layers & fields.LAYER_AH:
        yield "AH", f"SPI 0x{row['vni']:08x}" if row["vni"] != ABSENT and not row["tunnel"] else "authenticated"
    yield from _transport(row)
    if row["layers"] & fields.LAYER_ESP:
        number_of = f", number {row['seq']}" if row["seq"] != ABSENT else ""
        yield "ESP", f"SPI 0x{row['vni']:08x}{number_of}; what it carries is encrypted"
    elif row["tunnel"]:
        kind = KIND_OF_NUMBER[row["tunnel"]]
        ident = f"{kind.id_name} {row['vni']}" if row["vni"] != ABSENT else ""
        yield kind.title, "; ".join(filter(None, (ident, "what it carries is encrypted" * kind.is_encrypted)))
    elif row["payload"] > 0:
        where = "not captured" if row["payload_at"] == ABSENT else f"from byte {row['payload_at']} of the frame"
        yield "payload", f"{count(row['payload'], 'byte')}, {where}"
    if row["reason"]:
        yield "stopped", f"{reason_words(row['reason'], row['detail'])}; the rest is not decoded"


def _link(row: Row) -> Iterator[tuple[str, str]]:
    layers = row["layers"]
    kind = f"type {_ethertype(row['ethertype'])}" if row["ethertype"] != ABSENT else ""
    if layers & fields.LAYER_ETHERNET:
        if 0 <= row["ethertype"] < 0x600:
            kind = f"802.3 length {row['ethertype']}"
        yield (
            "Ethernet",
            ", ".join(part for part in (f"{_mac(row['smac'])} → {_mac(row['dmac'])}", kind) if part),
        )
    for tag in (row["vlan"], row["vlan2"]):
        if layers & fields.LAYER_VLAN and tag != ABSENT:
            yield "VLAN", str(tag)
    if layers & (fields.LAYER_SLL | fields.LAYER_SLL2):
        source = f"from {mac_text(row['smac'])}" if row["smac"] != ABSENT else ""
        direction = _PACKET_TYPES[row["pkttype"]] if 0 <= row["pkttype"] < len(_PACKET_TYPES) else ""
        version = "cooked v2" if layers & fields.LAYER_SLL2 else "cooked v1"
        yield version, ", ".join(part for part in (direction, source, kind) if part)
    if layers & fields.LAYER_PPPOE:
        yield "PPPoE", "session"
    if layers & fields.LAYER_MPLS:
        yield "MPLS", "labels"
    if layers & (fields.LAYER_RAW | fields.LAYER_NULL):
        yield linktype_name(row["linktype"]), "no link-layer addresses"
    if layers & fields.LAYER_NFLOG:
        sender = f"from {mac_text(row['smac'])}" if row["smac"] != ABSENT else ""
        yield "NFLOG", ", ".join(part for part in (sender, kind) if part)


def _network(row: Row, names: Mapping[str, str]) -> tuple[str, str]:
    is_ipv6 = bool(row["layers"] & fields.LAYER_IPV6)
    source, target = _ends(row, names)
    parts = [
        f"{source} → {target}",
        f"{'hop limit' if is_ipv6 else 'TTL'} {row['ttl']}" if row["ttl"] != ABSENT else "",
        f"{'traffic class' if is_ipv6 else 'TOS'} 0x{row['tos']:02x}" if row["tos"] > 0 else "",
        f"id 0x{row['ip_id']:04x}" if row["ip_id"] != ABSENT else "",
        "don't fragment" if not is_ipv6 and row["ip_flags"] > 0 and row["ip_flags"] & 2 else "",
        f"fragment at {row['frag_offset']}{', more follow' if row['ip_flags'] & 1 else ', the last'}"
        if row["layers"] & fields.LAYER_FRAGMENT
        else "",
        f"protocol {proto_name(row['proto'])}" if row["proto"] != ABSENT else "",
        count(row["ip_length"], "byte") if row["ip_length"] != ABSENT else "",
    ]
    return "IPv6" if is_ipv6 else "IPv4", ", ".join(part for part in parts if part)


def _transport(row: Row) -> Iterator[tuple[str, str]]:
    layers = row["layers"]
    if layers & fields.LAYER_TCP:
        flags = max(row["tcp_flags"], 0)
        parts = [
            f"{_port(row['sport'])} → {_port(row['dport'])}",
            " ".join(name for bit, name in enumerate(numbers.TCP_FLAG_NAMES) if flags >> bit & 1),
            f"seq {row['seq']}" if row["seq"] != ABSENT else "",
            f"ack {row['ack']}" if flags & numbers.TCP_ACK and row["ack"] != ABSENT else "",
            f"window {row['window']}" if row["window"] != ABSENT else "",
            f"timestamps {row['tsval']} {row['tsecr']}" if row["tsval"] != ABSENT else "",
        ]
        yield "TCP", ", ".join(part for part in parts if part)
    if layers & fields.LAYER_UDP:
        yield "UDP", f"{_port(row['sport'])} → {_port(row['dport'])}"
    if layers & fields.LAYER_SCTP:
        yield "SCTP", f"{_port(row['sport'])} → {_port(row['dport'])}"
    if layers & (fields.LAYER_ICMP | fields.LAYER_ICMPV6):
        is_ipv6 = bool(layers & fields.LAYER_ICMPV6)
        name = (_ICMPV6 if is_ipv6 else _ICMP).get(row["icmp_type"])
        parts = [f"{name or 'type'} ({row['icmp_type']}/{row['icmp_code']})" if row["icmp_type"] != ABSENT else ""]
        if row["icmp_id"] != ABSENT:
            parts.append(f"id {row['icmp_id']}")
        if row["icmp_seq"] != ABSENT:
            parts.append(f"seq {row['icmp_seq']}")
        yield "ICMPv6" if is_ipv6 else "ICMP", ", ".join(part for part in parts if part)


def _ends(row: Row, names: Mapping[str, str]) -> tuple[str, str]:
    source = address_text(row["src_hi"], row["src_lo"])
    target = address_text(row["dst_hi"], row["dst_lo"])
    return _named(source, names), _named(target, names)


def _named(address: str, names: Mapping[str, str]) -> str:
    return f"{address} ({names[address]})" if address in names else address


def _mac(value: int) -> str:
    return "not captured" if value == ABSENT else mac_text(value)


def _port(value: int) -> str:
    return "?" if value == ABSENT else str(value)


def _ethertype(value: int) -> str:
    name = _ETHERTYPES.get(value)
    return f"{name} (0x{value:04x})" if name else f"0x{value:04x}"

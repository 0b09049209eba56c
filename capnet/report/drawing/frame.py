"""Writes one frame as capnet decoded it, a line for each layer; what a tunnel carries is indented below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from capnet.analysis.aggregate.decode_coverage import reason_words
from capnet.analysis.core.contract.document import iso_time
from capnet.analysis.core.flow_rows import proto_name
from capnet.language import clauses, message, pick, term
from capnet.report.escape import visible
from capnet.report.text import count, fill, number, padded
from capnet.wire import fields, numbers
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.fields import ABSENT
from capnet.wire.protocols import KIND_OF_NUMBER
from capnet.wire.protocols.group_membership import HEADER, MLD_TYPES, RECORD_TYPES, GroupMessage, group_message
from capnet.wire.protocols.linktypes import linktype_name

Row = Mapping[str, int]  # a row of wire.fields by its field names (Block.dicts)

LABEL_WIDTH = 10  # columns of a layer's name
MAX_RECORDS = 20  # of a message about groups, and sources of each: a report may have thousands
MAX_COMMENT_LINES = 40  # a screen; a comment may have 64 kB
_ETHERTYPES = {
    numbers.ETHERTYPE_IPV4: "IPv4",
    numbers.ETHERTYPE_ARP: "ARP",
    numbers.ETHERTYPE_RARP: "RARP",
    numbers.ETHERTYPE_IPV6: "IPv6",
    numbers.ETHERTYPE_VLAN: "802.1Q",
    numbers.ETHERTYPE_MPLS: "MPLS",
    numbers.ETHERTYPE_PPPOE: "PPPoE",
    numbers.ETHERTYPE_QINQ: "802.1ad",
    numbers.ETHERTYPE_LLDP: "LLDP",
}
_ARP = {
    numbers.ARP_REQUEST: "request",
    numbers.ARP_REPLY: "reply",
    numbers.RARP_REQUEST: "request",
    numbers.RARP_REPLY: "reply",
}
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
    raw: bytes = b"",
) -> str:
    """Text of one frame. `rows`: the captured frame and what is inside it, outermost first.

    `logged_by`: the rule of a firewall that logged it, in words; `raw`: the frame's bytes, for messages about groups.
    """
    names = names or {}
    outermost = rows[0]
    when = iso_time(outermost["time"])[:-1].replace("T", " ") + " UTC" if outermost["time"] >= 0 else term("no time")
    length = count(outermost["wirelen"], "byte")
    if outermost["caplen"] < outermost["wirelen"]:
        captured = number(outermost["caplen"])
        length += pick(f", {captured} captured", f"，抓到 {captured} 字节")
    index = outermost["frame"]
    place = pick(f"Frame {index} of {visible(file)}", f"{visible(file)} 的第 {index} 帧")
    head = f"{place} · {visible(point)} · {when} · {length}"
    lines = [*fill(head, width), ""]
    if logged_by:
        lines += fill(
            visible(padded(term("rule"), LABEL_WIDTH) + message(logged_by)), width, "  ", "  " + " " * LABEL_WIDTH
        )
    for row in rows:
        indent = "  " * (row["depth"] + 1)
        for layer, text in _layers(row, names, _groups(row, raw)):
            lines += fill(visible(padded(layer, LABEL_WIDTH) + text), width, indent, indent + " " * LABEL_WIDTH)
    return "\n".join(lines + _comments(comments, width)) + "\n"


def _comments(comments: Sequence[str], width: int) -> list[str]:
    """Every line begins with the word `comment`, so that no comment can forge a line of the decoder."""
    label = "  " + padded(term("comment"), LABEL_WIDTH)
    lines = [line for comment in comments for line in comment.splitlines() if line.strip()]
    shown: list[str] = []
    for line in lines:
        filled = [label + part for part in fill(visible(line), width - 2 - LABEL_WIDTH)]
        if len(shown) + len(filled) > MAX_COMMENT_LINES:
            total = count(len(lines), "line")
            return [*shown, label + pick(f"… and more; {total} in all", f"…… 还有更多，共 {total}")]
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
        more = count(len(raw) - most, "more byte")
        lines.append(pick(f"  … and {more}", f"  …… 还有 {more}"))
    return "\n".join(lines) + "\n"


def _groups(row: Row, raw: bytes) -> GroupMessage | None:
    """The message of IGMP or MLD that a row is; None of others."""
    is_v6 = bool(row["layers"] & fields.LAYER_ICMPV6)
    is_igmp = row["proto"] == numbers.IGMP and row["reason"] and not row["layers"] & fields.LAYER_FRAGMENT
    if row["payload_at"] == ABSENT or not (is_igmp or (is_v6 and row["icmp_type"] in MLD_TYPES)):
        return None
    start = row["payload_at"] - (HEADER if is_v6 else 0)
    return group_message(raw[start : row["payload_at"] + row["payload"]], is_v6)


def _group_words(groups: GroupMessage) -> str:
    """`IGMPv3 report: 239.1.2.3 change to exclude mode, 232.1.1.1 allow new sources 10.0.0.1`."""
    parts = []
    for kind, group, sources in groups.records[:MAX_RECORDS]:
        words = [group, RECORD_TYPES.get(kind, f"type {kind}") if kind else "", *sources[:MAX_RECORDS]]
        parts.append(" ".join(filter(None, words)) + (" …" if len(sources) > MAX_RECORDS else ""))
    more = len(groups.records) - len(parts)
    parts += [pick(f"{more} more", f"另有 {more} 个")] if more else []
    return f"{groups.name}: {_listed(*parts)}" if parts else groups.name


def _layers(row: Row, names: Mapping[str, str], groups: GroupMessage | None) -> Iterator[tuple[str, str]]:
    layers = row["layers"]
    yield from _link(row)
    if layers & fields.LAYER_ARP:
        sender, target = _ends(row, names)
        operation = _ARP.get(row["arp_op"], f"operation {row['arp_op']}")
        macs = _mac(row["arp_sha"]), _mac(row["arp_tha"])
        yield (
            "RARP" if row["ethertype"] == numbers.ETHERTYPE_RARP else "ARP",
            pick(
                f"{operation}, sender {sender} at {macs[0]}, target {target} at {macs[1]}",
                f"{operation}，发送方 {sender}，MAC {macs[0]}；目标 {target}，MAC {macs[1]}",
            ),
        )
    if layers & fields.LAYER_IP:
        yield _network(row, names)
    if layers & fields.LAYER_AH:
        yield "AH", f"SPI 0x{row['vni']:08x}" if row["vni"] != ABSENT and not row["tunnel"] else term("authenticated")
    yield from _transport(row)
    if row["layers"] & fields.LAYER_ESP:
        number_of = pick(f", number {row['seq']}", f"，序号 {row['seq']}") if row["seq"] != ABSENT else ""
        yield "ESP", f"SPI 0x{row['vni']:08x}{number_of}" + pick("; ", "；") + term("what it carries is encrypted")
    elif row["tunnel"]:
        kind = KIND_OF_NUMBER[row["tunnel"]]
        ident = f"{kind.id_name} {row['vni']}" if row["vni"] != ABSENT else ""
        yield kind.title, clauses([ident] * bool(ident) + [term("what it carries is encrypted")] * kind.is_encrypted)
    elif groups:
        yield "MLD" if layers & fields.LAYER_ICMPV6 else "IGMP", _group_words(groups)
    elif row["payload"] > 0:
        at = row["payload_at"]
        where = pick(f"from byte {at} of the frame", f"从帧的第 {at} 字节起") if at != ABSENT else term("not captured")
        yield term("payload"), _listed(count(row["payload"], "byte"), where)
    if row["reason"] and not groups:
        reason = message(reason_words(row["reason"], row["detail"]))
        yield term("stopped"), clauses([reason, pick("the rest is not decoded", "其余未解码")])


def _link(row: Row) -> Iterator[tuple[str, str]]:
    layers = row["layers"]
    kind = f"{term('type')} {_ethertype(row['ethertype'])}" if row["ethertype"] != ABSENT else ""
    if layers & fields.LAYER_ETHERNET:
        if 0 <= row["ethertype"] < 0x600:
            kind = pick(f"802.3 length {row['ethertype']}", f"802.3 长度 {row['ethertype']}")
        yield "Ethernet", _listed(f"{_mac(row['smac'])} → {_mac(row['dmac'])}", kind)
    for tag in (row["vlan"], row["vlan2"]):
        if layers & fields.LAYER_VLAN and tag != ABSENT:
            yield "VLAN", str(tag)
    if layers & (fields.LAYER_SLL | fields.LAYER_SLL2):
        direction = term(_PACKET_TYPES[row["pkttype"]]) if 0 <= row["pkttype"] < len(_PACKET_TYPES) else ""
        version = "cooked v2" if layers & fields.LAYER_SLL2 else "cooked v1"
        yield version, _listed(direction, _from_mac(row), kind)
    if layers & fields.LAYER_PPPOE:
        yield "PPPoE", term("session")
    if layers & fields.LAYER_MPLS:
        yield "MPLS", term("labels")
    if layers & (fields.LAYER_RAW | fields.LAYER_NULL):
        yield linktype_name(row["linktype"]), term("no link-layer addresses")
    if layers & fields.LAYER_NFLOG:
        yield "NFLOG", _listed(_from_mac(row), kind)


def _from_mac(row: Row) -> str:
    """The sender's MAC of a link layer that has no other one."""
    return f"{term('from')} {mac_text(row['smac'])}" if row["smac"] != ABSENT else ""


def _listed(*parts: str) -> str:
    """The parts that there are, one after the other."""
    return pick(", ", "，").join(filter(None, parts))


def _network(row: Row, names: Mapping[str, str]) -> tuple[str, str]:
    is_ipv6 = bool(row["layers"] & fields.LAYER_IPV6)
    source, target = _ends(row, names)
    parts = [
        f"{source} → {target}",
        f"{'hop limit' if is_ipv6 else 'TTL'} {row['ttl']}" if row["ttl"] != ABSENT else "",
        f"{'traffic class' if is_ipv6 else 'TOS'} 0x{row['tos']:02x}" if row["tos"] > 0 else "",
        f"id 0x{row['ip_id']:04x}" if row["ip_id"] != ABSENT else "",
        term("don't fragment") if not is_ipv6 and row["ip_flags"] > 0 and row["ip_flags"] & 2 else "",
        _fragment(row) if row["layers"] & fields.LAYER_FRAGMENT else "",
        f"{term('protocol')} {proto_name(row['proto'])}" if row["proto"] != ABSENT else "",
        count(row["ip_length"], "byte") if row["ip_length"] != ABSENT else "",
    ]
    return "IPv6" if is_ipv6 else "IPv4", _listed(*parts)


def _fragment(row: Row) -> str:
    more = row["ip_flags"] & 1
    offset = row["frag_offset"]
    return pick(
        f"fragment at {offset}, {'more follow' if more else 'the last'}",
        f"分片，偏移 {offset}，{'后面还有' if more else '最后一个'}",
    )


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
        yield "TCP", _listed(*parts)
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
        yield "ICMPv6" if is_ipv6 else "ICMP", _listed(*parts)


def _ends(row: Row, names: Mapping[str, str]) -> tuple[str, str]:
    source = address_text(row["src_hi"], row["src_lo"])
    target = address_text(row["dst_hi"], row["dst_lo"])
    return _named(source, names), _named(target, names)


def _named(address: str, names: Mapping[str, str]) -> str:
    return f"{address} ({names[address]})" if address in names else address


def _mac(value: int) -> str:
    return term("not captured") if value == ABSENT else mac_text(value)


def _port(value: int) -> str:
    return "?" if value == ABSENT else str(value)


def _ethertype(value: int) -> str:
    name = _ETHERTYPES.get(value)
    return f"{name} (0x{value:04x})" if name else f"0x{value:04x}"

"""Where the fields of a frame stand in its bytes.

Input: the captured bytes, and the rows that capnet decoded of them. Output: fields by Wireshark's names, with offset,
size, value and layer, in the order of the bytes.
Method: the rows say which layers there are, the headers how long they are (RFC 791, 8200, 9293, 768, 826, IEEE 802.1Q).
Limits: a layer after one that has no entry here is not marked; a row whose addresses are not where they should be has
no marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from capnet.quick_tuple import NamedTuple
from capnet.wire import fields, numbers
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.fields import ABSENT
from capnet.wire.protocols import KIND_OF_NUMBER

LINK, NETWORK, TRANSPORT, TUNNEL, PAYLOAD = "link", "network", "transport", "tunnel", "payload"
ETHERNET_BYTES, TAG_BYTES, SLL_BYTES, SLL2_BYTES, NULL_BYTES, PPPOE_BYTES, LABEL_BYTES = 14, 4, 16, 20, 4, 8, 4
IPV6_BYTES, UDP_BYTES, MIN_TCP_BYTES, ICMP_BYTES = 40, 8, 20, 8
_TAGS = (0x8100, 0x88A8, 0x9100)
_IPV6_EXTENSIONS = {0: 8, 43: 8, 60: 8, 44: 0, 51: 4, 135: 8}  # next header → bytes of one unit of its length


class FieldPlace(NamedTuple):
    """A field: Wireshark's name, its bytes, its value, its layer, and whether one looks for it first."""

    name: str
    at: int
    size: int
    value: str
    layer: str
    is_key: bool = True

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.at + self.size


Row = Mapping[str, int]


def places(raw: bytes, rows: Sequence[Row]) -> list[FieldPlace]:
    """The fields of the captured frame and of what is inside it, as far as they were captured."""
    located: list[FieldPlace] = []
    for index, row in enumerate(rows):
        inner = next((other["start"] for other in rows[index + 1 :] if other["depth"] > row["depth"]), None)
        located += _row_places(raw, row, inner)
    return [place for place in located if place.end <= len(raw)]


def _row_places(raw: bytes, row: Row, inner: int | None) -> Iterator[FieldPlace]:
    layers, at = row["layers"], row["start"]
    yield from (link := list(_link(raw, row, at)))
    at = link[-1].end if link else at
    if layers & fields.LAYER_ARP:
        if _u16(raw, at + 6) == row["arp_op"]:
            yield from _arp(row, at)
        return
    if not layers & fields.LAYER_IP or at >= len(raw):
        return
    network = list(_ipv6(row, at) if layers & fields.LAYER_IPV6 else _ipv4(row, at))
    if not all(_agrees(raw, row, place) for place in network):
        return
    yield from network
    at = _behind_network(raw, layers, at)
    transport = list(_transport(row, at))
    yield from transport
    if layers & fields.LAYER_TUNNEL and row["tunnel"]:
        yield from _tunnel(row, max([place.end for place in transport], default=at), inner)
    elif row["payload"] > 0 and row["payload_at"] != ABSENT:
        size = min(row["payload"], len(raw) - row["payload_at"])
        yield FieldPlace("data", row["payload_at"], size, f"{row['payload']} bytes", PAYLOAD, False)


# -- link layer ---------------------------------------------------------------------------------------
def _link(raw: bytes, row: Row, at: int) -> Iterator[FieldPlace]:
    """Fields of the link layer; the last one ends where the next layer begins."""
    layers = row["layers"]
    if layers & fields.LAYER_ETHERNET:
        yield FieldPlace("eth.dst", at, 6, _mac(row["dmac"]), LINK)
        yield FieldPlace("eth.src", at + 6, 6, _mac(row["smac"]), LINK)
        at += 12
        while layers & fields.LAYER_VLAN and _u16(raw, at) in _TAGS:
            yield FieldPlace("vlan.id", at + 2, 2, str(_u16(raw, at + 2) & 0x0FFF), LINK)
            at += TAG_BYTES
        yield FieldPlace("eth.type", at, 2, f"0x{_u16(raw, at):04x}", LINK, False)
        at += 2
    elif layers & fields.LAYER_SLL2:
        yield FieldPlace("sll", at, SLL2_BYTES, "Linux cooked v2", LINK, False)
        at += SLL2_BYTES
    elif layers & fields.LAYER_SLL:
        yield FieldPlace("sll", at, SLL_BYTES, "Linux cooked v1", LINK, False)
        at += SLL_BYTES
    elif layers & fields.LAYER_NULL:
        yield FieldPlace("null.family", at, NULL_BYTES, "", LINK, False)
        at += NULL_BYTES
    elif layers & fields.LAYER_VLAN:  # without a header of Ethernet, as Geneve may carry it: the tunnel says the type
        is_tag = True
        while is_tag:
            yield FieldPlace("vlan.id", at, TAG_BYTES, str(_u16(raw, at) & 0x0FFF), LINK)
            is_tag = _u16(raw, at + 2) in _TAGS
            at += TAG_BYTES
    if layers & fields.LAYER_PPPOE:
        yield FieldPlace("pppoe", at, PPPOE_BYTES, "session", LINK, False)
        at += PPPOE_BYTES
    while layers & fields.LAYER_MPLS and at + LABEL_BYTES <= len(raw):
        label = int.from_bytes(raw[at : at + LABEL_BYTES])
        yield FieldPlace("mpls.label", at, LABEL_BYTES, str(label >> 12), LINK)
        at += LABEL_BYTES
        if label >> 8 & 1:  # bottom of the stack
            return


def _arp(row: Row, at: int) -> Iterator[FieldPlace]:
    yield FieldPlace("arp.opcode", at + 6, 2, str(row["arp_op"]), NETWORK)
    yield FieldPlace("arp.src.hw_mac", at + 8, 6, _mac(row["arp_sha"]), NETWORK)
    yield FieldPlace("arp.src.proto_ipv4", at + 14, 4, _source(row), NETWORK)
    yield FieldPlace("arp.dst.hw_mac", at + 18, 6, _mac(row["arp_tha"]), NETWORK)
    yield FieldPlace("arp.dst.proto_ipv4", at + 24, 4, _destination(row), NETWORK)


# -- network layer --------------------------------------------------------------------------------------
def _ipv4(row: Row, at: int) -> Iterator[FieldPlace]:
    yield FieldPlace("ip.len", at + 2, 2, str(row["ip_length"]), NETWORK, False)
    yield FieldPlace("ip.id", at + 4, 2, f"0x{max(row['ip_id'], 0):04x}", NETWORK, False)
    yield FieldPlace("ip.flags", at + 6, 2, str(max(row["ip_flags"], 0)), NETWORK, False)
    yield FieldPlace("ip.ttl", at + 8, 1, str(row["ttl"]), NETWORK)
    yield FieldPlace("ip.proto", at + 9, 1, str(row["proto"]), NETWORK, False)
    yield FieldPlace("ip.checksum", at + 10, 2, "", NETWORK, False)
    yield FieldPlace("ip.src", at + 12, 4, _source(row), NETWORK)
    yield FieldPlace("ip.dst", at + 16, 4, _destination(row), NETWORK)


def _ipv6(row: Row, at: int) -> Iterator[FieldPlace]:
    yield FieldPlace("ipv6.plen", at + 4, 2, str(row["ip_length"] - IPV6_BYTES), NETWORK, False)
    yield FieldPlace("ipv6.hlim", at + 7, 1, str(row["ttl"]), NETWORK)
    yield FieldPlace("ipv6.src", at + 8, 16, _source(row), NETWORK)
    yield FieldPlace("ipv6.dst", at + 24, 16, _destination(row), NETWORK)


def _agrees(raw: bytes, row: Row, place: FieldPlace) -> bool:
    """Are the addresses of the row where they are said to be?"""
    if not place.name.endswith((".src", ".dst")) or place.end > len(raw):
        return True
    high, low = ("src_hi", "src_lo") if place.name.endswith(".src") else ("dst_hi", "dst_lo")
    octets = b"".join((row[name] & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8) for name in (high, low))
    return octets.endswith(raw[place.at : place.end])


def _behind_network(raw: bytes, layers: int, at: int) -> int:
    """Where the transport layer begins, behind IPv4 options and IPv6 extension headers."""
    if layers & fields.LAYER_IPV4:
        behind = at + 4 * (raw[at] & 0x0F)
        has_ah = layers & fields.LAYER_AH and raw[at + 9 : at + 10] == b"\x33" and behind + 1 < len(raw)
        return behind + (raw[behind + 1] + 2) * 4 if has_ah else behind
    following, at = (raw[at + 6] if at + 6 < len(raw) else 59), at + IPV6_BYTES
    while following in _IPV6_EXTENSIONS and at + 2 <= len(raw):
        unit = _IPV6_EXTENSIONS[following]
        size = 8 if unit == 0 else (raw[at + 1] + 2) * 4 if following == 51 else (raw[at + 1] + 1) * unit
        following, at = raw[at], at + size
    return at


# -- transport layer ------------------------------------------------------------------------------------
def _transport(row: Row, at: int) -> Iterator[FieldPlace]:
    layers = row["layers"]
    if row["sport"] != ABSENT and layers & (fields.LAYER_TCP | fields.LAYER_UDP):
        name = "tcp" if layers & fields.LAYER_TCP else "udp"
        yield FieldPlace(f"{name}.srcport", at, 2, str(row["sport"]), TRANSPORT)
        yield FieldPlace(f"{name}.dstport", at + 2, 2, str(row["dport"]), TRANSPORT)
    if layers & fields.LAYER_TCP:
        yield FieldPlace("tcp.seq_raw", at + 4, 4, str(row["seq"]), TRANSPORT, False)
        yield FieldPlace("tcp.ack_raw", at + 8, 4, str(row["ack"]), TRANSPORT, False)
        flags = max(row["tcp_flags"], 0)
        names = " ".join(name for bit, name in enumerate(numbers.TCP_FLAG_NAMES) if flags >> bit & 1)
        yield FieldPlace("tcp.flags", at + 12, 2, names, TRANSPORT)
        yield FieldPlace("tcp.window_size_value", at + 14, 2, str(row["window"]), TRANSPORT, False)
        yield FieldPlace("tcp.checksum", at + 16, 2, "", TRANSPORT, False)
    elif layers & fields.LAYER_UDP:
        yield FieldPlace("udp.length", at + 4, 2, "", TRANSPORT, False)
        yield FieldPlace("udp.checksum", at + 6, 2, "", TRANSPORT, False)
    elif layers & (fields.LAYER_ICMP | fields.LAYER_ICMPV6):
        name = "icmpv6" if layers & fields.LAYER_ICMPV6 else "icmp"
        yield FieldPlace(f"{name}.type", at, 1, str(row["icmp_type"]), TRANSPORT)
        yield FieldPlace(f"{name}.code", at + 1, 1, str(row["icmp_code"]), TRANSPORT)
        if row["icmp_id"] != ABSENT:
            yield FieldPlace(f"{name}.ident", at + 4, 2, str(row["icmp_id"]), TRANSPORT)
            yield FieldPlace(f"{name}.seq", at + 6, 2, str(row["icmp_seq"]), TRANSPORT)


def _tunnel(row: Row, at: int, inner: int | None) -> Iterator[FieldPlace]:
    """The header of a tunnel, up to the frame inside; with the VNI where it is a field of three bytes."""
    kind = KIND_OF_NUMBER[row["tunnel"]]
    value = f"{kind.id_name} {row['vni']}" if row["vni"] != ABSENT else ""
    if inner is None or inner <= at:
        return
    if kind.name in ("vxlan", "geneve") and inner - at >= 8:
        yield FieldPlace(kind.name, at, 4, kind.title, TUNNEL, False)
        yield FieldPlace(f"{kind.name}.vni", at + 4, 3, str(row["vni"]), TUNNEL)
        yield FieldPlace(kind.name, at + 7, inner - at - 7, kind.title, TUNNEL, False)
    else:
        yield FieldPlace(kind.name, at, inner - at, f"{kind.title} {value}".strip(), TUNNEL)


def _u16(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 2])


def _mac(value: int) -> str:
    return "" if value == ABSENT else mac_text(value)


def _source(row: Row) -> str:
    return address_text(row["src_hi"], row["src_lo"])


def _destination(row: Row) -> str:
    return address_text(row["dst_hi"], row["dst_lo"])

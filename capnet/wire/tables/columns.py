"""The columns of the table `frames`: which field of a row each is, and what it means."""

from __future__ import annotations

from capnet.quick_tuple import NamedTuple
from capnet.table.column import DataColumn
from capnet.wire import fields

# What decides whether any frame of a block has a field: its layers. 0 = every frame may have it.
_ARP, _ICMP = fields.LAYER_ARP, fields.LAYER_ICMP | fields.LAYER_ICMPV6
_IP, _VLAN, _TUNNEL = fields.LAYER_IP, fields.LAYER_VLAN, fields.LAYER_TUNNEL
_PORTS = fields.LAYER_TCP | fields.LAYER_UDP | fields.LAYER_SCTP
_LINK = fields.LAYER_ETHERNET | fields.LAYER_SLL | fields.LAYER_SLL2 | fields.LAYER_NFLOG


class FrameColumn(NamedTuple):
    """A column. `how`: number, mac, address, or a way of its own; `field`: of a row; `layers`: that may have it."""

    column: DataColumn
    how: str
    field: int
    layers: int = 0


def _number(name: str, kind: str, layers: int, says: str) -> FrameColumn:
    return FrameColumn(DataColumn(name, kind, says), "number", fields.COLUMN[name], layers)


def _mac(name: str, layers: int, says: str) -> FrameColumn:
    return FrameColumn(DataColumn(name, "text", says), "mac", fields.COLUMN[name], layers)


def _address(name: str, says: str) -> FrameColumn:
    return FrameColumn(DataColumn(name, "address", says), "address", fields.COLUMN[name + "_hi"], _IP | _ARP)


_DETAIL = "the EtherType, protocol or link type of that; or the EtherType of what a tunnel carries without a link layer"
FRAME_COLUMNS = (
    FrameColumn(DataColumn("file", "text", "the input"), "file", 0),
    _number("frame", "int64", 0, "number in its file, from 1, as Wireshark counts"),
    FrameColumn(DataColumn("time", "time", "when it was captured"), "number", fields.TIME),
    FrameColumn(DataColumn("point", "text", "capture point"), "point", fields.POINT),
    _number("depth", "uint8", 0, "how many tunnels it is in; 0 = the frame as it was captured"),
    _number("caplen", "uint32", 0, "octets captured, from its own first one on"),
    _number("wirelen", "uint32", 0, "octets on the wire"),
    _number("start", "uint32", 0, "where it begins in the captured frame [octets]"),
    _mac("smac", _LINK, "source MAC"),
    _mac("dmac", _LINK, "destination MAC"),
    _number("ethertype", "uint16", 0, "EtherType behind all VLAN tags; below 1536 a length (802.3)"),
    _number("vlan", "uint16", _VLAN, "outermost VLAN id"),
    _number("vlan2", "uint16", _VLAN, "second VLAN id"),
    FrameColumn(DataColumn("proto", "text", "tcp, udp, icmp, … or arp"), "proto", fields.PROTO, _IP | _ARP),
    _address("src", "source address; of ARP the sender's"),
    _number("sport", "uint16", _PORTS, "source port"),
    _address("dst", "destination address; of ARP the target's"),
    _number("dport", "uint16", _PORTS, "destination port"),
    _number("ttl", "int16", _IP, "TTL or hop limit"),
    _number("ip_id", "uint32", _IP, "identification; of IPv6 that of the fragment header"),
    _number("ip_length", "uint32", _IP, "octets of the IP packet, header included"),
    _number("tos", "uint8", _IP, "TOS or traffic class, whole octet"),
    _number("ip_flags", "uint8", _IP, "4 reserved, 2 don't fragment, 1 more fragments"),
    _number("frag_offset", "uint16", _IP, "of a fragment [octets]"),
    _number("payload", "uint32", _IP, "octets behind the last decoded header, by the headers' lengths"),
    _number("payload_at", "uint32", _IP, "where they begin in the captured frame [octets]"),
    _number("seq", "uint32", _IP, "TCP's sequence number, raw; of ESP and AH the packet's number"),
    _number("ack", "uint32", fields.LAYER_TCP, "TCP's acknowledgment number, raw"),
    _number("tcp_flags", "uint16", fields.LAYER_TCP, "FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128"),
    _number("window", "uint16", fields.LAYER_TCP, "TCP's window, not scaled"),
    _number("tsval", "uint32", fields.LAYER_TCP, "TCP's timestamp"),
    _number("tsecr", "uint32", fields.LAYER_TCP, "TCP's timestamp echo reply"),
    _number("icmp_type", "uint8", _ICMP, "type of ICMP or ICMPv6"),
    _number("icmp_code", "uint8", _ICMP, "its code"),
    _number("icmp_id", "uint16", _ICMP, "identifier of an echo"),
    _number("icmp_seq", "uint16", _ICMP, "sequence number of an echo"),
    _number("arp_op", "uint16", 0, "1 request, 2 reply"),
    _mac("arp_sha", _ARP, "MAC of ARP's sender"),
    _mac("arp_tha", _ARP, "MAC of ARP's target"),
    FrameColumn(DataColumn("tunnel", "text", "kind of tunnel that it carries"), "tunnel", fields.TUNNEL, _TUNNEL),
    _number("vni", "uint32", _TUNNEL | fields.LAYER_ESP | fields.LAYER_AH, "its VNI, key or SPI"),
    FrameColumn(DataColumn("via", "text", "kind of tunnel that it came through"), "tunnel", fields.VIA),
    _number("via_vni", "uint32", 0, "its VNI or key"),
    FrameColumn(DataColumn("digest", "int64", "hash of what NAT and routing leave as it is"), "digest", fields.DIGEST),
    FrameColumn(DataColumn("undecoded", "text", "why decoding stopped early"), "reason", fields.REASON),
    FrameColumn(DataColumn("detail", "int64", _DETAIL), "detail", fields.DETAIL),
)

REASONS = (
    "cut", "linktype", "ethertype", "proto", "malformed", "depth", "llc", "next", "inside", "labels",
)  # fmt: skip

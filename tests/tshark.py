"""A capture as tshark sees it: rows with our columns, the frames inside of frames too.

Method: PDML, the whole tree as XML. `-T fields` does not say whether the second ip.src of a frame belongs to an inner
packet or to one that an ICMP error quotes. Options turn off what joins frames or rewrites fields: reassembly, relative
sequence numbers, names.
A row is a dictionary of texts; a column that the frame does not have is missing.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from capnet.wire.protocols import etherip, wireguard
from capnet.wire.tunnel_kinds import TunnelKind
from tests.tshark_fields import (
    EXTENSIONS,
    HEADERS_BEHIND,
    ID_FIELDS,
    LINKS,
    NETWORKS,
    NUMBERS,
    TAGS,
    TEXTS,
    TRANSPORTS,
    TUNNELS,
)

Row = dict[str, str]

COLUMNS = (
    "frame depth time point caplen wirelen start smac dmac ethertype vlan vlan2 pkttype src dst ttl ip_id ip_length "
    "tos ip_flags frag_offset proto arp_op arp_sha arp_tha sport dport seq ack tcp_flags window tsval tsecr icmp_type "
    "icmp_code icmp_id icmp_seq payload payload_at tunnel vni via via_vni"
).split()
# Not compared, but stored with the expected values: "note", marks that an explanation looks at, and "beyond", the
# protocol at which tshark goes on where we stop.
MARKS = ("_ws.malformed", "_ws.short")
# What tshark puts between two layers without being one.
INVISIBLE = ("geninfo", "frame", "fake-field-wrapper", "pkt_comment", "_ws.lua.text", "_ws.expert", "_ws.unreassembled")

OPTIONS = [
    "-n",
    *("-o", "ip.defragment:FALSE"),
    *("-o", "ipv6.defragment:FALSE"),
    *("-o", "ipv6.exthdr_under_root_protocol_tree:TRUE"),
    *("-o", "ip.tso_support:TRUE"),
    *("-o", "ipv6.tso_support:TRUE"),
    *("-o", "ip.use_geoip:FALSE"),
    *("-o", "ipv6.use_geoip:FALSE"),
    *("-o", "ip.decode_tos_as_diffserv:TRUE"),
    *("-o", "tcp.desegment_tcp_streams:FALSE"),
    *("-o", "tcp.relative_sequence_numbers:FALSE"),
    *("-o", "tcp.analyze_sequence_numbers:FALSE"),
    *("-o", "tcp.calculate_timestamps:FALSE"),
    *("-o", "udp.calculate_timestamps:FALSE"),
    *("-d", "udp.port==8472,vxlan"),
]


def tshark_version() -> str:
    done = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0].removesuffix(".")


def tshark_rows(path: Path, vxlan_ports: Iterable[str] = ()) -> list[Row]:
    """All frames of a capture, and all inner frames of a kind that we decode, as tshark sees them.

    `vxlan_ports`: UDP ports that carry VXLAN besides the usual ones, which tshark does not find out by itself.
    """
    from lxml import etree  # forgives what is no XML, as hostile packets make tshark print

    ports = [argument for port in vxlan_ports for argument in ("-d", f"udp.port=={port},vxlan")]
    command = ["tshark", "-r", str(path), *OPTIONS, *ports, "-T", "pdml"]
    rows: list[Row] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tshark:
        assert tshark.stdout is not None
        try:
            for _, packet in etree.iterparse(tshark.stdout, tag="packet", recover=True, huge_tree=True):
                rows.extend(rows_of(packet))
                packet.clear()
                while packet.getprevious() is not None:
                    del packet.getparent()[0]
        except etree.XMLSyntaxError:
            pass  # tshark printed nothing: it cannot read this file at all
    return rows


class Field(NamedTuple):
    """One <field>: its text, its raw value in hexadecimal, its offset in the frame."""

    show: str
    value: str
    at: str


def shown(proto: Element) -> dict[str, Field]:
    """The first of each field of a protocol, without the packets quoted inside it (ICMP errors)."""
    fields: dict[str, Field] = {}

    def walk(element: Element) -> None:
        for child in element:
            name = child.get("name", "")
            if child.tag == "proto" and not name.startswith(proto.get("name", "") + "."):
                continue
            fields.setdefault(name, Field(child.get("show", ""), child.get("value", ""), child.get("pos", "")))
            walk(child)

    walk(proto)
    return fields


def number(text: str) -> str:
    """`0x0800`, `2048`, `True` → `2048`, `1`."""
    return {"True": "1", "False": "0"}.get(text) or str(int(text, 0))


def nanoseconds(epoch: str) -> str:
    """`1368908504.837063000` → nanoseconds. More than 9 digits are more than a second, as in a damaged record."""
    seconds, _, fraction = epoch.partition(".")
    return str(int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")))


def rows_of(packet: Element) -> Iterator[Row]:
    """The rows of one <packet> of PDML; none for a pcapng block that Wireshark numbers but that is no packet."""
    frame = packet.find("proto[@name='frame']")
    assert frame is not None
    head = shown(frame)
    if "frame.encap_type" not in head:
        return
    row = head_row(head)
    marks = {name.removeprefix("_ws.") for proto in packet.iter("proto") if (name := proto.get("name", "")) in MARKS}
    if marks:
        row["note"] = " ".join(sorted(marks))
    layers = [proto for proto in packet if proto.get("name", "") not in INVISIBLE and proto.get("name") not in MARKS]
    first = head["frame.protocols"].show.split(":")[0]
    if layers and layers[0].get("name") != first and first not in ("raw", ""):
        row["beyond"] = first  # a link layer that has no tree of its own
        layers = []
    seen: set[str] = set()  # protocols of this row, so far
    tunnel = ""  # the tunnel whose header the last protocol was
    for proto in layers:
        name = proto.get("name", "")
        if not tunnel and name in ("ip", "ipv6") and seen & {"ip", "ipv6"} and not seen & {*TRANSPORTS, "esp"}:
            tunnel = row["tunnel"] = _ip_tunnel(row, seen)
            row.pop("vni", None)  # it was an AH's SPI
        if tunnel and name in (*LINKS, *TAGS, *NETWORKS, "pppoes"):
            yield row
            kept = {column: row[column] for column in ("frame", "time", "point", "note") if column in row}
            vni = {"via_vni": row["vni"]} if "vni" in row else {}
            row = kept | {"depth": str(int(row["depth"]) + 1), "start": proto.get("pos", ""), "via": tunnel} | vni
            seen = set()
        elif (tunnel and name not in HEADERS_BEHIND.get(tunnel, ())) or (not tunnel and not belongs(name, seen)):
            row["beyond"] = name
            break
        fields = shown(proto)
        if kind := tunnel_of(name, fields):
            tunnel = row["tunnel"] = kind.name
            row.pop("vni", None)
            if odd := oddity(kind, fields, row):
                row["note"] = f"{row.get('note', '')} {odd}".strip()
        elif name not in HEADERS_BEHIND.get(tunnel, ()):
            tunnel = ""
        seen.add(name)
        fill(row, name, fields)
    yield row


def _ip_tunnel(row: Row, seen: set[str]) -> str:
    """What IP directly behind IP is called: by the protocol number, and by the outer version (ip-link(8))."""
    if row.get("proto") != "41":
        return "ipip"
    return "sit" if "ip" in seen else "ip6ip6"


def head_row(head: dict[str, Field]) -> Row:
    """What tshark says of a captured frame as a whole."""
    row: Row = {
        "frame": number(head["frame.number"].show),
        "depth": "0",
        "caplen": number(head["frame.cap_len"].show),
        "wirelen": number(head["frame.len"].show),
        "start": "0",
    }
    if "frame.time_epoch" in head:  # a simple packet block has no time
        row["time"] = nanoseconds(head["frame.time_epoch"].show)
    if "frame.interface_id" not in head:
        row["point"] = "0"
    elif head.get("frame.section_number", Field("1", "", "")).show == "1":  # its ids begin again in each section
        row["point"] = number(head["frame.interface_id"].show)
    return row


def tunnel_of(name: str, fields: dict[str, Field]) -> TunnelKind | None:
    """The kind of tunnel that these fields of a protocol are the header of."""
    for kind in TUNNELS.get(name, []):
        if kind.header_field in fields:
            value = int(fields[kind.header_field].show, 0)
            if not kind.header_values or value in kind.header_values:
                return kind
    return None


def oddity(kind: TunnelKind, fields: dict[str, Field], row: Row) -> str:
    """Mark of a tunnel header by which specifications say that it is none; tshark goes on all the same."""
    if kind.name == "vxlan":
        valid = fields["vxlan.i_bit"].show if "vxlan.i_bit" in fields else int(fields["vxlan.flags"].show, 0) & 0x0800
        return "" if int(valid) else "no-vni"
    if kind.name == "geneve":
        return "version" if int(fields["geneve.version"].show) > 0 else ""
    if kind.name == "etherip":
        header = int(fields["etherip.ver"].show) << 12 | int(fields["etherip.reserved"].show, 0)
        return "" if header == 0x3000 or header >> 8 & 15 == etherip.VERSION else "version"
    if kind.name == "gre":
        return "version" if int(fields["gre.flags.version"].show) > 1 else ""
    if kind.name == "wireguard" and fields["wg.type"].show == "4":  # padded, unless it is as long as the MTU
        length = int(row.get("payload", 0))
        return "length" if length % wireguard.PADDING and length < wireguard.MIN_UNPADDED else ""
    if kind.length_field in fields:
        length = kind.length_offset + int(fields[kind.length_field].show, 0)
        return "" if length == int(row.get("payload", length)) else "length"
    return ""


def belongs(name: str, seen: set[str]) -> bool:
    """Whether protocol `name` can be the next layer of a row that has `seen`; if not, it is beyond what we decode."""
    if name in LINKS:
        return not seen
    if name in TAGS:
        return bool(seen & {"eth", "sll"}) and seen <= {"eth", "sll", *TAGS}
    if name in NETWORKS:
        return seen <= {*LINKS, *TAGS, "mpls", "pppoes", "ppp"}
    if name in EXTENSIONS:
        return ("ipv6" in seen or (name == "ah" and "ip" in seen)) and not seen & set(TRANSPORTS)
    if name in ("udpencap", "esp"):
        return "udp" in seen or (name == "esp" and bool(seen & {"ip", "ipv6"}) and not seen & set(TRANSPORTS))
    if name in TRANSPORTS:
        return bool(seen & {"ip", "ipv6"}) and not seen & set(TRANSPORTS)
    if name in ("mpls", "pppoes", "ppp"):
        return seen <= {*LINKS, *TAGS, "mpls", "pppoes", "ppp"}
    if name in ("gre", "etherip"):
        return bool(seen & {"ip", "ipv6"}) and not seen & set(TRANSPORTS)
    return name in TUNNELS and TUNNELS[name][0].udp_port is not None and "udp" in seen


def fill(row: Row, name: str, fields: dict[str, Field]) -> None:
    """Our columns of one protocol into `row`."""
    for column, wanted in NUMBERS.get(name, {}).items():
        if wanted in fields and fields[wanted].show:
            row[column] = number(fields[wanted].show)
    kind = tunnel_of(name, fields)
    if name not in TUNNELS or kind:
        for wanted in ID_FIELDS:
            if wanted.partition(".")[0] == name and wanted in fields and fields[wanted].show:
                row["vni"] = number(fields[wanted].show)
    if kind and kind.name == "eoip" and "gre.key" in fields:  # length, and the id with its octets swapped
        row["vni"] = str(int.from_bytes((int(fields["gre.key"].show, 0) & 0xFFFF).to_bytes(2, "little"), "big"))
    if kind and kind.name == "etherip":  # of EoIPv6, version and reserved bits are the id, its halves swapped
        header = int(fields["etherip.ver"].show) << 12 | int(fields["etherip.reserved"].show, 0)
        if header >> 8 & 15 == etherip.VERSION:
            row["vni"] = str((header >> 12) << 8 | header & 0xFF)
    if kind and kind.name == "erspan":
        row.pop("vni", None)  # GRE's key is not the session
    if kind and kind.is_encrypted:
        row.pop("payload_at", None)
    for column, wanted in TEXTS.get(name, {}).items():
        if wanted in fields:
            row[column] = fields[wanted].show
    if name == "eth" and "eth.len" in fields:
        row["ethertype"] = number(fields["eth.len"].show)
    if name == "vlan" and "vlan.len" in fields:
        row["ethertype"] = number(fields["vlan.len"].show)
    if name in TAGS and f"{name}.id" in fields and "vlan2" not in row:
        row["vlan" if "vlan" not in row else "vlan2"] = number(fields[f"{name}.id"].show)
    if name == "ip" and "ip.frag_offset" in fields:
        row["frag_offset"] = str(8 * int(fields["ip.frag_offset"].value, 16))  # shown raw or in bytes, by version
    if name == "ipv6" and "ipv6.plen" in fields:
        row["ip_length"] = str(40 + int(number(fields["ipv6.plen"].show)))
    if name in EXTENSIONS and EXTENSIONS[name] in fields:
        row["proto"] = number(fields[EXTENSIONS[name]].show)
    if name == "ipv6.fraghdr" and "ipv6.fraghdr.ident" in fields:
        row["ip_id"] = number(fields["ipv6.fraghdr.ident"].show)
        row["frag_offset"] = str(8 * int(fields["ipv6.fraghdr.offset"].value, 16))
        row["ip_flags"] = number(fields["ipv6.fraghdr.more"].show)
    if name == "udp" and "udp.length" in fields and (length := int(number(fields["udp.length"].show))) >= 8:
        row["payload"] = str(length - 8)
    if name == "esp" and "esp.spi" in fields:
        row["tunnel"] = "esp"
        row.pop("payload_at", None)
        if "payload" in row:  # it was UDP's
            row["payload"] = str(int(row["payload"]) - 8)
    if name in ("tcp", "udp") and f"{name}.payload" in fields:
        row["payload_at"] = fields[f"{name}.payload"].at

"""Our decoder against tshark, field by field.

    python -m tests.differential FILE|FOLDER...

For each frame and each frame inside it, every field that both programs have must be equal, and what tshark has we must
have too. What remains different for a known reason is in EXPLAINED, with the reason; anything else is a
difference, printed, and the exit code is 1.

tshark is asked for PDML, its whole tree as XML, not for `-T fields`: only the tree says whether the second
ip.src of a frame is an inner packet's or the one quoted by an ICMP error. It is told to show each frame as it is:
no reassembly, no relative sequence numbers, no names.

A row is a dictionary of texts, a column that the frame does not have is missing. The same rows, stored, are the
expected values for machines without tshark (tests/wire/expected, written by `python -m tests.wire.expected`).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from capnet.errors import CapnetError
from capnet.wire import frames
from capnet.wire.capture import open_capture
from capnet.wire.frames import ABSENT, address_text, mac_text

Row = dict[str, str]

COLUMNS = (
    "frame depth time point caplen wirelen start smac dmac ethertype vlan vlan2 pkttype src dst ttl ip_id ip_length "
    "tos ip_flags frag_offset proto arp_op arp_sha arp_tha sport dport seq ack tcp_flags window tsval tsecr icmp_type "
    "icmp_code icmp_id icmp_seq payload payload_at tunnel vni via via_vni"
).split()
# tshark gives these in some cases only: ours without theirs is no difference
ONE_WAY = {"payload", "payload_at", "point"}
# Not compared, but stored with the expected values: marks that an explanation looks at, and the protocol at which
# tshark goes on where we stop.
NOTES = ("note", "beyond")
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


# -- tshark ------------------------------------------------------------------------------------------


def tshark_version() -> str:
    done = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0].removesuffix(".")


def tshark_rows(path: Path, vxlan_ports: Iterable[str] = ()) -> list[Row]:
    """All frames of a capture, and all inner frames of a kind that we decode, as tshark sees them.

    `vxlan_ports`: UDP ports that carry VXLAN besides the usual ones, which tshark does not find out by itself.
    """
    from lxml import etree  # forgives what is no XML, as hostile packets make tshark print

    ports = [each for port in vxlan_ports for each in ("-d", f"udp.port=={port},vxlan")]
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
    found: dict[str, Field] = {}

    def walk(element: Element) -> None:
        for child in element:
            name = child.get("name", "")
            if child.tag == "proto" and not name.startswith(proto.get("name", "") + "."):
                continue
            found.setdefault(name, Field(child.get("show", ""), child.get("value", ""), child.get("pos", "")))
            walk(child)

    walk(proto)
    return found


def number(text: str) -> str:
    """`0x0800`, `2048`, `True` → `2048`, `1`."""
    return {"True": "1", "False": "0"}.get(text) or str(int(text, 0))


NUMBERS = {  # protocol → our column: tshark's field
    "eth": {"ethertype": "eth.type"},
    "vlan": {"ethertype": "vlan.etype"},
    "ieee8021ad": {"ethertype": "ieee8021ad.etype"},
    "arp": {"arp_op": "arp.opcode"},
    "ip": {
        "ttl": "ip.ttl", "ip_id": "ip.id", "ip_length": "ip.len", "tos": "ip.dsfield", "ip_flags": "ip.flags",
        "proto": "ip.proto",
    },
    "ipv6": {"ttl": "ipv6.hlim", "tos": "ipv6.tclass", "proto": "ipv6.nxt"},
    "tcp": {
        "sport": "tcp.srcport", "dport": "tcp.dstport", "seq": "tcp.seq_raw", "ack": "tcp.ack_raw",
        "tcp_flags": "tcp.flags", "window": "tcp.window_size_value", "tsval": "tcp.options.timestamp.tsval",
        "tsecr": "tcp.options.timestamp.tsecr", "payload": "tcp.len",
    },
    "udp": {"sport": "udp.srcport", "dport": "udp.dstport"},
    "icmp": {"icmp_type": "icmp.type", "icmp_code": "icmp.code", "icmp_id": "icmp.ident", "icmp_seq": "icmp.seq"},
    "icmpv6": {
        "icmp_type": "icmpv6.type", "icmp_code": "icmpv6.code", "icmp_id": "icmpv6.echo.identifier",
        "icmp_seq": "icmpv6.echo.sequence_number",
    },
    "sll": {"pkttype": "sll.pkttype", "ethertype": "sll.etype"},
    "ah": {"vni": "ah.spi", "seq": "ah.sequence"},
    "esp": {"vni": "esp.spi", "seq": "esp.sequence"},
    "vxlan": {"vni": "vxlan.vni"},
    "geneve": {"vni": "geneve.vni"},
    "gre": {"vni": "gre.key"},
    "erspan": {"vni": "erspan.spanid"},
}  # fmt: skip
TEXTS = {
    "eth": {"smac": "eth.src", "dmac": "eth.dst"},
    "arp": {
        "arp_sha": "arp.src.hw_mac", "arp_tha": "arp.dst.hw_mac",
        "src": "arp.src.proto_ipv4", "dst": "arp.dst.proto_ipv4",
    },
    "ip": {"src": "ip.src", "dst": "ip.dst"},
    "ipv6": {"src": "ipv6.src", "dst": "ipv6.dst"},
    "sll": {"smac": "sll.src.eth"},
}  # fmt: skip
LINKS = ("eth", "sll", "null", "raw")
TAGS = ("vlan", "ieee8021ad")
NETWORKS = ("arp", "ip", "ipv6")
TRANSPORTS = ("tcp", "udp", "icmp", "icmpv6")
# protocol → a field without which it is no tunnel
TUNNELS = {"vxlan": "vxlan.vni", "geneve": "geneve.vni", "gre": "gre.proto"}
BEHIND_GRE = ("erspan", "mpls", "ppp")
EXTENSIONS = {  # protocol → its next header
    "ipv6.hopopts": "ipv6.hopopts.nxt",
    "ipv6.routing": "ipv6.routing.nxt",
    "ipv6.dstopts": "ipv6.dstopts.nxt",
    "ipv6.fraghdr": "ipv6.fraghdr.nxt",
    "ah": "ah.next_header",
    "mipv6": "mip6.proto",
    "hip": "hip.proto",
    "shim6": "shim6.nxt",
}


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
            tunnel = row["tunnel"] = "ipip"
            row.pop("vni", None)  # it was an AH's SPI
        if tunnel and name in (*LINKS, *NETWORKS):
            yield row
            kept = {column: row[column] for column in ("frame", "time", "point", "note") if column in row}
            vni = {"via_vni": row["vni"]} if "vni" in row else {}
            row = kept | {"depth": str(int(row["depth"]) + 1), "start": proto.get("pos", ""), "via": tunnel} | vni
            seen = set()
        elif (tunnel and not (tunnel == "gre" and name in BEHIND_GRE)) or (not tunnel and not belongs(name, seen)):
            row["beyond"] = name
            break
        fields = shown(proto)
        if name in TUNNELS and TUNNELS[name] in fields:
            tunnel = row["tunnel"] = name
            row.pop("vni", None)
            if odd := oddity(name, fields):
                row["note"] = f"{row.get('note', '')} {odd}".strip()
        elif name not in BEHIND_GRE:
            tunnel = ""
        seen.add(name)
        fill(row, name, fields)
    yield row


def oddity(name: str, fields: dict[str, Field]) -> str:
    """Mark of a tunnel header by which RFCs say that it is none; tshark goes on all the same."""
    if name == "vxlan":
        valid = fields["vxlan.i_bit"].show if "vxlan.i_bit" in fields else int(fields["vxlan.flags"].show, 0) & 0x0800
        return "" if int(valid) else "no-vni"
    version = {"geneve": "geneve.version", "gre": "gre.flags.version"}[name]
    return "version" if int(fields[version].show) > (1 if name == "gre" else 0) else ""


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
    if name == "gre":
        return bool(seen & {"ip", "ipv6"}) and not seen & set(TRANSPORTS)
    return name in ("vxlan", "geneve") and "udp" in seen


def fill(row: Row, name: str, fields: dict[str, Field]) -> None:
    """Our columns of one protocol into `row`."""
    for column, wanted in NUMBERS.get(name, {}).items():
        if wanted in fields and fields[wanted].show:
            row[column] = number(fields[wanted].show)
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
    if name == "gre" and "gre.key.call_id" in fields:
        row["vni"] = number(fields["gre.key.call_id"].show)
    if name == "udp" and "udp.length" in fields and (length := int(number(fields["udp.length"].show))) >= 8:
        row["payload"] = str(length - 8)
    if name == "esp" and "esp.spi" in fields:
        row["tunnel"] = "esp"
        row.pop("payload_at", None)
        if "payload" in row:  # it was UDP's
            row["payload"] = str(int(row["payload"]) - 8)
    if name in ("tcp", "udp") and f"{name}.payload" in fields:
        row["payload_at"] = fields[f"{name}.payload"].at


# -- ours --------------------------------------------------------------------------------------------


def our_rows(path: Path, compiled: bool | None = None) -> list[Row]:
    """The same rows by our decoder. CapnetError if it is no capture."""
    rows: list[Row] = []
    with open_capture(path, compiled=compiled) as capture:
        for block in capture.blocks():
            behind = {"behind": "1"} if any(each.name == "damaged-file" for each in capture.problems) else {}
            rows.extend(our_row(values) | behind for values in block.dicts())
    return rows


def our_row(values: dict[str, int]) -> Row:
    row: Row = {}
    layers = values["layers"]
    for column in COLUMNS:
        if column in ("src", "dst"):
            if layers & (frames.LAYER_IP | frames.LAYER_ARP):
                row[column] = address_text(values[column + "_hi"], values[column + "_lo"])
        elif column in ("tunnel", "via"):
            if values[column]:
                row[column] = frames.TUNNEL_NAMES[values[column]]
        elif values[column] != ABSENT:
            is_mac = column in ("smac", "dmac", "arp_sha", "arp_tha")
            row[column] = mac_text(values[column]) if is_mac else str(values[column])
    if layers & (frames.LAYER_RAW | frames.LAYER_NULL):
        row.pop("ethertype", None)  # these have none: ours says which IP it is
    if row["depth"] != "0":
        del row["caplen"], row["wirelen"]  # tshark does not say
    row["note"] = str(values["reason"])
    row["layers"] = str(layers)
    return row


# -- comparison --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """One column of one row; `theirs` or `ours` is None where that side has no value."""

    frame: str
    depth: str
    column: str
    theirs: str | None
    ours: str | None

    def __str__(self) -> str:
        inner = f" depth {self.depth}" if self.depth != "0" else ""
        theirs, ours = ("absent" if v is None else v for v in (self.theirs, self.ours))
        return f"frame {self.frame}{inner}: {self.column}: tshark {theirs}, capnet {ours}"


@dataclass(frozen=True)
class Explanation:
    """A difference that is not our error, and why tshark's view differs."""

    name: str
    why: str
    applies: Callable[[Difference, Row, Row], bool]  # the difference, tshark's row, ours (empty if there is none)


def malformed(theirs: Row) -> bool:
    return bool({"malformed", "short"} & set(theirs.get("note", "").split()))


def reason(ours: Row) -> int:
    return int(ours.get("note", "0"))


EXPLAINED: list[Explanation] = [
    Explanation(
        "cut header",
        "a header does not fit into the captured bytes, or contradicts itself; tshark shows the fields before the "
        "spot, we show a field only when the part of the header that it needs is there",
        lambda d, theirs, ours: (
            d.ours is None and malformed(theirs) and reason(ours) in (frames.REASON_CUT, frames.REASON_MALFORMED)
        ),
    ),
    Explanation(
        "tshark gave up",
        "tshark stops at a header that is malformed in its eyes before showing these of its fields",
        lambda d, theirs, ours: d.theirs is None and d.column != "frame" and bool(ours) and malformed(theirs),
    ),
    Explanation(
        "link type unknown to both",
        "tshark refuses a file whose link type it does not know; we count its frames",
        lambda d, theirs, ours: not theirs and reason(ours) == frames.REASON_LINKTYPE,
    ),
    Explanation(
        "pseudo-header",
        "of link types that we do not decode (ATM, ...) Wireshark takes a pseudo-header off the frame and its lengths",
        lambda d, theirs, ours: reason(ours) == frames.REASON_LINKTYPE and d.column in ("caplen", "wirelen"),
    ),
    Explanation(
        "offloaded UDP",
        "total length 0 and UDP length 0 are a datagram that segmentation offload has still to cut (BIG TCP over "
        "VXLAN); tshark knows the first, not the second",
        lambda d, theirs, ours: (
            d.theirs is None
            and ours.get("via", ours.get("tunnel")) in ("vxlan", "geneve")
            and int(ours.get("wirelen", "65536")) > 65535
        ),
    ),
    Explanation(
        "extension headers",
        "more IPv6 extension headers than any packet needs; we stop after 16",
        lambda d, theirs, ours: (
            ours.get("proto") in ("0", "43", "44", "60")
            and d.column in ("ip_id", "proto", "sport", "dport", "payload", "payload_at")
        ),
    ),
    Explanation(
        "extended echo",
        "the identifier of Extended Echo (RFC 8335) is shown by tshark; ours are those of RFC 792",
        lambda d, theirs, ours: d.column in ("icmp_id", "icmp_seq") and theirs.get("icmp_type") in ("42", "43"),
    ),
    Explanation(
        "AF_INET6 of Linux",
        "null/loop frames with address family 10; Wireshark knows the BSDs' 24, 28 and 30 only",
        lambda d, theirs, ours: (
            "src" not in theirs
            and int(ours.get("layers", "0")) & (frames.LAYER_NULL | frames.LAYER_IPV6)
            == frames.LAYER_NULL | frames.LAYER_IPV6
        ),
    ),
    Explanation(
        "VXLAN without a valid VNI",
        "port 4789 with the I flag clear: RFC 7348 section 5 wants it set, Wireshark goes by the port alone",
        lambda d, theirs, ours: (
            d.ours is None
            and "no-vni" in theirs.get("note", "").split()
            and (d.column in ("tunnel", "vni") if ours else "via" in theirs)
        ),
    ),
    Explanation(
        "unknown version of a tunnel",
        "Geneve that is not version 0, GRE that is not 0 or 1: to be dropped (RFC 8926 section 3.4, RFC 2784 section "
        "2.3.1); Wireshark reads them as if they were",
        lambda d, theirs, ours: (
            d.ours is None
            and "version" in theirs.get("note", "").split()
            and (d.column in ("tunnel", "vni") if ours else "via" in theirs)
        ),
    ),
    Explanation(
        "protocol 41 without IPv6",
        "protocol 41 in front of something that does not begin with IP version 6: Wireshark names it IPv6 and shows "
        "none of its fields, we count the packet as malformed",
        lambda d, theirs, ours: not ours and theirs.get("via") == "ipip" and "src" not in theirs,
    ),
    Explanation(
        "behind damage",
        "in pcap we read on behind damage where records certainly begin again, and report it; Wireshark stops there",
        lambda d, theirs, ours: not theirs and "behind" in ours,
    ),
    Explanation(
        "tunnels beyond our depth",
        f"more than {frames.MAX_DEPTH} tunnels inside each other; we stop there and count the frame as undecoded",
        lambda d, theirs, ours: (
            (not ours and int(theirs.get("depth", "0")) > frames.MAX_DEPTH) or reason(ours) == frames.REASON_DEPTH
        ),
    ),
    Explanation(
        "malformed header",
        "a header that contradicts itself: tshark and we stop at different fields of it",
        lambda d, theirs, ours: reason(ours) == frames.REASON_MALFORMED and (d.ours is None or d.theirs is None),
    ),
    Explanation(
        "tiny first fragment",
        "a first fragment shorter than the TCP header: tshark shows the ports alone, we also the number that is there",
        lambda d, theirs, ours: (
            d.theirs is None
            and d.column == "seq"
            and theirs.get("ip_flags") == "1"
            and theirs.get("frag_offset") == "0"
        ),
    ),
    Explanation(
        "protocol 62",
        "Wireshark reads 62 as the mobility header of an early draft and goes on to what it names; IANA gave the "
        "mobility header 135, and 62 to something else",
        lambda d, theirs, ours: d.column == "proto" and d.ours == "62",
    ),
    Explanation(
        "fraction beyond a second",
        "the record's fraction of a second is 2^31 or more; Wireshark takes it as negative",
        lambda d, theirs, ours: d.column == "time" and d.theirs is not None and d.theirs.startswith("-"),
    ),
]


@dataclass
class Comparison:
    """Result for one file."""

    equal: Counter[str] = field(default_factory=Counter)  # column → values that are equal
    explained: Counter[str] = field(default_factory=Counter)  # name of the explanation → differences
    differences: list[Difference] = field(default_factory=list)
    beyond: Counter[str] = field(default_factory=Counter)  # protocols where tshark goes on and we stop
    rows: int = 0
    told: list[str] = field(default_factory=list)  # ports that tshark was told to be VXLAN's


def compare(theirs: list[Row], ours: list[Row]) -> Comparison:
    result = Comparison(rows=len(theirs))
    by_key = {(row["frame"], row["depth"]): row for row in ours}
    for row in theirs:
        mine = by_key.pop((row["frame"], row["depth"]), {})
        if "beyond" in row:
            result.beyond[row["beyond"]] += 1
        for column in COLUMNS:
            expected, actual = row.get(column), mine.get(column)
            if expected == actual:
                result.equal[column] += expected is not None
            elif expected is not None or column not in ONE_WAY:
                sort(Difference(row["frame"], row["depth"], column, expected, actual), row, mine, result)
    for (frame, depth), mine in by_key.items():
        sort(Difference(frame, depth, "frame", None, frame), {}, mine, result)
    return result


def sort(difference: Difference, theirs: Row, ours: Row, result: Comparison) -> None:
    for explanation in EXPLAINED:
        if explanation.applies(difference, theirs, ours):
            result.explained[explanation.name] += 1
            return
    result.differences.append(difference)


def compare_file(path: Path, compiled: bool | None = None) -> Comparison:
    """tshark, live, against our decoder; where we find VXLAN on a port of its own, tshark is told to see it as that."""
    try:
        ours = our_rows(path, compiled)
    except CapnetError:
        ours = []
    ports = vxlan_ports(ours)
    result = compare(tshark_rows(path, ports), ours)
    result.told = ports
    return result


def vxlan_ports(ours: list[Row]) -> list[str]:
    """The UDP ports on which we found VXLAN by its header, not by their number."""
    return sorted({row["dport"] for row in ours if row.get("tunnel") == "vxlan"} - {"4789", "4790", "8472"}, key=int)


# -- command -----------------------------------------------------------------------------------------

CAPTURES = (".pcap", ".pcapng", ".cap", ".ntar", ".dmp")


def captures_in(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix in CAPTURES)
        else:
            yield path


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare our decoder with tshark, field by field.")
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE|FOLDER")
    parser.add_argument("--first", type=int, default=5, help="differences to print per file")
    machine = parser.add_mutually_exclusive_group()
    machine.add_argument("--compiled", action="store_true", default=None, help="force compiled kernels")
    machine.add_argument("--interpreted", action="store_false", dest="compiled", help="force interpreted kernels")
    given = parser.parse_args()
    if not shutil.which("tshark"):
        print("tshark is not installed (Debian package tshark)", file=sys.stderr)
        return 4
    equal: Counter[str] = Counter()
    explained: Counter[str] = Counter()
    different: Counter[str] = Counter()
    beyond: Counter[str] = Counter()
    files = rows = 0
    for path in captures_in(given.paths):
        try:
            result = compare_file(path, given.compiled)
        except Exception as error:  # whatever it is, it belongs to this file; go on with the others
            print(f"{path}: {type(error).__name__}: {error}")
            different["(raised)"] += 1
            continue
        files, rows = files + 1, rows + result.rows
        if result.told:
            print(f"{path}: tshark was told that this is VXLAN: UDP port {', '.join(result.told)}")
        equal += result.equal
        explained += result.explained
        beyond += result.beyond
        different.update(d.column for d in result.differences)
        if result.differences:
            print(f"{path}: {len(result.differences)} differences")
            for difference in result.differences[: given.first]:
                print(f"  {difference}")
    print(f"{tshark_version()}: {files} files, {rows} rows, {sum(equal.values())} values equal")
    for column in COLUMNS:
        if equal[column] or different[column]:
            print(f"  {column:12} {equal[column]:8} equal  {different[column] or ''}")
    for explanation in EXPLAINED:
        if explained[explanation.name]:
            print(f"explained, {explained[explanation.name]} × {explanation.name}: {explanation.why}")
    if beyond:
        print("tshark goes on where we stop: " + ", ".join(f"{n} × {name}" for name, n in beyond.most_common()))
    print(f"{sum(different.values())} unexplained differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())

"""Differences between tshark's view of a frame and ours that are no error of ours, each with the reason.

An explanation applies to its cause only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from capnet.wire import fields
from capnet.wire.protocols import TUNNEL_KINDS, mpls
from tests.tshark import Row


@dataclass(frozen=True)
class Difference:
    """One column of one row; `tshark` or `ours` is None where that side has no value."""

    frame: str
    depth: str
    column: str
    tshark: str | None
    ours: str | None

    def __str__(self) -> str:
        inner = f" depth {self.depth}" if self.depth != "0" else ""
        tshark, ours = ("absent" if v is None else v for v in (self.tshark, self.ours))
        return f"frame {self.frame}{inner}: {self.column}: tshark {tshark}, capnet {ours}"


@dataclass(frozen=True)
class Explanation:
    """A difference that is not our error, and why tshark's view differs."""

    name: str
    why: str
    applies: Callable[[Difference, Row, Row], bool]  # the difference, tshark's row, ours (empty if there is none)


def malformed(tshark: Row) -> bool:
    return bool({"malformed", "short"} & notes(tshark))


def notes(tshark: Row) -> set[str]:
    """What was odd about a row of tshark's."""
    return set(tshark.get("note", "").split())


def of_a_tunnel(difference: Difference, tshark: Row, ours: Row) -> bool:
    """The carrier is a tunnel to tshark alone, or the row is inside of such a one."""
    return difference.column in ("tunnel", "vni") if ours else "via" in tshark


def reason(ours: Row) -> int:
    return int(ours.get("note", "0"))


EXPLAINED: list[Explanation] = [
    Explanation(
        "cut header",
        "a header does not fit into the captured bytes, or contradicts itself; tshark shows the fields before the "
        "spot, we show a field only when the part of the header that it needs is there",
        lambda d, tshark, ours: (
            d.ours is None and malformed(tshark) and reason(ours) in (fields.REASON_CUT, fields.REASON_MALFORMED)
        ),
    ),
    Explanation(
        "tshark gave up",
        "tshark stops at a header that is malformed in its eyes before showing these of its fields",
        lambda d, tshark, ours: d.tshark is None and d.column != "frame" and bool(ours) and malformed(tshark),
    ),
    Explanation(
        "link type unknown to both",
        "tshark refuses a file whose link type it does not know; we count its frames",
        lambda d, tshark, ours: not tshark and reason(ours) == fields.REASON_LINKTYPE,
    ),
    Explanation(
        "pseudo-header",
        "of link types that we do not decode (ATM, ...) Wireshark takes a pseudo-header off the frame and its lengths",
        lambda d, tshark, ours: reason(ours) == fields.REASON_LINKTYPE and d.column in ("caplen", "wirelen"),
    ),
    Explanation(
        "offloaded UDP",
        "total length 0 and UDP length 0 are a datagram that segmentation offload has still to cut (BIG TCP over "
        "VXLAN); tshark knows the first, not the second",
        lambda d, tshark, ours: (
            d.tshark is None
            and ours.get("via", ours.get("tunnel")) in {kind.name for kind in TUNNEL_KINDS if kind.udp_port}
            and int(ours.get("wirelen", "65536")) > 65535
        ),
    ),
    Explanation(
        "extension headers",
        "more IPv6 extension headers than any packet needs; we stop after 16",
        lambda d, tshark, ours: (
            ours.get("proto") in ("0", "43", "44", "60")
            and d.column in ("ip_id", "proto", "sport", "dport", "payload", "payload_at")
        ),
    ),
    Explanation(
        "extended echo",
        "the identifier of Extended Echo (RFC 8335) is shown by tshark; ours are those of RFC 792",
        lambda d, tshark, ours: d.column in ("icmp_id", "icmp_seq") and tshark.get("icmp_type") in ("42", "43"),
    ),
    Explanation(
        "AF_INET6 of Linux",
        "null/loop frames with address family 10; Wireshark knows the BSDs' 24, 28 and 30 only",
        lambda d, tshark, ours: (
            "src" not in tshark
            and int(ours.get("layers", "0")) & (fields.LAYER_NULL | fields.LAYER_IPV6)
            == fields.LAYER_NULL | fields.LAYER_IPV6
        ),
    ),
    Explanation(
        "VXLAN without a valid VNI",
        "port 4789 with the I flag clear: RFC 7348 section 5 wants it set, Wireshark goes by the port alone",
        lambda d, tshark, ours: d.ours is None and "no-vni" in notes(tshark) and of_a_tunnel(d, tshark, ours),
    ),
    Explanation(
        "unknown version of a tunnel",
        "Geneve that is not version 0, GRE that is not 0 or 1, EtherIP that is not 3: to be dropped (RFC 8926 section "
        "3.4, RFC 2784 section 2.3.1, RFC 3378 section 3); Wireshark reads them as if they were",
        lambda d, tshark, ours: d.ours is None and "version" in notes(tshark) and of_a_tunnel(d, tshark, ours),
    ),
    Explanation(
        "length of a tunnel",
        "the length in a tunnel header is not that of the UDP datagram: we take it for another protocol, Wireshark "
        "goes by the port",
        lambda d, tshark, ours: d.ours is None and "length" in notes(tshark) and of_a_tunnel(d, tshark, ours),
    ),
    Explanation(
        "VLAN tag in GRE",
        "EtherType 0x8100 in GRE (RFC 2784: any EtherType): Wireshark's GRE does not go on to VLAN tags",
        lambda d, tshark, ours: (
            not tshark
            and ours.get("via") == "gre"
            and int(ours["layers"]) & (fields.LAYER_RAW | fields.LAYER_VLAN) == fields.LAYER_RAW | fields.LAYER_VLAN
        ),
    ),
    Explanation(
        "protocol 41 without IPv6",
        "protocol 41 in front of something that does not begin with IP version 6: Wireshark names it IPv6 and shows "
        "none of its fields, we count the packet as malformed",
        lambda d, tshark, ours: not ours and tshark.get("via") in ("sit", "ip6ip6") and "src" not in tshark,
    ),
    Explanation(
        "behind damage",
        "in pcap we read on behind damage where records certainly begin again, in pcapng behind options that lie about "
        "their lengths, and report it; Wireshark stops there",
        lambda d, tshark, ours: not tshark and "behind" in ours,
    ),
    Explanation(
        "tunnels beyond our depth",
        f"more than {fields.MAX_DEPTH} tunnels inside each other; we stop there and count the frame as undecoded",
        lambda d, tshark, ours: (
            (not ours and int(tshark.get("depth", "0")) > fields.MAX_DEPTH) or reason(ours) == fields.REASON_DEPTH
        ),
    ),
    Explanation(
        "malformed header",
        "a header that contradicts itself: tshark and we stop at different fields of it",
        lambda d, tshark, ours: reason(ours) == fields.REASON_MALFORMED and (d.ours is None or d.tshark is None),
    ),
    Explanation(
        "tiny first fragment",
        "a first fragment shorter than the TCP header: tshark shows the ports alone, we also the number that is there",
        lambda d, tshark, ours: (
            d.tshark is None
            and d.column == "seq"
            and tshark.get("ip_flags") == "1"
            and tshark.get("frag_offset") == "0"
        ),
    ),
    Explanation(
        "protocol 62",
        "Wireshark reads 62 as the mobility header of an early draft and goes on to what it names; IANA gave the "
        "mobility header 135, and 62 to something else",
        lambda d, tshark, ours: d.column == "proto" and d.ours == "62",
    ),
    Explanation(
        "fraction beyond a second",
        "the record's fraction of a second is 2^31 nanoseconds or more; Wireshark takes it as negative, or its product "
        "as a number of 32 bits",
        lambda d, tshark, ours: (
            d.column == "time"
            and d.tshark is not None
            and d.ours is not None
            and (
                d.tshark.startswith("-") or (int(d.ours) > int(d.tshark) and (int(d.ours) - int(d.tshark)) % 2**32 == 0)
            )
        ),
    ),
    Explanation(
        "original length beyond 31 bits",
        "the record's length on the wire is 2^31 or more; Wireshark shows the largest number that it can",
        lambda d, tshark, ours: d.column == "wirelen" and d.tshark == str(2**31 - 1) and int(d.ours or 0) >= 2**31,
    ),
    Explanation(
        "more MPLS labels than our limit",
        f"a label stack of more than {mpls.MAX_LABELS}: we stop there and say so, Wireshark goes on",
        lambda d, tshark, ours: reason(ours) == fields.REASON_LABELS and d.ours is None,
    ),
]

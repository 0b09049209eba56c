"""The one pass: records → rows, layer by layer, inside tunnels too.

Every offset is compared with the captured end before it is read, here and in each protocol's function: lengths in
headers are claims. The captured end shrinks inward (a packet cannot reach beyond its carrier, nor beyond its own
length: what follows is Ethernet padding), the wire length likewise, from the headers.
"""

from __future__ import annotations

from typing import Any

from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.digest import arp_digest, ip_digest
from capnet.wire.fields import (
    CAPLEN,
    DEPTH,
    DETAIL,
    DIGEST,
    DPORT,
    ETHERTYPE,
    FRAG_OFFSET,
    FRAME,
    IP_LENGTH,
    LAYER_ARP,
    LAYER_BARE,
    LAYER_ICMP,
    LAYER_ICMPV6,
    LAYER_INSIDE,
    LAYERS,
    LINKTYPE,
    MAX_DEPTH,
    OUTER,
    PAYLOAD,
    PAYLOAD_AT,
    POINT,
    PROTO,
    REASON,
    REASON_CUT,
    REASON_DEPTH,
    REASON_ETHERTYPE,
    REASON_LINKTYPE,
    REASON_PROTO,
    SPORT,
    START,
    TIME,
    TUNNEL,
    VIA,
    VIA_VNI,
    VNI,
    WIDTH,
    WIRELEN,
)
from capnet.wire.formats.record import AT as RECORD_AT
from capnet.wire.formats.record import CAPLEN as RECORD_CAPLEN
from capnet.wire.formats.record import LINKTYPE as RECORD_LINKTYPE
from capnet.wire.formats.record import NUMBER as RECORD_NUMBER
from capnet.wire.formats.record import POINT as RECORD_POINT
from capnet.wire.formats.record import TIME as RECORD_TIME
from capnet.wire.formats.record import WIDTH as RECORD_WIDTH
from capnet.wire.formats.record import WIRELEN as RECORD_WIRELEN
from capnet.wire.numbers import (
    AH,
    ESP,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_MPLS,
    ETHERTYPE_MPLS_UPSTREAM,
    ETHERTYPE_PPPOE,
    GRE,
    ICMP,
    ICMPV6,
    IP_IN_IP,
    IPV6_IN_IP,
    LINKTYPE_ETHERNET,
    LINKTYPE_LINUX_SLL,
    LINKTYPE_LINUX_SLL2,
    LINKTYPE_LOOP,
    LINKTYPE_NULL,
    LINKTYPE_PPP,
    LINKTYPE_RAW,
    PORT_DNS,
    TCP,
    UDP,
)
from capnet.wire.octets import mix, u8
from capnet.wire.protocols.arp import arp
from capnet.wire.protocols.cooked import is_raw_ip, null, raw_ip, sll, sll2
from capnet.wire.protocols.ethernet import ethernet
from capnet.wire.protocols.geneve import PORT as GENEVE_PORT
from capnet.wire.protocols.geneve import geneve
from capnet.wire.protocols.gre import gre
from capnet.wire.protocols.icmp import icmp
from capnet.wire.protocols.ipip import ipip
from capnet.wire.protocols.ipsec import ah, esp, is_udp_esp
from capnet.wire.protocols.ipv4 import ipv4
from capnet.wire.protocols.ipv6 import ipv6
from capnet.wire.protocols.mpls import mpls
from capnet.wire.protocols.pppoe import ppp_link, pppoe
from capnet.wire.protocols.tcp import tcp
from capnet.wire.protocols.udp import udp
from capnet.wire.protocols.vxlan import GPE_PORT, is_vxlan, vxlan, vxlan_gpe

ROWS_PER_RECORD = MAX_DEPTH + 1


@kernel
def decode(
    buf: Any,
    records: Any,
    first: int,
    count: int,
    vxlan_port: int,
    blank: Any,
    rows: Any,
    room: int,
    record_at: Any,
    out: Any,
) -> None:
    """Decode records `first` to `count` into `rows`, each of which begins as a copy of `blank` (`fields.BLANK`).

    Stops when fewer than ROWS_PER_RECORD of `room` rows are left.
    `out` = next record, number of rows, union of their LAYERS, whether any has a REASON, any comes from port 53.
    """
    n = 0
    present = 0
    odd = 0
    answers = 0
    i = first
    while i < count and n + ROWS_PER_RECORD <= room:
        q = i * RECORD_WIDTH
        at = records[q + RECORD_AT]
        captured = records[q + RECORD_CAPLEN]
        wire = records[q + RECORD_WIRELEN]
        linktype = records[q + RECORD_LINKTYPE]
        base = at
        outermost = n
        for depth in range(ROWS_PER_RECORD):
            r = n * WIDTH
            record_at[n] = base
            for k in range(WIDTH):
                rows[r + k] = blank[k]
            rows[r + FRAME] = records[q + RECORD_NUMBER]
            rows[r + TIME] = records[q + RECORD_TIME]
            rows[r + POINT] = records[q + RECORD_POINT]
            rows[r + LINKTYPE] = linktype
            rows[r + CAPLEN] = captured
            rows[r + WIRELEN] = wire
            rows[r + DEPTH] = depth
            rows[r + START] = at - base
            if depth > 0:
                rows[r + OUTER] = n - 1
                rows[r + VIA] = rows[r - WIDTH + TUNNEL]
                rows[r + VIA_VNI] = rows[r - WIDTH + VNI]
            inside = decode_row(buf, at, at + captured, wire, vxlan_port, rows, r)
            n += 1
            present |= rows[r + LAYERS]
            odd |= rows[r + REASON]
            if rows[r + SPORT] == PORT_DNS:
                answers = 1
            if rows[r + PAYLOAD_AT] >= 0:
                rows[r + PAYLOAD_AT] -= base
            if inside < 0:
                break
            if depth == MAX_DEPTH:
                rows[r + REASON] = REASON_DEPTH
                odd = 1
                break
            rows[r + LAYERS] |= LAYER_INSIDE
            # The inner frame ends where the carrier's payload does, in the capture and on the wire.
            payload_end = base + rows[r + PAYLOAD_AT] + rows[r + PAYLOAD]
            captured = max(min(at + captured, payload_end) - inside, 0)
            wire = max(payload_end - inside, 0)
            at = inside
            linktype = LINKTYPE_RAW if rows[r + LAYERS] & LAYER_BARE else LINKTYPE_ETHERNET
        # A carrier is the same packet wherever its innermost frame is: it takes the digest from inside.
        for k in range(n - 2, outermost - 1, -1):
            inner = rows[(k + 1) * WIDTH + DIGEST]
            rows[k * WIDTH + DIGEST] = mix(inner, rows[k * WIDTH + VNI]) if inner else 0
        i += 1
    out[0] = i
    out[1] = n
    out[2] = present
    out[3] = odd
    out[4] = answers


@inline
def decode_row(buf: Any, at: int, end: int, wire: int, vxlan_port: int, rows: Any, r: int) -> int:
    """Decode one frame into row `r`; the offset of a frame inside it, or -1."""
    linktype = rows[r + LINKTYPE]
    begin = at
    if linktype == LINKTYPE_ETHERNET:
        at = ethernet(buf, at, end, rows, r)
    elif linktype == LINKTYPE_LINUX_SLL:
        at = sll(buf, at, end, rows, r)
    elif linktype == LINKTYPE_LINUX_SLL2:
        at = sll2(buf, at, end, rows, r)
    elif is_raw_ip(linktype):
        at = raw_ip(buf, at, end, rows, r)
    elif linktype == LINKTYPE_NULL or linktype == LINKTYPE_LOOP:
        at = null(buf, at, end, rows, r)
    elif linktype == LINKTYPE_PPP:
        at = ppp_link(buf, at, end, rows, r)
    else:
        rows[r + REASON] = REASON_LINKTYPE
        rows[r + DETAIL] = linktype
        return -1
    if at < 0:
        return -1

    kind = rows[r + ETHERTYPE]
    network = at
    if kind == ETHERTYPE_IPV4:
        at = ipv4(buf, at, end, wire - (at - begin), rows, r)
    elif kind == ETHERTYPE_IPV6:
        at = ipv6(buf, at, end, wire - (at - begin), rows, r)
    elif kind == ETHERTYPE_ARP:
        arp(buf, at, end, rows, r)
        if rows[r + LAYERS] & LAYER_ARP:
            rows[r + DIGEST] = arp_digest(rows, r)
        return -1
    elif kind == ETHERTYPE_PPPOE or kind == ETHERTYPE_MPLS or kind == ETHERTYPE_MPLS_UPSTREAM:
        if kind == ETHERTYPE_PPPOE:
            at = pppoe(buf, at, end, rows, r)
        else:
            at = mpls(buf, at, end, rows, r)
        if at < 0:
            return -1
        network = at
        if u8(buf, at) >> 4 == 4:
            at = ipv4(buf, at, end, wire - (at - begin), rows, r)
        else:
            at = ipv6(buf, at, end, wire - (at - begin), rows, r)
    else:
        rows[r + REASON] = REASON_ETHERTYPE
        rows[r + DETAIL] = kind
        return -1
    if at < 0:
        return -1

    end = min(end, network + rows[r + IP_LENGTH])
    left = max(rows[r + IP_LENGTH] - (at - network), 0)
    return transport(buf, at, end, left, vxlan_port, rows, r)


@inline
def transport(buf: Any, at: int, end: int, left: int, vxlan_port: int, rows: Any, r: int) -> int:
    """Decode what IP carries; the offset of a frame inside it, or -1. `left`: its length on the wire."""
    proto = rows[r + PROTO]
    inside = -1
    if rows[r + FRAG_OFFSET] > 0:
        rows[r + PAYLOAD] = left
        rows[r + PAYLOAD_AT] = at
        rows[r + DIGEST] = ip_digest(buf, end, rows, r)
        return -1
    if proto == AH:  # behind IPv4; IPv6 has passed it with its extension headers
        if at + 8 > end:
            if at < end:
                rows[r + PROTO] = u8(buf, at)
            rows[r + REASON] = REASON_CUT
            return -1
        behind = ah(buf, at, end, rows, r)
        proto = u8(buf, at)
        rows[r + PROTO] = proto
        left = max(left - (behind - at), 0)
        if behind > end:
            rows[r + REASON] = REASON_CUT
            return -1
        at = behind
    if proto == TCP:
        tcp(buf, at, end, left, rows, r)
    elif proto == UDP:
        payload = udp(buf, at, end, left, rows, r)
        if payload >= 0:
            inside = in_udp(buf, payload, end, vxlan_port, rows, r)
    elif proto == ESP:
        esp(buf, at, end, left, rows, r)
    elif proto == ICMP:
        icmp(buf, at, end, left, LAYER_ICMP, rows, r)
    elif proto == ICMPV6:
        icmp(buf, at, end, left, LAYER_ICMPV6, rows, r)
    elif proto == IP_IN_IP or proto == IPV6_IN_IP:
        inside = ipip(buf, at, end, left, proto == IPV6_IN_IP, rows, r)
    elif proto == GRE:
        inside = gre(buf, at, end, left, rows, r)
    else:
        rows[r + REASON] = REASON_PROTO
        rows[r + DETAIL] = proto
        rows[r + PAYLOAD] = left
        rows[r + PAYLOAD_AT] = at
    if inside < 0:
        rows[r + DIGEST] = ip_digest(buf, end, rows, r)
    return inside


@inline
def in_udp(buf: Any, at: int, end: int, vxlan_port: int, rows: Any, r: int) -> int:
    """The offset of a frame inside the UDP payload at `at`, or -1. A port given by the user goes first."""
    port = rows[r + DPORT]
    if port == GENEVE_PORT and port != vxlan_port:
        return geneve(buf, at, end, rows, r)
    if port == GPE_PORT and port != vxlan_port:
        return vxlan_gpe(buf, at, end, rows, r)
    if is_vxlan(buf, at, end, port, vxlan_port):
        return vxlan(buf, at, rows, r)
    if is_udp_esp(buf, at, end, rows[r + SPORT], port):
        esp(buf, at, end, rows[r + PAYLOAD], rows, r)
    return -1

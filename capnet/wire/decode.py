"""The one pass: records → rows, layer by layer, inside tunnels too.

Every offset is compared with the captured end before it is read, here and in each protocol's function: lengths in
headers are claims. The captured end shrinks inward (a packet cannot reach beyond its carrier, nor beyond its own
length: what follows is Ethernet padding), the wire length likewise, from the headers.
"""

from __future__ import annotations

from typing import Any

from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire import fields, numbers
from capnet.wire.digest import arp_digest, ip_digest
from capnet.wire.formats import record
from capnet.wire.octets import mix, u8
from capnet.wire.protocols import decode_udp_payload
from capnet.wire.protocols.arp import arp
from capnet.wire.protocols.cooked import is_raw_ip, null, raw_ip, sll, sll2
from capnet.wire.protocols.ethernet import ethernet
from capnet.wire.protocols.gre import gre
from capnet.wire.protocols.icmp import icmp
from capnet.wire.protocols.ipip import ipip
from capnet.wire.protocols.ipsec import ah, esp
from capnet.wire.protocols.ipv4 import ipv4
from capnet.wire.protocols.ipv6 import ipv6
from capnet.wire.protocols.mpls import mpls
from capnet.wire.protocols.pppoe import ppp_link, pppoe
from capnet.wire.protocols.tcp import tcp
from capnet.wire.protocols.udp import udp

ROWS_PER_RECORD = fields.MAX_DEPTH + 1


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
        q = i * record.WIDTH
        at = records[q + record.AT]
        captured = records[q + record.CAPLEN]
        wire = records[q + record.WIRELEN]
        linktype = records[q + record.LINKTYPE]
        base = at
        outermost = n
        for depth in range(ROWS_PER_RECORD):
            r = n * fields.WIDTH
            record_at[n] = base
            for k in range(fields.WIDTH):
                rows[r + k] = blank[k]
            rows[r + fields.FRAME] = records[q + record.NUMBER]
            rows[r + fields.TIME] = records[q + record.TIME]
            rows[r + fields.POINT] = records[q + record.POINT]
            rows[r + fields.LINKTYPE] = linktype
            rows[r + fields.CAPLEN] = captured
            rows[r + fields.WIRELEN] = wire
            rows[r + fields.DEPTH] = depth
            rows[r + fields.START] = at - base
            if depth > 0:
                rows[r + fields.OUTER] = n - 1
                rows[r + fields.VIA] = rows[r - fields.WIDTH + fields.TUNNEL]
                rows[r + fields.VIA_VNI] = rows[r - fields.WIDTH + fields.VNI]
            inside = decode_row(buf, at, at + captured, wire, vxlan_port, rows, r)
            n += 1
            present |= rows[r + fields.LAYERS]
            odd |= rows[r + fields.REASON]
            if rows[r + fields.SPORT] == numbers.PORT_DNS:
                answers = 1
            if rows[r + fields.PAYLOAD_AT] >= 0:
                rows[r + fields.PAYLOAD_AT] -= base
            if inside < 0:
                break
            if depth == fields.MAX_DEPTH:
                rows[r + fields.REASON] = fields.REASON_DEPTH
                odd = 1
                break
            rows[r + fields.LAYERS] |= fields.LAYER_INSIDE
            # The inner frame ends where the carrier's payload does, in the capture and on the wire.
            payload_end = base + rows[r + fields.PAYLOAD_AT] + rows[r + fields.PAYLOAD]
            captured = max(min(at + captured, payload_end) - inside, 0)
            wire = max(payload_end - inside, 0)
            at = inside
            is_bare = rows[r + fields.LAYERS] & fields.LAYER_BARE
            linktype = numbers.LINKTYPE_RAW if is_bare else numbers.LINKTYPE_ETHERNET
        # A carrier is the same packet wherever its innermost frame is: it takes the digest from inside.
        for k in range(n - 2, outermost - 1, -1):
            inner = rows[(k + 1) * fields.WIDTH + fields.DIGEST]
            rows[k * fields.WIDTH + fields.DIGEST] = mix(inner, rows[k * fields.WIDTH + fields.VNI]) if inner else 0
        i += 1
    out[0] = i
    out[1] = n
    out[2] = present
    out[3] = odd
    out[4] = answers


@inline
def decode_row(buf: Any, at: int, end: int, wire: int, vxlan_port: int, rows: Any, r: int) -> int:
    """Decode one frame into row `r`; the offset of a frame inside it, or -1."""
    linktype = rows[r + fields.LINKTYPE]
    begin = at
    if linktype == numbers.LINKTYPE_ETHERNET:
        at = ethernet(buf, at, end, rows, r)
    elif linktype == numbers.LINKTYPE_LINUX_SLL:
        at = sll(buf, at, end, rows, r)
    elif linktype == numbers.LINKTYPE_LINUX_SLL2:
        at = sll2(buf, at, end, rows, r)
    elif is_raw_ip(linktype):
        at = raw_ip(buf, at, end, rows, r)
    elif linktype == numbers.LINKTYPE_NULL or linktype == numbers.LINKTYPE_LOOP:
        at = null(buf, at, end, rows, r)
    elif linktype == numbers.LINKTYPE_PPP:
        at = ppp_link(buf, at, end, rows, r)
    else:
        rows[r + fields.REASON] = fields.REASON_LINKTYPE
        rows[r + fields.DETAIL] = linktype
        return -1
    if at < 0:
        return -1

    kind = rows[r + fields.ETHERTYPE]
    network = at
    if kind == numbers.ETHERTYPE_IPV4:
        at = ipv4(buf, at, end, wire - (at - begin), rows, r)
    elif kind == numbers.ETHERTYPE_IPV6:
        at = ipv6(buf, at, end, wire - (at - begin), rows, r)
    elif kind == numbers.ETHERTYPE_ARP:
        arp(buf, at, end, rows, r)
        if rows[r + fields.LAYERS] & fields.LAYER_ARP:
            rows[r + fields.DIGEST] = arp_digest(rows, r)
        return -1
    elif kind == numbers.ETHERTYPE_PPPOE or kind == numbers.ETHERTYPE_MPLS or kind == numbers.ETHERTYPE_MPLS_UPSTREAM:
        if kind == numbers.ETHERTYPE_PPPOE:
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
        rows[r + fields.REASON] = fields.REASON_ETHERTYPE
        rows[r + fields.DETAIL] = kind
        return -1
    if at < 0:
        return -1

    end = min(end, network + rows[r + fields.IP_LENGTH])
    left = max(rows[r + fields.IP_LENGTH] - (at - network), 0)
    return transport(buf, at, end, left, vxlan_port, rows, r)


@inline
def transport(buf: Any, at: int, end: int, left: int, vxlan_port: int, rows: Any, r: int) -> int:
    """Decode what IP carries; the offset of a frame inside it, or -1. `left`: its length on the wire."""
    proto = rows[r + fields.PROTO]
    inside = -1
    if rows[r + fields.FRAG_OFFSET] > 0:
        rows[r + fields.PAYLOAD] = left
        rows[r + fields.PAYLOAD_AT] = at
        rows[r + fields.DIGEST] = ip_digest(buf, end, rows, r)
        return -1
    if proto == numbers.AH:  # behind IPv4; IPv6 has passed it with its extension headers
        if at + 8 > end:
            if at < end:
                rows[r + fields.PROTO] = u8(buf, at)
            rows[r + fields.REASON] = fields.REASON_CUT
            return -1
        behind = ah(buf, at, end, rows, r)
        proto = u8(buf, at)
        rows[r + fields.PROTO] = proto
        left = max(left - (behind - at), 0)
        if behind > end:
            rows[r + fields.REASON] = fields.REASON_CUT
            return -1
        at = behind
    if proto == numbers.TCP:
        tcp(buf, at, end, left, rows, r)
    elif proto == numbers.UDP:
        payload = udp(buf, at, end, left, rows, r)
        if payload >= 0:
            inside = decode_udp_payload(buf, payload, end, vxlan_port, rows, r)
    elif proto == numbers.ESP:
        esp(buf, at, end, left, rows, r)
    elif proto == numbers.ICMP:
        icmp(buf, at, end, left, fields.LAYER_ICMP, rows, r)
    elif proto == numbers.ICMPV6:
        icmp(buf, at, end, left, fields.LAYER_ICMPV6, rows, r)
    elif proto == numbers.IP_IN_IP or proto == numbers.IPV6_IN_IP:
        inside = ipip(buf, at, end, left, proto == numbers.IPV6_IN_IP, rows, r)
    elif proto == numbers.GRE:
        inside = gre(buf, at, end, left, rows, r)
    else:
        rows[r + fields.REASON] = fields.REASON_PROTO
        rows[r + fields.DETAIL] = proto
        rows[r + fields.PAYLOAD] = left
        rows[r + fields.PAYLOAD_AT] = at
    if inside < 0:
        rows[r + fields.DIGEST] = ip_digest(buf, end, rows, r)
    return inside

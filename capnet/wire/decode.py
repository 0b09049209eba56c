"""Decodes records into rows, layer by layer and into tunnels.

Input: captured bytes, and the records that say where each frame lies in them (`formats.record`). Output: rows of int64
(`fields`), a captured frame first, then what its tunnels carry.
Bounds: each offset is compared with the captured end before it is read, here and in the function of each protocol;
lengths in headers are claims. The captured end shrinks inward: a packet ends where the payload of its carrier ends and
where its own length says, because Ethernet padding may follow. The length on the wire shrinks likewise.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire import fields, numbers
from capnet.wire.digest import arp_digest, ip_digest
from capnet.wire.formats import record
from capnet.wire.octets import mix, u8
from capnet.wire.protocols import decode_udp_payload
from capnet.wire.protocols.arp import arp
from capnet.wire.protocols.cooked import is_raw_ip, null, raw_ip, sll, sll2
from capnet.wire.protocols.etherip import etherip
from capnet.wire.protocols.ethernet import ethernet, skip_tags
from capnet.wire.protocols.gre import gre
from capnet.wire.protocols.icmp import icmp
from capnet.wire.protocols.ipip import ipip
from capnet.wire.protocols.ipsec import ah, esp
from capnet.wire.protocols.ipv4 import ipv4
from capnet.wire.protocols.ipv6 import ipv6
from capnet.wire.protocols.mpls import mpls
from capnet.wire.protocols.nflog import nflog
from capnet.wire.protocols.pppoe import ppp_link, pppoe
from capnet.wire.protocols.sctp import sctp
from capnet.wire.protocols.tcp import tcp
from capnet.wire.protocols.udp import udp

ROWS_PER_RECORD = fields.MAX_DEPTH + 1


@kernel
def decode(
    buf: ByteArray,
    records: Int64Array,
    first: int,
    count: int,
    vxlan_port: int,
    blank: Int64Array,
    rows: Int64Array,
    room: int,
    record_at: Int64Array,
    out: Int64Array,
) -> None:
    """Decode records `first` to `count` into `rows`; each row begins as a copy of `blank` (`fields.BLANK`).

    Stops when fewer than ROWS_PER_RECORD of `room` rows are left. `record_at`[row] = where its captured frame begins.
    `out` = next record, rows, union of their LAYERS; whether any has a REASON, port 53, may be an ICMP error, has SYN,
    has a DHCP port, has a port of IKE or BGP.
    """
    n = layers = 0
    has_reason = has_dns = has_dhcp = has_icmp_error = has_syn = has_control = 0
    i = first
    while i < count and n + ROWS_PER_RECORD <= room:
        q = i * record.WIDTH
        at = records[q + record.AT]
        captured = records[q + record.CAPLEN]
        wire = records[q + record.WIRELEN]
        linktype = records[q + record.LINKTYPE]
        base, outermost = at, n
        for depth in range(ROWS_PER_RECORD):
            r = n * fields.WIDTH
            record_at[n] = base
            begin_row(rows, r, blank, records, q)
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
            layers |= rows[r + fields.LAYERS]
            has_reason |= rows[r + fields.REASON]
            if rows[r + fields.SPORT] == numbers.PORT_DNS or rows[r + fields.DPORT] == numbers.PORT_DNS:
                has_dns = 1
            has_dhcp |= is_dhcp_port(rows[r + fields.DPORT])
            has_control |= is_control_port(rows[r + fields.SPORT]) | is_control_port(rows[r + fields.DPORT])
            if rows[r + fields.TCP_FLAGS] > 0:
                has_syn |= rows[r + fields.TCP_FLAGS] & numbers.TCP_SYN
            if 0 < rows[r + fields.ICMP_TYPE] <= numbers.ICMP_PARAMETER_PROBLEM and rows[r + fields.ICMP_ID] < 0:
                has_icmp_error = 1  # perhaps: no error of either version has a larger type
            if rows[r + fields.PAYLOAD_AT] >= 0:
                rows[r + fields.PAYLOAD_AT] -= base
            if inside < 0:
                break
            if depth == fields.MAX_DEPTH:
                rows[r + fields.REASON] = fields.REASON_DEPTH
                has_reason = 1
                break
            rows[r + fields.LAYERS] |= fields.LAYER_INSIDE
            # The inner frame ends where the carrier's payload does, in the capture and on the wire.
            payload_end = base + rows[r + fields.PAYLOAD_AT] + rows[r + fields.PAYLOAD]
            captured = max(min(at + captured, payload_end) - inside, 0)
            wire = max(payload_end - inside, 0)
            at = inside
            is_bare = rows[r + fields.LAYERS] & fields.LAYER_BARE
            linktype = numbers.LINKTYPE_RAW if is_bare else numbers.LINKTYPE_ETHERNET
        digest_carriers(rows, outermost, n)
        i += 1
    out[0] = i
    out[1] = n
    out[2] = layers
    out[3] = has_reason
    out[4] = has_dns
    out[5] = has_icmp_error
    out[6] = has_syn
    out[7] = has_dhcp
    out[8] = has_control


@inline
def is_dhcp_port(port: int) -> int:
    """1 for a port of DHCP, else 0."""
    if port == numbers.PORT_DHCP_SERVER or port == numbers.PORT_DHCP_CLIENT:
        return 1
    return 0


@inline
def is_control_port(port: int) -> int:
    """1 for a port of IKE or BGP, else 0."""
    if port == numbers.PORT_BGP or port == numbers.PORT_IKE or port == numbers.PORT_IPSEC_NAT:
        return 1
    return 0


@inline
def begin_row(rows: Int64Array, r: int, blank: Int64Array, records: Int64Array, q: int) -> None:
    """What all rows of the record at `q` have: the values of `blank`, its number, time and point."""
    for k in range(fields.WIDTH):
        rows[r + k] = blank[k]
    rows[r + fields.FRAME] = records[q + record.NUMBER]
    rows[r + fields.TIME] = records[q + record.TIME]
    rows[r + fields.POINT] = records[q + record.POINT]


@inline
def digest_carriers(rows: Int64Array, outermost: int, end: int) -> None:
    """Give the rows `outermost` to `end` - 1, each inside the one before it, digests of what they carry.

    A carrier is recognised by its innermost frame: what is around that may be another packet at each point.
    """
    for k in range(end - 2, outermost - 1, -1):
        inner = rows[(k + 1) * fields.WIDTH + fields.DIGEST]
        rows[k * fields.WIDTH + fields.DIGEST] = mix(inner, rows[k * fields.WIDTH + fields.VNI]) if inner else 0


@inline
def decode_row(buf: ByteArray, at: int, end: int, wire: int, vxlan_port: int, rows: Int64Array, r: int) -> int:
    """Decode one frame into row `r`; the offset of a frame inside it, or -1."""
    begin = at
    at = decode_link(buf, at, end, rows, r)
    if at < 0:
        return -1

    kind = rows[r + fields.ETHERTYPE]
    network = at
    if kind == numbers.ETHERTYPE_IPV4:
        at = ipv4(buf, at, end, wire - (at - begin), rows, r)
    elif kind == numbers.ETHERTYPE_IPV6:
        at = ipv6(buf, at, end, wire - (at - begin), rows, r)
    elif kind == numbers.ETHERTYPE_ARP or kind == numbers.ETHERTYPE_RARP:
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
    return decode_transport(buf, at, end, left, vxlan_port, rows, r)


@inline
def decode_link(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """Decode the link layer into row `r`; the offset of what it carries, or -1."""
    linktype = rows[r + fields.LINKTYPE]
    if linktype == numbers.LINKTYPE_ETHERNET:
        return ethernet(buf, at, end, rows, r)
    if linktype == numbers.LINKTYPE_LINUX_SLL:
        return sll(buf, at, end, rows, r)
    if linktype == numbers.LINKTYPE_LINUX_SLL2:
        return sll2(buf, at, end, rows, r)
    if is_raw_ip(linktype):
        announced = rows[r - fields.WIDTH + fields.DETAIL] if rows[r + fields.DEPTH] > 0 else 0
        if announced > 0:
            rows[r + fields.LAYERS] = fields.LAYER_RAW
            return skip_tags(buf, at, end, announced, rows, r)
        return raw_ip(buf, at, end, rows, r)
    if linktype == numbers.LINKTYPE_NULL or linktype == numbers.LINKTYPE_LOOP:
        return null(buf, at, end, rows, r)
    if linktype == numbers.LINKTYPE_PPP:
        return ppp_link(buf, at, end, rows, r)
    if linktype == numbers.LINKTYPE_NFLOG:
        return nflog(buf, at, end, rows, r)
    rows[r + fields.REASON] = fields.REASON_LINKTYPE
    rows[r + fields.DETAIL] = linktype
    return -1


@inline
def decode_transport(buf: ByteArray, at: int, end: int, left: int, vxlan_port: int, rows: Int64Array, r: int) -> int:
    """Decode what IP carries; the offset of a frame inside it, or -1. `left`: its length on the wire."""
    proto = rows[r + fields.PROTO]
    inside = -1
    if rows[r + fields.FRAG_OFFSET] > 0:
        rows[r + fields.PAYLOAD] = left
        rows[r + fields.PAYLOAD_AT] = at
        rows[r + fields.DIGEST] = ip_digest(buf, end, rows, r)
        return -1
    if proto == numbers.AH:  # behind IPv4; `ipv6` skips it as an extension header
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
    elif proto == numbers.ETHERIP:
        inside = etherip(buf, at, end, left, rows, r)
    elif proto == numbers.SCTP:
        sctp(buf, at, end, left, rows, r)
    else:
        rows[r + fields.REASON] = fields.REASON_PROTO
        rows[r + fields.DETAIL] = proto
        rows[r + fields.PAYLOAD] = left
        rows[r + fields.PAYLOAD_AT] = at
    if inside < 0:
        rows[r + fields.DIGEST] = ip_digest(buf, end, rows, r)
    return inside

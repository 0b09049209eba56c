"""The columns of a row: a captured frame, or a frame inside a tunnel.

A captured frame is a row of depth 0. What a tunnel (`protocols.TUNNEL_KINDS`) carries is a row of its own: its OUTER is
the row of the carrier, its DEPTH one more. A row is WIDTH signed 64-bit integers; the names below are their offsets.
A field that the frame does not have is ABSENT (-1), but 0 if it is a counter or a bit set. Addresses can be any bit
pattern: LAYERS says whether they are there.

An address is two fields, HI and LO: the signed halves of the 128-bit IPv6 address. An IPv4 address a.b.c.d is the
IPv4-mapped ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). A MAC address is one field of 48 bits.
"""

from __future__ import annotations

import numpy as np

ABSENT = -1

# -- the record -------------------------------------------------------------------------------
FRAME = 0  # 1-based number in its file, as Wireshark counts; inner rows have their carrier's
TIME = 1  # ns since 1970 UTC
POINT = 2  # index of the point (interface) in the capture
LINKTYPE = 3  # LINKTYPE_ value of this row's first layer (1 = Ethernet, also for inner Ethernet)
CAPLEN = 4  # bytes of this frame that were captured, from its own first byte on
WIRELEN = 5  # bytes of this frame on the wire
DEPTH = 6  # 0 = as captured
OUTER = 7  # row (in the same block) of the carrier, ABSENT at depth 0
START = 8  # where this frame begins, counted from the first byte of the captured frame
LAYERS = 9  # bit set of the LAYER_ constants: what was decoded in this row
REASON = 10  # why decoding stopped early: one of the REASON_ constants, 0 = it did not
DETAIL = 11  # the value that REASON is about (ethertype, protocol, link type); LAYER_BARE: EtherType inside; else 0

# -- link layer ---------------------------------------------------------------------------------
SMAC = 12  # source MAC (SLL: the sender's address where it is 6 bytes)
DMAC = 13  # destination MAC
ETHERTYPE = 14  # of the payload, after all VLAN tags (values < 0x600: 802.3 length)
VLAN = 15  # outermost VLAN id
VLAN2 = 16  # second VLAN id (QinQ)
PKTTYPE = 17  # SLL/SLL2 packet type: 0 to us, 1 broadcast, 2 multicast, 3 to others, 4 sent by us

# -- network layer; for ARP the addresses are the sender's (SRC) and the target's (DST) ----------
SRC_HI = 18  # source address, upper half
SRC_LO = 19  # source address, lower half
DST_HI = 20  # destination address, upper half
DST_LO = 21  # destination address, lower half
TTL = 22  # IPv6: hop limit
IP_ID = 23  # IPv6: identification of the fragment header
IP_LENGTH = 24  # whole IP packet in bytes, header included (IPv6: 40 + payload length)
TOS = 25  # IPv4 TOS / IPv6 traffic class, whole octet
IP_FLAGS = 26  # 4 = reserved, 2 = don't fragment, 1 = more fragments
FRAG_OFFSET = 27  # in bytes; 0 unless a later fragment
PROTO = 28  # protocol number after IPv6 extension headers and IPv4 options
ARP_OP = 29  # 1 request, 2 reply
ARP_SHA = 30  # MAC of the sender, inside ARP
ARP_THA = 31  # MAC of the target, inside ARP

# -- transport layer ------------------------------------------------------------------------------
SPORT = 32  # source port of TCP or UDP
DPORT = 33  # destination port of TCP or UDP
SEQ = 34  # raw, 32 bits; ESP, and AH around anything but TCP: the packet's number within its SPI
ACK = 35  # raw, 32 bits
TCP_FLAGS = 36  # 12 bits as on the wire: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128, AE 256
WINDOW = 37  # raw, not scaled
TSVAL = 38  # TCP timestamps option (RFC 7323)
TSECR = 39  # timestamp echo reply
ICMP_TYPE = 40  # ICMP or ICMPv6, see LAYERS
ICMP_CODE = 41  # code of ICMP or ICMPv6
ICMP_ID = 42  # echo request and reply only
ICMP_SEQ = 43  # sequence number of an echo
PAYLOAD = 44  # bytes after the last decoded header, by the headers' lengths (not by what was captured)
PAYLOAD_AT = 45  # where it begins, counted from the first byte of the captured frame; ABSENT if cut before

# -- tunnels and identity -------------------------------------------------------------------------
TUNNEL = 46  # kind of tunnel this row carries (TunnelKind.number), 0 = none
VNI = 47  # its VNI / key; ESP, and AH around no tunnel: the SPI
VIA = 48  # kind of tunnel this row came through, 0 = none
VIA_VNI = 49  # its VNI / key
DIGEST = 50  # 62-bit hash of what survives NAT, routing and encapsulation (digest.py); 0 = none
RELATED = 51  # ICMP errors: ports of the packet they are about, source << 16 | destination; its echo id in both

WIDTH = 52

NAMES = tuple(
    """
    frame time point linktype caplen wirelen depth outer start layers reason detail
    smac dmac ethertype vlan vlan2 pkttype
    src_hi src_lo dst_hi dst_lo ttl ip_id ip_length tos ip_flags frag_offset proto arp_op arp_sha arp_tha
    sport dport seq ack tcp_flags window tsval tsecr icmp_type icmp_code icmp_id icmp_seq payload payload_at
    tunnel vni via via_vni digest related
    """.split()
)
COLUMN = {name: i for i, name in enumerate(NAMES)}

# -- LAYERS -----------------------------------------------------------------------------------------
LAYER_ETHERNET = 1
LAYER_VLAN = 2
LAYER_ARP = 4
LAYER_IPV4 = 8
LAYER_IPV6 = 16
LAYER_FRAGMENT = 32  # this packet is a fragment (first or later)
LAYER_ICMP = 64
LAYER_ICMPV6 = 128
LAYER_TCP = 256
LAYER_UDP = 512
LAYER_TUNNEL = 1024  # TUNNEL says which
LAYER_SLL = 2048
LAYER_SLL2 = 4096
LAYER_RAW = 8192
LAYER_NULL = 16384  # BSD null / OpenBSD loop
LAYER_INSIDE = 32768  # what this row's tunnel carries is the next row (never so when it is encrypted)
LAYER_BARE = 65536  # ... without a link layer: an IP header, or what DETAIL says
LAYER_ESP = 131072
LAYER_AH = 262144
LAYER_MPLS = 524288
LAYER_PPPOE = 1048576
LAYER_GRE = 2097152  # LAYER_TUNNEL is set too
LAYER_SCTP = 4194304
LAYER_NFLOG = 8388608
LAYER_IP = LAYER_IPV4 | LAYER_IPV6

# -- REASON -----------------------------------------------------------------------------------------
REASON_CUT = 1  # the captured bytes end inside a header (snap length or a short frame)
REASON_LINKTYPE = 2  # DETAIL = link type
REASON_ETHERTYPE = 3  # DETAIL = ethertype
REASON_PROTO = 4  # DETAIL = IP protocol number
REASON_MALFORMED = 5  # a header contradicts itself (DETAIL = the LAYER_ bit)
REASON_DEPTH = 6  # tunnel in tunnel beyond MAX_DEPTH
REASON_LLC = 7  # 802.3 frame with LLC (spanning tree and the like), not decoded further
REASON_NEXT = 8  # VXLAN-GPE carries what is not decoded (DETAIL = its next protocol)
REASON_INSIDE = 9  # a tunnel for IP carries something else (DETAIL = TunnelKind.number)
REASON_LABELS = 10  # an MPLS label stack of more than MAX_LABELS (DETAIL = MAX_LABELS)

MAX_DEPTH = 7

# What a row holds before it is decoded: ABSENT, but 0 in bit sets, counters and addresses.
BLANK = np.full(WIDTH, ABSENT, dtype=np.int64)
BLANK[[LAYERS, REASON, DETAIL, SRC_HI, SRC_LO, DST_HI, DST_LO, TUNNEL, VIA, DIGEST]] = 0

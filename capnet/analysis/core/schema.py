"""What one pass over a capture leaves behind: the columns of its tables.

Each table is an int64 array of shape (n, WIDTH) with one row per distinct key, in order of first sight. The KEY columns
come first. Memory grows with flows, stations and tunnels, never with packets; only OBSERVATION rows are per packet, and
those are a bounded sample. Fields mean what they mean in `wire.fields`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

# Types of public signatures: int64 arrays, or masks where it says bool.
FlowTable: TypeAlias = Annotated[np.ndarray, "(flows, FLOW_WIDTH)"]
StationTable: TypeAlias = Annotated[np.ndarray, "(stations, STATION_WIDTH)"]
ArpTable: TypeAlias = Annotated[np.ndarray, "(pairs, ARP_WIDTH)"]
NdTable: TypeAlias = Annotated[np.ndarray, "(messages, ND_WIDTH)"]
DhcpTable: TypeAlias = Annotated[np.ndarray, "(messages, DHCP_WIDTH)"]
IcmpErrorTable: TypeAlias = Annotated[np.ndarray, "(messages, ICMP_WIDTH)"]
DnsTable: TypeAlias = Annotated[np.ndarray, "(messages, DNS_WIDTH)"]
SynTable: TypeAlias = Annotated[np.ndarray, "(SYNs, SYN_WIDTH)"]
TunnelChecksumTable: TypeAlias = Annotated[np.ndarray, "(inner flows, CHECKSUM_WIDTH)"]
TunnelTable: TypeAlias = Annotated[np.ndarray, "(tunnels, TUNNEL_WIDTH)"]
Observations: TypeAlias = Annotated[np.ndarray, "(observations, OBS_WIDTH)"]
FlowRow: TypeAlias = Annotated[np.ndarray | list[int], "(FLOW_WIDTH,), a row of the flow table; lists are read faster"]
FlowRows: TypeAlias = Annotated[np.ndarray, "(n,) row numbers of the flow table"]
FlowMask: TypeAlias = Annotated[np.ndarray, "(flows,) bool"]
PerFlow: TypeAlias = Annotated[np.ndarray, "(flows,) one value for each flow"]
PerLink: TypeAlias = Annotated[np.ndarray, "(links,) one value for each flow link"]
PerObservation: TypeAlias = Annotated[np.ndarray, "(observations,) one value for each observation"]
Values: TypeAlias = Annotated[np.ndarray, "(n,) int64"]
Mask: TypeAlias = Annotated[np.ndarray, "(n,) bool"]

# -- flows: one 5-tuple, one direction, at one point, in one tunnel ------------------------------------
FLOW_POINT = 0
FLOW_VIA = 1  # kind of tunnel the flow runs in (frames.TUNNEL_), 0 = none
FLOW_VIA_VNI = 2
FLOW_DEPTH = 3
FLOW_PROTO = 4  # IP protocol number
FLOW_SRC_HI = 5
FLOW_SRC_LO = 6
FLOW_DST_HI = 7
FLOW_DST_LO = 8
FLOW_SPORT = 9  # ICMP echo: the identifier, in both; ICMP errors: of the packet they are about; none: -1
FLOW_DPORT = 10
FLOW_KIND = 11  # ICMP and ICMPv6: type * 256 + code; else -1
FLOW_KEY = 12
# Written by every packet: with the end of the key, one cache line.
FLOW_LAST = 12  # ns
FLOW_PACKETS = 13
FLOW_BYTES = 14  # whole frames, on the wire, from this row's own link layer on
FLOW_PAYLOAD = 15  # transport payload bytes by the headers
# Compared with every packet and seldom written: another line. The rest is written once or rarely.
FLOW_SMAC = 16  # of the first packet, ABSENT without Ethernet
FLOW_DMAC = 17
FLOW_TTL_MIN = 18
FLOW_TTL_MAX = 19
FLOW_LARGEST_IP = 20  # largest IP packet, bytes (above the MTU: segmentation offload)
FLOW_TCP_FLAGS = 21  # all flags ever set, and USED_AGAIN
FLOW_NEXT_SEQ = 22  # TCP: highest sequence number + length seen, 32 bits
FLOW_CARRIES = 23  # kind of tunnel the first packet carries, 0 = none
FLOW_CARRIES_VNI = 24  # its VNI; packets with another one are in the carrier table
FLOW_INNER_BYTES = 25  # whole inner frames of these packets
FLOW_INNER_LARGEST = 26  # their largest inner IP packet
FLOW_FIRST_DIGEST = 27  # of the first packet, 0 if it has none
FLOW_FIRST = 28  # ns
FLOW_FIRST_FRAME = 29  # frame number of the first packet
FLOW_TTL = 30  # of the first packet
FLOW_RETRANSMISSIONS = 31  # TCP segments with data that end at or below what was already sent
FLOW_SYN_TIME = 32  # ns of the last SYN without ACK, ABSENT if none
FLOW_SYNACK_TIME = 33  # ns of the first SYN with ACK, ABSENT if none
FLOW_FRAGMENTS = 34
FLOW_VLAN = 35  # of the first packet, outermost VLAN id, -1 = untagged; of two tags the inner one's id + 1 << 12
FLOW_FIRST_SEQ = 36  # TCP: of the first packet, (sequence number - 2**31) << 32 | acknowledgment number; else 0
FLOW_SYNS = 37  # SYNs without ACK
FLOW_STRAYS = 38  # packets whose MACs were not those of the first packet (each is in the station table itself)
FLOW_OTHER_VNIS = 39  # packets that carry another VNI than the first, or none (each is in the carrier table)
FLOW_WIDTH = 40  # five cache lines
FLOW_PLACE = [FLOW_POINT, FLOW_VIA, FLOW_VIA_VNI]
FLOW_SRC, FLOW_DST = [FLOW_SRC_HI, FLOW_SRC_LO], [FLOW_DST_HI, FLOW_DST_LO]  # both halves of an address
FLOW_ADDRESSES, FLOW_OPPOSITE_ADDRESSES = [*FLOW_SRC, *FLOW_DST], [*FLOW_DST, *FLOW_SRC]
FLOW_SRC_END, FLOW_DST_END = [*FLOW_SRC, FLOW_SPORT], [*FLOW_DST, FLOW_DPORT]  # an address and a port
FLOW_ENDS, FLOW_OPPOSITE_ENDS = [*FLOW_SRC_END, *FLOW_DST_END], [*FLOW_DST_END, *FLOW_SRC_END]

USED_AGAIN = 1 << 12  # beside TCP's flags: a SYN had other numbers than the first packet, another connection's

# -- stations: one MAC speaking for one IP at one point -------------------------------------------------
STATION_POINT = 0
STATION_VIA = 1
STATION_VIA_VNI = 2
STATION_MAC = 3
STATION_IP_HI = 4  # 0, 0: the MAC was seen without an IP address
STATION_IP_LO = 5
STATION_HOW = 6  # 0 source of IP packets, 1 sender in ARP, 2 destination of IP packets
STATION_KEY = 7
STATION_FIRST = 7
STATION_LAST = 8
STATION_PACKETS = 9
STATION_FIRST_FRAME = 10
STATION_TTL_MIN = 11  # of IP packets it sent (or got); 0 for ARP
STATION_TTL_MAX = 12
STATION_WIDTH = 13

# -- ARP: who asked for whom, who answered ----------------------------------------------------------------
ARP_POINT = 0
ARP_VIA = 1
ARP_VIA_VNI = 2
ARP_OPERATION = 3  # 1 request, 2 reply
ARP_SENDER_MAC = 4
ARP_SENDER_LO = 5  # IPv4 as LO half
ARP_TARGET_LO = 6
ARP_KEY = 7
ARP_FIRST = 7
ARP_LAST = 8
ARP_PACKETS = 9
ARP_FIRST_FRAME = 10
ARP_ETH_SOURCE = 11  # Ethernet source of the first one
ARP_ETH_DESTINATION = 12  # its Ethernet destination: a group, or the one station that it is for
ARP_WINDOW = 13  # ns, when the current window of WINDOW_NS began
ARP_WINDOW_PACKETS = 14  # so far
ARP_BURST = 15  # the most packets of one window
ARP_BURST_FIRST = 16  # ns, when that window began
ARP_BURST_LAST = 17  # ns, its last packet
ARP_VLAN = 18  # outermost VLAN id of the first one, -1 = untagged
ARP_WIDTH = 19

WINDOW_NS = 1_000_000_000  # RFC 1122 section 2.3.2.1 allows one request a second for an address

# -- Neighbor Discovery (RFC 4861): who solicited whom, who advertised, at one point ----------------------
ND_POINT = 0
ND_VIA = 1
ND_VIA_VNI = 2
ND_TYPE = 3  # 135 solicitation, 136 advertisement
ND_ETH_SOURCE = 4
ND_ETH_DESTINATION = 5
ND_SRC_HI = 6  # ::, of a solicitation: duplicate address detection (RFC 4862)
ND_SRC_LO = 7
ND_DST_HI = 8  # of a solicitation, a group, or the target itself that is probed
ND_DST_LO = 9
ND_TARGET_HI = 10
ND_TARGET_LO = 11
ND_MAC = 12  # link-layer address option of the sender or the target, ABSENT if the first option is another one
ND_KEY = 13
ND_PACKETS = 13
ND_FIRST_FRAME = 14
ND_FIRST = 15
ND_LAST = 16
ND_WIDTH = 17

# -- DHCP (RFC 2131): one kind of message about one client, at one point -----------------------------------
DHCP_POINT = 0
DHCP_VIA = 1
DHCP_VIA_VNI = 2
DHCP_CLIENT = 3  # its MAC, as the message says
DHCP_TYPE = 4  # 1 DISCOVER, 2 OFFER, 3 REQUEST, 4 DECLINE, 5 ACK, 6 NAK, … (RFC 2132 section 9.6)
DHCP_SRC_LO = 5
DHCP_KEY = 6
DHCP_PACKETS = 6
DHCP_FIRST_FRAME = 7
DHCP_FIRST = 8
DHCP_LAST = 9
DHCP_WIDTH = 10

# -- carriers: a further VNI inside one outer flow, beside the one that the flow row counts ---------------
CARRIER_FLOW = 0  # row in the flow table of the outer packets
CARRIER_KIND = 1  # frames.TUNNEL_, 0 = nothing, in a flow that carries something
CARRIER_VNI = 2  # -1 where the kind has none
CARRIER_KEY = 3
CARRIER_FIRST = 3
CARRIER_LAST = 4
CARRIER_FRAMES = 5
CARRIER_BYTES = 6  # whole outer frames on the wire
CARRIER_INNER_BYTES = 7  # whole inner frames
CARRIER_FIRST_FRAME = 8
CARRIER_LARGEST_INNER_IP = 9
CARRIER_WIDTH = 10

# -- tunnels: one VNI between two VTEPs, one direction, at one point: carriers summed up ----------------------
TUNNEL_POINT = 0
TUNNEL_KIND = 1  # frames.TUNNEL_
TUNNEL_VNI = 2  # -1 where the kind has none
TUNNEL_SRC_HI = 3
TUNNEL_SRC_LO = 4
TUNNEL_DST_HI = 5
TUNNEL_DST_LO = 6
TUNNEL_DPORT = 7  # -1 where the kind has none
TUNNEL_KEY = 8
TUNNEL_FIRST = 8
TUNNEL_LAST = 9
TUNNEL_FRAMES = 10
TUNNEL_BYTES = 11  # whole outer frames on the wire
TUNNEL_INNER_BYTES = 12  # whole inner frames
TUNNEL_FIRST_FRAME = 13
TUNNEL_LARGEST_INNER_IP = 14
TUNNEL_WIDTH = 15

# -- observations: one packet at one point, chosen by its digest ---------------------------------------------
OBS_DIGEST = 0
OBS_TIME = 1
OBS_FLOW = 2  # row in the flow table (which knows point, addresses and tunnel)
OBS_FRAME = 3
OBS_TTL = 4
OBS_LENGTH = 5  # IP length
OBS_SEQ = 6  # order of arrival in the whole input, breaks ties of time
# Which octets it carries, so that packets which are cut differently at two points can be compared:
OBS_FROM = 7  # TCP: raw sequence number; else IP identification << 16 | fragment offset; later fragments of TCP: -1
OBS_BYTES = 8  # TCP: payload, SYN and FIN count 1 each; else the octets of IP payload
OBS_CONTROL = 9  # TCP: flags << 48 | window << 32 | raw acknowledgment number; else -1
OBS_WIDTH = 10

# -- ICMP errors: one message about one packet, at one point, however often ----------------------------------
ICMP_POINT = 0
ICMP_VIA = 1
ICMP_VIA_VNI = 2
ICMP_SRC_HI = 3  # who says it
ICMP_SRC_LO = 4
ICMP_DST_HI = 5  # to whom
ICMP_DST_LO = 6
ICMP_SMAC = 7
ICMP_IS_V6 = 8
ICMP_TYPE = 9
ICMP_CODE = 10
ICMP_MTU = 11  # next-hop MTU, 0 where an old router does not say it, -1 where the message has none
ICMP_QUOTED_PROTO = 12  # of the quoted packet; -1 where it was cut
ICMP_QUOTED_SRC_HI = 13
ICMP_QUOTED_SRC_LO = 14
ICMP_QUOTED_DST_HI = 15
ICMP_QUOTED_DST_LO = 16
ICMP_QUOTED_SPORT = 17  # TCP and UDP, else -1
ICMP_QUOTED_DPORT = 18
ICMP_KEY = 19
ICMP_PACKETS = 19
ICMP_FIRST_FRAME = 20
ICMP_FIRST = 21
ICMP_LAST = 22
ICMP_WIDTH = 23

# -- DNS: one message over UDP at one point -----------------------------------------------------------------
DNS_POINT = 0
DNS_VIA = 1
DNS_VIA_VNI = 2
DNS_SRC_HI = 3
DNS_SRC_LO = 4
DNS_DST_HI = 5
DNS_DST_LO = 6
DNS_SPORT = 7
DNS_DPORT = 8
DNS_FRAME = 9
DNS_TIME = 10
DNS_ID = 11
DNS_FLAGS = 12  # RFC 1035 section 4.1.1, 16 bits from QR to RCODE
DNS_ANSWERS = 13  # ANCOUNT
DNS_QTYPE = 14  # -1 where the question was cut
DNS_NAME = 15  # of the question, index of the list of names; -1 where there is none
DNS_WIDTH = 16

# -- SYNs: what each end of a TCP connection announces, at one point ------------------------------------------
SYN_POINT = 0
SYN_VIA = 1
SYN_VIA_VNI = 2
SYN_SRC_HI = 3
SYN_SRC_LO = 4
SYN_DST_HI = 5
SYN_DST_LO = 6
SYN_SPORT = 7
SYN_DPORT = 8
SYN_FRAME = 9
SYN_MSS = 10  # octets, 0 without the option
SYN_CHECKSUM = 11  # the verdict on its checksum, RIGHT to WRONG below; ABSENT where the header cannot be read
SYN_TSVAL = 12  # of the timestamps option (RFC 7323), 32 bits, ABSENT without it
SYN_PACKET_TYPE = 13  # of a cooked capture (packet(7)), else ABSENT
SYN_SCALE = 14  # shift count of its window scale (RFC 7323), NO_SCALE without the option; ABSENT as for the checksum
SYN_SIGNED = 15  # 1 with a signature by TCP MD5 (RFC 2385), 0 without one; ABSENT as for the checksum
SYN_WIDTH = 16

NO_SCALE = 255  # more than any: the highest is 14

# -- checksums in tunnels: of the packets of one inner flow and of what carries them, at one point, in a sample -------
CHECKSUM_POINT = 0
CHECKSUM_VIA = 1
CHECKSUM_VIA_VNI = 2
CHECKSUM_PROTO = 3
CHECKSUM_SRC_HI = 4
CHECKSUM_SRC_LO = 5
CHECKSUM_DST_HI = 6
CHECKSUM_DST_LO = 7
CHECKSUM_SPORT = 8  # as FLOW_SPORT
CHECKSUM_DPORT = 9
CHECKSUM_KEY = 10
CHECKSUM_OUTER = 10  # packets by the verdict on the carrier's UDP checksum: four columns, RIGHT to WRONG
CHECKSUM_INNER = 14  # packets by the verdict on their own TCP or UDP checksum: four columns
CHECKSUM_OUTER_FRAME = 18  # first frame whose carrier's checksum is unfilled or wrong, -1 if there is none
CHECKSUM_INNER_FRAME = 19  # first frame whose own one is
CHECKSUM_WIDTH = 20

RIGHT, NO_CHECKSUM, UNFILLED, WRONG = range(4)  # verdicts; NO_CHECKSUM: UDP with 0; UNFILLED: the pseudo-header's sum

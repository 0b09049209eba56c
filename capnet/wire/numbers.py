"""Assigned numbers of the protocols that capnet decodes, each defined once.

Names and values are those of IANA's registries (Protocol Numbers, Service Names and Port Numbers, ICMP Parameters,
IPv6 Parameters, TCP Header Flags, EtherTypes) and of tcpdump.org/linktypes.html. A number that only one protocol file
reads, such as the UDP port of a tunnel, stands in that file. All are plain integers: kernels compile them in.
"""

from __future__ import annotations

# -- IP protocol numbers (IPv4 "protocol", IPv6 "next header") ------------------------------------
ICMP = 1
IGMP = 2
IP_IN_IP = 4  # IANA: IPv4 (RFC 2003)
TCP = 6
UDP = 17
IPV6_IN_IP = 41  # IANA: IPv6 (RFC 2473, RFC 4213)
GRE = 47
ESP = 50
AH = 51
ICMPV6 = 58
EIGRP = 88
OSPF = 89
ETHERIP = 97
PIM = 103
VRRP = 112
SCTP = 132

PROTO_NAMES = {
    ICMP: "icmp", IGMP: "igmp", TCP: "tcp", UDP: "udp", GRE: "gre", ESP: "esp", AH: "ah", ICMPV6: "icmpv6",
    EIGRP: "eigrp", OSPF: "ospf", ETHERIP: "etherip", PIM: "pim", VRRP: "vrrp", SCTP: "sctp",
}  # fmt: skip

# IPv6 extension headers (RFC 8200 section 4; 135 RFC 6275, 139 RFC 7401, 140 RFC 5533)
IPV6_HOP_BY_HOP = 0
IPV6_ROUTING = 43
IPV6_FRAGMENT = 44
IPV6_NO_NEXT_HEADER = 59
IPV6_DESTINATION_OPTIONS = 60
IPV6_MOBILITY = 135
IPV6_HIP = 139
IPV6_SHIM6 = 140

# -- TCP and UDP ports ----------------------------------------------------------------------------
MAX_PORT = 65_535
PORT_DNS = 53
PORT_DHCP_SERVER, PORT_DHCP_CLIENT = 67, 68  # of IPv4
PORT_BGP = 179
PORT_IKE, PORT_IPSEC_NAT = 500, 4500  # RFC 7296 section 2: IKE is at both, ESP in UDP at the second
PORT_SWARM_MANAGEMENT = 2377  # Docker Swarm, TCP to the managers
PORT_SWARM_GOSSIP = 7946  # Docker Swarm, TCP and UDP between all nodes
# At which the client speaks first, and TLS from the start: IANA's, and those of Kubernetes, Docker and consoles.
TLS_PORTS = (443, 465, 636, 853, 993, 995, 2376, 5671, 5986, 6443, 8443, 8883, 9443, 10250, 10443)
NODE_PORTS = range(30000, 32768)  # of Kubernetes, --service-node-port-range by default

# -- TCP control bits (RFC 9293 section 3.1; AE: RFC 7560) ----------------------------------------
TCP_FIN = 0x001
TCP_SYN = 0x002
TCP_RST = 0x004
TCP_PSH = 0x008
TCP_ACK = 0x010
TCP_URG = 0x020
TCP_ECE = 0x040
TCP_CWR = 0x080
TCP_AE = 0x100
TCP_SYN_ACK = TCP_SYN | TCP_ACK
TCP_FLAG_NAMES = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE")  # bit 0 first

# -- SCTP: types of chunks (RFC 9260 section 3.2) --------------------------------------------------
SCTP_INIT, SCTP_INIT_ACK, SCTP_ABORT = 1, 2, 6

# -- ICMP types and codes (RFC 792, RFC 950, RFC 1191) --------------------------------------------
ICMP_ECHO_REPLY = 0
ICMP_UNREACHABLE = 3
ICMP_SOURCE_QUENCH = 4
ICMP_REDIRECT = 5
ICMP_ECHO_REQUEST = 8
ICMP_TIME_EXCEEDED = 11
ICMP_PARAMETER_PROBLEM = 12
ICMP_TIMESTAMP_REQUEST = 13
ICMP_TIMESTAMP_REPLY = 14
ICMP_INFORMATION_REQUEST = 15
ICMP_INFORMATION_REPLY = 16
ICMP_MASK_REQUEST = 17
ICMP_MASK_REPLY = 18
ICMP_FRAGMENTATION_NEEDED = 4  # code of ICMP_UNREACHABLE
ICMP_PROTOCOL_UNREACHABLE, ICMP_PORT_UNREACHABLE = 2, 3  # codes of ICMP_UNREACHABLE
ICMP_REASSEMBLY = 1  # code of ICMP_TIME_EXCEEDED and of ICMPV6_TIME_EXCEEDED

# Types of messages that ask, and are answered with the same identifier.
ICMP_REQUESTS = (ICMP_ECHO_REQUEST, ICMP_TIMESTAMP_REQUEST, ICMP_INFORMATION_REQUEST, ICMP_MASK_REQUEST)
# Types of messages that embed the packet that caused them.
ICMP_ERRORS = (ICMP_UNREACHABLE, ICMP_SOURCE_QUENCH, ICMP_REDIRECT, ICMP_TIME_EXCEEDED, ICMP_PARAMETER_PROBLEM)

# -- ICMPv6 types (RFC 4443, RFC 4861, RFC 3810) --------------------------------------------------
ICMPV6_UNREACHABLE = 1
ICMPV6_PORT_UNREACHABLE = 4  # code of ICMPV6_UNREACHABLE
ICMPV6_PACKET_TOO_BIG = 2
ICMPV6_TIME_EXCEEDED = 3
ICMPV6_PARAMETER_PROBLEM = 4
ICMPV6_UNKNOWN_NEXT_HEADER = 1  # code of ICMPV6_PARAMETER_PROBLEM
ICMPV6_ECHO_REQUEST = 128
ICMPV6_ECHO_REPLY = 129
ICMPV6_ROUTER_SOLICITATION = 133
ICMPV6_ROUTER_ADVERTISEMENT = 134
ICMPV6_NEIGHBOR_SOLICITATION = 135
ICMPV6_NEIGHBOR_ADVERTISEMENT = 136
ICMPV6_LISTENER_REPORT = 143  # version 2

ICMPV6_ERRORS = (ICMPV6_UNREACHABLE, ICMPV6_PACKET_TOO_BIG, ICMPV6_TIME_EXCEEDED, ICMPV6_PARAMETER_PROBLEM)

# -- ARP operations (RFC 826; 3 and 4 RFC 903) -----------------------------------------------------
ARP_REQUEST = 1
ARP_REPLY = 2
RARP_REQUEST = 3  # a hypervisor announces a migrated machine by one
RARP_REPLY = 4

# -- EtherTypes -----------------------------------------------------------------------------------
MIN_ETHERTYPE = 0x0600  # below: the length of an 802.3 frame (IEEE 802.3 clause 3.2.6)
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_ERSPAN_III = 0x22EB
ETHERTYPE_EOIP = 0x6400  # MikroTik's, in GRE alone
ETHERTYPE_ETHERNET = 0x6558  # Transparent Ethernet Bridging, a whole Ethernet frame
ETHERTYPE_RARP = 0x8035  # packets of ARP's format (RFC 903)
ETHERTYPE_VLAN = 0x8100  # 802.1Q customer tag
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_PPP = 0x880B
ETHERTYPE_MPLS = 0x8847
ETHERTYPE_MPLS_UPSTREAM = 0x8848
ETHERTYPE_PPPOE = 0x8864  # session stage
ETHERTYPE_QINQ = 0x88A8  # 802.1ad service tag
ETHERTYPE_ERSPAN = 0x88BE  # types I and II
ETHERTYPE_LLDP = 0x88CC
ETHERTYPE_QINQ_OLD = 0x9100  # QinQ before 802.1ad

# -- packet types of Linux cooked captures (packet(7)) ----------------------------------------------
PACKET_HOST = 0  # to this host
PACKET_OUTGOING = 4  # sent by this host

# -- link types -----------------------------------------------------------------------------------
LINKTYPE_NULL = 0
LINKTYPE_ETHERNET = 1
LINKTYPE_PPP = 9
LINKTYPE_RAW_BSD = 12  # DLT_RAW, which some systems write instead of LINKTYPE_RAW
LINKTYPE_RAW_OPENBSD = 14  # the same of OpenBSD
LINKTYPE_RAW = 101
LINKTYPE_LOOP = 108
LINKTYPE_LINUX_SLL = 113
LINKTYPE_IPV4 = 228
LINKTYPE_IPV6 = 229
LINKTYPE_NFLOG = 239
LINKTYPE_LINUX_SLL2 = 276


def proto_name(number: int) -> str:
    """17 → `udp`; protocols without a name of their own here → `ip-253`."""
    return PROTO_NAMES.get(int(number), f"ip-{int(number)}")

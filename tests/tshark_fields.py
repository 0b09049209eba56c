"""Which of tshark's fields is which of our columns, and what kind of layer each of its protocols is."""

from __future__ import annotations

from capnet.wire.protocols import TUNNEL_KINDS

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
    "sctp": {"sport": "sctp.srcport", "dport": "sctp.dstport"},
    "icmp": {"icmp_type": "icmp.type", "icmp_code": "icmp.code", "icmp_id": "icmp.ident", "icmp_seq": "icmp.seq"},
    "icmpv6": {
        "icmp_type": "icmpv6.type", "icmp_code": "icmpv6.code", "icmp_id": "icmpv6.echo.identifier",
        "icmp_seq": "icmpv6.echo.sequence_number",
    },
    "sll": {"pkttype": "sll.pkttype", "ethertype": "sll.etype"},
    "ah": {"vni": "ah.spi", "seq": "ah.sequence"},
    "esp": {"seq": "esp.sequence"},
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
ID_FIELDS = [field for kind in TUNNEL_KINDS for field in kind.id_fields]
LINKS = ("eth", "sll", "null", "raw", "nflog")
TAGS = ("vlan", "ieee8021ad")
NETWORKS = ("arp", "ip", "ipv6")
TRANSPORTS = ("tcp", "udp", "icmp", "icmpv6", "sctp")
# Protocol → the kinds of tunnel that it may be the header of; those that ask for a value first.
TUNNELS = {
    kind.header_field.partition(".")[0]: sorted(
        (other for other in TUNNEL_KINDS if other.header_field == kind.header_field),
        key=lambda other: not other.header_values,
    )
    for kind in TUNNEL_KINDS
    if kind.header_field
}
HEADERS_BEHIND = {"gre": ("mpls", "ppp"), "erspan": ("erspan",), "geneve": ("mpls",)}  # parts of a tunnel's header
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

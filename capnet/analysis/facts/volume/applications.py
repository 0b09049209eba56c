"""Which application a conversation is of: by its first bytes, else by a port.

Ports are IANA's registrations, and those that container platforms use. First bytes are what servers and clients of
these protocols send before anything else; a sentence of the specification stands behind each.
Wrong when: another program listens at a registered port, or speaks another protocol behind the same beginning.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core.schema import Mask, Values

FirstBytes: TypeAlias = Annotated[np.ndarray, "(flows,) int64: the first 8 octets of payload, big-endian; 0 = unknown"]

PORTS = {
    21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 53: "dns", 67: "dhcp", 68: "dhcp", 69: "tftp", 80: "http",
    88: "kerberos", 110: "pop3", 111: "sunrpc", 123: "ntp", 137: "netbios", 138: "netbios", 143: "imap", 161: "snmp",
    162: "snmp", 179: "bgp", 389: "ldap", 443: "https", 445: "smb", 500: "isakmp", 514: "syslog", 546: "dhcpv6",
    547: "dhcpv6", 587: "smtp", 636: "ldaps", 853: "dns-tls", 873: "rsync", 993: "imaps", 995: "pop3s", 1194: "openvpn",
    1433: "mssql", 1521: "oracle", 1883: "mqtt", 1900: "ssdp", 2049: "nfs", 2152: "gtpu", 2181: "zookeeper",
    2375: "docker", 2376: "docker-tls", 2377: "swarm-management", 2379: "etcd", 2380: "etcd", 3306: "mysql",
    3389: "rdp", 4222: "nats", 4500: "ipsec-nat", 4789: "vxlan", 5060: "sip", 5201: "iperf3", 5353: "mdns",
    5355: "llmnr", 5432: "postgresql", 5671: "amqps", 5672: "amqp", 6081: "geneve", 6379: "redis", 6443: "kubernetes",
    7946: "swarm-gossip", 8080: "http", 8443: "https", 8472: "vxlan", 9042: "cassandra", 9090: "prometheus",
    9092: "kafka", 9200: "elasticsearch", 10250: "kubelet", 11211: "memcached", 27017: "mongodb", 38412: "ngap",
    50051: "grpc", 51820: "wireguard",
}  # fmt: skip


def _start(text: bytes) -> tuple[int, int]:
    """(mask, value) of payload that begins so."""
    shift = 8 * (8 - len(text))
    return ((1 << 8 * len(text)) - 1) << shift, int.from_bytes(text, "big") << shift


# (mask, value) of the first 8 octets → application.
_BEGINNINGS = [
    *((_start(word), "http") for word in (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ")),
    (_start(b"CONNECT "), "http"), (_start(b"HTTP/1."), "http"),  # RFC 9112
    (_start(b"PRI * HT"), "http2"),  # RFC 9113 section 3.4
    *((_start(bytes([0x16, 3, minor])), "tls") for minor in range(5)),  # RFC 8446 section 5.1
    (_start(b"SSH-"), "ssh"),  # RFC 4253 section 4.2
    (_start(b"EHLO "), "smtp"), (_start(b"HELO "), "smtp"),  # RFC 5321
    (_start(b"AMQP"), "amqp"), (_start(b"\x13BitTorr"), "bittorrent"),
    ((0x00000000FFFFFFFF, 0x2112A442), "stun"),  # RFC 8489 section 5
    ((0x00000000FFFFFFFF, 0x00030000), "postgresql"), (_start(b"\0\0\0\x08\x04\xd2\x16\x2f"), "postgresql"),
    ((0x00000000FFFFFFFF, 0xFF534D42), "smb"), ((0x00000000FFFFFFFF, 0xFE534D42), "smb"),
    ((0x00FFFFFFFFF00000, 0x000000000A300000), "mysql"),  # short packet 0: protocol 10, version "5…"
    *((_start(b"*%d\r\n" % words), "redis") for words in range(1, 10)),
    ((0xFF00FFFFFFFFFFFF, 0x100000044D515454), "mqtt"),  # CONNECT with its protocol's name
    *((_start(word), "memcached") for word in (b"get ", b"set ", b"gets ", b"stats\r\n")),
]  # fmt: skip
NAMES = sorted({*PORTS.values(), *(name for _, name in _BEGINNINGS), "quic"})
_NUMBER_OF = {name: number for number, name in enumerate(NAMES)}
_OF_PORT = np.full(1 << 16, -1, dtype=np.int64)
_OF_PORT[list(PORTS)] = [_NUMBER_OF[name] for name in PORTS.values()]
_QUIC_MASK, _QUIC = 0xC0FFFFFFFF000000, 0xC000000001000000  # a long header of version 1 (RFC 9000 section 17.2)


def by_port(ports: Values) -> Values:
    """Numbers of NAMES by a port each, -1 where there is none or no name."""
    return np.where(ports >= 0, _OF_PORT[np.clip(ports, 0, 65535)], -1)


def by_first_bytes(octets: FirstBytes, is_udp: Mask) -> Values:
    """Numbers of NAMES by the first bytes of payload, -1 where they say nothing. Streams alone, but QUIC and STUN."""
    unsigned = octets.view(np.uint64)
    numbers = np.full(len(octets), -1, dtype=np.int64)
    for (mask, value), name in _BEGINNINGS:
        is_equal = (unsigned & np.uint64(mask)) == np.uint64(value)
        is_equal &= ~is_udp if name != "stun" else True
        numbers[is_equal & (octets != 0) & (numbers < 0)] = _NUMBER_OF[name]
    is_quic = is_udp & ((unsigned & np.uint64(_QUIC_MASK)) == np.uint64(_QUIC))
    numbers[is_quic] = _NUMBER_OF["quic"]
    return numbers

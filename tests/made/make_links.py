"""Link layers other than Ethernet: cooked captures of `-i any`, raw IP, BSD loopback."""

import struct

from scapy.all import ARP, ICMP, IP, TCP, UDP, CookedLinux, CookedLinuxV2, IPv6, Raw

from tests.made import build
from tests.made.build import pcap

FOUR = IP(src="172.17.0.2", dst="172.17.0.3", id=7) / TCP(sport=40000, dport=80, seq=1)
SIX = IPv6(src="fd00::2", dst="fd00::3") / UDP(sport=1, dport=2) / b"six"
ADDRESS = bytes.fromhex("0242ac110002") + b"\x00\x00"


def captures() -> dict[str, bytes]:
    return {
        "sll.pcap": sll(),
        "sll2.pcap": sll2(),
        "raw.pcap": pcap([FOUR, SIX, Raw(b"\x00neither")], linktype=build.RAW),
        "raw_ipv4.pcap": pcap([FOUR], linktype=build.IPV4),
        "raw_ipv6.pcap": pcap([SIX], linktype=build.IPV6),
        "null_le.pcap": pcap(null("<"), linktype=build.NULL),
        "null_be.pcap": pcap(null(">"), linktype=build.NULL, order=">"),
        "loop.pcap": pcap(null(">"), linktype=build.LOOP),
        "nflog_le.pcap": pcap(nflog("<"), linktype=build.NFLOG),
        "nflog_be.pcap": pcap(nflog(">"), linktype=build.NFLOG, order=">"),
        "unknown_link.pcap": pcap([bytes(range(64))], linktype=147),  # LINKTYPE_USER0
    }


def sll() -> bytes:
    def cooked(kind: int, proto: int, length: int = 6) -> CookedLinux:
        return CookedLinux(pkttype=kind, lladdrtype=1, lladdrlen=length, src=ADDRESS, proto=proto)

    arp = ARP(hwsrc="02:42:ac:11:00:02", psrc="172.17.0.2", pdst="172.17.0.3")
    return pcap(
        [
            cooked(0, 0x0800) / FOUR,
            cooked(4, 0x86DD) / SIX,
            cooked(1, 0x0806) / arp,
            cooked(3, 0x0800) / IP(src="127.0.0.1", dst="127.0.0.1", id=1) / ICMP(id=1, seq=2),
            CookedLinux(pkttype=0, lladdrtype=772, lladdrlen=0, src=bytes(8), proto=0x0800) / FOUR,
            cooked(0, 0x8100) / Raw(struct.pack(">HH", 10, 0x0800)) / FOUR,
        ],
        linktype=build.SLL,
    )


def sll2() -> bytes:
    def cooked(kind: int, proto: int, ifindex: int) -> CookedLinuxV2:
        return CookedLinuxV2(proto=proto, ifindex=ifindex, lladdrtype=1, pkttype=kind, lladdrlen=6, src=ADDRESS)

    return pcap(
        [
            cooked(0, 0x0800, 2) / FOUR,
            cooked(4, 0x86DD, 3) / SIX,
            cooked(2, 0x0800, 70000) / IP(src="172.17.0.2", dst="224.0.0.1", id=2) / UDP(sport=1, dport=2) / b"many",
        ],
        linktype=build.SLL2,
    )


def null(order: str) -> list[bytes]:
    families = [(2, FOUR), (24, SIX), (28, SIX), (30, SIX), (10, SIX)]
    return [struct.pack(order + "I", family) + bytes(packet) for family, packet in families]


def nflog(order: str) -> list[bytes]:
    """Attributes as the kernel orders them: packet header, prefix, interfaces, mark, sender, user; the payload last."""

    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack(order + "HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    def packet(family: int, ethertype: int, hook: int, payload: object, *attributes: bytes) -> bytes:
        head = struct.pack(">BBH", family, 0, 5) + attribute(1, struct.pack(">HBB", ethertype, hook, 0))
        return head + b"".join(attributes) + attribute(9, bytes(payload))  # type: ignore[call-overload]

    prefix = attribute(10, b"DROP 8080 \0")
    cards = attribute(4, struct.pack(">I", 3)) + attribute(5, struct.pack(">I", 4))
    sender = attribute(8, struct.pack(">HH", 6, 0) + ADDRESS)
    return [
        packet(2, 0x0800, 2, FOUR, prefix, cards, sender, attribute(3, struct.pack(">QQ", 1_700_000_000, 17))),
        packet(10, 0x86DD, 1, SIX, attribute(10, b"in\0"), attribute(4, struct.pack(">I", 3))),
        packet(2, 0, 3, FOUR, attribute(11, struct.pack(">I", 1000))),
        packet(2, 0x0800, 4, b"", prefix),
        packet(2, 0x0800, 2, FOUR, prefix)[:24],
        struct.pack(">BBH", 2, 0, 5) + struct.pack(order + "HH", 8, 1) + struct.pack(">HBB", 0x0800, 0, 0)
        + struct.pack(order + "HH", 2, 10) + bytes(FOUR),
    ]  # fmt: skip

"""WireGuard: a handshake, data both ways, a cookie, another port, IPv6; and what has its first octets but is none."""

import struct

from scapy.all import DNS, DNSQR, IP, UDP, Ether, IPv6, Raw

from tests.made.build import C, pcap

D = "02:42:c0:a8:6f:81"
THERE = Ether(src=C, dst=D) / IP(src="192.168.111.128", dst="192.168.111.129", id=1)
BACK = Ether(src=D, dst=C) / IP(src="192.168.111.129", dst="192.168.111.128", id=2)
SIX = Ether(src=C, dst=D) / IPv6(src="fd01::128", dst="fd01::129")
PORTS, PORTS_BACK = UDP(sport=51820, dport=51820), UDP(sport=51820, dport=51820)
OTHERS = UDP(sport=40000, dport=41641)
CLIENT, SERVER = 0x11223344, 0xA1B2C3D4


def captures() -> dict[str, bytes]:
    return {"wireguard.pcap": messages(), "wireguard_odd.pcap": odd()}


def message(kind: int, length: int, *indexes: int) -> Raw:
    head = struct.pack(f"<{1 + len(indexes)}I", kind, *indexes)
    return Raw(head + bytes(0x55 for _ in range(length - len(head))))


def data(index: int, counter: int, length: int) -> Raw:
    return Raw(struct.pack("<IIQ", 4, index, counter) + bytes(0xAA for _ in range(length - 16)))


def messages() -> bytes:
    return pcap(
        [
            THERE / PORTS / message(1, 148, CLIENT),
            BACK / PORTS_BACK / message(2, 92, SERVER, CLIENT),
            THERE / PORTS / data(SERVER, 0, 32),
            THERE / PORTS / data(SERVER, 1, 128),
            BACK / PORTS_BACK / data(CLIENT, 0, 128),
            BACK / PORTS_BACK / message(3, 64, CLIENT),
            THERE / OTHERS / message(1, 148, 7),
            THERE / OTHERS / data(9, 1 << 40, 1456),
            SIX / PORTS / data(SERVER, 5, 96),
            THERE / PORTS / data(SERVER, 2, 1452),
        ]
    )


def odd() -> bytes:
    """A DNS question whose id and flags read like data, lengths that no message has, reserved octets, a cut message."""
    question = DNS(id=0x0400, rd=0, qd=DNSQR(qname="wireguard.example"))
    return pcap(
        [
            THERE / UDP(sport=40000, dport=53) / question,
            THERE / PORTS / message(1, 147, CLIENT),
            THERE / PORTS / data(SERVER, 1, 40),
            THERE / PORTS / Raw(b"\x04\x00\x01\x00" + bytes(28)),
            THERE / PORTS / Raw(bytes(32)),
            THERE / PORTS / Raw(b"\x04\x00\x00\x00" + bytes(4)),
        ]
    )

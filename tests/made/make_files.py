"""The file formats: byte orders, resolutions, snap lengths, sections, blocks. The packets are the same everywhere."""

import struct

from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw

from tests.made import build
from tests.made.build import (
    A,
    B,
    block,
    interface,
    moment,
    obsolete_packet,
    options,
    packet,
    pcap,
    section,
    simple_packet,
)

LINK = Ether(src=A, dst=B)
FRAMES = [
    LINK / IP(src="172.17.0.2", dst="172.17.0.3", id=1) / TCP(sport=40000, dport=80, seq=1, flags="S"),
    LINK / IP(src="172.17.0.2", dst="172.17.0.3", id=2) / UDP(sport=1, dport=2) / Raw(b"odd"),
    LINK / IP(src="172.17.0.2", dst="172.17.0.3", id=3) / ICMP(id=1, seq=2) / Raw(bytes(100)),
]
LOOPBACK = struct.pack("<I", 2) + bytes(FRAMES[1][IP])
NANOSECONDS = 9


def captures() -> dict[str, bytes]:
    whole = pcap(FRAMES, nanoseconds=True)
    return {
        "pcap_le_us.pcap": pcap(FRAMES),
        "pcap_be_us.pcap": pcap(FRAMES, order=">"),
        "pcap_le_ns.pcap": whole,
        "pcap_be_ns.pcap": pcap(FRAMES, order=">", nanoseconds=True),
        "pcap_modified.pcap": modified(),
        "pcap_fcs_bits.pcap": pcap([bytes(frame) + b"FCS!" for frame in FRAMES], high_bits=0x24000000),
        "pcap_empty.pcap": pcap([]),
        "pcap_version_22.pcap": old_version(2, 2, swapped=True),
        "pcap_version_23.pcap": old_version(2, 3, swapped=True) + old_version(2, 3, swapped=False)[24:],
        "pcap_version_543.pcap": old_version(543, 0, swapped=True),
        "pcap_odd_lengths.pcap": odd_lengths(),
        "snaplen.pcap": pcap(FRAMES, snaplen=40),
        "truncated.pcap": whole[:-20],
        "truncated_header.pcap": whole + b"\x00\x01\x02",
        "pcapng_le.pcapng": several_interfaces("<"),
        "pcapng_be.pcapng": several_interfaces(">"),
        "pcapng_sections.pcapng": several_interfaces("<") + several_interfaces(">") + several_interfaces("<"),
        "pcapng_resolutions.pcapng": resolutions(),
        "pcapng_offset.pcapng": offsets(),
        "pcapng_simple.pcapng": simple(),
        "pcapng_obsolete.pcapng": obsolete(),
        "pcapng_unknown_blocks.pcapng": unknown_blocks(),
        "pcapng_truncated.pcapng": several_interfaces("<")[:-30],
        "pcapng_no_interface.pcapng": section() + packet(FRAMES[0], 0) + interface("late") + packet(FRAMES[1], 0),
        "pcapng_empty.pcapng": section(),
    }


def modified() -> bytes:
    """Alexey Kuznetzov's pcap: 8 more bytes in each record header (ifindex, protocol, packet type, padding)."""
    out = [struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 262_144, build.ETHERNET)]
    for index, frame in enumerate(FRAMES):
        data, (second, rest) = bytes(frame), divmod(moment(index), 1_000_000_000)
        out.append(struct.pack("<IIIIIHBB", second, rest // 1000, len(data), len(data), 2, 0x0800, 0, 0) + data)
    return b"".join(out)


def old_version(major: int, minor: int, swapped: bool) -> bytes:
    """Versions in which the original length came first; each frame is cut by 10 bytes, so that the two differ."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, major, minor, 0, 0, 262_144, build.ETHERNET)]
    for index, frame in enumerate(FRAMES):
        data, (second, rest) = bytes(frame)[:-10], divmod(moment(index), 1_000_000_000)
        lengths = (len(data) + 10, len(data)) if swapped else (len(data), len(data) + 10)
        out.append(struct.pack("<IIII", second, rest // 1000, *lengths) + data)
    return b"".join(out)


def odd_lengths() -> bytes:
    """Captured lengths above the snap length, above the original length, and an original length of 0."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 20, build.ETHERNET)]
    for index, frame in enumerate(FRAMES):
        data, (second, rest) = bytes(frame), divmod(moment(index), 1_000_000_000)
        original = (len(data), len(data) - 10, 0)[index]
        out.append(struct.pack("<IIII", second, rest // 1000, len(data), original) + data)
    return b"".join(out)


def several_interfaces(order: str) -> bytes:
    """Two Ethernet interfaces, one cut at 50 bytes, and a loopback, in turn; statistics with drops at the end."""
    now = [moment(index) for index in range(6)]
    statistics = [(4, struct.pack(order + "Q", 5)), (5, struct.pack(order + "Q", 2))]
    return b"".join(
        [
            section(order, given=[(2, b"made"), (4, b"tests")]),
            interface("A/eth0", order=order, resolution=NANOSECONDS),
            packet(FRAMES[0], now[0], 0, order),
            interface("A/short", order=order, resolution=NANOSECONDS, snaplen=50),
            interface("A/lo", linktype=build.NULL, order=order, resolution=NANOSECONDS),
            packet(FRAMES[1], now[1], 1, order),
            packet(FRAMES[2], now[2], 1, order, snaplen=50),
            packet(LOOPBACK if order == "<" else struct.pack(">I", 2) + LOOPBACK[4:], now[3], 2, order),
            packet(FRAMES[0], now[4], 0, order, given=[(1, b"a comment"), (2, struct.pack(order + "I", 1))]),
            packet(FRAMES[1], now[5], 0, order),
            block(
                5, struct.pack(order + "III", 1, now[5] >> 32, now[5] & 0xFFFFFFFF) + options(statistics, order), order
            ),
        ]
    )


def resolutions() -> bytes:
    """if_tsresol absent (microseconds), 10^-0, 10^-3, 10^-9, 10^-10, 2^-10, 2^-20, 2^-32."""
    made, units = [section()], [(None, 10**6), (0, 1), (3, 10**3), (9, 10**9), (10, 10**10)]
    units += [(0x80 | power, 2**power) for power in (10, 20, 32)]
    for number, (octet, per_second) in enumerate(units):
        made.append(interface(f"resolution {octet}", resolution=octet))
        ticks = 1_700_000_000 * per_second + 3 * per_second // 4
        made.append(packet(FRAMES[number % 3], ticks, number))
    return b"".join(made)


def offsets() -> bytes:
    """if_tsoffset: seconds to add, also negative."""
    return b"".join(
        [
            section(),
            interface("plus", resolution=NANOSECONDS, offset=1_700_000_000),
            interface("minus", resolution=6, offset=-3600),
            packet(FRAMES[0], 123_456_789, 0),
            packet(FRAMES[1], 1_700_003_600_000_001, 1),
        ]
    )


def simple() -> bytes:
    """Simple packet blocks: no time, cut at the interface's snap length."""
    return section() + interface("simple", snaplen=60) + b"".join(simple_packet(f, snaplen=60) for f in FRAMES)


def obsolete() -> bytes:
    now = [moment(index) // 1000 for index in range(3)]
    return b"".join(
        [
            section(),
            interface("old"),
            interface("older"),
            obsolete_packet(FRAMES[0], now[0], 0),
            obsolete_packet(FRAMES[1], now[1], 1, drops=3),
            packet(FRAMES[2], now[2], 1),
        ]
    )


def unknown_blocks() -> bytes:
    """Blocks that are no packets, between packets: unknown types, a name resolution block, decryption secrets."""
    names = struct.pack("<HH4s4s", 1, 8, bytes([172, 17, 0, 2]), b"web\0") + struct.pack("<HH", 0, 0)
    return b"".join(
        [
            section(),
            block(0x12345678, b"before any interface"),
            interface("between", resolution=NANOSECONDS),
            block(0x0000ABCD, b"odd"),
            packet(FRAMES[0], moment(0)),
            block(4, names),
            block(10, struct.pack("<II", 0x544C534B, 4) + b"none"),
            packet(FRAMES[1], moment(1), given=[(0x7FFF, b"unknown option")]),
            block(0x80000001, b""),
            packet(FRAMES[2], moment(2)),
        ]
    )

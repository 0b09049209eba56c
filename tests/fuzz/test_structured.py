"""Hypothesis builds frames and files that are nearly right: some lengths and types are wrong."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import LINKTYPES, file, frame

byte = st.integers(0, 255)
u16 = st.one_of(st.integers(0, 100), st.integers(0, 0xFFFF))
u32 = st.one_of(st.integers(0, 300), st.integers(0, 0xFFFFFFFF))
tail = st.binary(max_size=40)
ETHERTYPES = (0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x8847, 0x8864, 0x05DC)
PROTOCOLS = (1, 4, 6, 17, 41, 47, 50, 51, 58, 0, 43, 44, 60)
PORTS = (4789, 8472, 6081, 4790, 4500, 7777, 53)


def behind(inside: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A random header in front of `inside`; the two need not fit."""

    def ipv4(first: int, length: int, fragment: int, proto: int, rest: bytes) -> bytes:
        real = 20 + len(rest)
        return struct.pack(">BBHHHBBH", first, 0, (real, length)[fragment & 1], 1, fragment & 0x2003, 64, proto, 0) + (
            bytes(8) + rest
        )

    def ipv6(length: int, lie: bool, kind: int, rest: bytes) -> bytes:
        return struct.pack(">IHBB", 6 << 28, length if lie else len(rest), kind, 64) + bytes(32) + rest

    def gre(flags: int, kind: int, key: bytes, rest: bytes) -> bytes:
        return struct.pack(">HH", flags, kind) + key + rest

    proto = st.sampled_from(PROTOCOLS)
    kind = st.one_of(st.sampled_from((*ETHERTYPES, 0x6558, 0x88BE, 0x22EB, 0x880B)), u16)
    return st.one_of(
        st.builds(lambda k, rest: bytes(12) + struct.pack(">H", k) + rest, kind, inside),
        st.builds(lambda k, rest: struct.pack(">HH", 7, k) + rest, kind, inside),
        st.builds(ipv4, st.sampled_from((0x45, 0x46, 0x4F, 0x44)), u16, u16, proto, inside),
        st.builds(ipv6, u16, st.booleans(), proto, inside),
        st.builds(lambda k, n, rest: bytes([k, n]) + bytes(6) + rest, proto, byte, inside),
        st.builds(lambda d, n, rest: struct.pack(">HHHH", 4500, d, n, 0) + rest, st.sampled_from(PORTS), u16, inside),
        st.builds(lambda d, rest: struct.pack(">HHHH", 9, d, 8 + len(rest), 0) + rest, st.sampled_from(PORTS), inside),
        st.builds(
            lambda f, n, rest: bytes([f, 0, 0, n, 0, 16, 1, 0]) + rest, st.sampled_from((8, 12, 0)), byte, inside
        ),
        st.builds(lambda n, k, rest: bytes([n, 0]) + struct.pack(">H", k) + bytes(4) + rest, byte, kind, inside),
        st.builds(gre, u16, kind, st.sampled_from((b"", bytes(4), bytes(8))), inside),
        st.builds(lambda label, rest: struct.pack(">I", label) + rest, u32, inside),
        st.builds(lambda n, rest: b"\x11\0\0\x01" + struct.pack(">H", n) + b"\0\x21" + rest, u16, inside),
    )


packets = st.recursive(tail, behind, max_leaves=12)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.integers(0, len(LINKTYPES) - 1), byte, packets)
def test_frame_of_random_layers_keeps_the_promises(linktype: int, more: int, data: bytes) -> None:
    """Headers in any order, with lengths and types that may be wrong."""
    frame(bytes([linktype, more]) + data)


def options(order: str) -> st.SearchStrategy[bytes]:
    one = st.builds(
        lambda code, lie, value: struct.pack(order + "HH", code, len(value) + lie) + value + bytes(-len(value) % 4),
        st.integers(0, 15), st.sampled_from((0, 0, 0, 1, 60000)), st.binary(max_size=12),
    )  # fmt: skip
    return st.lists(one, max_size=3).map(b"".join)


def blocks(order: str) -> st.SearchStrategy[bytes]:
    """One block of any type; some have a wrong length at either end."""

    def block(kind: int, body: bytes, lie: int, lie_behind: int) -> bytes:
        body += bytes(-len(body) % 4)
        size = 12 + len(body)
        return struct.pack(order + "II", kind, size + lie) + body + struct.pack(order + "I", size + lie_behind)

    head = st.builds(lambda magic, major: struct.pack(order + "IHHq", magic, major, 0, -1),
                     st.sampled_from((0x1A2B3C4D, 0x4D3C2B1A, 7)), st.sampled_from((1, 1, 2)))  # fmt: skip
    interface = st.builds(lambda link, snap, more: struct.pack(order + "HHI", link, 0, snap) + more,
                          st.sampled_from((1, 0, 101, 113, 147)), u32, options(order))  # fmt: skip

    def packet_body(number: int, high: int, low: int, cap: int, wire: int, data: bytes, more: bytes) -> bytes:
        claimed = min(cap, len(data)) if cap < 500 else cap
        return struct.pack(order + "IIIII", number, high, low, claimed, wire) + data + more

    packet = st.builds(packet_body, st.integers(0, 3), u32, u32, u32, u32, packets, options(order))
    kinds = st.one_of(
        st.tuples(st.just(0x0A0D0D0A), head), st.tuples(st.just(1), interface), st.tuples(st.just(6), packet),
        st.tuples(st.just(2), packet), st.tuples(st.just(3), st.binary(min_size=4, max_size=60)),
        st.tuples(st.sampled_from((4, 5, 9, 10, 0xBAD, 0x40000BAD, 0x12345678)), st.binary(max_size=60)),
    )  # fmt: skip
    lies = st.sampled_from((0,) * 20 + (1, 4, -12, 1 << 20))
    return st.builds(lambda what, lie, behind_: block(*what, lie, behind_), kinds, lies, lies)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from("<>").flatmap(lambda order: st.tuples(st.just(order), st.lists(blocks(order), max_size=8))))
def test_pcapng_of_random_blocks_keeps_the_promises(made: tuple[str, list[bytes]]) -> None:
    """Blocks of any type behind a good section and interface."""
    order, rest = made
    begin = struct.pack(order + "IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    interface = struct.pack(order + "IIHHII", 1, 20, 1, 0, 0, 20)
    file(begin + interface + b"".join(rest))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from("<>"), st.sampled_from((0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34)), st.integers(0, 5),
    st.sampled_from(LINKTYPES), st.lists(st.tuples(u32, u32, st.one_of(st.none(), u32), packets), max_size=6),
)  # fmt: skip
def test_pcap_of_random_records_keeps_the_promises(
    order: str, magic: int, minor: int, linktype: int, records: list[tuple[int, int, int | None, bytes]]
) -> None:
    """Captured and original lengths that may be wrong."""
    data = struct.pack(order + "IHHiIII", magic, 2, minor, 0, 0, 65535, linktype)
    for seconds, wire, lie, packet in records:
        data += struct.pack(order + "IIII", seconds, 0, len(packet) if lie is None else lie, wire)
        data += bytes(8 * (magic == 0xA1B2CD34)) + packet
    file(data)

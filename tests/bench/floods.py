"""Captures that someone made to be costly: many invented addresses, one packet again and again. Seeded.

python -m tests.bench.floods [NAME ...]    # makes each with 200,000 packets, analyses it, prints seconds
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from capnet.wire.octets import mix

WORD = (1 << 64) - 1
MAC_A, MAC_B = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"
SAME = struct.pack("!HHHH", 1, 2, 12, 0) + b"same"


def frame(src: bytes, dst: bytes, kind: int, payload: bytes) -> bytes:
    """An Ethernet frame; `kind`: its EtherType."""
    return dst + src + struct.pack("!H", kind) + payload


def ip(src: int, dst: int, proto: int, payload: bytes, ident: int = 7) -> bytes:
    """An IPv4 packet between two addresses."""
    return struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(payload), ident & 0xFFFF, 0, 64, proto, 0, src, dst) + payload


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    """A UDP datagram."""
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def _random_udp(rng: random.Random, number: int) -> bytes:
    ports = udp(rng.getrandbits(16) & 0x7FFF, rng.getrandbits(16))
    return ip(rng.getrandbits(32), rng.getrandbits(32), 17, ports, number)


def addresses(count: int) -> Iterator[bytes]:
    """Two MACs, two invented addresses in each frame."""
    rng = random.Random(1)
    return (frame(MAC_A, MAC_B, 0x800, _random_udp(rng, number)) for number in range(count))


def macs(count: int) -> Iterator[bytes]:
    """What `macof` does: two invented MACs and addresses in each frame."""
    rng = random.Random(2)
    return (frame(rng.randbytes(6), rng.randbytes(6), 0x800, _random_udp(rng, number)) for number in range(count))


def arps(count: int) -> Iterator[bytes]:
    """Questions and answers of invented stations."""
    rng = random.Random(3)
    for number in range(count):
        mac = rng.randbytes(6)
        body = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1 + number % 2) + mac + rng.randbytes(4) + bytes(6)
        yield frame(mac, b"\xff" * 6, 0x806, body + rng.randbytes(4))


def claims(count: int) -> Iterator[bytes]:
    """One address that every station claims in ARP."""
    for number in range(count):
        mac = struct.pack("!HI", 0x0200, number)
        yield frame(
            mac, b"\xff" * 6, 0x806, struct.pack("!HHBBH6sI6sI", 1, 0x800, 6, 4, 2, mac, 1 << 24, MAC_A, 2 << 24)
        )


def repeated(count: int) -> Iterator[bytes]:
    """One packet, repeated."""
    packet = frame(MAC_A, MAC_B, 0x800, ip(0x0A000001, 0x0A000002, 17, SAME))
    return (packet for _ in range(count))


def repeated_elsewhere(count: int) -> Iterator[bytes]:
    """One payload and IP identification between new addresses each time: any may be a translation of any."""
    return (
        frame(MAC_A, MAC_B, 0x800, ip(0x0A000000 + number, 0x0B000000 + number, 17, SAME)) for number in range(count)
    )


def repeated_macs(count: int) -> Iterator[bytes]:
    """One packet, from a new MAC each time."""
    packet = ip(0x0A000001, 0x0A000002, 17, SAME)
    return (frame(struct.pack("!HI", 0x0200, number), MAC_B, 0x800, packet) for number in range(count))


def vlans(count: int) -> Iterator[bytes]:
    """Invented sources, each with another VLAN id."""
    packets = (ip(0x0A000000 + number, 0x0A000002, 17, udp(1, 2)) for number in range(count))
    return (
        frame(MAC_A, MAC_B, 0x8100, struct.pack("!HH", n & 0xFFF, 0x800) + packet) for n, packet in enumerate(packets)
    )


def vnis(count: int) -> Iterator[bytes]:
    """A VXLAN tunnel of its own for each frame."""
    rng = random.Random(4)
    for number in range(count):
        inside = frame(rng.randbytes(6), rng.randbytes(6), 0x800, _random_udp(rng, number))
        header = b"\x08\0\0\0" + struct.pack("!I", rng.getrandbits(24) << 8)
        outside = udp(rng.getrandbits(16), 4789, header + inside)
        yield frame(MAC_A, MAC_B, 0x800, ip(rng.getrandbits(32), rng.getrandbits(32), 17, outside, number))


def names(count: int) -> Iterator[bytes]:
    """Answers of invented name servers: invented names do not exist."""
    rng = random.Random(5)
    for number in range(count):
        answer = struct.pack("!HHHHHH", number & 0xFFFF, 0x8183, 1, 0, 0, 0) + b"\x08" + rng.randbytes(8)
        packet = udp(53, rng.getrandbits(16), answer + b"\0\0\1\0\1")
        yield frame(MAC_A, MAC_B, 0x800, ip(rng.getrandbits(32), rng.getrandbits(32), 17, packet, number))


def syns(count: int) -> Iterator[bytes]:
    """A SYN flood from invented sources."""
    rng = random.Random(6)
    for number in range(count):
        tcp = struct.pack("!HHIIBBHHH", rng.getrandbits(16), 80, rng.getrandbits(32), 0, 0x50, 2, 1000, 0, 0)
        yield frame(MAC_A, MAC_B, 0x800, ip(rng.getrandbits(32), 0x0A000002, 6, tcp, number))


def handshakes(count: int) -> Iterator[bytes]:
    """As many SYNs with one sequence number, and SYN-ACKs that may belong to each of them."""
    rng = random.Random(7)
    for number in range(count):
        answers = number >= count // 2
        numbers, flags = ((9, 101), 18) if answers else ((100, 0), 2)
        tcp = struct.pack("!HHIIBBHHH", 80 if answers else 1 + number & 0xFFFF, 80, *numbers, 0x50, flags, 9, 0, 0)
        ends = (0x0A000002, rng.getrandbits(32)) if answers else (rng.getrandbits(32), 0x0A000002)
        yield frame(MAC_A, MAC_B, 0x800, ip(*ends, 6, tcp, number))


def half_translated(count: int) -> Iterator[bytes]:
    """Connections that are opened to one address and answered by another one, a translation each."""
    for number in range(count):
        answers, number = number % 2, number // 2
        numbers, flags = ((9, number * 7 + 1), 18) if answers else ((number * 7, 0), 2)
        tcp = struct.pack(
            "!HHIIBBHHH", 80 if answers else 1000, 1000 if answers else 80, *numbers, 0x50, flags, 9, 0, 0
        )
        client, asked, server = 0x0A010000 + number, 0x0B000001, 0x0B010000 + number
        yield frame(
            *((MAC_B, MAC_A) if answers else (MAC_A, MAC_B)),
            0x800,
            ip(*((server, client) if answers else (client, asked)), 6, tcp, number),
        )


def half_translated_names(count: int) -> Iterator[bytes]:
    """The same of questions to the name server inside a container."""
    for number in range(count):
        answers, number = number % 2, number // 2
        client, server, port = 0x0A010000 + number // 50_000, 0x7F00000B, 1 + number % 50_000
        packet = udp(40_000, port, b"answer") if answers else udp(port, 53, b"question")
        yield frame(MAC_A, MAC_B, 0x800, ip(*((server, client) if answers else (client, server)), 17, packet, number))


def refused(count: int) -> Iterator[bytes]:
    """A host that translates one connection, SYNs to all its ports, and ICMP unreachable about other ones."""
    inside, outside, host = 0x0A000001, 0x0C000001, 0x0B000001
    for number in range(count):
        syn = struct.pack("!HHIIBBHHH", 1000 + number % 2, 1 + number // 4 % 65_535, number, 0, 0x50, 2, 9, 0, 0)
        packet = ip(0x0D000000 + number, host, 6, syn, number)
        if number < 2:
            data = struct.pack("!HHIIBBHHH", 1000, 80, 7, 7, 0x50, 16, 9, 0, 0) + b"data"
            packet = bytearray(ip(host if number else inside, outside, 6, data, 1))
            packet[8] -= number  # TTL
        elif number % 4 > 1:
            about = ip(0x0D000000 + number, outside, 6, syn, number)[:28]
            packet = ip(outside, 0x0D000000 + number, 1, struct.pack("!BBHI", 3, 1, 0, 0) + about, number)
        yield frame(MAC_A, MAC_B, 0x800, bytes(packet))


def ip6(src: bytes, dst: bytes, proto: int, payload: bytes) -> bytes:
    """An IPv6 packet between two addresses."""
    return struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + src + dst + payload


def one_slot(count: int) -> Iterator[bytes]:
    """Flows with equal hashes, if a flow's hash is two chains of `mix` with these seeds.

    What one half of an address does to a chain, the other half undoes.
    """
    rng = random.Random(8)
    for _ in range(count):
        high = rng.getrandbits(60)
        other = mix(0x2F0B4C47, high) ^ 0x123456789
        ends = struct.pack("!QQ", high, 1), struct.pack("!QQ", other, 2)
        yield frame(MAC_A, MAC_B, 0x86DD, ip6(*ends, 17, udp(1, 2)))


def colliding_halves(rng: random.Random) -> tuple[int, int]:
    """An IPv6 address, as two halves whose tuple has the same hash in every Python (xxHash without a seed)."""
    prime_1, prime_2, prime_5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x27D4EB2F165667C5
    while True:
        high = rng.getrandbits(60)
        state = (prime_5 + high * prime_2) & WORD
        state = (state << 31 | state >> 33) * prime_1 & WORD
        low = (0x1234567 - state) * pow(prime_2, -1, 1 << 64) & WORD
        if 0 < low < (1 << 61) - 1:
            return high, low


def one_bucket(count: int) -> Iterator[bytes]:
    """Addresses that all fall into one bucket of a dictionary, if that is asked for pairs of numbers."""
    rng = random.Random(9)
    for number in range(count):
        ends = struct.pack("!QQ", *colliding_halves(rng)), struct.pack("!QQ", 1, number)
        yield frame(MAC_A, MAC_B, 0x86DD, ip6(*ends, 17, udp(1, 2)))


def one_bucket_inside(count: int) -> Iterator[bytes]:
    """The same in tunnels without Ethernet (IPv6 in IPv4)."""
    rng = random.Random(10)
    for number in range(count):
        ends = struct.pack("!QQ", *colliding_halves(rng)), struct.pack("!QQ", *colliding_halves(rng))
        outside = ip(0x0A000001, 0x0A000002 + number % 1000, 41, ip6(*ends, 17, udp(1, 2)), number)
        yield frame(MAC_A, MAC_B, 0x800, outside)


_ALL = (
    addresses,
    macs,
    arps,
    claims,
    repeated,
    repeated_elsewhere,
    repeated_macs,
    vlans,
    vnis,
    names,
    syns,
    handshakes,
    refused,
    half_translated,
    half_translated_names,
    one_slot,
    one_bucket,
    one_bucket_inside,
)
FLOODS: dict[str, Callable[[int], Iterator[bytes]]] = {flood.__name__: flood for flood in _ALL}


def write(path: Path, frames: Iterator[bytes]) -> None:
    """A pcap file, a frame every 10 µs."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, data in enumerate(frames):
            second, rest = divmod(number * 10, 1_000_000)
            file.write(struct.pack("<IIII", 1_700_000_000 + second, rest, len(data), len(data)) + data)


def main() -> None:
    """Make and analyse the floods that the arguments name, or all of them."""
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or FLOODS:
            path = Path(folder) / f"{name}.pcap"
            write(path, FLOODS[name](200_000))
            before, begin = os.times(), time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "capnet", "analyze", str(path)], check=True, stdout=subprocess.DEVNULL
            )
            seconds, after = time.monotonic() - begin, os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            print(f"{name:20} {seconds:6.2f} s, {cpu:6.2f} s of CPU", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()

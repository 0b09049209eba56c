"""A large capture of container traffic, made fast and always the same for the same arguments.

    python -m tests.bench.make_capture /tmp/bench.pcap --packets 2000000

TCP, UDP and ICMP flows between containers; a share of the packets is what a host's NIC sees of an overlay
network (VXLAN, several VNIs), the rest is plain. Headers are consistent: IPv4 lengths, header checksums and
identification, TCP handshake, sequence and acknowledgement numbers, timestamps option, UDP lengths, ICMP echo
pairs, increasing time. TCP and UDP checksums are left zero, as offload leaves them unfinished on virtual
links. Every payload begins with its packet's number, so no two packets are equal.

With `--points 3` every packet is written three times: as seen at A/veth (in A's container network), A/ens33
(on the wire: VXLAN, or masqueraded and one hop on) and B/veth (unwrapped, or passed on by a published port,
two hops on), each a few microseconds later; replies the other way round. `--format pcapng` puts the points
into one file as interfaces; `--format pcap` writes a file per point.

How it is fast: all packets are first decided as numpy columns (which flow, which direction, how much
payload), then records of one shape (protocol, payload length, wrapped or not) are stamped together, some
thousand at a time.
"""

from __future__ import annotations

import argparse
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

POINTS = ("A/veth", "A/ens33", "B/veth")
WIRE = 1  # index of the point between the hosts
DELAY_NS = (0, 4_000, 31_000)  # of each point after the first
FIRST_NS = 1_700_000_000_000_000_000
MEAN_GAP_NS = 5_000
RECORDS_AT_ONCE = 16_384

TCP, UDP, ICMP = 6, 17, 1
SYN, FIN, ACK, PSH = 2, 1, 16, 8
DONT_FRAGMENT = 0x4000
VNIS = np.array([4097, 4098, 4099, 5001], dtype=np.int64)
VXLAN_PORT = 4789
EPHEMERAL, EPHEMERAL_PORTS = 32_768, 28_232  # Linux's default ip_local_port_range
SERVICES = np.array([80, 5432, 6379, 8081, 9090, 9200, 11211, 27017])
WRAPPED_BYTES = 50  # Ethernet 14, IPv4 20, UDP 8, VXLAN 8
PAYLOADS = {  # bytes of payload → share of the packets; full-size ones fit MTU 1500 also when wrapped
    TCP: {0: 0.38, 200: 0.28, 1398: 0.34},
    UDP: {48: 0.5, 512: 0.35, 1200: 0.15},
    ICMP: {56: 1.0},
}
HEADER_BYTES = {TCP: 32, UDP: 8, ICMP: 8}
NATTED_PORT = 20_000  # published port of B = NATTED_PORT + the container's port


@dataclass
class Flows:
    """One row per flow; addresses are 32-bit, MACs 48-bit integers. Client is container of A, server of B."""

    proto: np.ndarray
    overlay: np.ndarray  # bool: travels in VXLAN
    client: np.ndarray
    server: np.ndarray
    sport: np.ndarray  # ICMP: the identifier
    dport: np.ndarray
    vni: np.ndarray
    entropy: np.ndarray  # (flows, 2): outer UDP source port per direction
    isn: np.ndarray  # (flows, 2): initial TCP sequence number per direction
    first_id: np.ndarray  # (flows, 2): first IPv4 identification per direction


@dataclass
class Packets:
    """One row per packet, in time order."""

    flow: np.ndarray
    back: np.ndarray  # 0 client to server, 1 server to client
    payload: np.ndarray
    flags: np.ndarray
    seq: np.ndarray
    ack: np.ndarray
    ip_id: np.ndarray
    turn: np.ndarray  # ICMP sequence number: pair of request and reply
    time: np.ndarray  # ns


def make_flows(random: np.random.Generator, count: int, weights: np.ndarray, vxlan_share: float) -> Flows:
    # Overlay flows are chosen at random until their weights reach the share.
    order = random.permutation(count)
    carried = np.cumsum(weights[order])
    overlay = np.zeros(count, dtype=bool)
    overlay[order[carried <= vxlan_share * carried[-1] + 1e-9]] = True
    proto = random.choice([TCP, UDP, ICMP], size=count, p=[0.78, 0.17, 0.05])
    numbers = np.arange(count)
    host = random.integers(2, 250, size=(2, count))
    network = np.where(overlay, (10 << 24) | (numbers % len(VNIS)) << 16 | 1 << 8, (172 << 24) | (17 << 16))
    return Flows(
        proto=proto,
        overlay=overlay,
        client=network | host[0],
        server=network + (1 << 10) | host[1],
        # every flow its own port, so that no two flows fall together
        sport=EPHEMERAL + numbers % EPHEMERAL_PORTS,
        dport=np.where(proto == TCP, SERVICES[numbers // EPHEMERAL_PORTS % len(SERVICES)], 9999),
        vni=VNIS[numbers % len(VNIS)],
        entropy=random.integers(32_768, 61_000, size=(count, 2)),
        isn=random.integers(0, 1 << 32, size=(count, 2)),
        first_id=random.integers(0, 1 << 16, size=(count, 2)),
    )


def make_packets(random: np.random.Generator, flows: Flows, count: int, weights: np.ndarray) -> Packets:
    # Each flow at least once, the others by weight; then by flow, in order, to number what happens within it.
    every = np.arange(len(weights))
    more = random.choice(len(weights), size=count - len(weights), p=weights / weights.sum())
    flow = random.permutation(np.concatenate([every, more]))
    order = np.argsort(flow, kind="stable")
    grouped = flow[order]
    begins = np.flatnonzero(np.diff(grouped, prepend=-1))
    sizes = np.diff(begins, append=count)
    turn = np.arange(count) - np.repeat(begins, sizes)
    proto = flows.proto[grouped]
    tcp, icmp = proto == TCP, proto == ICMP

    back = np.where(tcp & (turn > 2), random.integers(0, 2, size=count), turn & 1)
    payload = np.zeros(count, dtype=np.int64)
    for number, shares in PAYLOADS.items():
        here = np.flatnonzero(proto == number)
        payload[here] = random.choice(list(shares), size=len(here), p=list(shares.values()))
    payload[tcp & (turn < 3)] = 0
    last = tcp & (turn == np.repeat(sizes, sizes) - 1) & (turn > 2)
    flags = np.where(turn == 0, SYN, np.where(turn == 1, SYN | ACK, ACK))
    flags = flags | np.where(payload > 0, PSH, 0) | np.where(last, FIN, 0)

    # What each direction has sent before this packet: a running sum within the flow. SYN and FIN count one.
    takes = payload + ((flags & (SYN | FIN)) != 0)
    sent = np.zeros((2, count), dtype=np.int64)
    seen = np.zeros((2, count), dtype=np.int64)
    for side in (0, 1):
        of_side = back == side
        total = np.cumsum(np.where(of_side, takes, 0)) - np.where(of_side, takes, 0)
        sent[side] = total - np.repeat(total[begins], sizes)
        rank = np.cumsum(of_side) - of_side
        seen[side] = rank - np.repeat(rank[begins], sizes)
    rows = np.arange(count)
    seq = flows.isn[grouped, back] + sent[back, rows]
    ack = np.where(turn == 0, 0, flows.isn[grouped, 1 - back] + sent[1 - back, rows])
    ip_id = flows.first_id[grouped, back] + seen[back, rows]

    result = Packets(
        flow=flow,
        back=np.empty(count, dtype=np.int64),
        payload=np.empty(count, dtype=np.int64),
        flags=np.empty(count, dtype=np.int64),
        seq=np.empty(count, dtype=np.int64),
        ack=np.empty(count, dtype=np.int64),
        ip_id=np.empty(count, dtype=np.int64),
        turn=np.empty(count, dtype=np.int64),
        time=FIRST_NS + np.cumsum(1 + random.exponential(MEAN_GAP_NS, size=count).astype(np.int64)),
    )
    for column, values in (
        (result.back, back),
        (result.payload, payload),
        (result.flags, flags),
        (result.seq, seq & 0xFFFFFFFF),
        (result.ack, ack & 0xFFFFFFFF),
        (result.ip_id, ip_id & 0xFFFF),
        (result.turn, np.where(icmp, turn // 2, 0)),
    ):
        column[order] = values
    return result


def put(rows: np.ndarray, at: int, width: int, values: np.ndarray | int, order: str = ">") -> None:
    """Store `values` as unsigned integers of `width` bytes at column `at` of the byte matrix `rows`."""
    whole = np.broadcast_to(np.asarray(values, dtype=np.int64), len(rows)).astype(f"{order}u8")
    octets = whole.view(np.uint8).reshape(-1, 8)
    rows[:, at : at + width] = octets[:, 8 - width :] if order == ">" else octets[:, :width]


def checksum(rows: np.ndarray) -> np.ndarray:
    """The Internet checksum (RFC 1071) of each row; an even number of columns."""
    total = np.ascontiguousarray(rows).view(">u2").astype(np.int64).sum(axis=1)
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def ipv4(
    rows: np.ndarray,
    at: int,
    *,
    proto: int,
    length: int,
    ip_id: np.ndarray,
    flags: int,
    ttl: np.ndarray | int,
    src: np.ndarray,
    dst: np.ndarray,
) -> None:
    """A header of 20 bytes at column `at`, with its checksum."""
    rows[:, at] = 0x45
    put(rows, at + 2, 2, length)
    put(rows, at + 4, 2, ip_id)
    put(rows, at + 6, 2, flags)
    rows[:, at + 8] = ttl
    rows[:, at + 9] = proto
    put(rows, at + 12, 4, src)
    put(rows, at + 16, 4, dst)
    put(rows, at + 10, 2, checksum(rows[:, at : at + 20]))


def mac_of(address: np.ndarray) -> np.ndarray:
    return (0x0242 << 32) | address


def stamp(
    flows: Flows,
    packets: Packets,
    chosen: np.ndarray,
    point: np.ndarray,
    proto: int,
    payload: int,
    wrapped: bool,
    filler: np.ndarray,
) -> np.ndarray:
    """The frames of packets `chosen` (all of one shape) at `point`: a byte matrix, a frame per row."""
    flow, back = packets.flow[chosen], packets.back[chosen]
    length = 20 + HEADER_BYTES[proto] + payload
    start = WRAPPED_BYTES if wrapped else 0
    rows = np.zeros((len(chosen), start + 14 + length), dtype=np.uint8)
    end = rows.shape[1]
    rows[:, end - payload :] = filler[:payload]

    # Plain traffic is masqueraded by A (the client's address becomes A's) and published by B (B's address
    # and port become the container's). The overlay changes nothing.
    host_a, host_b = 0xC0A86F80, 0xC0A86F81
    plain = ~flows.overlay[flow]
    port = np.where(plain & (point < 2), NATTED_PORT, 0) + flows.dport[flow]
    client = np.where(plain & (point > 0), host_a, flows.client[flow])
    server = np.where(plain & (point < 2), host_b, flows.server[flow])
    hops = np.where(plain, np.where(back == 1, 2 - point, point), 0)
    src, dst = np.where(back == 1, server, client), np.where(back == 1, client, server)

    at = start
    put(rows, at, 6, mac_of(dst))
    put(rows, at + 6, 6, mac_of(src))
    put(rows, at + 12, 2, 0x0800)
    ipv4(
        rows,
        at + 14,
        proto=proto,
        length=length,
        ip_id=packets.ip_id[chosen],
        flags=DONT_FRAGMENT,
        ttl=64 - hops,
        src=src,
        dst=dst,
    )
    at += 34
    if proto == ICMP:
        rows[:, at] = np.where(back == 1, 0, 8)
        put(rows, at + 4, 2, flows.sport[flow])
        put(rows, at + 6, 2, packets.turn[chosen])
    else:
        put(rows, at, 2, np.where(back == 1, port, flows.sport[flow]))
        put(rows, at + 2, 2, np.where(back == 1, flows.sport[flow], port))
    if proto == UDP:
        put(rows, at + 4, 2, 8 + payload)
    if proto == TCP:
        put(rows, at + 4, 4, packets.seq[chosen])
        put(rows, at + 8, 4, packets.ack[chosen])
        rows[:, at + 12] = 0x80
        rows[:, at + 13] = packets.flags[chosen]
        put(rows, at + 14, 2, 502)
        put(rows, at + 20, 4, 0x0101080A)  # NOP NOP timestamps (RFC 7323)
        milliseconds = packets.time[chosen] // 1_000_000
        put(rows, at + 24, 4, milliseconds & 0xFFFFFFFF)
        put(rows, at + 28, 4, np.where(packets.flags[chosen] == SYN, 0, (milliseconds - 1) & 0xFFFFFFFF))
    if payload >= 8:
        put(rows, end - payload, 8, chosen)
    if proto == ICMP:
        put(rows, at + 2, 2, checksum(rows[:, at:]))
    if wrapped:
        near, far = np.where(back == 1, host_b, host_a), np.where(back == 1, host_a, host_b)
        put(rows, 0, 6, mac_of(far))
        put(rows, 6, 6, mac_of(near))
        put(rows, 12, 2, 0x0800)
        # Linux clears DF on VXLAN's outer header
        ipv4(rows, 14, proto=UDP, length=end - 14, ip_id=chosen & 0xFFFF, flags=0, ttl=64, src=near, dst=far)
        put(rows, 34, 2, flows.entropy[flow, back])
        put(rows, 36, 2, VXLAN_PORT)
        put(rows, 38, 2, end - 34)
        rows[:, 42] = 0x08
        put(rows, 46, 3, flows.vni[flow])
    return rows


class Pcap:
    """A pcap record around each frame (microseconds, or nanoseconds with the magic for them)."""

    before, after = 16, 0

    def __init__(self, nanoseconds: bool) -> None:
        self.nanoseconds = nanoseconds

    def head(self, points: int) -> bytes:
        return struct.pack("<IHHiIII", 0xA1B23C4D if self.nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)

    def size(self, frame: int) -> int:
        return 16 + frame

    def wrap(self, rows: np.ndarray, frame: int, moment: np.ndarray, point: np.ndarray) -> None:
        put(rows, 0, 4, moment // 1_000_000_000, "<")
        put(rows, 4, 4, moment % 1_000_000_000 // (1 if self.nanoseconds else 1000), "<")
        put(rows, 8, 4, frame, "<")
        put(rows, 12, 4, frame, "<")


class Pcapng:
    """An enhanced packet block around each frame, nanoseconds, an interface description per point."""

    before = 28

    def head(self, points: int) -> bytes:
        section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
        described = b""
        for name in POINTS[:points] if points > 1 else POINTS[WIRE : WIRE + 1]:
            text = name.encode()
            options = struct.pack("<HH", 2, len(text)) + text + bytes(-len(text) % 4)
            options += struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
            size = 20 + len(options)
            described += struct.pack("<IIHHI", 1, size, 1, 0, 262_144) + options + struct.pack("<I", size)
        return section + described

    def size(self, frame: int) -> int:
        return 28 + frame + -frame % 4 + 4

    def wrap(self, rows: np.ndarray, frame: int, moment: np.ndarray, point: np.ndarray) -> None:
        put(rows, 0, 4, 6, "<")
        put(rows, 4, 4, rows.shape[1], "<")
        put(rows, 8, 4, point, "<")
        put(rows, 12, 4, moment >> 32, "<")
        put(rows, 16, 4, moment & 0xFFFFFFFF, "<")
        put(rows, 20, 4, frame, "<")
        put(rows, 24, 4, frame, "<")
        put(rows, rows.shape[1] - 4, 4, rows.shape[1], "<")


def write(
    flows: Flows,
    packets: Packets,
    points: list[int],
    number_of: dict[int, int],
    form: Pcap | Pcapng,
    file: BinaryIO,
) -> None:
    """Write each packet once per point, in time order. `number_of` gives a point's interface number."""
    filler = np.random.default_rng(7).integers(0, 256, size=2048, dtype=np.uint8)
    count = len(packets.flow)
    moment = np.concatenate([packets.time + (DELAY_NS[point] if len(points) > 1 else 0) for point in points])
    packet_of = np.tile(np.arange(count), len(points))
    point_of = np.repeat(points, count)
    if len(points) > 1:
        # from B to A the points are passed in the other order
        moment += np.where(packets.back[packet_of] == 1, DELAY_NS[-1] - 2 * np.array(DELAY_NS)[point_of], 0)
        order = np.argsort(moment, kind="stable")
        moment, packet_of, point_of = moment[order], packet_of[order], point_of[order]
    file.write(form.head(len(points)))
    for begin in range(0, len(moment), RECORDS_AT_ONCE):
        here = slice(begin, begin + RECORDS_AT_ONCE)
        packet, point, at_time = packet_of[here], point_of[here], moment[here]
        proto, payload = flows.proto[packets.flow[packet]], packets.payload[packet]
        wrapped = flows.overlay[packets.flow[packet]] & (point == WIRE)
        shape = proto << 20 | payload << 1 | wrapped
        pieces: list[tuple[np.ndarray, np.ndarray]] = []
        size = np.empty(len(packet), dtype=np.int64)
        for code in np.unique(shape):
            rows_of = np.flatnonzero(shape == code)
            frames = stamp(
                flows,
                packets,
                packet[rows_of],
                point[rows_of],
                int(code >> 20),
                int(code >> 1 & 0x7FFFF),
                bool(code & 1),
                filler,
            )
            frame = frames.shape[1]
            records = np.zeros((len(rows_of), form.size(frame)), dtype=np.uint8)
            records[:, form.before : form.before + frame] = frames
            number = np.array([number_of.get(p, 0) for p in range(len(POINTS))])[point[rows_of]]
            form.wrap(records, frame, at_time[rows_of], number)
            pieces.append((rows_of, records))
            size[rows_of] = form.size(frame)
        at = np.cumsum(size) - size
        out = bytearray(int(size.sum()))
        for rows_of, records in pieces:
            width, flat = records.shape[1], memoryview(records).cast("B")
            for row, place in enumerate(at[rows_of].tolist()):
                out[place : place + width] = flat[row * width : (row + 1) * width]
        file.write(out)


def make(
    path: Path,
    packets: int,
    flows: int,
    vxlan_share: float,
    seed: int,
    kind: str,
    points: int,
    nanoseconds: bool = True,
) -> list[Path]:
    """Write the capture and return the files written (several for pcap with several points)."""
    random = np.random.default_rng(seed)
    flows = min(flows, packets)
    weights = random.lognormal(0.0, 1.0, size=flows)
    flow_table = make_flows(random, flows, weights, vxlan_share)
    packet_table = make_packets(random, flow_table, packets, weights)
    seen = list(range(points)) if points > 1 else [WIRE]
    if kind == "pcapng":
        with path.open("wb") as file:
            write(flow_table, packet_table, seen, {p: i for i, p in enumerate(seen)}, Pcapng(), file)
        return [path]
    if points == 1:
        with path.open("wb") as file:
            write(flow_table, packet_table, seen, {}, Pcap(nanoseconds), file)
        return [path]
    paths = []
    for point in seen:
        packet_at = Packets(**vars(packet_table))
        late = np.where(packet_at.back == 1, DELAY_NS[-1] - DELAY_NS[point], DELAY_NS[point])
        order = np.argsort(packet_at.time + late, kind="stable")
        one = Packets(**{name: column[order] for name, column in vars(packet_at).items()})
        one.time = one.time + late[order]
        paths.append(path.with_name(f"{path.stem}.{POINTS[point].replace('/', '-')}{path.suffix}"))
        with paths[-1].open("wb") as file:
            write(flow_table, one, [point], {}, Pcap(nanoseconds), file)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a large capture, the same for the same arguments.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--flows", type=int, default=50_000)
    parser.add_argument("--vxlan-share", type=float, default=0.4, help="share of packets in an overlay")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=["pcap", "pcapng"], default="pcap", dest="kind")
    parser.add_argument("--points", type=int, choices=[1, 2, 3], default=1)
    parser.add_argument("--microseconds", action="store_true", help="pcap with µs instead of ns")
    given = parser.parse_args()
    began = time.perf_counter()
    paths = make(
        given.path,
        given.packets,
        given.flows,
        given.vxlan_share,
        given.seed,
        given.kind,
        given.points,
        nanoseconds=not given.microseconds,
    )
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    print(f"{given.packets:,} packets in {time.perf_counter() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

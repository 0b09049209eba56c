"""A large capture of container traffic, made fast and always the same for the same arguments.

    python -m tests.bench.make_capture /tmp/bench.pcap --packets 2000000

TCP, UDP and ICMP flows between containers (`traffic`). A share of the packets is what a host's interface sees of an
overlay network (VXLAN, several VNIs), the rest is plain.

With `--points 3` every packet is written three times: as seen at A/veth (in A's container network), A/ens33 (on the
wire: in VXLAN, or masqueraded and one hop on) and B/veth (decapsulated, or passed on by a published port, two hops on),
each a few microseconds later; replies the other way round. `--format pcapng` puts the points into one file as
interfaces; `--format pcap` writes a file per point.

How it is fast: all packets are first decided as numpy columns. Then the records of one shape (protocol, payload length,
in VXLAN or not) are written together, some thousand at a time (`frames`).
"""

from __future__ import annotations

import argparse
import struct
import sys
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from tests.bench.frames import Shape, make_frames, put
from tests.bench.traffic import Flows, Packets, make_flows, make_packets

POINTS = ("A/veth", "A/ens33", "B/veth")
WIRE = 1  # index of the point between the hosts
DELAYS_NS = np.array([0, 4_000, 31_000])  # of each point after the first
RECORDS_AT_ONCE = 16_384


class Pcap:
    """A pcap record around each frame (microseconds, or nanoseconds with the magic for them)."""

    before = 16  # octets of a record before its frame

    def __init__(self, nanoseconds: bool) -> None:
        self.nanoseconds = nanoseconds

    def head(self, points: int) -> bytes:
        """The file header."""
        return struct.pack("<IHHiIII", 0xA1B23C4D if self.nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)

    def size(self, frame: int) -> int:
        """Octets of a record with a frame of so many octets."""
        return 16 + frame

    def wrap(self, rows: np.ndarray, frame: int, time_ns: np.ndarray, point: np.ndarray) -> None:
        """Write the record headers around frames that are in `rows` already."""
        put(rows, 0, 4, time_ns // 1_000_000_000, "<")
        put(rows, 4, 4, time_ns % 1_000_000_000 // (1 if self.nanoseconds else 1000), "<")
        put(rows, 8, 4, frame, "<")
        put(rows, 12, 4, frame, "<")


class Pcapng:
    """An enhanced packet block around each frame, nanoseconds, an interface description per point."""

    before = 28  # octets of a block before its frame

    def head(self, points: int) -> bytes:
        """The section header and the interface descriptions."""
        section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
        interfaces = b""
        for name in POINTS[:points] if points > 1 else POINTS[WIRE : WIRE + 1]:
            text = name.encode()
            options = struct.pack("<HH", 2, len(text)) + text + bytes(-len(text) % 4)
            options += struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
            size = 20 + len(options)
            interfaces += struct.pack("<IIHHI", 1, size, 1, 0, 262_144) + options + struct.pack("<I", size)
        return section + interfaces

    def size(self, frame: int) -> int:
        """Octets of a block with a frame of so many octets."""
        return 28 + frame + -frame % 4 + 4

    def wrap(self, rows: np.ndarray, frame: int, time_ns: np.ndarray, point: np.ndarray) -> None:
        """Write the block headers around frames that are in `rows` already."""
        put(rows, 0, 4, 6, "<")
        put(rows, 4, 4, rows.shape[1], "<")
        put(rows, 8, 4, point, "<")
        put(rows, 12, 4, time_ns >> 32, "<")
        put(rows, 16, 4, time_ns & 0xFFFFFFFF, "<")
        put(rows, 20, 4, frame, "<")
        put(rows, 24, 4, frame, "<")
        put(rows, rows.shape[1] - 4, 4, rows.shape[1], "<")


class Sightings(NamedTuple):
    """Each packet at each point, in order of time."""

    packet: np.ndarray
    point: np.ndarray
    time_ns: np.ndarray


def write(flows: Flows, packets: Packets, points: list[int], form: Pcap | Pcapng, file: BinaryIO) -> None:
    """Write each packet once per point, in order of time. In a pcapng the points are interfaces, numbered in order."""
    filler = np.random.default_rng(7).integers(0, 256, size=2048, dtype=np.uint8)
    sightings = _sightings(packets, points)
    interfaces = np.zeros(len(POINTS), dtype=np.int64)
    interfaces[points] = np.arange(len(points))
    file.write(form.head(len(points)))
    for start in range(0, len(sightings.packet), RECORDS_AT_ONCE):
        chunk = Sightings(*(column[start : start + RECORDS_AT_ONCE] for column in sightings))
        file.write(_records(flows, packets, chunk, interfaces, form, filler))


def _sightings(packets: Packets, points: list[int]) -> Sightings:
    count = len(packets.flow)
    time_ns = np.concatenate([packets.time + (DELAYS_NS[point] if len(points) > 1 else 0) for point in points])
    packet, point = np.tile(np.arange(count), len(points)), np.repeat(points, count)
    if len(points) > 1:
        # From B to A the points are passed in the other order.
        time_ns += np.where(packets.back[packet] == 1, DELAYS_NS[-1] - 2 * DELAYS_NS[point], 0)
        order = np.argsort(time_ns, kind="stable")
        packet, point, time_ns = packet[order], point[order], time_ns[order]
    return Sightings(packet, point, time_ns)


def _records(
    flows: Flows,
    packets: Packets,
    sightings: Sightings,
    interfaces: np.ndarray,
    form: Pcap | Pcapng,
    filler: np.ndarray,
) -> bytearray:
    """The records of some sightings, in their order."""
    packet, point, time_ns = sightings
    flow = packets.flow[packet]
    in_vxlan = flows.overlay[flow] & (point == WIRE)
    codes = flows.proto[flow] << 20 | packets.payload[packet] << 1 | in_vxlan
    records_by_shape: list[tuple[np.ndarray, np.ndarray]] = []
    sizes = np.empty(len(packet), dtype=np.int64)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        shape = Shape(int(code >> 20), int(code >> 1 & 0x7FFFF), bool(code & 1))
        frames = make_frames(flows, packets, packet[rows], point[rows], shape, filler)
        frame_size = frames.shape[1]
        records = np.zeros((len(rows), form.size(frame_size)), dtype=np.uint8)
        records[:, form.before : form.before + frame_size] = frames
        form.wrap(records, frame_size, time_ns[rows], interfaces[point[rows]])
        records_by_shape.append((rows, records))
        sizes[rows] = form.size(frame_size)
    offsets = np.cumsum(sizes) - sizes
    out = bytearray(int(sizes.sum()))
    for rows, records in records_by_shape:
        width, octets = records.shape[1], memoryview(records).cast("B")
        for number, offset in enumerate(offsets[rows].tolist()):
            out[offset : offset + width] = octets[number * width : (number + 1) * width]
    return out


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
    listening = list(range(points)) if points > 1 else [WIRE]
    if kind == "pcapng" or points == 1:
        with path.open("wb") as file:
            write(flow_table, packet_table, listening, Pcapng() if kind == "pcapng" else Pcap(nanoseconds), file)
        return [path]
    paths = []
    for point in listening:
        paths.append(path.with_name(f"{path.stem}.{POINTS[point].replace('/', '-')}{path.suffix}"))
        with paths[-1].open("wb") as file:
            write(flow_table, _as_seen_at(packet_table, point), [point], Pcap(nanoseconds), file)
    return paths


def _as_seen_at(packets: Packets, point: int) -> Packets:
    """The packets in order of the times at which they pass a point."""
    delays_ns = np.where(packets.back == 1, DELAYS_NS[-1] - DELAYS_NS[point], DELAYS_NS[point])
    times_ns = packets.time + delays_ns
    order = np.argsort(times_ns, kind="stable")
    columns = {name: column[order] for name, column in vars(packets).items()}
    return Packets(**{**columns, "time": times_ns[order]})


def main() -> None:
    """Make the capture that the arguments ask for."""
    parser = argparse.ArgumentParser(description="Make a large capture, the same for the same arguments.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--flows", type=int, default=50_000)
    parser.add_argument("--vxlan-share", type=float, default=0.4, help="share of packets in an overlay")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=["pcap", "pcapng"], default="pcap", dest="kind")
    parser.add_argument("--points", type=int, choices=[1, 2, 3], default=1)
    parser.add_argument("--microseconds", action="store_true", help="pcap with µs instead of ns")
    options = parser.parse_args()
    begin = time.perf_counter()
    paths = make(
        options.path,
        options.packets,
        options.flows,
        options.vxlan_share,
        options.seed,
        options.kind,
        options.points,
        nanoseconds=not options.microseconds,
    )
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    print(f"{options.packets:,} packets in {time.perf_counter() - begin:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

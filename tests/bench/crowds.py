"""Stored captures, each many times over: what takes the square of the number of connections or hosts is seen here.

    python -m tests.bench.crowds [--networks] [--copies 400] [--times 4] [CAPTURE ...]    # default: goldens and faults

A copy has ephemeral ports, TCP sequence numbers and IP identifications of its own, and begins a little later; or, with
`--networks`, MACs and IPv4 addresses of its own, 255 copies at most. Prints seconds for `--copies` and for `--times` as
many, and by how much a copy takes longer among more: 1 at most is right. Copies are invented, so what is found in them
proves nothing.
"""

from __future__ import annotations

import argparse
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import capnet

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6  # pcapng block types
FRAME = 28  # where the frame begins in an enhanced packet block
LINK_HEADERS = {1: None, 101: 0, 113: 16, 276: 20}  # link type → octets before IP; Ethernet says it itself
EPHEMERAL, LOWEST, PORTS = 30_000, 20_000, 45_000  # ports from EPHEMERAL on become PORTS others from LOWEST on
TUNNEL_PORTS = (4789, 8472)
NETWORKS = 255  # third octets of an address
SPREAD = 20  # all copies begin in this part of the capture's time


class _Edit(NamedTuple):
    """A field that copies have other values of: where it is, and where the checksums over it are."""

    kind: str  # port, ident or number; of networks, address or mac
    at: int
    checksums: tuple[int, ...]


def multiply(source: Path, target: Path, copies: int, as_networks: bool = False) -> tuple[int, int]:
    """Write `source` with every connection, or network, so many times; the number of frames and of copies.

    There are fewer copies if ports or networks run out. Topology and witnesses of connections are copied beside it.
    """
    head, frames = _blocks(source.read_bytes())
    kinds = ("address", "mac") if as_networks else ("port", "ident", "number")
    packets = [
        (_time(block), block, [edit for edit in _edits(block, link) if edit.kind in kinds]) for block, link in frames
    ]
    ephemeral: dict[int, int] = {}
    for _, block, edits in packets:
        for edit in edits:
            if edit.kind == "port" and (port := struct.unpack_from("!H", block, edit.at)[0]) >= EPHEMERAL:
                ephemeral.setdefault(port, len(ephemeral))
    copies = min(copies, NETWORKS if as_networks else PORTS // max(len(ephemeral), 1))
    times = [moment for moment, *_ in packets]
    step = max((max(times) - min(times)) // (SPREAD * copies), 1)
    made = []
    for number in range(copies):
        ports = {port: LOWEST + index * copies + number for port, index in ephemeral.items()}
        for index, (moment, block, edits) in enumerate(packets):
            made.append((moment + number * step, number, index, _copy(block, edits, ports, number)))
    made.sort()
    with target.open("wb") as out:
        out.write(head)
        for moment, _, _, copy in made:
            struct.pack_into("<II", copy, 12, moment >> 32, moment & 0xFFFFFFFF)
            out.write(copy)
    for kind in () if as_networks else ("topology", "witnesses"):
        if (beside := source.with_suffix(f".{kind}.json")).is_file():
            shutil.copy(beside, target.with_suffix(f".{kind}.json"))
    return len(made), copies


def _blocks(content: bytes) -> tuple[bytes, list[tuple[bytes, int]]]:
    """The blocks before the packets, and each packet's block with its link type."""
    head, frames, links, at = b"", [], [], 0
    while at < len(content):
        kind, length = struct.unpack_from("<II", content, at)
        block = content[at : at + length]
        if kind == PACKET:
            frames.append((block, links[struct.unpack_from("<I", block, 8)[0]]))
        elif kind in (SECTION, INTERFACE):
            head += block
            links += [struct.unpack_from("<H", block, 8)[0]] if kind == INTERFACE else []
        at += length
    return head, frames


def _time(block: bytes) -> int:
    high, low = struct.unpack_from("<II", block, 12)
    return int(high << 32 | low)


def _edits(block: bytes, link: int) -> Iterator[_Edit]:
    stop = FRAME + struct.unpack_from("<I", block, 20)[0]
    before_ip = LINK_HEADERS.get(link)
    yield from _of_ethernet(block, FRAME, stop) if before_ip is None else _of_ip(block, FRAME + before_ip, stop)


def _of_ethernet(block: bytes, at: int, stop: int) -> Iterator[_Edit]:
    if at + 14 > stop:
        return
    yield from (_Edit("mac", at, ()), _Edit("mac", at + 6, ()))
    at += 12
    while at + 6 <= stop and struct.unpack_from("!H", block, at)[0] in (0x8100, 0x88A8):
        at += 4
    kind = struct.unpack_from("!H", block, at)[0]
    if kind in (0x0800, 0x86DD):
        yield from _of_ip(block, at + 2, stop)
    elif kind == 0x0806 and at + 30 <= stop:
        yield from (_Edit("mac", at + 10, ()), _Edit("address", at + 16, ()))
        yield from (_Edit("mac", at + 20, ()), _Edit("address", at + 26, ()))


def _of_ip(block: bytes, at: int, stop: int) -> Iterator[_Edit]:
    if at + 20 <= stop and block[at] >> 4 == 4:
        yield _Edit("ident", at + 4, (at + 10,))
        inside = at + 4 * (block[at] & 15)
        transport: list[_Edit] = []
        if struct.unpack_from("!H", block, at + 6)[0] & 0x1FFF == 0:
            transport = list(_of_transport(block, inside, stop, block[at + 9]))
        over_addresses = next((edit.checksums for edit in transport if edit.at == inside), ())  # by the pseudo header
        yield from (_Edit("address", at + offset, (at + 10, *over_addresses)) for offset in (12, 16))
        yield from transport
    elif at + 40 <= stop and block[at] >> 4 == 6:
        yield from _of_transport(block, at + 40, stop, block[at + 6])


def _of_transport(block: bytes, at: int, stop: int, protocol: int) -> Iterator[_Edit]:
    if protocol == 6 and at + 20 <= stop:
        over = (at + 16,)
        yield from (_Edit("port", at, over), _Edit("port", at + 2, over), _Edit("number", at + 4, over))
        if block[at + 13] & 0x10:
            yield _Edit("number", at + 8, over)
    elif protocol == 17 and at + 8 <= stop:
        if struct.unpack_from("!H", block, at + 2)[0] in TUNNEL_PORTS:
            yield from _of_ethernet(block, at + 16, stop)
        else:
            yield from (_Edit("port", at, (at + 6,)), _Edit("port", at + 2, (at + 6,)))
    elif protocol == 1 and at + 8 <= stop:
        if block[at] in (0, 8):
            yield _Edit("ident", at + 4, (at + 2,))
        elif block[at] in (3, 11):
            yield from _of_ip(block, at + 8, stop)


def _copy(block: bytes, edits: list[_Edit], ports: dict[int, int], number: int) -> bytearray:
    copy = bytearray(block)
    for kind, at, checksums in edits:
        value = struct.unpack_from("!H", copy, at)[0]
        if kind == "port":
            _put(copy, at, ports.get(value, value), checksums)
        elif kind == "ident":
            _put(copy, at, value + number * 131 & 0xFFFF, checksums)
        elif kind == "number":
            whole = (struct.unpack_from("!I", copy, at)[0] + number * 7_000_003) & 0xFFFFFFFF
            _put(copy, at, whole >> 16, checksums)
            _put(copy, at + 2, whole & 0xFFFF, checksums)
        elif kind == "mac" and not copy[at] & 1 and any(copy[at : at + 6]):
            copy[at + 4] = copy[at + 4] + number & 255
        elif kind == "address" and 0 < copy[at] < 224 and copy[at] != 127:
            _put(copy, at + 2, (copy[at + 2] + number & 255) << 8 | copy[at + 3], checksums)
    return copy


def _put(copy: bytearray, at: int, value: int, checksums: tuple[int, ...]) -> None:
    """Write a 16-bit field, and correct the checksums over it (RFC 1624), but for one that is left out."""
    old = struct.unpack_from("!H", copy, at)[0]
    struct.pack_into("!H", copy, at, value)
    for checksum in checksums:
        stored = struct.unpack_from("!H", copy, checksum)[0]
        if stored and old != value:
            total = (~stored & 0xFFFF) + (~old & 0xFFFF) + value
            total = (total & 0xFFFF) + (total >> 16)
            struct.pack_into("!H", copy, checksum, ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)


def seconds(capture: Path) -> float:
    """How long the analysis takes in this process, by one thread."""
    start = time.perf_counter()
    capnet.analyze(capture, threads=1, compiled=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure each capture with `--copies` and with `--times` as many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", type=Path)
    parser.add_argument("--networks", action="store_true")
    parser.add_argument("--copies", type=int, help="default: 400, of networks 60")
    parser.add_argument("--times", type=int, default=4)
    options = parser.parse_args()
    first = options.copies or (60 if options.networks else 400)
    line = "{:>32} {:>8} {:>10} {:>9} {:>9} {:>12} {:>7}"
    print(line.format("capture", "copies", "frames", "seconds", "× seconds", "µs a frame", "growth"))
    with tempfile.TemporaryDirectory() as folder:
        capnet.analyze(PCAPS / "bridge.pcapng", compiled=True)  # loads the modules and the kernels
        stored = [*PCAPS.glob("*.pcapng"), *(PCAPS / "faults").glob("*.pcapng")]
        for capture in options.captures or sorted(path for path in stored if ".healthy" not in path.name):
            measured = []
            for copies in (first, first * options.times):
                path = Path(folder) / capture.name
                frames, made = multiply(capture, path, copies, options.networks)
                measured.append((made, frames, seconds(path)))
            (few, _, few_took), (many, many_frames, many_took) = measured
            growth = many_took / few_took / (many / few)
            print(
                line.format(
                    capture.stem, many, f"{many_frames:,}", f"{few_took:.2f}", f"{many_took:.2f}",
                    f"{many_took / many_frames * 1e6:.1f}", f"{growth:.2f}",
                )
            )  # fmt: skip


if __name__ == "__main__":
    main()

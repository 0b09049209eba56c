"""Correlation at three points: throughput, memory, and how both grow with the capture.

    python -m tests.bench.correlate [--packets 1000000] [--times 3] [--flow 50]

`packets` TCP segments pass a container's veth, the bridge, and, masqueraded, the host's interface; one pcapng holds
all three, made with known translations. Then the same with `times` as many. Whole processes, the file in the
page cache. A run counts only if every hop of every reported path is right. Nothing passes or fails by speed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import run
from tests.made.build import interface, section

POINTS = ("A/veth1", "A/docker0", "A/ens33")
HEAD, FRAME = 28, 68  # an enhanced packet block's head, and each frame: Ethernet, IPv4, TCP, 14 octets of payload
BLOCK = HEAD + FRAME + 4
CHUNK = 200_000


def make(path: Path, packets: int, per_flow: int) -> None:
    """Write `packets` segments, each at every point, `per_flow` to a flow, flows side by side."""
    flows = max(packets // per_flow, 1)
    with path.open("wb") as out:
        out.write(section() + b"".join(interface(name, resolution=9) for name in POINTS))
        for start in range(0, packets, CHUNK):
            number = np.arange(start, min(start + CHUNK, packets), dtype=np.int64)
            out.write(_blocks(number, flows).tobytes())


def _blocks(number: np.ndarray, flows: int) -> np.ndarray:
    """Blocks of the packets with these numbers, three each, one after the other."""
    n = len(number)
    flow, turn = number % flows, number // flows
    blocks = np.zeros((n, 3, BLOCK), dtype=np.uint8)

    def put(at: int, size: int, values: Any, order: str = "big") -> None:
        """An unsigned number of `size` octets at offset `at` of each block."""
        values = np.broadcast_to(np.asarray(values, dtype=np.int64), (n, 3))
        for octet in range(size):
            shift = 8 * (size - 1 - octet if order == "big" else octet)
            blocks[:, :, at + octet] = values >> shift & 255

    point = np.arange(3)[None, :]
    is_outside = point == 2
    time = 1_700_000_000_000_000_000 + number[:, None] * 3000 + point * 900
    for at, value in ((0, 6), (4, BLOCK), (8, point), (12, time >> 32), (16, time), (20, FRAME), (24, FRAME)):
        put(at, 4, value, "little")
    put(BLOCK - 4, 4, BLOCK, "little")
    put(HEAD, 6, np.where(is_outside, 0x0200000000AA, 0x0242AC110002))
    put(HEAD + 6, 6, np.where(is_outside, 0x0200000000BB, 0x024200000001))
    put(HEAD + 12, 2, 0x0800)
    ip = HEAD + 14
    put(ip, 2, 0x4500)
    put(ip + 2, 2, FRAME - 14)
    put(ip + 4, 2, turn[:, None] + flow[:, None] * 7)
    put(ip + 6, 2, 0x4000)
    put(ip + 8, 1, 64 - is_outside)
    put(ip + 9, 1, 6)
    # The flow's number is in the destination and the source port; outside, one host speaks for all containers.
    inner = 0xAC110002 + (flow % 200)[:, None]
    put(ip + 12, 4, np.where(is_outside, 0xC0A86F80, inner))
    put(ip + 16, 4, 0x0A000001 + (flow // 200 % 65_000)[:, None])
    put(ip + 20, 2, np.where(is_outside, 20_000 + (flow % 200)[:, None], 40_000 + (flow // 13_000_000)[:, None]))
    put(ip + 22, 2, 443)
    put(ip + 24, 4, (flow[:, None] * 2_654_435_761 + turn[:, None] * 14) & 0xFFFFFFFF)
    put(ip + 28, 4, flow[:, None] + 1)
    put(ip + 32, 2, np.where(turn == 0, 0x5002, 0x5018)[:, None])
    put(ip + 34, 2, 502)
    return blocks


def measure(path: Path) -> tuple[run.Measured, dict[str, Any]]:
    """What one whole run of `capnet analyze` took, and its report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = ["-m", "capnet", "analyze", str(path), "--format", "json", "-o", str(report)]
        return run.measure([sys.executable, *command]), json.loads(report.read_text())


def first_error(report: dict[str, Any], flows: int) -> str:
    """The first thing that is wrong in a report, empty if nothing is."""
    paths = report["paths"]
    if any([hop["point"] for hop in path["hops"]] != list(POINTS) for path in paths):
        return "a path misses a hop"
    if any(hop["lost"] for path in paths for hop in path["hops"][1:]):
        return "a loss that did not happen"
    for row in report["nat"]:
        port = 20_000 + (int(row["before"]["src"].rpartition(".")[2]) - 2)
        if row["kind"] != "snat" or row["after"]["src"] != "192.168.111.128" or row["after"]["sport"] != port:
            return "a wrong translation"
    if len(report["nat"]) != flows:
        return f"{len(report['nat'])} translations of {flows}"
    return ""


def main() -> None:
    """Make, measure and check the capture, then one that is `--times` as large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=1_000_000, help="at each of three points")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--flow", type=int, default=50, help="packets a flow")
    options = parser.parse_args()
    line = "{:>14} {:>9} {:>9} {:>13} {:>9} {:>7} {:>10} {:>9}  {}"
    print(line.format("3 × packets", "seconds", "CPU s", "packets/s", "peak MiB", "others", "compared", "nat rows", ""))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "three.pcapng"
        for round_, packets in enumerate((options.packets // 100, options.packets, options.packets * options.times)):
            make(path, packets, options.flow)
            took, report = measure(path)
            if round_ == 0:  # the compiler runs once per machine; this fills its cache
                continue
            one_in = report["correlation"]["one_in"]
            error = first_error(report, max(packets // options.flow, 1))
            print(
                line.format(
                    f"{packets:,}", f"{took.seconds:.2f}", f"{took.cpu:.2f}", f"{3 * packets / took.seconds:,.0f}",
                    f"{took.peak_mib:.0f}", f"{took.others:.1f}",
                    "all" if one_in == 1 else f"1 in {one_in}", f"{len(report['nat']):,}", error or "right",
                )
            )  # fmt: skip


if __name__ == "__main__":
    main()

"""python -m tests.bench.accuracy [--full] [--case NAME ...] [--keep FOLDER]: precision and recall of the rows of NAT.

Needs root, iproute2, iptables, conntrack and tcpdump; everything happens in namespaces of its own. The kernel makes the
connections, translates them, and `conntrack -E` says how: that is the truth. capnet sees two captures only, one from
each side of the host. Each case is analyzed as it is, with the outside clock 5 ms behind or ahead, and sampled.
Precision: rows that the kernel confirms, of those reported. Recall: translated connections that are reported.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from capnet.analysis.core.options import Options
from capnet.analysis.core.results import Nat, Side
from capnet.analysis.core.sources import Source
from capnet.analysis.engine import study
from tests.bench.accuracy import nat_lab
from tests.bench.accuracy.nat_lab import Connection

COUNTS = {  # connections of each case with --full; a tenth of them without
    "tcp": 20_000,
    "udp": 28_000,
    "icmp": 12_000,
    "published": 12_000,
    "port-clash": 10_000,
    "port-reuse": 8_000,
    "same-payload": 8_000,
    "same-payload-clash": 6_000,
    "bulk": 500,
    "lossy": 3_000,
}
SHARE = 10
SKEW_NS = 5_000_000
ONE_IN = 128  # packets; of a capture too large to compare all, besides the first one of each flow
PCAP_HEADER, RECORD_HEADER = 24, 16
IN_NAMESPACES = "CAPNET_ACCURACY_IN_NAMESPACES"


class Score(NamedTuple):
    """Rows of one analysis against the kernel's connections."""

    reported: int
    right: int
    translated: int

    def __str__(self) -> str:
        precision = self.right / self.reported if self.reported else 1.0
        return f"{100 * precision:.2f} / {100 * self.right / max(self.translated, 1):.2f}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--full", action="store_true", help="more than 100,000 connections; some minutes")
    options.add_argument("--case", action="append", choices=COUNTS, help="only this case; may be given again")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="keep captures and events there")
    chosen = options.parse_args()
    if IN_NAMESPACES not in os.environ:
        words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = [*words, sys.executable, "-m", "tests.bench.accuracy", *sys.argv[1:]]
        os.execvpe(words[0], command, {**os.environ, IN_NAMESPACES: "1"})
    nat_lab.set_up()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="capnet-accuracy-"))
    folder.mkdir(parents=True, exist_ok=True)
    python = [sys.executable, "-m", "tests.bench.accuracy.peers", "serve"]
    words = ["ip", "netns", "exec", "servers", *python]
    try:
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as servers:
            assert servers.stdin is not None and servers.stdout is not None
            assert servers.stdout.readline() == b"ready\n"
            compare(chosen.case or list(COUNTS), chosen.full, folder)
            servers.stdin.close()
            servers.terminate()
    finally:
        if not chosen.keep:
            shutil.rmtree(folder)


def compare(cases: list[str], full: bool, folder: Path) -> None:
    """Play the cases, and print the table."""
    print("| case | connections | translated | packets | as captured | −5 ms | +5 ms | 1 in 128 |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    totals: list[list[Score]] = []
    connections = 0
    for case in cases:
        played = nat_lab.run(case, COUNTS[case] if full else COUNTS[case] // SHARE, folder)
        connections += len(played.connections)
        translated = {one for one in played.connections if one.before != one.after}
        packets = sum(1 for _ in records(played.inside.read_bytes()))
        packets += sum(1 for _ in records(played.outside.read_bytes()))
        scores = []
        for rows in variants(played):
            scores.append(Score(len(rows), len(rows & translated), len(translated)))
            for wrong in sorted(rows - translated, key=str)[:3]:
                print(f"wrong in {case}: {wrong}", file=sys.stderr)
        totals.append(scores)
        texts = " | ".join(map(str, scores))
        print(f"| {case} | {len(played.connections):,} | {len(translated):,} | {packets:,} | {texts} |", flush=True)
        if folder.name.startswith("capnet-accuracy-"):
            played.inside.unlink()
            played.outside.unlink()
    sums = [Score(*map(sum, zip(*column, strict=True))) for column in zip(*totals, strict=True)]
    print(f"| all | {connections:,} | {sums[0].translated:,} | | {' | '.join(map(str, sums))} |")


def variants(played: nat_lab.Run) -> Iterator[set[Connection]]:
    """The rows of the captures as they are, with the outside clock behind and ahead, and sampled."""
    one_host = [Source(played.inside, "nat/in0"), Source(played.outside, "nat/out0")]
    yield rows_of(one_host)
    data = played.outside.read_bytes()
    for skew_ns in (-SKEW_NS, SKEW_NS):
        skewed = played.outside.with_suffix(".skewed.pcap")
        skewed.write_bytes(with_clock(data, skew_ns))
        yield rows_of([Source(played.inside, "client/eth0"), Source(skewed, "server/eth0")])
        skewed.unlink()
    yield rows_of(one_host, Options(excluded=ONE_IN - 1))


def rows_of(sources: list[Source], options: Options | None = None) -> set[Connection]:
    """The rows of NAT that capnet reports."""

    def form(side: Side) -> tuple[object, ...]:
        return side.src, side.sport, side.dst, side.dport, side.id

    rows: list[Nat] = study(sources, options=options).report.nat
    return {Connection(row.proto, form(row.before), form(row.after)) for row in rows}


def records(data: bytes) -> Iterator[int]:
    """Where each record of a pcap begins."""
    at = PCAP_HEADER
    while at + RECORD_HEADER <= len(data):
        yield at
        at += RECORD_HEADER + struct.unpack_from("<I", data, at + 8)[0]


def with_clock(data: bytes, skew_ns: int) -> bytes:
    """A pcap of microseconds with all times moved."""
    moved = bytearray(data)
    for at in records(data):
        seconds, micros = struct.unpack_from("<II", data, at)
        struct.pack_into("<II", moved, at, *divmod(seconds * 1_000_000 + micros + skew_ns // 1000, 1_000_000))
    return bytes(moved)


if __name__ == "__main__":
    begin = time.monotonic()
    main()
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)

"""The tables of a pass do not depend on the number of threads, nor on the pieces in which bytes arrive."""

from __future__ import annotations

import gzip
import io
import json
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.analysis.aggregate.parallel import ParallelReader
from capnet.analysis.engine import Source, analyze
from capnet.wire.capture import open_capture
from tests.conftest import GOLDENS, MADE, PROJECT

pytestmark = pytest.mark.kernels

TABLES = ("flows", "stations", "arps", "tunnels", "observations")


def read(paths: list[Path | io.BytesIO], threads: int, budget: int = 1 << 19) -> dict[str, Any]:
    aggregator, base = None, 0
    problems = []
    for path in paths:
        with open_capture(path, compiled=True) as capture:
            aggregator = aggregator or Aggregator(capture.machine, budget)
            ParallelReader(capture, aggregator, base, len(paths) - 1, threads).read()
            base += len(capture.interfaces)
            problems += capture.problems
    assert aggregator
    return {
        "problems": problems,
        "undecoded": aggregator.undecoded,
        "share": aggregator.sample_share,
        **{name: getattr(aggregator, name).copy() for name in TABLES},
    }


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, other[name], err_msg=name)
        else:
            assert value == other[name], name


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Captures of some dozen batches: one pcap per point, and all points in one pcapng."""
    folder = tmp_path_factory.mktemp("bench")
    make = [sys.executable, "-m", "tests.bench.make_capture", "--packets", "20000", "--flows", "900", "--points", "3"]
    subprocess.run([*make, "--format", "pcap", str(folder / "a.pcap")], cwd=PROJECT, check=True, capture_output=True)
    subprocess.run(
        [*make, "--format", "pcapng", str(folder / "b.pcapng")], cwd=PROJECT, check=True, capture_output=True
    )
    return {"pcap": sorted(folder.glob("*.pcap")), "pcapng": [folder / "b.pcapng"]}


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@pytest.mark.parametrize("budget", [1 << 19, 5000])
def test_tables_with_more_threads_are_the_same(bench: dict[str, list[Path]], form: str, budget: int) -> None:
    alone = read([*bench[form]], 1, budget)
    assert len(alone["flows"]) > 1000
    assert len(alone["tunnels"]) > 4
    assert (alone["share"] < 1) == (budget == 5000)
    for threads in (2, 3):
        assert_same(alone, read([*bench[form]], threads, budget))


@pytest.mark.parametrize("path", [*GOLDENS, *MADE], ids=lambda path: path.name)
def test_small_captures_with_two_threads_are_the_same(path: Path) -> None:
    data = path.read_bytes()
    if not (data[:4] == b"\n\r\r\n" or len(data) >= 24):
        pytest.skip("no capture")
    try:
        alone = read([path], 1)
    except Exception as error:
        with pytest.raises(type(error)):
            read([path], 2)
        return
    assert_same(alone, read([path], 2))


class InPieces(io.BytesIO):
    """A pipe that gives a few bytes at a time, never the same number."""

    turn = 0

    def readinto(self, into: Any) -> int:
        self.turn += 1
        part = memoryview(into)[: 1 + self.turn * 7919 % 30_000]
        return super().readinto(part)


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_stream_in_pieces_gives_the_same_tables(bench: dict[str, list[Path]], form: str) -> None:
    path = bench[form][0]
    assert_same(read([path], 1, 2000), read([InPieces(path.read_bytes())], 2, 2000))


def udp(number: int, unfilled: bool) -> bytes:
    """A datagram whose checksum its sender left to the card, or none."""
    pseudo = 0xAC11 + 0x0002 + 0xAC11 + 0x0003 + 17 + 9
    header = struct.pack("!HHHH", 1024 + number % 50, 80, 9, pseudo % 0xFFFF if unfilled else 0)
    addresses = bytes([172, 17, 0, 2, 172, 17, 0, 3])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 29, number & 0xFFFF, 0, 64, 17, 0) + addresses
    return bytes.fromhex("0242ac1100030242ac1100020800") + ip + header + b"x"


def test_report_of_file_pipe_and_gzip_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what only some packets are looked at for: checksums, unfilled in some frames beyond the first 20,000."""
    monkeypatch.chdir(tmp_path)
    marked = {20_001, 65_537, 65_700, 66_000}
    frames = [udp(number, number in marked) for number in range(1, 66_101)]
    data = b"".join(
        [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
        + [struct.pack("<IIII", 1, i, len(each), len(each)) + each for i, each in enumerate(frames)]
    )
    Path("it.pcap").write_bytes(data)
    Path("it.gz").write_bytes(gzip.compress(data, 1))

    def reported(path: Path | None, threads: int) -> dict[str, Any]:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=InPieces(data)))
        report = analyze(Source(path, "here"), compiled=True, threads=threads).to_dict()
        text = json.dumps({key: value for key, value in report.items() if key != "inputs"})
        found: dict[str, Any] = json.loads(text.replace(f'"file": "{path or "-"}"', '"file": "it"'))
        return found

    whole = reported(Path("it.pcap"), 1)
    (finding,) = [each for each in whole["findings"] if each["name"] == "checksum-offload"]
    assert [each["frame"] for each in finding["evidence"]] == [65_537, 65_700]
    for path in (Path("it.pcap"), Path("it.gz"), None):
        for threads in (1, 2):
            assert reported(path, threads) == whole


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_error_in_one_thread_ends_all(bench: dict[str, list[Path]], threads: int) -> None:
    told = 0

    def tell() -> None:
        nonlocal told
        told += 1
        if told == 3:
            raise OSError("nobody listens any more")

    stream = InPieces(bench["pcap"][0].read_bytes())
    with open_capture(stream, compiled=True) as capture:
        reading = ParallelReader(capture, Aggregator(capture.machine), 0, 0, threads, tell)
        with pytest.raises(OSError, match="nobody listens"):
            reading.read()
    assert told == 3

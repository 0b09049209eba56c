"""However many hands read a capture, and in whatever pieces, the result is the same, row by row and table by table."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capnet.analyze.hands import Hands
from capnet.analyze.ledger import Ledger
from capnet.wire.capture import open_capture
from tests.conftest import GOLDENS, MADE, PROJECT

TABLES = ("flows", "stations", "arps", "tunnels", "observations")


def read(paths: list[Path | io.BytesIO], hands: int, budget: int = 1 << 19) -> dict[str, Any]:
    ledger, base = None, 0
    problems = []
    for path in paths:
        with open_capture(path, compiled=True) as capture:
            ledger = ledger or Ledger(capture.machine, budget)
            Hands(capture, ledger, base, len(paths) - 1, hands).work()
            base += len(capture.interfaces)
            problems += capture.problems
    assert ledger
    return {
        "problems": problems,
        "undecoded": ledger.undecoded,
        "share": ledger.sample_share,
        **{name: getattr(ledger, name).copy() for name in TABLES},
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
def test_hands_agree(bench: dict[str, list[Path]], form: str, budget: int) -> None:
    alone = read([*bench[form]], 1, budget)
    assert len(alone["flows"]) > 1000
    assert len(alone["tunnels"]) > 4
    assert (alone["share"] < 1) == (budget == 5000)
    for hands in (2, 3):
        assert_same(alone, read([*bench[form]], hands, budget))


@pytest.mark.parametrize("path", [*GOLDENS, *MADE], ids=lambda path: path.name)
def test_hands_agree_on_small_captures(path: Path) -> None:
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
def test_pieces_do_not_matter(bench: dict[str, list[Path]], form: str) -> None:
    path = bench[form][0]
    assert_same(read([path], 1, 2000), read([InPieces(path.read_bytes())], 2, 2000))

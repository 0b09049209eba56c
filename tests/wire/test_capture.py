"""Opening a capture: the reader of its format, and one look at each file."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from capnet import analyze
from capnet.jit.switches import is_set
from capnet.wire.capture import Capture, open_capture
from capnet.wire.formats.pcap import PcapReader
from capnet.wire.formats.pcapng_reader import PcapngReader
from tests.made.build import interface, moment, packet, pcap, section
from tests.made.make_files import FRAMES

PCAPNG = section() + interface("a") + packet(bytes(FRAMES[0]), moment(1))


@pytest.mark.parametrize(
    ("data", "reader", "name", "big"),
    [
        (pcap(FRAMES[:1], order="<"), PcapReader, "pcap", False),
        (pcap(FRAMES[:1], order=">"), PcapReader, "pcap", True),
        (PCAPNG, PcapngReader, "pcapng", False),
    ],
    ids=["pcap", "pcap big-endian", "pcapng"],
)
def test_open_capture_returns_reader_of_format(data: bytes, reader: type[Capture], name: str, big: bool) -> None:
    """The first bytes decide, whatever the file is called."""
    with open_capture(io.BytesIO(data), name="a.pcap", compiled=False) as capture:
        assert type(capture) is reader
        assert (capture.format, capture.big, capture.file) == (name, big, "a.pcap")
        (record,) = capture.records()
    assert (record.number, record.interface, bytes(record.data)) == (1, 0, bytes(FRAMES[0]))
    assert (capture.packets, capture.size, capture.taken, capture.problems) == (1, len(data), len(data), [])


def test_open_capture_size_given_is_not_asked(tmp_path: Path) -> None:
    """The caller's size is used, for the choice of the machine too."""
    path = tmp_path / "it.pcapng"
    path.write_bytes(PCAPNG)
    with open_capture(path, size=1 << 30) as capture:
        assert (capture.size, capture.machine.compiled) == (1 << 30, not is_set("NUMBA_DISABLE_JIT"))
    with open_capture(path) as capture:
        assert (capture.size, capture.machine.compiled) == (len(PCAPNG), False)


def test_analyze_file_is_opened_and_sized_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One size serves the choice of the machine, the progress and the report."""
    path = tmp_path / "it.pcapng"
    path.write_bytes(PCAPNG)
    calls: Counter[str] = Counter()

    def counted(name: str) -> Any:
        original = getattr(Path, name)

        def call(self: Path, *arguments: Any, **options: Any) -> Any:
            calls[name] += self == path
            return original(self, *arguments, **options)

        return call

    for name in ("open", "stat"):
        monkeypatch.setattr(Path, name, counted(name))
    progress: list[int | None] = []
    report = analyze(path, progress=lambda done: progress.append(done.size))
    assert calls == {"open": 1, "stat": 1}
    assert (report.inputs[0].bytes, progress) == (len(PCAPNG), [len(PCAPNG)])

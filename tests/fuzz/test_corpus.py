"""The fuzzer's targets keep their promises on its corpus and on the made captures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MADE
from tests.fuzz.targets import CORPUS, TARGETS, Strict, check_rows, file, frame, report

INPUTS = sorted(path for path in CORPUS.iterdir() if path.name.partition("-")[0] in TARGETS)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_corpus_input_keeps_the_promises(path: Path) -> None:
    """Each of them once broke a promise."""
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


@pytest.mark.by_turns
@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_made_capture_keeps_the_promises(path: Path) -> None:
    """The inputs that the fuzzer begins with."""
    file(path.read_bytes())
    report(path.read_bytes())


def test_frame_at_every_length_keeps_the_promises() -> None:
    """A VXLAN frame, cut anywhere."""
    data = next(path for path in MADE if path.name == "vxlan.pcap").read_bytes()[40:160]
    for length in range(len(data) + 1):
        frame(b"\0\0" + data[:length])


def test_targets_index_or_frame_outside_raises() -> None:
    """The checks themselves can fail."""
    import numpy as np

    from capnet.wire.fields import START, WIDTH

    with pytest.raises(IndexError):
        Strict(b"abc")[-1]
    with pytest.raises(IndexError):
        Strict(b"abc")[3]
    row = np.zeros((1, WIDTH), dtype=np.int64)
    check_rows(row, 10)
    row[0, START] = 11
    with pytest.raises(AssertionError, match="begins outside"):
        check_rows(row, 10)

"""The fuzzer's targets keep their promises on every input that once broke one, and on the captures they begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MADE
from tests.fuzz.targets import CORPUS, TARGETS, Strict, check_rows, file, frame, report

INPUTS = sorted(path for path in CORPUS.iterdir() if path.name.partition("-")[0] in TARGETS)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_what_broke_a_promise_breaks_it_no_more(path: Path) -> None:
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_made_captures_keep_the_promises(path: Path) -> None:
    file(path.read_bytes())
    report(path.read_bytes())


def test_a_frame_keeps_the_promises_at_every_length() -> None:
    data = next(path for path in MADE if path.name == "vxlan.pcap").read_bytes()[40:160]
    for length in range(len(data) + 1):
        frame(b"\0\0" + data[:length])


def test_the_targets_notice_what_is_outside() -> None:
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

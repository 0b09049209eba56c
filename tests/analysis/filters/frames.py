"""What the tests of flow expressions share: the frames that an expression chooses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from capnet.analysis.engine import Options, Study, study
from capnet.analysis.filters.parser import parse
from capnet.analysis.trace.packet_ids import second_pass
from tests.conftest import PROJECT

BRIDGE, OVERLAY = PROJECT / "pcaps" / "bridge.pcapng", PROJECT / "pcaps" / "overlay.pcapng"


@cache
def studied(path: Path) -> Study:
    """The analysis of a capture."""
    return study([path], options=Options(compiled=False))


def chosen(text: str, path: Path) -> set[int]:
    """Numbers of the frames whose flow an expression chooses."""
    mask = parse(text).flows(studied(path).context)
    frames = set()
    for batch in second_pass(studied(path)):
        numbers, rows = batch.block["frame"], batch.flow_rows
        frames |= {int(numbers[i]) for i in range(len(batch.block)) if rows[i] >= 0 and mask[rows[i]]}
    return frames

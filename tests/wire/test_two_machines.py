"""Interpreted and compiled kernels give the same rows, problems and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.errors import UnreadableInput
from capnet.wire.capture import open_capture
from tests.conftest import GOLDENS, MADE

pytestmark = pytest.mark.kernels

TABLES = ("flows", "stations", "arps", "tunnels", "observations")


def read(path: Path, compiled: bool) -> dict[str, Any]:
    with open_capture(path, compiled=compiled) as capture:
        aggregator = Aggregator(capture.machine)
        blocks = []
        for block in capture.blocks():
            aggregator.add(block, base=0)
            blocks.append(block.rows.copy())
        return {
            "rows": np.concatenate(blocks) if blocks else None,
            "problems": capture.problems,
            "interfaces": capture.interfaces,
            "names": capture.names.of,
            "undecoded": aggregator.undecoded,
            **{name: getattr(aggregator, name).copy() for name in TABLES},
        }


@pytest.mark.parametrize("path", [*GOLDENS, *MADE], ids=lambda path: path.name)
def test_compiled_kernels_equal_interpreted_ones(path: Path) -> None:
    """Rows, problems, interfaces, names and tables of every golden and made capture."""
    try:
        interpreted = read(path, compiled=False)
    except UnreadableInput as error:
        with pytest.raises(UnreadableInput, match=str(error).rpartition(": ")[2].split("(")[0]):
            read(path, compiled=True)
        return
    compiled = read(path, compiled=True)
    for name, value in interpreted.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, compiled[name], err_msg=name)
        else:
            assert value == compiled[name], name


def test_goldens_fill_every_compared_table() -> None:
    """The comparison above compares no empty tables."""
    results = [read(path, compiled=False) for path in GOLDENS]
    for name in TABLES:
        assert sum(len(result[name]) for result in results) > 0, name

"""What a command says while it runs."""

from __future__ import annotations

import subprocess

import pytest


def wait_for_output(process: subprocess.Popen[str], words: str) -> None:
    """Returns when a line of its stderr has these words. The test fails, with all that it said, if it ends before."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if words in line:
            return
        said.append(line)
    pytest.fail(f"it never said {words!r}:\n{''.join(said)}")

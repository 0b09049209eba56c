"""Where standard output, input and error are closed or full: one line that says so, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = str(ROOT / "pcaps" / "none.pcapng")
PROGRAM = [sys.executable, "-m", "capnet"]
PRINTING = [
    ["analyze", SMALL],
    ["analyze", SMALL, "--format", "json"],
    ["trace", SMALL],
    ["packet", SMALL, "3"],
    ["--help"],
    ["scenario", "list"],
    ["lab", "status"],
    ["doctor"],
]


def shell(words: list[str], redirection: str) -> subprocess.CompletedProcess[str]:
    """Run capnet with these words and `redirection` of a shell."""
    line = f'exec "$@" {redirection}'
    done = subprocess.run(
        ["bash", "-c", line, "-", *PROGRAM, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done


@pytest.mark.parametrize("words", PRINTING, ids=lambda words: words[0])
def test_a_full_disk_is_one_line(words: list[str]) -> None:
    done = shell(words, ">/dev/full")
    assert done.stderr == "capnet: standard output cannot be written (No space left on device)\n"
    assert done.returncode == 2


@pytest.mark.parametrize("words", PRINTING[:4], ids=lambda words: words[0])
def test_a_closed_output_is_one_line(words: list[str]) -> None:
    done = shell(words, ">&-")
    assert done.stderr == "capnet: standard output is closed; open it, or write to a file with --output FILE\n"
    assert done.returncode == 2


def test_nothing_open_at_all_is_an_exit_code() -> None:
    assert shell(["analyze", SMALL], "<&- >&- 2>&-").returncode == 2
    assert shell(["analyze", SMALL, "--output", "/dev/null"], "<&- >&- 2>&-").returncode == 0


def test_a_closed_input_is_one_line() -> None:
    done = shell(["analyze", "-"], "<&-")
    assert done.stderr == "capnet: - reads a capture from standard input, but that is closed; pipe one in\n"
    assert done.returncode == 2


@pytest.mark.parametrize("words", PRINTING[:4], ids=lambda words: words[0])
def test_a_reader_that_has_enough_is_no_error(words: list[str]) -> None:
    done = shell(words, "| true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")

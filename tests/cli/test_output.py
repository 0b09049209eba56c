"""Where standard output, input and error are closed or full: one line that says so, never a traceback.

And where they are a terminal: no line is wider.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import pytest
from wcwidth import wcswidth

ROOT = Path(__file__).resolve().parents[2]
SMALL = str(ROOT / "pcaps" / "none.pcapng")
LARGE = str(ROOT / "pcaps" / "overlay.pcapng")  # more than a pipe holds
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
def test_stdout_on_full_disk_is_one_error_line(words: list[str]) -> None:
    done = shell(words, ">/dev/full")
    assert done.stderr == "capnet: standard output cannot be written (No space left on device)\n"
    assert done.returncode == 4


@pytest.mark.parametrize(
    "words", [*PRINTING[:4], ["export", SMALL, "--to", "csv", "-o", "-"], ["annotate", SMALL, "-o", "-"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_stdout_closed_is_one_error_line(words: list[str]) -> None:
    done = shell(words, ">&-")
    assert done.stderr == "capnet: standard output is closed; open it, or write to a file with --output FILE\n"
    assert done.returncode == 2


@pytest.mark.parametrize("more", [[], ["--format", "json"]], ids=["by name", "asked"])
def test_report_is_not_written_under_a_compressed_name(more: list[str], tmp_path: Path) -> None:
    """`-o report.json.gz` was a table, or JSON, that zcat refuses."""
    done = shell(["analyze", SMALL, "-o", str(tmp_path / "report.json.gz"), *more], "")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "reports are not compressed" in done.stderr


def test_all_streams_closed_is_an_exit_code() -> None:
    assert shell(["analyze", SMALL], "<&- >&- 2>&-").returncode == 2
    assert shell(["analyze", SMALL, "--output", "/dev/null"], "<&- >&- 2>&-").returncode == 0


def test_stdin_closed_is_one_error_line() -> None:
    done = shell(["analyze", "-"], "<&-")
    assert done.stderr == "capnet: - reads a capture from standard input, but that is closed; pipe one in\n"
    assert done.returncode == 2


@pytest.mark.parametrize(
    "words",
    [*PRINTING[:4], ["export", LARGE, "--to", "csv", "-o", "-"], ["annotate", LARGE, "-o", "-"]],
    ids=lambda words: words[0],
)
def test_reader_that_closes_early_is_no_error(words: list[str]) -> None:
    done = shell(words, "| true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.by_turns
@pytest.mark.parametrize("words", [*PRINTING[:1], *PRINTING[2:4], ["scenario", "bridge", "--help"]], ids=" ".join)
@pytest.mark.parametrize(("terminal", "widest"), [(60, 60), (80, 80), (100, 100), (200, 112)])
def test_output_has_no_line_wider_than_the_terminal(words: list[str], terminal: int, widest: int) -> None:
    """A wide one changes nothing: a report has 100 columns, a scenario's description what it has in its file."""
    if words[0] == "packet":
        words = [*words, "--no-tshark"]  # whose lines are Wireshark's
    lines = on_a_terminal(words, terminal).splitlines()
    assert len(lines) > 5
    assert [line for line in lines if wcswidth(line) > widest] == []


@pytest.mark.parametrize("terminal", [60, 80, 160])
def test_doctor_table_fits_terminal_and_loses_nothing(terminal: int) -> None:
    lines = on_a_terminal(["doctor"], terminal).splitlines()
    assert [line for line in lines if wcswidth(line) > terminal] == []
    printed = subprocess.run([*PROGRAM, "doctor", "--format", "json"], cwd=ROOT, capture_output=True, check=True).stdout
    for check in json.loads(printed)["checks"]:
        assert any(check["what"] in line for line in lines)
        words = " ".join(lines).split()
        assert all(word in words for word in (check["get"] or "").split())


def on_a_terminal(words: list[str], columns: int) -> str:
    """What capnet prints on a terminal of so many columns."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (50, columns))
    pieces = []
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"CAPNET_PAGER": ""}
    with subprocess.Popen([*PROGRAM, *words], cwd=ROOT, stdin=its, stdout=its, stderr=its, env=environment) as running:
        os.close(its)
        with suppress(OSError):  # EIO: nobody has it open any more
            while piece := os.read(ours, 65_536):
                pieces.append(piece)
    os.close(ours)
    assert running.returncode == 0
    return b"".join(pieces).decode()

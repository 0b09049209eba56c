"""What a terminal gets beyond the text: colours, a pager, its own width."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest

from capnet.cli.colors import colored
from capnet.report.text import columns

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = ["analyze", "pcaps/bridge.pcapng"]
OWN = ("COLUMNS", "PAGER", "NO_COLOR", "CAPNET_PAGER")
INHERITED = {**{key: value for key, value in os.environ.items() if key not in OWN}, "PYTHONPATH": str(ROOT)}
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(
    words: list[str], lines: int = 30, width: int = 100, *, errors: bool = False, **environment: str
) -> str:
    """What capnet writes to a terminal of this size: standard output, or `errors`."""
    main, side = pty.openpty()
    ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, width, 0, 0))
    program = subprocess.Popen(
        [sys.executable, "-m", "capnet", *words],
        stdin=subprocess.DEVNULL, cwd=ROOT,
        stdout=subprocess.DEVNULL if errors else side, stderr=side if errors else subprocess.DEVNULL,
        env={**INHERITED, "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(side)
    data = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        data += part
    program.wait(timeout=60)
    os.close(main)
    return data.decode().replace("\r\n", "\n")


def piped(words: list[str], **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "capnet", *words], capture_output=True, text=True, cwd=ROOT, check=True,
        env={**INHERITED, **environment},
    )  # fmt: skip
    return done.stdout


def test_colors_are_for_terminals_only():
    shown = on_terminal(BRIDGE)
    assert "\x1b[1m" in shown and ESCAPE.sub("", shown) == piped(BRIDGE)


@pytest.mark.parametrize(
    ("words", "environment"), [([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"}), (["--color", "never"], {})]
)
def test_colors_can_be_refused(words, environment):
    assert "\x1b" not in on_terminal([*BRIDGE, *words], **environment)


def test_color_always_is_obeyed_on_a_pipe():
    assert ESCAPE.search(piped([*BRIDGE, "--color", "always"]))
    assert not ESCAPE.search(piped([*BRIDGE, "--color", "always", "--format", "json"]))


@pytest.mark.parametrize("words", [["explain"], ["doctor"], ["scenario", "list"], ["scenario", "fault", "list"]])
def test_pager_gets_long_lists(words):
    assert "paged:" in on_terminal(words, lines=20, PAGER="sed s/^/paged:/")


def test_pager_gets_what_is_longer_than_the_screen():
    pager = "sed s/^/paged:/"
    assert "paged:" in on_terminal([*BRIDGE, "--full"], PAGER=pager)
    assert "paged:" in on_terminal([*BRIDGE, "--full"], PAGER="cat", CAPNET_PAGER=pager)
    assert "paged:" not in on_terminal(BRIDGE, PAGER=pager)
    assert "paged:" not in on_terminal([*BRIDGE, "--full", "--no-pager"], PAGER=pager)
    assert "paged:" not in piped([*BRIDGE, "--full"], PAGER=pager)


def test_pager_that_is_missing_is_no_error():
    text = on_terminal([*BRIDGE, "--full", "--color", "never"], PAGER="no-such-pager-here 2>/dev/null")
    assert text == piped([*BRIDGE, "--full"])


@pytest.mark.parametrize(("width", "shown"), [(60, 60), (40, 60), (130, 130), (400, 200)])
def test_width_is_that_of_the_terminal(width, shown):
    lines = on_terminal([*BRIDGE, "--full", "--no-pager", "--color", "never"], width=width).splitlines()
    assert max(map(len, lines)) <= shown
    assert max(map(len, lines)) > shown * 0.6


def test_columns_of_the_environment_are_obeyed():
    assert max(map(len, piped(BRIDGE, COLUMNS="64").splitlines())) <= 64
    assert max(map(len, piped(BRIDGE).splitlines())) <= 100


def test_colors_change_no_character():
    text = piped([*BRIDGE, "--full"])
    assert ESCAPE.sub("", colored(text)) == text
    assert "\x1b[1mNAT\x1b[0m" in colored(text)


def test_errors_have_lines_of_whole_words_on_terminals():
    words = ["ps", "--from", "pcaps/ipvlan-l2.topology.json", "a-name-that-nothing-here-has-at-all"]
    lines = on_terminal(words, width=40, errors=True).splitlines()
    assert lines == ["capnet: nothing on A or B is called", "a-name-that-nothing-here-has-at-all"]


TOPOLOGY = ["topology", "--from", "pcaps/bridge-user-defined.topology.json"]


def test_topology_at_a_terminal_is_a_tree_with_the_next_step() -> None:
    text = on_terminal(TOPOLOGY, width=80)
    assert text.startswith("A  Docker 20.10.24+dfsg1\n├─ ens33 192.168.111.128\n")
    assert "├─ veth3de3db3 ── bbox  eth0  172.18.0.3  2001:db8:111::3  02:42:ac:12:00:03\n" in text
    assert text.endswith("-o NAME.topology.json; all details: --format json\n")
    chinese = on_terminal(["--lang", "zh", *TOPOLOGY], width=80)
    assert "网络 appnet" in chinese and chinese.endswith("全部细节：--format json\n")


def test_topology_in_a_pipe_is_json() -> None:
    assert json.loads(piped(TOPOLOGY))["networks"][0]["name"] == "appnet"


def test_topology_is_as_wide_as_the_terminal() -> None:
    lines = on_terminal(TOPOLOGY, width=59).splitlines()
    assert max(map(len, lines)) <= 59
    assert lines[4:6] == ["   ├─ veth3de3db3 ── bbox  eth0  172.18.0.3", "   │    2001:db8:111::3  02:42:ac:12:00:03"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 150])
def test_table_of_doctor_fits_the_terminal(language: str, width: int) -> None:
    """Chinese made it two columns wider than the terminal."""
    text = on_terminal(["--lang", language, "doctor"], width=width, CAPNET_PAGER="")
    assert max(map(columns, text.splitlines())) <= width


def test_words_of_psql_and_sqlite_list_columns() -> None:
    from capnet.cli.sql import meant

    assert meant("\\d flows") == meant(".schema flows") == meant("describe flows") == "describe flows"
    assert (meant(".tables"), meant("select 1"), meant(None)) == ("show tables", "", "")

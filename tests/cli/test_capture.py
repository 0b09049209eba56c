"""`capnet capture`: its options, its names of files, and the lines that it shows. What it captures: tests/live."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from capnet.cli import cli
from capnet.cli.capture_status import PointStatus, table, total
from capnet.cli.capture_target import default_name
from capnet.errors import UsageError
from capnet.record.targets import own_transport

POINTS = [
    PointStatus("A/web/eth0", 1234, 120_300, 0),
    PointStatus("A/vethb97d211", 1_234_567, 1_230_000_000, None, "its interface is gone"),
    PointStatus("A/docker0", 0, 0, 17),
]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["web", "-W", "3"], "-W keeps the newest files of a ring: say with -C"),
        (["web", "-w", "-", "-C", "1"], "-C makes several files"),
        (["web", "-w", "-", "--report"], "--report reads the file when it is whole"),
        (["web", "-w", ""], "-w needs the name of a file"),
        (["-i", "lo", "port", "80", "-f", "tcp"], "two filters: 'port 80' and -f 'tcp'"),
        (["-i", "lo", "-f", "-z x"], "the filter '-z x' begins with -"),
        (["web", "--host", "A="], "--host A=: write NAME=URL"),
        (["web", "--host", "ftp://x"], "ftp://x: a Docker host is"),
    ],
)
def test_options_that_do_not_fit_are_refused(words, says):
    result = CliRunner().invoke(cli, ["capture", *words])
    assert isinstance(result.exception, UsageError), result.output
    assert says in str(result.exception)


@pytest.mark.parametrize("time", ["0", "x", "5d", "-3", "m", "nan"])
def test_duration_that_is_none_is_refused(time):
    result = CliRunner().invoke(cli, ["capture", "-i", "lo", f"--duration={time}"])
    assert result.exit_code == 2
    assert f"'{time}' is no length of time: 90, 90s, 5m, 2h" in result.output


@pytest.mark.parametrize(
    ("captured", "expected"),
    [("web", "web"), ("A/web", "A-web"), ("../../etc/x y", "etc-x-y"), ("…", "capture"), ("n" * 99, "n" * 60)],
)
def test_default_name_is_a_plain_one(captured, expected):
    assert default_name(captured, datetime(2026, 11, 28, 5, 45, 12)) == f"{expected}-20261128-054512.pcapng"


def test_table_has_a_line_for_each_point():
    assert table(POINTS, 80) == [
        "point                    packets    bytes  dropped",
        "A/web/eth0                 1,234   120 kB        0",
        "A/vethb97d211 (ended)  1,234,567  1.23 GB        –",
        "A/docker0                      0      0 B       17",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_table_fits_the_terminal(width):
    long = [PointStatus(f"A/{'overlay-network-' * 9}/eth0", 10**8, 10**12, 10**6)]
    assert max(map(len, table([*POINTS, *long], width))) <= max(width, 45)
    assert "/eth0" in table(long, width)[1]  # the end of a name says more than its beginning


def test_busiest_points_are_shown_where_room_ends():
    lines = table([PointStatus(f"A/c{i}/eth0", i, 0, 0) for i in range(50)], 80, 5)
    assert [line.split()[0] for line in lines[1:4]] == ["A/c49/eth0", "A/c48/eth0", "A/c47/eth0"]
    assert lines[4] == "… and 47 points more"


def test_names_cannot_repaint_the_screen():
    assert "\x1b" not in "".join(table([PointStatus("A/\x1b[2J", 1, 1, 1)], 80))
    assert "\x1b" not in total([], 1, "\x1b[2J.pcapng", 80)


def test_total_is_cut_at_its_end():
    whole = total(POINTS, 75.4, "web.pcapng", 200)
    assert whole == "1:15 · 1,235,801 packets, 1.23 GB → web.pcapng · Ctrl-C ends the capture"
    assert total(POINTS, 75.4, "web.pcapng", 50) == "1:15 · 1,235,801 packets, 1.23 GB → web.pcapng"
    assert total(POINTS, 75.4, "web.pcapng", 40) == "1:15 · 1,235,801 packets, 1.23 GB"


def test_filters_are_joined_in_parentheses():
    assert own_transport.joined("", "") == ""
    assert own_transport.joined("tcp or udp", "") == "tcp or udp"
    assert own_transport.joined("tcp or udp", "not port 22") == "(tcp or udp) and (not port 22)"


def test_own_ssh_session_is_left_out(monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "2001:db8::7 50022 192.0.2.1 22")
    assert own_transport.session_filter() == "not (host 2001:db8::7 and tcp port 50022 and tcp port 22)"
    monkeypatch.setenv("SSH_CONNECTION", "fe80::1%eth0 50022 fe80::2%eth0 22")
    assert own_transport.session_filter() == "not (host fe80::1 and tcp port 50022 and tcp port 22)"


@pytest.mark.parametrize("value", ["", "nonsense", "a b c d", "192.0.2.7 x 192.0.2.1 22", "1 or 1 2 3 4 5"])
def test_ssh_variable_that_is_none_is_no_filter(monkeypatch, value):
    monkeypatch.setenv("SSH_CONNECTION", value)
    if value:
        assert own_transport.session_filter() == ""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_ssh_session_is_found_above_sudo(tmp_path):
    """sudo takes SSH_CONNECTION away; the shell above it still has it."""
    asks = "from capnet.record.targets.own_transport import session_filter; print(session_filter())"
    done = subprocess.run(
        ["sh", "-c", 'env -u SSH_CONNECTION "$@"; true', "sh", sys.executable, "-c", asks],
        env={
            "SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22",
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": ":".join(sys.path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "not (host 192.0.2.7 and tcp port 50022 and tcp port 22)\n"

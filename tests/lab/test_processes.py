"""Which process is a host's dockerd, told from those that it starts. Real processes, with dockerd's words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.lab.addressing import Lab, LabHost
from capnet.lab.daemon import processes

# A program that has forked, and whose child has not begun another one yet: both have the same words.
_FORKED = "import os, sys; child = os.fork(); child and print(os.getpid(), child, flush=True); sys.stdin.read()"


@pytest.fixture
def host(tmp_path: Path) -> LabHost:
    return Lab(tmp_path).hosts["A"]


@pytest.fixture
def dockerd(host: LabHost) -> Iterator[tuple[int, int]]:
    """(pid, pid of its child) of a process that has the words of the host's dockerd."""
    words = ["dockerd", "-c", _FORKED, f"--exec-root={host.exec_root}"]
    with subprocess.Popen(words, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid, child = map(int, process.stdout.readline().split())
        yield pid, child


def test_child_with_dockerds_words_is_not_dockerd(
    host: LabHost, dockerd: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child comes first where pids have begun anew (pid_max); here, because the list is turned."""
    listed = processes.all_pids
    for order in (sorted, lambda pids: sorted(pids, reverse=True)):
        monkeypatch.setattr(processes, "all_pids", lambda order=order: order(listed()))
        assert processes.listener(host) == dockerd[0]


def test_process_in_execve_has_words() -> None:
    """A shell that becomes another one 1,000 times: one look in thirty falls into the middle of it."""
    again = 'left=$1; [ $left -eq 0 ] || exec sh -c "$0" "$0" $((left - 1)); read end'
    with subprocess.Popen(["sh", "-c", again, again, "1000"], stdin=subprocess.PIPE) as process:
        while (words := processes.command_line(process.pid))[4:5] != ["0"]:
            assert words[1:3] == ["-c", again]


def test_host_without_dockerd_has_no_listener(host: LabHost) -> None:
    assert processes.listener(host) is None
    assert os.getpid() in processes.all_pids()

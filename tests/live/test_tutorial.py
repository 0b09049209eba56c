"""The lab part of docs/tutorial.md, line by line as it stands there: it must show what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[2]
TUTORIAL = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^<!-- lab -->\n```sh\n(.*?)^```", TUTORIAL, re.DOTALL | re.MULTILINE)


class Shell:
    """Runs lines in a folder of their own, with this checkout's capnet; `sudo` is nothing, for a test that is root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir()
        for name, text in (("capnet", f'exec "{sys.executable}" -m capnet "$@"'), ("sudo", 'exec "$@"')):
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        self.env = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "CAPNET_LAB_DIR": str(folder / "lab"),
        }

    def run(self, line: str) -> str:
        """What a line prints, whatever its exit code."""
        done = subprocess.run(
            line, shell=True, cwd=self.folder, env=self.env, timeout=300, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return done.stdout

    def start(self, line: str) -> subprocess.Popen[str]:
        """A line that ends in &: a capture, which is waited for until it listens."""
        process = subprocess.Popen(
            line.removesuffix("&"), shell=True, cwd=self.folder, env=self.env,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        wait_for_output(process, "Ctrl-C ends it")
        return process

    def block(self, text: str) -> list[str]:
        """What each line of a block prints, those in the background last."""
        printed, behind = [], []
        for line in text.splitlines():
            if line.endswith("&"):
                behind.append(self.start(line))
            else:
                printed.append(self.run(line))
        return [*printed, *(process.communicate(timeout=120)[0] for process in behind)]


@pytest.fixture
def shell() -> Iterator[Shell]:
    """In a folder with a short name: sockets of Docker lie below it."""
    with tempfile.TemporaryDirectory(prefix="tut-", dir="/tmp") as folder:
        made = Shell(Path(folder))
        yield made
        made.run("capnet lab down --force")


def test_lab_part_of_the_tutorial_shows_what_it_says(shell: Shell) -> None:
    healthy, broken, compared = map(shell.block, BLOCKS)
    assert healthy[-2] == "hello\n"
    assert "web:80 through A:8080" in healthy[-1]
    assert broken[1] == ""
    assert "iptables filter DOCKER-USER rule 1 on A" in broken[-1]
    assert "Flows that fail now" in compared[0]
    assert shell.run("capnet lab status; echo $?").strip().endswith("1")

"""What a program inside User-Mode Linux prints reaches its caller whole: the agent's sessions, run on this kernel.

The caller is the test: it takes the output when it likes.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from capnet.lab.uml.agent import ProgramRun
from capnet.lab.uml.protocol import WINDOW, Message, pack, unpack
from capnet.scenario.wait import wait_until


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleQueue[Message]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return SimpleQueue()


def session(said: SimpleQueue[Message], command: str, terminal: list[int] | None = None) -> ProgramRun:
    asked = {"run": ["sh", "-c", command], "folder": "/", "environment": dict(os.environ), "terminal": terminal}
    return ProgramRun(asked, said.put)


def test_program_ends_after_its_output_is_taken(said: SimpleQueue[Message], tmp_path: Path) -> None:
    """Its last words wait for a caller who has not taken those before, and it is gone already."""
    running = session(said, f"for n in $(seq {WINDOW + 1}); do read go; echo $n; done; touch {tmp_path}/done")
    printed = []
    for number in range(WINDOW):
        running.hear({"in": pack(b"go\n")})
        both = [said.get(timeout=60) for _ in range(2)]  # the input is taken, and answered
        assert {"taken": 1} in both
        printed += [unpack(each["out"]) for each in both if "out" in each]
        assert len(printed) == number + 1
    running.hear({"in": pack(b"go\n")})
    assert said.get(timeout=60) == {"taken": 1}
    wait_until((tmp_path / "done").exists, "it has said its last words")
    with pytest.raises(Empty):
        said.get(timeout=1.5)
    running.hear({"taken": 1})
    assert unpack(said.get(timeout=60)["out"]) == f"{WINDOW + 1}\n".encode()
    assert said.get(timeout=60) == {"ended": 0}


@pytest.mark.parametrize("terminal", [None, [24, 80]], ids=["pipes", "a terminal"])
def test_background_child_does_not_delay_the_end(said: SimpleQueue[Message], terminal: list[int] | None) -> None:
    session(said, "trap '' HUP; sleep 1000 & echo $!", terminal)
    left = int(unpack(said.get(timeout=60)["out"]))
    try:
        assert said.get(timeout=60) == {"ended": 0}
    finally:
        os.kill(left, signal.SIGKILL)

"""What Ctrl-C and SIGTERM do while a command runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from threading import Event, get_ident

import pytest

from capnet.cli.interrupts import interrupt_ends_stream, signals_set
from capnet.errors import Exit
from tests.conftest import PROJECT

# A command that waits as Python's Queue, Thread and Future do, and is interrupted as it begins to.
WAITING = """
import signal, sys
from threading import Event
from capnet.cli import cache, main

def interrupt(frame, event, value):
    if event == "return" and frame.f_code.co_name == "_release_save":
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)

def wait(**options):
    sys.setprofile(interrupt)
    Event().wait(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background have it ignored
cache.command.callback = wait
sys.argv = ["capnet", "cache"]
main()
"""


class NotingEvent(Event):
    """Says which thread has set it."""

    setter = 0

    def set(self) -> None:
        self.setter = get_ident()
        super().set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_sets_the_event_from_another_thread(number: signal.Signals) -> None:
    """Several at once hung the capture: the second came while the handler of the first held the event's lock."""
    event = NotingEvent()
    with signals_set(event):
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            pytest.skip("the tests run under nohup, where SIGHUP stays ignored")
        signal.raise_signal(number)
        assert event.wait(60)
    assert event.setter != get_ident()


def test_growing_file_ends_from_another_thread(capfd: pytest.CaptureFixture[str]) -> None:
    event = NotingEvent()
    with interrupt_ends_stream(False, event):
        signal.raise_signal(signal.SIGTERM)
        assert event.wait(60)
    assert event.setter != get_ident()
    assert "Ctrl-C again stops that" in capfd.readouterr().err


def test_interrupt_as_a_wait_begins_is_one() -> None:
    """It ended in a traceback, because Condition.wait gave back a lock that it had not got."""
    done = subprocess.run(
        [sys.executable, "-c", WAITING], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (Exit.INTERRUPTED, "\ncapnet: interrupted\n")

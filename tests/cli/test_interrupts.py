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

# A command that writes while it reads, and is interrupted while an object is finalized.
FINALIZING = """
import signal, sys
from capnet.cli import cache, main
from capnet.cli.interrupts import second_interrupt_undoes

class Thing:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

def write(**options):
    with second_interrupt_undoes(is_stream=True):
        thing = Thing()
        del thing
        while True:
            pass

cache.command.callback = write
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
    assert run(WAITING) == (Exit.INTERRUPTED, "\ncapnet: interrupted\n")


def test_terminated_while_an_object_is_finalized() -> None:
    """Python drops an exception there, and a stream was read on."""
    assert run(FINALIZING) == (Exit.INTERRUPTED, "\ncapnet: interrupted\n")


def run(program: str) -> tuple[int, str]:
    """The exit code and what is said of it."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    return done.returncode, done.stderr

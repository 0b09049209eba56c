"""Signals while something is undone, in processes of their own: real signals, sent by the process to itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import PROJECT

_BEGIN = """
import os, signal
from capnet.scenario.interrupts import Interruptible
def send(number): os.kill(os.getpid(), number)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
"""

_TWICE = """
try:
    with Interruptible():  # of a lab that is made for the run
        try:
            with Interruptible():  # of the run
                try:
                    send(signal.{first})
                finally:
                    send(signal.SIGINT)
                    print("the run is undone", flush=True)
        finally:
            send(signal.SIGTERM)
            print("the lab is removed", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

_HUNG_UP = """
signal.signal(signal.SIGHUP, signal.{before})
try:
    with Interruptible():
        send(signal.SIGHUP)
        print("goes on", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert signal.getsignal(signal.SIGHUP) == signal.{before}
"""


def said(program: str) -> list[str]:
    words = [sys.executable, "-c", _BEGIN + program]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_second_interrupt_waits_for_the_undoing(first: str) -> None:
    assert said(_TWICE.format(first=first)) == ["the run is undone", "the lab is removed", "interrupted"]


def test_run_under_nohup_survives_hangup() -> None:
    assert said(_HUNG_UP.format(before="SIG_IGN")) == ["goes on"]
    assert said(_HUNG_UP.format(before="SIG_DFL")) == ["interrupted"]

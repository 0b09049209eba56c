"""Signals while something is undone, in processes of their own: real signals, sent by the process to itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import PROJECT

_BEGIN = """
import os, signal
from capnet.interrupts import Interruptible
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


_IN_LOCK = """
import threading

class Lock:
    def __init__(self): self.is_held = False
    def acquire(self): self.is_held = True
    def release(self): self.is_held = False
    def __enter__(self):
        self.acquire()
        send(signal.SIGTERM)  # before Condition, and thus Queue, has begun what would give it back
    def __exit__(self, *exc): self.release()

lock = Lock()
try:
    with Interruptible():
        with threading.Condition(lock):
            print("in the block", flush=True)
        while True:
            pass
except KeyboardInterrupt:
    print("held" if lock.is_held else "free", flush=True)
"""

_FINALIZED = """
import weakref

class Thing:
    {finalizer}

try:
    with Interruptible():
        thing = Thing()
        weakref.finalize(thing, send if {is_weak} else int, signal.SIGTERM)
        del thing
        while True:
            pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

_IN_CALLBACK = """
import sys
from capnet.table.arrow import kept, schema_capsule

def interrupt(frame, event, value):
    if event == "call" and frame.f_code.co_name == "_release":
        sys.setprofile(None)
        send(signal.SIGTERM)

try:
    with Interruptible():
        capsule = schema_capsule([])
        sys.setprofile(interrupt)
        del capsule  # which has it released, by a callback of ctypes
        while True:
            pass
except KeyboardInterrupt:
    print("kept" if kept else "released", flush=True)
"""

_DROPPED = """
try:
    with Interruptible():
        try:
            send(signal.SIGTERM)
        except KeyboardInterrupt:  # as C code does where it cannot pass it on
            print("dropped", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

_BLOCKED = """
import threading

lock = threading.Lock()
lock.acquire()
threading.Timer(0.2, send, (signal.SIGTERM,)).start()
try:
    with Interruptible(), threading.Condition(lock):
        print("never", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

_TOO_LATE = """
import time

class Thing:
    def __del__(self):
        send(signal.SIGTERM)

try:
    with Interruptible() as interruptible:
        thing = Thing()
        del thing; interruptible.no_more()
        time.sleep(0.1)
        print("written", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
"""


def test_lock_is_given_back_before_the_interrupt() -> None:
    assert said(_IN_LOCK) == ["in the block", "free"]


@pytest.mark.parametrize("is_weak", [False, True], ids=["__del__", "weakref.finalize"])
def test_interrupt_is_heard_while_an_object_is_finalized(is_weak: bool) -> None:
    finalizer = "pass" if is_weak else "def __del__(self): send(signal.SIGTERM)"
    assert said(_FINALIZED.format(finalizer=finalizer, is_weak=is_weak)) == ["interrupted"]


def test_callback_of_c_code_ends_before_the_interrupt() -> None:
    """Arrow aborted the process whose release callback was interrupted."""
    assert said(_IN_CALLBACK) == ["released"]


def test_dropped_interrupt_counts_at_the_end() -> None:
    assert said(_DROPPED) == ["dropped", "interrupted"]


def test_interrupt_ends_the_waiting_for_a_lock() -> None:
    assert said(_BLOCKED) == ["interrupted"]


def test_interrupt_that_comes_too_late_waits() -> None:
    assert said(_TOO_LATE) == ["written", "interrupted"]

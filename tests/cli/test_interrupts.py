"""What Ctrl-C and SIGTERM do while a command runs."""

from __future__ import annotations

import signal
from threading import Event, get_ident

import pytest

from capnet.cli.interrupts import interrupt_ends_stream, signals_set


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

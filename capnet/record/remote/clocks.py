"""How far the clocks of hosts are ahead of this machine's, measured while their packets are captured.

Input: the shells of hosts. Output: readings of each (ns), at the beginning, at the end, and between them.
Method: as NTP (RFC 5905, section 8). The host is asked for its time over a connection that stays open. It answered
between question and answer, so its distance is known to half a round trip; of several, the shortest one counts.
This machine's own clock is ahead by nothing.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread

from capnet.record.remote.shell import Shell, program_environment, wait_or_kill
from capnet.topology import ClockReading

ROUND_TRIPS = 8  # of a reading; the first ones pay for what is not in a cache yet
MAX_READINGS = 64  # of a host: where there are more, every other one is dropped, and the interval doubled
_INTERVAL = 15.0  # seconds between readings at first
ANSWER_WITHIN = 10.0  # seconds; a host that is slower is asked no more

# An empty line ends it, as the end of its input does: behind TLS there is no such end.
_ANSWER = 'while read -r word && [ -n "$word" ]; do date +%s%N; done'


@contextmanager
def measured_clocks(shells: Mapping[str, Shell], say: Callable[[str], None]) -> Iterator[dict[str, list[ClockReading]]]:
    """Measures the clocks of these hosts while the block runs; host → its readings, by time.

    One host has no other clock to be compared with, and is not asked. `say` is told of one that does not answer.
    """
    if len(shells) < 2:
        yield {}
        return
    readings: dict[str, list[ClockReading]] = {name: [] for name in shells}
    stop = Event()
    thread = Thread(target=_measure, args=(shells, readings, stop, say), name="measure clocks", daemon=True)
    thread.start()
    try:
        yield readings
    finally:
        stop.set()
        thread.join()


def _measure(
    shells: Mapping[str, Shell], readings: dict[str, list[ClockReading]], stop: Event, say: Callable[[str], None]
) -> None:
    """Reads all clocks now, from time to time, and when `stop` is set."""
    probes = {name: ClockProbe(shell) for name, shell in shells.items()}
    interval = _INTERVAL
    try:
        is_last = False
        while True:
            for name, probe in list(probes.items()):
                reading = probe.read()
                if reading is None:
                    say(f"{name}: its clock does not answer: how far it is off is known by the packets alone")
                    probes.pop(name).close()
                else:
                    readings[name].append(reading)
            if is_last:
                return
            if any(len(of_host) >= MAX_READINGS for of_host in readings.values()):
                for of_host in readings.values():
                    del of_host[1::2]
                interval *= 2
            is_last = stop.wait(interval)
    finally:
        for probe in probes.values():
            probe.close()


class ClockProbe:
    """The clock of a shell's machine, asked over one connection."""

    def __init__(self, shell: Shell) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._is_here = shell.is_direct
        if not self._is_here:
            with suppress(OSError):
                self._process = subprocess.Popen(
                    shell.argv(["sh", "-c", _ANSWER]),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=program_environment(),
                    start_new_session=True,  # the terminal's Ctrl-C is for capnet
                )

    def read(self, round_trips: int = ROUND_TRIPS) -> ClockReading | None:
        """How far it is ahead now; None if it does not answer, or its `date` knows no nanoseconds."""
        if self._is_here:
            return ClockReading(time.time_ns(), 0, 0)
        best: ClockReading | None = None
        for _ in range(round_trips):
            asked_ns = time.time_ns()
            begin_ns = time.monotonic_ns()  # not affected by what sets this machine's clock
            answer = self._ask()
            round_trip_ns = time.monotonic_ns() - begin_ns
            if answer is None:
                return None
            middle_ns = asked_ns + round_trip_ns // 2
            if best is None or round_trip_ns // 2 < best.uncertainty_ns:
                best = ClockReading(middle_ns, answer - middle_ns, -(-round_trip_ns // 2))
        return best

    def close(self) -> None:
        """Ends the connection."""
        process = self._process
        if process is None:
            return
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        wait_or_kill(process, ANSWER_WITHIN)
        assert process.stdout is not None
        process.stdout.close()

    def _ask(self) -> int | None:
        """The host's time in ns since 1970."""
        if self._process is None:
            return None
        assert self._process.stdin is not None and self._process.stdout is not None
        descriptor, deadline, line = self._process.stdout.fileno(), time.monotonic() + ANSWER_WITHIN, b""
        try:
            os.write(self._process.stdin.fileno(), b"?\n")
            while not line.endswith(b"\n"):
                ready, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
                part = os.read(descriptor, 64) if ready else b""
                if not part:
                    return None
                line += part
        except OSError:
            return None
        digits = line.strip()
        return int(digits) if digits.isdigit() and len(digits) > 18 else None

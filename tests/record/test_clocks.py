"""Measuring the clocks of other machines. In place of ssh there is `sh -c`, and a `date` that is wrong on purpose."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from capnet.record.remote.clocks import ClockProbe, measured_clocks
from capnet.record.remote.shell import Shell
from capnet.topology import ClockReading

HERE, THERE = Shell("self"), Shell("self", ("sh", "-c"))
DATE = "#!/bin/sh\nexec /bin/date -d '{}' \"$@\"\n"


def put_date(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "date").write_text(script)
    (folder / "date").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def read(shell: Shell) -> ClockReading | None:
    probe = ClockProbe(shell)
    try:
        return probe.read()
    finally:
        probe.close()


@pytest.mark.parametrize(("words", "ahead_s"), [("3 seconds", 3), ("-1 hour", -3600), ("0 seconds", 0)])
def test_clock_is_known_to_half_a_round_trip(
    words: str, ahead_s: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_date(tmp_path, DATE.format(words), monkeypatch)
    before = time.time_ns()
    reading = read(THERE)
    assert reading is not None and before < reading.time_ns < time.time_ns()
    assert abs(reading.ahead_ns - ahead_s * 1_000_000_000) <= reading.uncertainty_ns < 1_000_000_000


def test_own_clock_is_not_ahead() -> None:
    reading = read(HERE)
    assert reading is not None and (reading.ahead_ns, reading.uncertainty_ns) == (0, 0)


@pytest.mark.parametrize("line", ["echo 1700000000%N", "exit 1", "kill -9 $PPID"])
def test_clock_without_nanoseconds_is_not_read(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """busybox's `date` may print %N as it is; one that prints nothing leaves the loop without an answer."""
    put_date(tmp_path, f"#!/bin/sh\n{line}\n", monkeypatch)
    monkeypatch.setattr("capnet.record.remote.clocks.ANSWER_WITHIN", 0.5)
    assert read(THERE) is None


def test_hosts_are_read_at_begin_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_date(tmp_path, DATE.format("3 seconds"), monkeypatch)
    said: list[str] = []
    with measured_clocks({"A": HERE, "B": THERE}, said.append) as readings:
        began = time.time_ns()
    assert said == [] and {name: len(of_host) for name, of_host in readings.items()} == {"A": 2, "B": 2}
    first, last = readings["B"]
    assert first.time_ns < last.time_ns and last.time_ns > began
    assert all(abs(reading.ahead_ns - 3_000_000_000) <= reading.uncertainty_ns for reading in (first, last))


def test_host_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_date(tmp_path, "#!/bin/sh\necho never\n", monkeypatch)
    said: list[str] = []
    with measured_clocks({"A": HERE, "B": THERE}, said.append) as readings:
        pass
    assert [name for name, of_host in readings.items() if of_host] == ["A"]
    assert said == ["B: its clock does not answer: how far it is off is known by the packets alone"]


def test_one_host_is_not_asked() -> None:
    with measured_clocks({"B": THERE}, lambda line: None) as readings:
        pass
    assert readings == {}

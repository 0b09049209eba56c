"""Which file of a ring gets which moments, with kernels that answer slowly or not at all."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from capnet.record.kernel.snapshots import Witnessing
from capnet.record.live import ring_witnesses
from capnet.record.live.ring_witnesses import RingWitnesses
from capnet.topology import witnesses_path
from capnet.witnesses import NamespaceWitness, Snapshot, Witnesses


class Moments(Witnessing):
    """A namespace whose snapshots are numbered; `may_answer` holds them back."""

    def __init__(self) -> None:
        super().__init__([], print)
        self.number = 0
        self.may_answer, self.is_asked = Event(), Event()
        self.may_answer.set()
        self.is_over = False

    def turn(self) -> Witnesses | None:
        self.is_asked.set()
        self.may_answer.wait(10)
        if self.is_over:
            return None
        self.number += 1
        return Witnesses(namespaces=[NamespaceWitness("A", [], Snapshot(self.number - 1), Snapshot(self.number))])

    def end(self) -> Witnesses:
        self.is_over = True
        return Witnesses(namespaces=[NamespaceWitness("A", [], Snapshot(self.number), Snapshot(self.number + 1))])


def moments(path: Path) -> tuple[int | None, int | None]:
    (namespace,) = Witnesses.load(witnesses_path(path)).namespaces
    assert namespace.before is not None and namespace.after is not None
    return namespace.before.time, namespace.after.time


def files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"r_{number}.pcapng" for number in range(count)]
    for path in paths:
        path.touch()
    return paths


def test_each_file_has_its_own_moments(tmp_path):
    asked, paths = Moments(), files(tmp_path, 3)
    ring = RingWitnesses(asked)
    for path in paths[:2]:
        ring.full(path)
    ring.wait()
    ring.finish(paths[2], asked.end())
    assert [moments(path) for path in paths] == [(0, 1), (1, 2), (2, 3)]


def test_files_around_a_late_moment_have_none(tmp_path, monkeypatch):
    """Two files are full while the kernel answers for the first: what it counts then belongs to several."""
    asked, paths = Moments(), files(tmp_path, 4)
    ring = RingWitnesses(asked)
    clock = iter([0.0, 0.1, 0.2, 5.0, 6.0, 6.1])  # full, full, then when each is asked for
    monkeypatch.setattr(ring_witnesses, "monotonic", lambda: next(clock))
    asked.may_answer.clear()
    ring.full(paths[0])  # full at 0.0, asked at 0.1
    asked.is_asked.wait(10)
    ring.full(paths[1])  # full at 0.2, asked at 5.0
    asked.may_answer.set()
    ring.wait()
    ring.full(paths[2])  # full at 6.0, asked at 6.1: in time, but it began with the late moment
    ring.wait()
    ring.finish(paths[3], asked.end())
    assert [witnesses_path(path).exists() for path in paths] == [True, False, False, True]


def test_rest_of_the_packets_in_a_further_file(tmp_path):
    """The file that was written when the capture was told to end has the last moment."""
    asked, paths = Moments(), files(tmp_path, 3)
    ring = RingWitnesses(asked)
    last = asked.end()
    ring.full(paths[0])
    ring.full(paths[1])
    ring.finish(paths[2], last)
    assert moments(paths[0]) == (0, 1)
    assert not any(witnesses_path(path).exists() for path in paths[1:])


def test_file_that_has_gone_gets_none(tmp_path):
    asked, paths = Moments(), files(tmp_path, 1)
    paths[0].unlink()
    ring = RingWitnesses(asked)
    ring.full(paths[0])
    ring.wait()
    ring.close()
    assert not witnesses_path(paths[0]).exists()

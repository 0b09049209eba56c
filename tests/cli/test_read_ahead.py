"""What is piped in is read while nobody asks for it yet, whole and in order."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from capnet.cli import read_ahead as module
from capnet.cli.read_ahead import ReadAhead, read_ahead

DATA = random.Random(1).randbytes(9 << 20)


def piped(data: bytes) -> tuple[int, threading.Thread]:
    """A pipe's end to read from, and the thread that writes `data` into it and closes it."""
    source, sink = os.pipe()

    def write() -> None:
        with os.fdopen(sink, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    writer = threading.Thread(target=write)
    writer.start()
    return source, writer


def everything(stream: ReadAhead, sizes: list[int]) -> bytes:
    """All that it holds, asked for in pieces of these sizes in turn."""
    data = b""
    parts = []
    while True:
        into = bytearray(sizes[len(parts) % len(sizes)])
        got = stream.readinto(memoryview(into))
        if not got:
            return data + b"".join(parts)
        parts.append(bytes(into[:got]))


def test_writer_ends_before_the_reader_begins() -> None:
    """The writer of nine MiB into a pipe is not kept waiting, or not for long."""
    source, writer = piped(DATA)
    stream = read_ahead(source)
    assert stream is not None
    writer.join(30)
    assert not writer.is_alive()
    assert everything(stream, [1, 5, 1 << 16, 3 << 20]) == DATA
    assert stream.readinto(memoryview(bytearray(10))) == 0
    os.close(source)


def test_pipe_is_handed_over_when_all_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on it is read directly; no byte is lost or doubled at that point."""
    monkeypatch.setattr(module, "MIN_TAKEN", 1 << 20)
    source, writer = piped(DATA)
    stream = ReadAhead(source)
    assert everything(stream, [1 << 16, 100_000]) == DATA
    writer.join()
    os.close(source)


def test_pipe_of_a_fast_writer_is_read_in_large_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written while capnet reads is read on with it, as much as was asked for."""
    monkeypatch.setattr(module, "MIN_TAKEN", 0)
    monkeypatch.setattr(module, "READ_ON_FROM", 1)
    monkeypatch.setattr(module, "READ_ON_S", 60.0)
    source, writer = piped(DATA)
    stream = ReadAhead(source)
    assert [stream.readinto(memoryview(bytearray(4 << 20))) for _ in range(4)] == [4 << 20, 4 << 20, 1 << 20, 0]
    writer.join()
    os.close(source)


def test_what_a_slow_writer_wrote_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few packets are analyzed at once, however long the next ones take."""
    monkeypatch.setattr(module, "MIN_TAKEN", 0)
    monkeypatch.setattr(module, "READ_ON_S", 3600.0)
    source, sink = os.pipe()
    stream = ReadAhead(source)
    os.write(sink, DATA[:1000])
    assert stream.readinto(memoryview(bytearray(1 << 20))) == 1000
    os.close(sink)
    assert stream.readinto(memoryview(bytearray(1 << 20))) == 0
    os.close(source)


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer waits once so much is held, at any time; then it goes on as fast as it is read."""
    monkeypatch.setattr(module, "MAX_HELD", 2 << 20)
    source, writer = piped(DATA)
    stream = ReadAhead(source)
    writer.join(1.0)
    assert writer.is_alive()
    assert everything(stream, [1 << 20]) == DATA
    writer.join()
    os.close(source)


def test_file_is_not_read_ahead(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA[:100])
    with (tmp_path / "x").open("rb") as file:
        assert read_ahead(file.fileno()) is None

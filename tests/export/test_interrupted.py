"""An export that is interrupted leaves no file and says so. The first Ctrl-C at a stream keeps what was captured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capnet.errors import Exit
from capnet.export.writers import FORMATS
from tests.conftest import PROJECT

OVERLAY = PROJECT / "pcaps" / "overlay.pcapng"
LAST_WORDS = b"Ctrl-C again stops that\n"

in_formats = pytest.mark.parametrize("format_", ["csv", "parquet"])


@contextmanager
def exporting(folder: Path, format_: str) -> Iterator[subprocess.Popen[bytes]]:
    """A capture that does not end: a pipe whose first blocks are read. It has begun to write."""
    if not FORMATS[format_].is_text:
        pytest.importorskip("pyarrow", reason="heavy, and optional: pip install 'capnet[export]'")
    command = [sys.executable, "-m", "capnet", "export", "-", "-o", str(folder / f"x.{format_}")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(PROJECT)}
    ) as process:
        assert process.stdin and process.stderr
        process.stdin.write(OVERLAY.read_bytes())
        process.stdin.flush()
        while not list(folder.glob(".x*")):
            assert process.poll() is None
        yield process


@in_formats
def test_terminated_export_leaves_nothing(format_: str, tmp_path: Path) -> None:
    with exporting(tmp_path, format_) as process:
        process.send_signal(signal.SIGTERM)
        error = process.stderr.read()  # type: ignore[union-attr]
    assert process.returncode == Exit.INTERRUPTED, error
    assert b"interrupted" in error
    assert list(tmp_path.iterdir()) == []


@in_formats
def test_second_interrupt_leaves_nothing(format_: str, tmp_path: Path) -> None:
    with exporting(tmp_path, format_) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().endswith(LAST_WORDS)  # type: ignore[union-attr]
        process.send_signal(signal.SIGINT)
        error = process.stderr.read()  # type: ignore[union-attr]
    assert process.returncode == Exit.INTERRUPTED, error
    assert b"interrupted" in error
    assert list(tmp_path.iterdir()) == []


@in_formats
def test_first_interrupt_keeps_what_was_captured(format_: str, tmp_path: Path) -> None:
    """As in `tcpdump -w - | capnet export -`, where Ctrl-C reaches both, and tcpdump ends the stream."""
    with exporting(tmp_path, format_) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().endswith(LAST_WORDS)  # type: ignore[union-attr]
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait() == Exit.OK
    assert [file.name for file in tmp_path.iterdir()] == [f"x.{format_}"]
    whole = tmp_path / f"whole.{format_}"
    export = [sys.executable, "-m", "capnet", "export", str(OVERLAY), "-o", str(whole)]
    subprocess.run(export, env=os.environ | {"PYTHONPATH": str(PROJECT)}, check=True)
    assert rows(tmp_path / f"x.{format_}") == rows(whole)


def rows(file: Path) -> int:
    if file.suffix == ".csv":
        return file.read_bytes().count(b"\n")
    from pyarrow.parquet import read_metadata  # type: ignore[import-untyped]

    return int(read_metadata(file).num_rows)

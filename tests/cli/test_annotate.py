"""`capnet annotate` as a person meets it: where it writes, where it refuses to, and that it leaves no half file."""

from __future__ import annotations

import gzip
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from capnet.wire.capture import open_capture

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = ROOT / "pcaps" / "bridge.pcapng"
TCP = ROOT / "tests" / "made" / "tcp.pcap"
PROGRAM = [sys.executable, "-m", "capnet", "annotate"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def annotate(*words: object, stdin: bytes = b"", cwd: Path = ROOT, **more) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PROGRAM, *map(str, words)], input=stdin, capture_output=True, timeout=60, cwd=cwd, env=ENVIRONMENT, **more
    )


def error(code: int, *words: object, **more) -> str:
    done = annotate(*words, **more)
    assert (done.returncode, done.stdout) == (code, b"")
    text = done.stderr.decode()
    assert text.count("\n") == 1, text
    return text


def test_annotate_says_what_it_wrote(tmp_path):
    done = annotate(BRIDGE, "-o", tmp_path / "out.pcapng")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"272 frames written, 246 with an id, 34 with a comment\n"
    assert [each.name for each in tmp_path.iterdir()] == ["out.pcapng"]
    with open_capture(tmp_path / "out.pcapng") as capture:
        assert sum(1 for _ in capture.records()) == 272


def test_annotate_of_gzip_writes_plain_pcapng(tmp_path):
    (tmp_path / "in.pcap.gz").write_bytes(gzip.compress(TCP.read_bytes()))
    assert annotate("in.pcap.gz", "-o", "out.pcapng", cwd=tmp_path).returncode == 0
    assert (tmp_path / "out.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_annotate_writes_to_a_pipe():
    done = annotate(TCP, "-o", "-")
    assert done.returncode == 0
    assert done.stdout[:4] == b"\x0a\x0d\x0d\x0a"


@pytest.mark.parametrize("where", ["-", "/dev/stdout", "/dev/tty"])
def test_annotate_never_writes_to_a_terminal(where):
    main, side = pty.openpty()
    try:
        done = subprocess.run(
            [*PROGRAM, TCP, "-o", where],
            stdin=side, stdout=side, stderr=subprocess.PIPE, timeout=60, env=ENVIRONMENT, start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
        )  # fmt: skip
    finally:
        os.close(side)
        os.close(main)
    assert done.returncode == 2
    assert b"would write a capture to the terminal" in done.stderr


@pytest.mark.parametrize("alias", ["in.pcap", "symbolic.pcap", "hard.pcap"])
def test_annotate_never_overwrites_its_input(alias, tmp_path):
    (tmp_path / "in.pcap").write_bytes(TCP.read_bytes())
    (tmp_path / "symbolic.pcap").symlink_to("in.pcap")
    (tmp_path / "hard.pcap").hardlink_to(tmp_path / "in.pcap")
    assert "is the input, which annotate never overwrites" in error(2, "in.pcap", "-o", alias, cwd=tmp_path)
    assert (tmp_path / "in.pcap").read_bytes() == TCP.read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["missing.pcap", "-o", "out.pcapng"], 3, "missing.pcap: No such file"),
        ([ROOT / "pyproject.toml", "-o", "out.pcapng"], 3, "neither pcap nor pcapng"),
        (["-", "-o", "out.pcapng"], 2, "read twice; save it first"),
        ([TCP, "-o", "."], 2, "is a folder"),
        ([TCP, "-o", "out.pcapng.gz"], 2, "compress it afterwards"),
        ([TCP, "-o", "out.pcap"], 2, "annotate writes pcapng; name it out.pcapng"),
        ([TCP, "-o", "nowhere/out.pcapng"], 2, "cannot be written"),
        ([TCP, ROOT / "tests/made/pcapng_simple.pcapng", "-o", "out.pcapng"], 2, "annotate this file alone"),
    ],
)
def test_annotate_error_leaves_no_file(words, code, says, tmp_path):
    assert says in error(code, *words, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_annotate_that_fails_keeps_existing_file(tmp_path):
    (tmp_path / "out.pcapng").write_bytes(b"precious")
    error(2, TCP, ROOT / "tests/made/pcapng_simple.pcapng", "-o", "out.pcapng", cwd=tmp_path)
    assert (tmp_path / "out.pcapng").read_bytes() == b"precious"
    assert [each.name for each in tmp_path.iterdir()] == ["out.pcapng"]


STOPPED = """
import os, sys
from capnet.record.bundle.annotation import annotate as annotation

whole, number = annotation.annotate, int(sys.argv.pop())

def half(study, source_blocks, write, *more):
    def writing(data):
        write(data)
        print(len(os.listdir()), flush=True)
        os.kill(os.getpid(), number)
    return whole(study, source_blocks, writing, *more)

annotation.annotate = half
import signal
from capnet.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background inherits that it is ignored
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_annotate_interrupted_leaves_no_file(number, tmp_path):
    """Stopped by a signal right after something was written."""
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, "annotate", BRIDGE, "-o", "out.pcapng", str(int(number))],
        capture_output=True, cwd=tmp_path, env=ENVIRONMENT, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (130, b"1\n")
    assert list(tmp_path.iterdir()) == []

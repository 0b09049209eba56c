"""The streams of a program in a container, as Docker's API sends them. The bytes are laid out by its documentation."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from capnet.record.remote import exec_stream
from capnet.record.remote.capture_container import endpoint_of
from capnet.record.remote.exec_stream import DaemonAddress, Pieces

# "Attach to a container": stream (1 stdout, 2 stderr), three zeros, length in four bytes, content.
STREAM = (
    b"\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\4oops\1\0\0\0\0\0\0\0\1\0\0\0\0\0\1\0" + bytes(256) + b"\1\0\0\0\0\0\0\1!"
)


def demultiplexed(parts: list[bytes], tmp_path: Path) -> tuple[bytes, bytes]:
    files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC) for name in ("out", "err")]
    pieces = Pieces(*files)
    for part in parts:
        pieces.write(part)
    contents = [os.pread(file, 1 << 16, 0) for file in files]
    for file in files:
        os.close(file)
    return contents[0], contents[1]


@pytest.mark.parametrize("size", [1, 3, 8, 9, 100, len(STREAM)])
def test_streams_are_the_same_however_they_are_cut(size: int, tmp_path: Path) -> None:
    parts = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert demultiplexed(parts, tmp_path) == (b"hello" + bytes(256) + b"!", b"oops")


def test_streams_cut_at_each_byte_are_the_same(tmp_path: Path) -> None:
    for at in range(len(STREAM)):
        assert demultiplexed([STREAM[:at], STREAM[at:]], tmp_path) == (b"hello" + bytes(256) + b"!", b"oops")


def test_daemon_that_is_gone_is_told(tmp_path: Path) -> None:
    """As `docker exec`, exit status 125 where no program was started. It runs without capnet's folder and packages."""
    (tmp_path / "endpoint").write_text(json.dumps(DaemonAddress("1.41", path=str(tmp_path / "none.sock"))._asdict()))
    command = [sys.executable, "-I", "-S", exec_stream.__file__, tmp_path / "endpoint", "container", "true"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (125, "")
    assert "No such file or directory" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "the daemon closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there is no Docker"),
        (b'HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"Id": "f', "the daemon's answer is cut"),
        (b'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"Id', "the daemon's answer is cut"),
    ],
)
def test_answer_that_is_none_is_told(answer: bytes, words: str, tmp_path: Path) -> None:
    """A daemon that ends while it answers, and a program that is no daemon."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ConnectionError, match=words):
            exec_stream.request(DaemonAddress("1.41", path=str(tmp_path / "docker.sock")), "POST", "/containers/f/exec")
        thread.join()


@pytest.mark.parametrize(
    ("url", "tls", "endpoint"),
    [
        ("unix:///run/docker.sock", None, DaemonAddress("1.41", path="/run/docker.sock")),
        ("tcp://b", None, DaemonAddress("1.41", host="b", port=2375)),
        ("tcp://ann:p%40ss@[::1]:99", None, DaemonAddress("1.41", host="::1", port=99, authorization="ann:p@ss")),
        ("https://b:99", None, DaemonAddress("1.41", host="b", port=99, tls=True)),
        (
            "tcp://b",
            SimpleNamespace(cert=("cert.pem", "key.pem"), ca_cert="ca.pem", verify=True),
            DaemonAddress("1.41", host="b", port=2376, tls=True, ca="ca.pem", certificate="cert.pem", key="key.pem"),
        ),
        (
            "tcp://b:99",
            SimpleNamespace(cert=None, ca_cert=None, verify=False),
            DaemonAddress("1.41", host="b", port=99, tls=True, verify=False),
        ),
    ],
)
def test_endpoint_is_where_docker_py_asks(url: str, tls: object, endpoint: DaemonAddress) -> None:
    assert endpoint_of(url, tls, "1.41") == endpoint

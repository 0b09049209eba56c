"""The tunnel through which a machine brings its Docker's socket here: both programs, with any server behind them."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.record.remote import api_tunnel
from capnet.record.remote.swarm_service import make_certificate
from capnet.scenario.wait import wait_until

PASSWORD, NODE = "s3cret", "node1"


class _Shouts(socketserver.BaseRequestHandler):
    """Answers with what it got, in capitals, until the client has ended; then says so and ends too."""

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data.upper())


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a certificate and a server at `docker.sock`."""
    make_certificate(tmp_path)
    with _Server(str(tmp_path / "docker.sock"), _Shouts) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path
        server.shutdown()


@pytest.fixture
def gate(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    files = {"folder": str(folder), "certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    settings = {"address": "127.0.0.1", "password": PASSWORD, "names": [NODE], **files}
    (folder / "gate.json").write_text(json.dumps(settings))
    command = [sys.executable, "-I", "-S", api_tunnel.__file__, "gate", str(folder / "gate.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        yield process, int(process.stdout.readline())
        process.stdin.close()
        assert process.wait(10) == 0


def dialling(folder: Path, port: int, **changed: str) -> subprocess.Popen[str]:
    """The other program, as a task of a service runs it: from its source, told by its environment."""
    environment = {
        "CAPNET_GATE": "127.0.0.1",
        "CAPNET_PORT": str(port),
        "CAPNET_CERTIFICATE": (folder / "cert.pem").read_text(),
        "CAPNET_PASSWORD": PASSWORD,
        "CAPNET_NODE": NODE,
        "CAPNET_DOCKER": str(folder / "docker.sock"),
    }
    command = [sys.executable, "-S", "-c", Path(api_tunnel.__file__).read_text(), "dial"]
    return subprocess.Popen(command, env={**environment, **changed}, stderr=subprocess.PIPE, text=True)


def answer(path: Path, *parts: bytes) -> bytes:
    """What comes back when the parts are sent and the connection is closed behind them one way."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))
        received = b""
        for part in parts:
            client.sendall(part)
            while len(received) < len(b"".join(parts[: parts.index(part) + 1])):
                received += client.recv(65536)
        return received


def test_bytes_pass_both_ways_many_times(folder: Path, gate: tuple[subprocess.Popen[bytes], int]) -> None:
    path = folder / f"{NODE}.sock"
    with dialling(folder, gate[1]) as task:
        wait_until(path.exists, "it has dialled in", within=20)
        for number in range(3 * api_tunnel.SPARE):
            assert answer(path, b"hello %d" % number, b"x" * 300_000) == b"HELLO %d" % number + b"X" * 300_000
        assert gate[0].stdin is not None
        gate[0].stdin.close()
        assert task.wait(10) == 0  # it ends with the gate


@pytest.mark.parametrize("changed", [{"CAPNET_PASSWORD": "guess"}, {"CAPNET_NODE": "other"}])
def test_stranger_does_not_get_in(
    folder: Path, gate: tuple[subprocess.Popen[bytes], int], changed: dict[str, str]
) -> None:
    with dialling(folder, gate[1], **changed) as task:
        assert task.wait(20) == 0  # its connections are closed
    assert list(folder.glob("*.sock")) == [folder / "docker.sock"]


def test_false_gate_is_not_told_the_password(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, gate: tuple[subprocess.Popen[bytes], int]
) -> None:
    """The machine knows the certificate of its own run only."""
    other = tmp_path_factory.mktemp("other")
    make_certificate(other)
    with dialling(folder, gate[1], CAPNET_CERTIFICATE=(other / "cert.pem").read_text()) as task:
        assert task.wait(20) == 1
        assert task.stderr is not None and "certificate verify failed" in task.stderr.read()

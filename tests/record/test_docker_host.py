"""What is said of a URL behind which there is no Docker daemon. The other end is a socket of the test's own."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record.remote.docker_host import connect


class _SomethingElse(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web_server() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _SomethingElse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_url_of_a_web_server_is_refused(web_server: int) -> None:
    with pytest.raises(EnvironmentLacks, match=r"no Docker daemon answers .*something else"):
        connect(f"tcp://127.0.0.1:{web_server}")


def test_closed_socket_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EACCES, as root never gets it from a file: connect(2) is replaced."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("docker.transport.unixconn.UnixHTTPConnection.connect", refuse)
    with pytest.raises(
        EnvironmentLacks, match=r"docker.sock is not open to this user \(Permission denied\); run capnet"
    ):
        connect(f"unix://{tmp_path}/docker.sock")


@pytest.mark.parametrize("scheme", ["tcp", "ssh"])
def test_url_with_bad_port_is_refused(scheme: str) -> None:
    with pytest.raises(UsageError, match="host:99999: Port out of range"):
        connect(f"{scheme}://host:99999")


@pytest.mark.parametrize("folder", ["desktop", "run"])
def test_docker_desktop_that_is_not_started_is_named(folder: str, tmp_path: Path) -> None:
    """Its context has a socket of its own in the person's folder."""
    with pytest.raises(EnvironmentLacks, match=r"^Docker Desktop does not answer at .*: --host unix:///var/run/docker"):
        connect(f"unix://{tmp_path}/.docker/{folder}/docker.sock")

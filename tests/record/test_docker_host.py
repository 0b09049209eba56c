"""What is said of a URL behind which there is no Docker daemon. The other end is a socket of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

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


@pytest.mark.parametrize("scheme", ["tcp", "ssh"])
def test_url_with_bad_port_is_refused(scheme: str) -> None:
    with pytest.raises(UsageError, match="host:99999: Port out of range"):
        connect(f"{scheme}://host:99999")

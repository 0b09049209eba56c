"""Daemons that hang, are gone, or are none: no answer, and the others are not kept waiting."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from capnet.extcap.docker_socket import ApiRequest, ask

OK = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"


@contextlib.contextmanager
def listener(path, answers=(), backlog=8):
    """A Unix socket that sends one of the answers to each who connects, and nothing to those who come later."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(backlog)

        def serve():
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield ApiRequest(str(path), "/containers/json")
        thread.join()


def test_answer_is_json(tmp_path):
    with listener(tmp_path / "a", [OK + b'[{"Id": "1"}]']) as question:
        assert ask([question], within=30) == [[{"Id": "1"}]]


@pytest.mark.parametrize(
    "answer",
    [b"", b"\r\n\r\n[]", b"SSH-2.0-OpenSSH\r\n\r\n[]", b"HTTP/1.1 500 no\r\n\r\n[]", b"HTTP/1.0 200 OK\r\n\r\n",
     OK + b'[{"Id"', OK + b"[" * 100_000, OK + b"\xff\xfe\x00"],
)  # fmt: skip
def test_broken_answer_is_none(answer, tmp_path):
    with listener(tmp_path / "a", [answer]) as question:
        assert ask([question], within=30) == [None]


def test_silent_daemon_does_not_delay_others(tmp_path):
    """One answers, one accepts and says nothing, one does not even accept, one is gone, one has no socket."""
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
        with (
            listener(tmp_path / "full", backlog=0) as full,
            listener(tmp_path / "silent") as silent,
            listener(tmp_path / "a", [OK + b"[]"]) as alive,
        ):
            gone = [
                ApiRequest(str(tmp_path / name), "/networks") for name in ("dead", "file", "nowhere", "x" * 200, "\0")
            ]
            assert ask([silent, full, full, full, *gone, alive], within=0.2) == [None] * 9 + [[]]


def test_no_question_has_no_answer():
    assert ask([], within=30) == []

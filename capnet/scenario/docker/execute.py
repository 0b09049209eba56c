"""A command in a running container, and all that it printed."""

from __future__ import annotations

from typing import Any

_HEADER = 8  # bytes before each piece: stream, three zeros, length (big endian); Docker's API, "attach to a container"


def execute(container: Any, words: list[str]) -> tuple[int, str]:
    """Runs it and waits: exit status, and what it wrote to stdout and stderr, in order.

    Asked for without an upgrade of the connection, so that the answer is an ordinary HTTP body. docker-py's
    `exec_run` upgrades and then reads the socket below its buffer: what the command printed is lost where it
    arrives together with the header of the answer, as it may from a host behind TCP.
    """
    from docker.errors import create_api_error_from_http_exception
    from requests import HTTPError

    api = container.client.api
    made = api.exec_create(container.id, words)["Id"]
    start = f"{api.base_url}/v{api.api_version}/exec/{made}/start"
    # No time limit: a command may be silent for as long as it likes.
    answer = api.post(start, json={"Detach": False, "Tty": False}, timeout=None)
    try:
        answer.raise_for_status()
    except HTTPError as error:
        raise create_api_error_from_http_exception(error) from error
    printed = _pieces(answer.content).decode(errors="replace")
    return api.exec_inspect(made)["ExitCode"], printed


def _pieces(body: bytes) -> bytes:
    """What is in the pieces of a raw stream; a last piece that was cut gives what there is of it."""
    pieces = []
    at = 0
    while at + _HEADER <= len(body):
        size = int.from_bytes(body[at + 4 : at + _HEADER], "big")
        pieces.append(body[at + _HEADER : at + _HEADER + size])
        at += _HEADER + size
    return b"".join(pieces)

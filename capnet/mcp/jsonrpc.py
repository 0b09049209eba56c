"""JSON-RPC 2.0, a message a line, as the stdio transport of the Model Context Protocol has it.

Input: a stream of bytes. Output: a line for each request; notifications have none. The end of the stream ends it.
Method: https://www.jsonrpc.org/specification. Arrays of messages are answered as arrays where `takes_batches` is true.
Limits: messages are answered one after the other; a line of more than MAX_BYTES is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO

MAX_BYTES = 1 << 20  # of a message: the longest that any tool takes is a list of files
MAX_BATCH = 100  # messages in an array

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

Message = dict[str, Any]
Handler = Callable[[str, Message, bool], Message]


class RpcError(Exception):
    """An error that the caller is told, with its code."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def serve(source: BinaryIO, target: BinaryIO, handle: Handler, takes_batches: Callable[[], bool]) -> None:
    """Answers the messages of `source` on `target` until it ends.

    `handle` is given the method, its parameters and whether an answer is wanted; it returns the result, or raises
    RpcError.
    """
    while line := _line(source):
        answer = _answer(line, handle, takes_batches)
        if answer is not None:
            target.write(json.dumps(answer, separators=(",", ":")).encode("ascii") + b"\n")
            target.flush()


def _line(source: BinaryIO) -> bytes:
    """The next line; of one that is too long as much as shows that it is."""
    line = source.readline(MAX_BYTES + 1)
    part = line
    while len(part) > MAX_BYTES and not part.endswith(b"\n"):
        part = source.readline(MAX_BYTES + 1)
        if len(part) <= MAX_BYTES:
            break
    return line


def _answer(line: bytes, handle: Handler, takes_batches: Callable[[], bool]) -> Any:
    """The response to a line; None if it needs none."""
    if len(line) > MAX_BYTES:
        return _error(None, INVALID_REQUEST, f"a message of more than {MAX_BYTES >> 20} MiB")
    if not line.strip():
        return None
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return _error(None, PARSE_ERROR, "not JSON in UTF-8, one message a line")
    if not isinstance(message, list):
        return _response(message, handle)
    if not takes_batches() or not 0 < len(message) <= MAX_BATCH:
        return _error(None, INVALID_REQUEST, "one message a line; this version of the protocol has no arrays of them")
    responses = [response for part in message if (response := _response(part, handle)) is not None]
    return responses or None


def _response(message: Any, handle: Handler) -> Message | None:
    """The response to one message; None to a notification, and to a response, which nothing asked for."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return _error(None, INVALID_REQUEST, 'a message is an object with "jsonrpc": "2.0"')
    if "method" not in message and ("result" in message or "error" in message):
        return None
    has_id = "id" in message
    identifier = message.get("id")
    if has_id and (isinstance(identifier, bool) or not isinstance(identifier, str | int)):
        return _error(None, INVALID_REQUEST, "id is a string or an integer")
    method, parameters = message.get("method"), message.get("params", {})
    if not isinstance(method, str):
        return _error(identifier, INVALID_REQUEST, "method is a string")
    try:
        if not isinstance(parameters, dict):
            raise RpcError(INVALID_PARAMS, "params is an object")
        result = handle(method, parameters, has_id)
    except RpcError as error:
        return _error(identifier, error.code, str(error), error.data) if has_id else None
    return {"jsonrpc": "2.0", "id": identifier, "result": result} if has_id else None


def _error(identifier: Any, code: int, message: str, data: Any = None) -> Message:
    error: Message = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": identifier, "error": error}

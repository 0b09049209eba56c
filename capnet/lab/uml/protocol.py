"""Messages between client, supervisor and agent: one JSON object per line, bytes in base64.

client to agent   {"run": [words], "folder", "environment", "terminal": null|[rows, columns]}   the first one
                  {"in": bytes|null}        standard input; null: its end
                  {"signal": number}        to the program and what it started
                  {"size": [rows, columns]} of the terminal
                  {"taken": n}              n chunks of output have been dealt with
agent to client   {"out": bytes}, {"err": bytes}, {"taken": n} (of the input), and last {"ended": exit code}
Supervisor and agent add `session`. {"gone": true}, from the supervisor: a client has left. {"ready": true} is the
agent's first message. {"heard": n}: it has read n bytes from the line.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

Message = dict[str, Any]

CHUNK = 8192  # bytes of input or output in one message
ROOM = 2048  # bytes on their way to the agent: a serial line that has to be throttled (4096) never starts again
WINDOW = 16  # chunks that may be under way before one is taken: bounds what supervisor and line hold for a slow reader


def encode(message: Message) -> bytes:
    """The message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def pack(data: bytes) -> str:
    """Bytes as they stand in a message."""
    return base64.b64encode(data).decode("ascii")


def unpack(text: str) -> bytes:
    """The bytes that `pack` was given."""
    return base64.b64decode(text)


def messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """The messages in the lines of a stream; what is no message (the kernel's own output) is left out."""
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message

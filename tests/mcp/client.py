"""A client of the server for agents, in this process: messages in, messages out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from capnet.mcp.folders import Folders
from capnet.mcp.server import Server

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
# `_meta` of a request without a session.
META = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


def talk(lines: list[bytes], folder: Path = PCAPS) -> list[Any]:
    """The responses of a new server to these lines."""
    target = io.BytesIO()
    Server(Folders([folder])).run(io.BytesIO(b"".join(line + b"\n" for line in lines)), target)
    return [json.loads(line) for line in target.getvalue().splitlines()]


def request(method: str, identifier: Any = 1, **parameters: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "method": method, "params": parameters}).encode()


def call(tool: str, **arguments: Any) -> bytes:
    return request("tools/call", name=tool, arguments=arguments)


def answers(folder: Path, *calls: bytes) -> list[tuple[str, bool]]:
    """(text, is it an error) of each call of a tool, in one session."""
    responses = talk([request("initialize", **HELLO), *calls], folder)[1:]
    return [(each["result"]["content"][0]["text"], each["result"]["isError"]) for each in responses]

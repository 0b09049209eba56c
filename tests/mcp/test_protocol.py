"""The server for agents speaks JSON-RPC 2.0 and the Model Context Protocol as their specifications say."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from capnet.mcp.jsonrpc import MAX_BYTES
from capnet.mcp.server import SESSION_VERSIONS, STATELESS_VERSIONS
from tests.mcp.client import HELLO, META, PCAPS, answers, call, request, talk

INITIALIZE = request("initialize", 0, **HELLO)


def codes(lines: list[bytes]) -> list[int]:
    return [response["error"]["code"] for response in talk(lines)]


def test_session_over_stdio_answers_and_ends_at_eof():
    """The real process, as an agent starts it: version, tools, a call; nothing else on standard output."""
    lines = [
        INITIALIZE,
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode(),
        request("tools/list", "two"),
        request("tools/call", 3, name="open", arguments={"files": ["bridge.pcapng"]}),
        request("tools/call", 4, name="summary", arguments={"capture": "c1"}),
    ]
    run = subprocess.run(
        [sys.executable, "-m", "capnet", "mcp", "--folder", str(PCAPS)],
        input=b"\n".join(lines) + b"\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    responses = [json.loads(line) for line in run.stdout.splitlines()]
    assert (run.returncode, run.stderr) == (0, b"")
    assert [response["id"] for response in responses] == [0, "two", 3, 4]
    assert responses[0]["result"]["protocolVersion"] == "2025-06-18"
    tools = responses[1]["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["open", "summary", "trace", "explain", "compare"]
    assert all(tool["annotations"]["readOnlyHint"] for tool in tools)
    assert "network model bridge" in responses[3]["result"]["content"][0]["text"]


@pytest.mark.parametrize(
    ("asked", "agreed"), [*((each, each) for each in SESSION_VERSIONS), ("1999-01-01", SESSION_VERSIONS[0])]
)
def test_version_is_the_clients_or_the_newest(asked, agreed):
    (response,) = talk([request("initialize", **{**HELLO, "protocolVersion": asked})])
    assert response["result"]["protocolVersion"] == agreed


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600),
        (b'{"id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": [1], "method": "ping"}', -32600),
        (b"17", -32600),
        (b"[]", -32600),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
        (b" " * (MAX_BYTES + 5), -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}', -32602),
        (request("resources/list"), -32601),
        (request("tools/list", cursor="x"), -32602),
        (request("tools/call", name="delete", arguments={}), -32602),
        (request("tools/call", name="open", arguments=[1]), -32602),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', -32600),
    ],
)
def test_wrong_message_gets_its_code_and_the_next_is_answered(line, code):
    responses = talk([INITIALIZE, line, request("ping", 9)])
    assert responses[1]["error"]["code"] == code
    assert responses[2] == {"jsonrpc": "2.0", "id": 9, "result": {}}


@pytest.mark.parametrize(
    "wrong",
    [
        call("summary"),
        call("summary", capture=1),
        call("summary", capture="c1", page=0),
        call("summary", capture="c1", page=True),
        call("summary", capture="c1", shell="rm"),
        call("open", files=[]),
        call("open", files=["x" * 501]),
    ],
)
def test_wrong_argument_is_an_answer_that_the_model_sees(wrong):
    """Programs keep protocol errors to themselves, so a model could not mend its call (SEP-1303)."""
    ((text, is_error),) = answers(PCAPS, wrong)
    assert is_error
    assert any(word in text for word in ("needs capture", "a string of", "an integer", "has no argument", "an array"))


def test_request_of_stateless_version_needs_no_beginning():
    """As the specification of 2026-07-28 has it: each request has its version, each result its type."""
    list_, call_ = request("tools/list", 2, **META), request("tools/call", 3, name="open", arguments={}, **META)
    discovered, listed, called = talk([request("server/discover", **META), list_, call_])
    versions = [*STATELESS_VERSIONS, *SESSION_VERSIONS]
    assert discovered["result"]["supportedVersions"] == versions
    assert discovered["result"]["capabilities"] == {"tools": {}}
    for response in (discovered, listed, called):
        assert response["result"]["resultType"] == "complete"
        assert response["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "capnet"
    for response in (discovered, listed):
        assert response["result"]["ttlMs"] > 0
        assert response["result"]["cacheScope"] == "public"
    assert "bridge.pcapng" in called["result"]["content"][0]["text"]
    assert "ttlMs" not in called["result"]


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({"io.modelcontextprotocol/protocolVersion": "1999-01-01"}, -32022),
        ({"io.modelcontextprotocol/protocolVersion": "2025-11-25"}, -32022),  # one that begins with `initialize`
        ({"io.modelcontextprotocol/protocolVersion": 1}, -32602),
        ({"io.modelcontextprotocol/protocolVersion": STATELESS_VERSIONS[0]}, -32602),  # without capabilities
        ({}, -32602),
        (None, -32602),
    ],
)
def test_stateless_request_with_wrong_meta_gets_its_code(meta, code):
    (response,) = talk([request("server/discover", _meta=meta)])
    assert response["error"]["code"] == code
    if code == -32022:
        assert response["error"]["data"]["supported"][0] == STATELESS_VERSIONS[0]


def test_ping_and_initialize_are_of_versions_with_a_session():
    assert codes([request("ping", **META), request("initialize", **META)]) == [-32601, -32601]


def test_stateless_requests_do_not_begin_a_session():
    """A client of an earlier version may share the process: it begins for itself."""
    assert talk([request("server/discover", 1, **META), request("tools/list", 2)])[1]["error"]["code"] == -32600
    responses = talk([INITIALIZE, request("tools/list", 1, **META), request("tools/list", 2)])
    assert ["resultType" in response["result"] for response in responses] == [False, True, False]


def test_tool_before_initialize_is_refused_and_ping_is_not():
    assert codes([call("open")]) == [-32600]
    assert talk([request("ping", "p")]) == [{"jsonrpc": "2.0", "id": "p", "result": {}}]


def test_notification_and_response_get_no_answer():
    quiet = [
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}',
        b'{"jsonrpc": "2.0", "method": "tools/call"}',
        b'{"jsonrpc": "2.0", "id": 5, "result": {}}',
        b"",
    ]
    assert len(talk([INITIALIZE, *quiet])) == 1


def test_batch_of_an_old_version_is_answered_as_one():
    old = request("initialize", **{**HELLO, "protocolVersion": "2025-03-26"})
    batch = b"[" + request("ping", 1) + b', {"jsonrpc": "2.0", "method": "notifications/x"}, 4]'
    first, second = talk([old, batch])[1]
    assert first["id"] == 1
    assert second["error"]["code"] == -32600


def test_terminal_is_told_who_starts_the_command(monkeypatch, capsys):
    from capnet.cli.mcp import command
    from capnet.errors import UsageError

    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    with pytest.raises(UsageError, match=r"docs/mcp\.md"):
        command.main(["--folder", str(PCAPS)], standalone_mode=False)

"""The tools that an agent may call: name, description, schema of the arguments, and what answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from capnet.errors import CapnetError, UsageError
from capnet.mcp.captures import Captures
from capnet.mcp.fence import data, fenced, stripped
from capnet.mcp.folders import Folders
from capnet.quick_tuple import NamedTuple

MAX_LISTED = 400  # captures of the folders, over several pages
MAX_TEXT = 500  # characters of an argument

_CAPTURE = {"type": "string", "description": "Number of a capture, as `open` gave it: c1"}
_PAGE = {"type": "integer", "minimum": 1, "description": "Page of a long answer, from 1"}
_TEXT = {"type": "string", "maxLength": MAX_TEXT}

Arguments = dict[str, Any]


class Tool(NamedTuple):
    """A tool. `properties`: JSON Schema of each argument; `required`: those that must be given."""

    name: str
    description: str
    properties: dict[str, Any]
    required: tuple[str, ...]
    answer: Callable[[Captures, Arguments], list[str]]

    def described(self) -> dict[str, Any]:
        """The tool as `tools/list` has it."""
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": {**self.properties, "page": _PAGE},
                "required": list(self.required),
                "additionalProperties": False,
            },
            "annotations": {
                "readOnlyHint": True,
                "destructiveHint": False,
                "idempotentHint": True,
                "openWorldHint": False,
            },
        }


def _open(captures: Captures, arguments: Arguments) -> list[str]:
    from capnet.mcp.answers.summary import opened

    if "files" in arguments:
        return opened(captures.open(arguments["files"]))
    names = captures.folders.captures()
    more = [f"and {len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED else []
    return [*map(data_path, names[:MAX_LISTED]), *more] or ["no capture in the folders of this server"]


def data_path(path: str) -> str:
    """A path that can be given back to `open`; one that cannot be shown whole is only told of."""
    shown = f"‹{path}›"
    return (
        shown
        if stripped(path) == path and len(path) <= MAX_TEXT and not set(path) & set("‹›<>`|")
        else (f"{data(path)} (has characters that are not shown; rename it)")
    )


def _summary(captures: Captures, arguments: Arguments) -> list[str]:
    from capnet.mcp.answers.summary import summary

    return summary(captures.get(arguments["capture"]))


def _trace(captures: Captures, arguments: Arguments) -> list[str]:
    from capnet.mcp.answers import trace

    capture = captures.get(arguments["capture"])
    most = arguments.get("most", 3)
    if sum(key in arguments for key in ("flow", "container", "frame")) > 1:
        raise UsageError("choose one of flow, container and frame")
    if "frame" in arguments:
        return trace.trace_frame(capture, arguments.get("file", ""), arguments["frame"])
    if "container" in arguments:
        return trace.trace_container(capture, arguments["container"], most)
    return trace.trace_flows(capture, arguments.get("flow", ""), most)


def _explain(captures: Captures, arguments: Arguments) -> list[str]:
    from capnet.mcp.answers.explanation import explain

    capture = captures.get(arguments["capture"]) if "capture" in arguments else None
    return explain(arguments["name"], capture)


def _compare(captures: Captures, arguments: Arguments) -> list[str]:
    from capnet.mcp.answers.comparison import comparison

    return comparison(captures.get(arguments["good"]), captures.get(arguments["bad"]))


TOOLS = (
    Tool(
        "open",
        "Read packet captures (pcap, pcapng). Several files are one capture at several points. Without files: list the "
        "captures that there are.",
        {"files": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 200}},
        (),
        _open,
    ),
    Tool(
        "summary",
        "What fails in a capture and where, the container network, NAT and tunnels. Each statement names frames.",
        {"capture": _CAPTURE},
        ("capture",),
        _summary,
    ),
    Tool(
        "trace",
        "Follow flows or one packet from point to point: translations, tunnels, TTL, delays, losses.",
        {
            "capture": _CAPTURE,
            "flow": {**_TEXT, "description": "In the words of pcap-filter: host web and port 80, vni 4097, tcp"},
            "container": {**_TEXT, "description": "Name or address of a container or host"},
            "frame": {"type": "integer", "minimum": 1, "description": "Number of a frame, as in Wireshark"},
            "file": {**_TEXT, "description": "The file that has the frame, if the capture has several"},
            "most": {"type": "integer", "minimum": 1, "maximum": 10, "description": "Conversations at most"},
        },
        ("capture",),
        _trace,
    ),
    Tool(
        "explain",
        "What a finding means, when it is wrong, what to do; with a capture also where it has it. Or, with a capture, "
        "all of one container, host or address.",
        {"name": _TEXT, "capture": _CAPTURE},
        ("name",),
        _explain,
    ),
    Tool(
        "compare",
        "What differs between a capture in which all goes well and one in which it does not.",
        {"good": _CAPTURE, "bad": _CAPTURE},
        ("good", "bad"),
        _compare,
    ),
)

BY_NAME = {tool.name: tool for tool in TOOLS}


def wrong_argument(tool: Tool, arguments: Arguments) -> str | None:
    """What is wrong with the arguments by the schema of the tool; None if nothing is."""
    properties = {**tool.properties, "page": _PAGE}
    for name in tool.required:
        if name not in arguments:
            return f"{tool.name} needs {name}"
    for name, value in arguments.items():
        if name not in properties:
            return f"{tool.name} has no argument {stripped(name)[:MAX_TEXT]!r}; it has {', '.join(properties)}"
        if problem := _mismatch(value, properties[name]):
            return f"{name}: {problem}"
    return None


def _mismatch(value: Any, schema: Arguments) -> str | None:
    kind = schema["type"]
    if kind == "integer":
        low, high = schema["minimum"], schema.get("maximum", 10**18)
        is_valid = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if is_valid else f"an integer from {low}" + (f" to {high}" if "maximum" in schema else "")
    if kind == "string":
        return (
            None if isinstance(value, str) and len(value) <= MAX_TEXT else f"a string of at most {MAX_TEXT} characters"
        )
    if not isinstance(value, list) or not schema["minItems"] <= len(value) <= schema["maxItems"]:
        return f"an array of {schema['minItems']} to {schema['maxItems']} strings"
    return next(filter(None, (_mismatch(item, schema["items"]) for item in value)), None)


class Toolbox:
    """Calls tools on the captures of some folders."""

    def __init__(self, folders: Folders) -> None:
        self.captures = Captures(folders)

    def call(self, tool: Tool, arguments: Arguments) -> tuple[str, bool]:
        """(text, whether it is an error) of a tool. Wrong arguments are such an error, which the model sees and mends.

        A protocol error would reach the program alone (SEP-1303).
        """
        if problem := wrong_argument(tool, arguments):
            return fenced([problem], 1), True
        try:
            return fenced(tool.answer(self.captures, arguments), arguments.get("page", 1)), False
        except (CapnetError, ValueError, OSError) as error:
            message = self.captures.folders.without_roots(str(error))
            return fenced([self.captures.fence().sentence(message)], 1), True

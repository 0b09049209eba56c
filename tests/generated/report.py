"""docs/report.md: every key of the JSON report, with its type, unit and meaning.

Types come from the JSON Schema, meanings from the comments behind the fields of `core.results`.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from capnet.analysis.core import results
from capnet.analysis.core.contract import model, outcomes, volume
from capnet.analysis.core.contract.report import Report
from tests.conftest import PROJECT

HEAD = """# The JSON report

<!-- Made from the code by `python -m tests.generated`: do not edit. -->

`capnet analyze --format json` prints this object, and `report.to_json()` returns it.
`report.to_dict()` returns it as Python dictionaries; the attributes of a `Report` have the same names.
All keys below are always there, except where it says otherwise.
The same input gives the same bytes: lists are sorted, and nothing comes from a clock.
Sentences (`says`, `fix`, `because`, `facts.kernel`) are in English, also where the locale or CAPNET_LANG is Chinese;
so are JUnit, SARIF, and what export and sql give.
Only `--lang zh` makes them Chinese; keys, ids, names of findings and all other values are the same in both languages.
Versions may add keys, so readers should ignore keys they do not know; no key changes its meaning.
The schema is [schema.json](../capnet/report/schema.json).

Types:

- a time is ISO 8601 in UTC with nanoseconds, `2026-11-23T22:14:03.000000001Z`
- a file is named as it was given; an absolute path is cut to the end that tells it from other inputs
- an echo identifier stands for the ports of ICMP, whose ports are null; other protocols have no `id`
"""

FATES = Path(__file__).with_name("fates.md").read_text(encoding="utf-8")  # the end of the page

# Where the schema describes each class. The order is that of the page.
SCHEMAS: dict[type, tuple[str, ...]] = {
    results.Input: ("$defs", "input"),
    results.Problem: ("$defs", "input", "properties", "problems", "items"),
    results.Point: ("$defs", "point"),
    model.Model: ("$defs", "model"),
    model.Weight: ("$defs", "weight"),
    results.Station: ("$defs", "station"),
    results.MacVerdict: ("$defs", "macVerdict"),
    results.Nat: ("$defs", "nat"),
    results.Side: ("$defs", "side"),
    outcomes.Proxy: ("$defs", "proxy"),
    results.Tunnel: ("$defs", "tunnel"),
    results.Path: ("$defs", "path"),
    results.Answer: ("$defs", "answer"),
    results.Hop: ("$defs", "hop"),
    results.TunnelRef: ("$defs", "hop", "properties", "tunnel", "oneOf", "0"),
    results.Flows: ("properties", "flows"),
    results.Flow: ("$defs", "flow"),
    results.FlowKey: ("$defs", "flowKey"),
    results.Delay: ("$defs", "delay", "oneOf", "0"),
    results.Finding: ("$defs", "finding"),
    outcomes.Fate: ("$defs", "fate"),
    outcomes.IcmpErrorMessage: ("$defs", "icmpError"),
    outcomes.QuotedPacket: ("$defs", "quotedPacket"),
    outcomes.Neighbour: ("$defs", "neighbour"),
    outcomes.KernelReason: ("$defs", "kernelReason"),
    volume.Conversation: ("$defs", "conversation"),
    volume.ProtocolShare: ("$defs", "protocolShare"),
    results.Coverage: ("properties", "coverage"),
    results.Evidence: ("$defs", "evidence", "items"),
}
TYPES = {
    "count": "integer",
    "portNumber": "integer",
    "port": "integer or null",
    "echoId": "integer or null",
    "vni": "integer or null",
    "address": "IP address",
    "mac": "MAC address",
    "time": "time",
    "timeOrNull": "time or null",
    "confidence": "number",
    "file": "file",
    "slug": "word",
}
TOP_LEVEL = {"schema": "the version of this contract", "made_by": "the program and its version"}
SOMETIMES = {"packet": "only of `capnet trace --frame`: one packet in every frame that shows it"}
SCHEMA: dict[str, Any] = json.loads((PROJECT / "capnet" / "report" / "schema.json").read_text(encoding="utf-8"))


def report_page() -> str:
    """The page: the keys of the report, then those of each kind of fact."""
    meanings = {**TOP_LEVEL, **_report_meanings(), **SOMETIMES}
    rows = [_row(name, node, meanings.get(name) or node.get("description", "")) for name, node in _keys(SCHEMA)]
    lines = [HEAD, "## Report", "", *_table(rows)]
    comments = _field_comments()
    for kind, pointer in SCHEMAS.items():
        rows = [_row(key, node, comments[kind.__name__].get(key)) for key, node in _keys(_node(pointer))]
        lines += ["", f"## {kind.__name__}", "", inspect.cleandoc(kind.__doc__ or ""), "", *_table(rows)]
    return "\n".join(lines) + "\n\n" + FATES


def _table(rows: list[str]) -> list[str]:
    return ["| key | type | unit | meaning |", "|---|---|---|---|", *rows]


def _row(key: str, node: dict[str, Any], meaning: str | None) -> str:
    if meaning is None and key == "id":
        meaning = "ICMP echo identifier"
    assert meaning, f"{key} has no comment"
    unit = re.search(r" *\[(.*)\]$", meaning)
    text = meaning[: unit.start()] if unit else meaning
    return f"| `{key}` | {_type(node)} | {unit[1] if unit else ''} | {text} |"


def _type(node: dict[str, Any]) -> str:
    """A node of the schema in words."""
    for kind, pointer in SCHEMAS.items():
        if node == _node(pointer):
            return f"[{kind.__name__}](#{kind.__name__.lower()})"
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return TYPES.get(name) or _type(SCHEMA["$defs"][name])
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join("null" if value is None else f"`{value}`" for value in node["enum"])
    if "oneOf" in node:
        return " or ".join(_type(option) for option in node["oneOf"])
    if isinstance(node["type"], list):
        return " or ".join(node["type"])
    if node["type"] == "array":
        return f"list of {_type(node['items'])}"
    if isinstance(node.get("additionalProperties"), dict):
        return f"object of {_type(node['additionalProperties'])}"
    kind: str = node["type"]
    return kind


def _keys(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from node["properties"].items()


def _node(pointer: tuple[str, ...]) -> dict[str, Any]:
    node: Any = SCHEMA
    for key in pointer:
        node = node[int(key)] if isinstance(node, list) else node[key]
    found: dict[str, Any] = node
    return found


def _report_meanings() -> dict[str, str]:
    """Key → meaning, of the lines `key  meaning` in the docstring of Report."""
    return dict(re.findall(r"^(\w+) +(?<=  )(\S.*)$", inspect.cleandoc(Report.__doc__ or ""), re.MULTILINE))


def _field_comments() -> dict[str, dict[str, str]]:
    """Class → field → the comment behind it."""
    comments: dict[str, dict[str, str]] = {}
    for module in (results, outcomes, volume, model):
        comments |= comments_in(module.__file__)
    return comments


def comments_in(file: str) -> dict[str, dict[str, str]]:
    """Class → field → the comment behind it, of a file."""
    source = Path(file).read_text(encoding="utf-8")
    lines = source.splitlines()
    return {
        kind.name: {
            field.target.id.rstrip("_"): lines[field.lineno - 1].partition("  # ")[2]
            for field in kind.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        }
        for kind in ast.parse(source).body
        if isinstance(kind, ast.ClassDef)
    }

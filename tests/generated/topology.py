"""docs/topology.md: every key of a topology, with its type, unit and meaning, from the comments behind the fields.

`schema_text` makes capnet/topology/schema.json from the same classes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from capnet import topology
from capnet.topology import model
from capnet.topology.file import SCHEMA
from tests.conftest import PROJECT
from tests.generated.report import comments_in

SCHEMA_FILE = PROJECT / "capnet" / "topology" / "schema.json"
CLASSES: list[type] = [
    topology.Topology,
    *(kind for kind in vars(model).values() if inspect.isclass(kind) and kind.__module__ == model.__name__),
]

HEAD, TAIL = Path(__file__).with_suffix(".md").read_text(encoding="utf-8").split("<!-- tables -->\n")

_WORDS = {str: "string", int: "integer", bool: "true or false"}
_JSON = {str: "string", int: "integer", bool: "boolean", NoneType: "null"}


def topology_page() -> str:
    """The page: what it is, a table for each class, and the outputs that it can be made from."""
    lines = [HEAD.rstrip() + "\n"]
    for kind in CLASSES:
        lines += table(kind, SCHEMA if kind is topology.Topology else "")
    return "\n".join(lines) + TAIL


def schema_text() -> str:
    """The JSON Schema of a topology. It allows further keys, as readers do."""
    return schema_of(CLASSES, SCHEMA, "Topology of hosts")


def table(kind: type, schema: str = "") -> list[str]:
    """Lines of a class: its name, what it is, and its keys. `schema`: of the file itself, its version."""
    lines = [f"## {kind.__name__}", "", inspect.cleandoc(kind.__doc__ or ""), ""]
    lines += ["| key | type | unit | meaning |", "|---|---|---|---|"]
    if schema:
        lines.append(f"| `schema` | `{schema}` |  | the version of this format |")
    return [*lines, *(_row(kind, field, hint) for field, hint in _fields(kind)), ""]


def schema_of(classes: list[type], version: str, title: str) -> str:
    """The JSON Schema of a file that is an object of the first class, with what it consists of."""
    definitions = {kind.__name__.lower(): _object(kind) for kind in classes[1:]}
    top = _object(classes[0])
    top["properties"] = {"schema": {"const": version}, **top["properties"]}
    top["required"] = ["schema"]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": version,
        "title": title,
        **top,
        "$defs": definitions,
    }
    return json.dumps(schema, indent=1) + "\n"


def _row(kind: type, field: Field[Any], hint: Any) -> str:
    meaning = comments_in(inspect.getfile(kind))[kind.__name__][field.name]
    assert meaning, f"{kind.__name__}.{field.name} has no comment"
    unit = re.search(r" *\[(.*)\]$", meaning)
    text = meaning[: unit.start()] if unit else meaning
    optional = "*optional*; " if field.kw_only else ""
    return f"| `{field.name}` | {_words(hint)} | {unit[1] if unit else ''} | {optional}{text} |"


def _words(hint: Any) -> str:
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    if get_origin(hint) is list:
        return f"list of {_words(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return f"object of {_words(get_args(hint)[1])}"
    if options := get_args(hint):
        return " or ".join("null" if option is NoneType else _words(option) for option in options)
    return _WORDS[hint]


def _object(kind: type) -> dict[str, Any]:
    pairs = list(_fields(kind))
    return {
        "type": "object",
        "required": [field.name for field, _ in pairs if _is_required(kind, field)],
        "properties": {field.name: _schema(field.name, hint) for field, hint in pairs},
    }


def _schema(name: str, hint: Any) -> dict[str, Any]:
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return {"$ref": f"#/$defs/{hint.__name__.lower()}"}
    if get_origin(hint) is list:
        return {"type": "array", "items": _schema(name, get_args(hint)[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _schema(name, get_args(hint)[1])}
    if options := get_args(hint):
        if kinds := [option for option in options if is_dataclass(option)]:
            return {"oneOf": [_schema(name, kinds[0]), {"type": "null"}]}
        return {"type": [_JSON[option] for option in options]} | _pattern(name)
    return {"type": _JSON[hint]} | _pattern(name)


def _pattern(name: str) -> dict[str, str]:
    return {"pattern": "^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$|^$"} if name == "mac" else {}


def _is_required(kind: type, field: Field[Any]) -> bool:
    """A key that a reader may not miss: one without a default."""
    return inspect.signature(kind).parameters[field.name].default is inspect.Parameter.empty


def _fields(kind: type) -> Iterator[tuple[Field[Any], Any]]:
    hints = get_type_hints(kind, localns=vars(model))
    for field in fields(kind):
        yield field, hints[field.name]

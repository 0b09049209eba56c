"""Reads and writes `NAME.topology.json`: JSON with the fields of the classes in `capnet.topology` as keys."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from functools import cache
from ipaddress import ip_address, ip_interface
from os import PathLike
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from capnet.json_file import read_object
from capnet.topology import model

T = TypeVar("T")

SCHEMA = "capnet.topology/1"
MAX_FILE_BYTES = 4 << 20  # a thousand containers have 1 MiB, and a parsed file takes 20 times its size in memory
_THROUGH_PROCESS = r'"/proc/(?:\d+|self)/root/'  # proc(5); means nothing when the process has ended
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")


def to_json(topology: object) -> str:
    """The text of a `Topology`: keys are sorted, and those that came later are left out while they are empty.

    Namespaces are files as their host sees them, not as they were reached through a process.
    """
    text = json.dumps({"schema": SCHEMA, **as_json(topology)}, indent=1, sort_keys=True) + "\n"
    return re.sub(_THROUGH_PROCESS, '"/', text)


def load(kind: type[T], path: str | PathLike[str]) -> T:
    """Read a `kind`, which is `Topology`.

    Raises ValueError, with path and reason, for another kind of file; OSError if it is missing.
    """
    data = read_object(path, SCHEMA, "topology file", MAX_FILE_BYTES)
    try:
        topology: T = build(kind, data)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    return topology


def as_json(value: Any) -> Any:
    """An object of one of the classes, or a list of them, as JSON; keys that came later only if they say something."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if not is_dataclass(value):
        return value
    keys = {each.name: getattr(value, each.name) for each in fields(value)}
    later = {each.name for each in fields(value) if each.kw_only}
    return {name: as_json(item) for name, item in keys.items() if name not in later or item not in (None, [], {})}


@cache
def _types(kind: Any) -> dict[str, Any]:
    """Name of a field → its type."""
    return {each.name: _type(str(each.type)) for each in fields(kind)}


@cache
def _type(annotation: str) -> Any:
    """`str | None` → the type. Many fields have the same: `get_type_hints` would compile each of them."""
    return eval(annotation, vars(model))


def build(kind: Any, entry: dict[str, Any]) -> Any:
    """An object of one of the classes. Raises ValueError for a value of another type.

    Unknown keys are ignored: a newer capnet may have written the file.
    """
    types = _types(kind)
    values = {key: value for key, value in entry.items() if key in types}
    for key, value in values.items():
        if not _has_type(value, types[key]):
            raise ValueError(f"{key} of a {kind.__name__.lower()} is {value!r:.60}")
        if item_kind := _item_class(types[key]):
            values[key] = [build(item_kind, item) for item in value]
    for address in (*values.get("addresses", ()), *filter(None, [values.get("address")])):
        ip_interface(address)  # its ValueError says what is wrong
    if values.get("host_ip"):
        ip_address(values["host_ip"])  # likewise
    if values.get("mac") and not _MAC.fullmatch(values["mac"]):
        raise ValueError(f"{values['mac']!r:.60} is no MAC address")
    return kind(**values)


@cache
def _item_class(type_hint: Any) -> Any:
    """The dataclass of the items of a list, else None."""
    item_type = get_args(type_hint)[-1] if get_origin(type_hint) is list else None
    return item_type if is_dataclass(item_type) else None


def _has_type(value: Any, type_hint: Any) -> bool:
    """Is `value`, parsed from JSON, what a field with this type hint holds? For a dataclass, JSON has an object."""
    kinds, item_type = _kinds(type_hint)
    if type(value) not in kinds:
        return False
    if item_type is None or value is None:
        return True
    return all(_has_type(item, item_type) for item in (value.values() if isinstance(value, dict) else value))


@cache
def _kinds(type_hint: Any) -> tuple[tuple[type, ...], Any]:
    """The types that JSON has for a type hint, and the type hint of the items of a list or an object, else None."""
    if isinstance(type_hint, UnionType):
        alternatives = [_kinds(alternative) for alternative in get_args(type_hint)]
        kinds = tuple(kind for kinds, _ in alternatives for kind in kinds)
        return kinds, next((item_type for _, item_type in alternatives if item_type is not None), None)
    if is_dataclass(type_hint):
        return (dict,), None
    if (container := get_origin(type_hint)) is not None:
        return (container,), get_args(type_hint)[-1]
    return (type_hint,), None

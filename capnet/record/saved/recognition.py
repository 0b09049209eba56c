"""Tells by its content what program printed a text, and reads it.

JSON is told by its keys, other text by its first lines. Several outputs may follow each other in one file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology
from capnet.topology.file import SCHEMA, build

Entry = dict[str, Any]

_SAMPLE = 50  # lines of a text by which it is told
_CONNTRACK = re.compile(r"(?:ipv[46]\s+\d+\s+)?[a-z]\w*\s+\d+\s.*\bsrc=\S+ dst=\S+.*\bsrc=\S+ dst=\S+")
_SYSCTL = re.compile(r"[a-z0-9_]+(?:[./][\w:@ -]+)+ ?= ?.*")
_IPTABLES = re.compile(r"^(?:\*[a-z]+|:\S+ \S+ \[\d+:\d+\])$", re.MULTILINE)
_PLAIN_IP = re.compile(r"^\d+: \S+: <", re.MULTILINE)


class SavedOutput(NamedTuple):
    """What a program printed. `value` is a list of JSON objects, a text or lines, as `kind` says.

    containers, networks, services, info  of docker
    interfaces, routes, neighbours        of ip -j
    conntrack                             lines
    tables                                text of iptables-save, `nft -j list ruleset` or sysctl, called `name`
    topology                              a Topology of capnet
    """

    kind: str
    value: Any
    name: str = ""


class Unrecognised(ValueError):
    """The text is nothing that helps; the message says why."""


def recognise(text: str) -> list[SavedOutput]:
    """The outputs in a text; none of an empty list. Raises Unrecognised for what helps nothing."""
    stripped = text.strip()
    if not stripped:
        raise Unrecognised("empty")
    if stripped[0] in "[{":
        return [output for value in _values(stripped) for output in _of_json(value)]
    return [_of_text(text)]


def _values(text: str) -> Iterator[Any]:
    """Each JSON value of a text."""
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            yield value
            while at < len(text) and text[at].isspace():
                at += 1
    except (ValueError, RecursionError) as error:
        raise Unrecognised(f"not JSON ({error})") from error


def _of_json(value: Any) -> Iterator[SavedOutput]:
    if isinstance(value, dict) and value.get("schema") == SCHEMA:
        try:
            yield SavedOutput("topology", build(Topology, value))
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise Unrecognised(f"a damaged topology ({error})") from error
        return
    if isinstance(value, dict) and "nftables" in value:
        yield SavedOutput("tables", json.dumps(value), "nft -j list ruleset")
        return
    entries = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, dict) for entry in entries):
        raise Unrecognised("JSON of an unknown kind")
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry:  # ip -j prints {} for what a filter left out
            kinds.setdefault(_kind(entry), []).append(entry)
    for kind, of_kind in kinds.items():
        yield SavedOutput(kind, of_kind)


def _kind(entry: Entry) -> str:
    for kind, fits in _KINDS.items():
        if fits(entry):
            return kind
    raise Unrecognised("JSON of an unknown kind")


def _has(entry: Entry, **types: type) -> bool:
    return all(isinstance(entry.get(key), kind) for key, kind in types.items())


_KINDS: dict[str, Callable[[Entry], bool]] = {
    "containers": lambda entry: _has(
        entry, Id=str, Name=str, State=dict, Config=dict, HostConfig=dict, NetworkSettings=dict
    ),
    "networks": lambda entry: _has(entry, Id=str, Name=str, Driver=str, Scope=str),
    "services": lambda entry: _has(entry, ID=str, Spec=dict) and _has(entry["Spec"], Name=str, TaskTemplate=dict),
    "info": lambda entry: _has(entry, ServerVersion=str, KernelVersion=str, Name=str),
    "interfaces": lambda entry: _has(entry, ifname=str, ifindex=int),
    "neighbours": lambda entry: _has(entry, dst=str, state=list),
    "routes": lambda entry: _has(entry, dst=str) and bool({"dev", "gateway", "via", "nexthops", "type"} & set(entry)),
}


def _of_text(text: str) -> SavedOutput:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    sample = lines[:_SAMPLE]
    if len(_IPTABLES.findall(text[: 1 << 16])) > 1:
        return SavedOutput("tables", text, "ip6tables-save -c" if _is_ipv6(text) else "iptables-save -c")
    if _most(_CONNTRACK, sample):
        return SavedOutput("conntrack", [" ".join(line.split()) for line in lines if _CONNTRACK.match(line)])
    if _most(_SYSCTL, sample):
        return SavedOutput("tables", text, "sysctl -a")
    if _PLAIN_IP.search(text[: 1 << 16]):
        raise Unrecognised("output of ip without -j: save `ip -j -d address`")
    raise Unrecognised("a text of an unknown kind")


def _is_ipv6(rules: str) -> bool:
    """iptables-save and ip6tables-save look alike but for their rules' addresses and comments."""
    return "ip6tables-save" in rules or re.search(r"-[sd] [0-9a-f]*:[0-9a-f:]+/\d", rules) is not None


def _most(pattern: re.Pattern[str], lines: list[str]) -> bool:
    """Do at least nine of ten lines look so? A comment or a warning of the program may be among them."""
    return len(lines) > 0 and sum(bool(pattern.match(line)) for line in lines) * 10 >= len(lines) * 9

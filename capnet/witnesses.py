"""Witnesses: what the kernels of a recording say themselves: their rules, counters and settings before and after it.

A recording writes them beside the capture as `NAME.witnesses.json` (`capnet.witnesses/1`): the text that programs such
as `iptables-save -c` print in each network namespace, at two moments. The analysis compares both. Everything else works
without the file. This module is plain data: it runs no program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from os import PathLike
from typing import Any

from capnet.json_file import read_object
from capnet.quick_dataclass import mutable

SCHEMA = "capnet.witnesses/1"
MAX_FILE_BYTES = 64 << 20  # 16 namespaces of a large cluster's node; a usual file has 100 KiB


@mutable
class Snapshot:
    """What the programs printed in one network namespace at one moment."""

    time: int | None  # when, by the clock of the machine [ns since 1970]; None if it does not say
    outputs: dict[str, str] = field(default_factory=dict)  # command or file in /proc → its text
    cut: list[str] = field(default_factory=list)  # those whose text is not whole, because it was too long


@mutable
class NamespaceWitness:
    """A network namespace: `A` is host A's own, `A/web` that of its container web, `A/overlay:NET` an overlay's."""

    name: str  # its name, as capture points in it begin
    points: list[str] = field(default_factory=list)  # capture points in it
    before: Snapshot | None = None  # when all points were listened at; None if it could not be asked
    after: Snapshot | None = None  # before the first point was left
    trace: list[str] = field(default_factory=list)  # with --why, a JSON object for each verdict of a rule
    lost: int = 0  # steps of the trace that are not kept


@mutable
class DroppedPackets:
    """Why the kernel of one machine dropped packets that were at captured interfaces (skb:kfree_skb)."""

    points: list[str]  # capture points on this machine
    lines: list[str] = field(default_factory=list)  # a JSON object for each drop
    lost: int = 0  # events that were not recorded, or lines that are not kept


@mutable
class Witnesses:
    """All of a recording; one file NAME.witnesses.json."""

    recorded: dict[str, str] = field(default_factory=dict)  # versions of what recorded it
    namespaces: list[NamespaceWitness] = field(default_factory=list)  # those that were asked
    drops: list[DroppedPackets] = field(default_factory=list)  # with --why, for each machine

    def joined(self, other: Witnesses) -> Witnesses:
        """Both as one, for captures of several hosts that are analyzed together."""
        return Witnesses(
            {**other.recorded, **self.recorded}, self.namespaces + other.namespaces, self.drops + other.drops
        )

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Witnesses:
        """Read a file. Raises ValueError, with path and reason, for another kind of file; OSError if missing."""
        data = read_object(path, SCHEMA, "file of witnesses", MAX_FILE_BYTES)
        try:
            return cls(
                {str(key): str(value) for key, value in dict(data.get("recorded", {})).items()},
                [_namespace(entry) for entry in data.get("namespaces", [])],
                [_drops(entry) for entry in data.get("drops", [])],
            )
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"{path}: not as {SCHEMA} has it ({error!r:.80})") from error


def left_bridges(namespace: NamespaceWitness) -> dict[str, str]:
    """Interface → the bridge that it was a port of before the recording; one that is there afterwards, without it."""
    before, after = (_masters(snapshot) for snapshot in (namespace.before, namespace.after))
    return {name: bridge for name, bridge in before.items() if bridge and name in after and after[name] is None}


def _masters(snapshot: Snapshot | None) -> dict[str, str | None]:
    """Interface → the bridge or bond that it is a port of; nothing if the text is cut."""
    try:
        entries = json.loads(snapshot.outputs.get("ip -s -j address", "") if snapshot else "")
        return {str(entry["ifname"]): entry.get("master") for entry in entries if "ifname" in entry}
    except (ValueError, RecursionError, TypeError, AttributeError):
        return {}


def _namespace(entry: Mapping[str, Any]) -> NamespaceWitness:
    return NamespaceWitness(
        name=_text(entry["name"]),
        points=[_text(point) for point in entry.get("points", [])],
        before=_snapshot(entry.get("before")),
        after=_snapshot(entry.get("after")),
        trace=[_text(line) for line in entry.get("trace", [])],
        lost=int(entry.get("lost", 0)),
    )


def _drops(entry: Mapping[str, Any]) -> DroppedPackets:
    points, lines = ([_text(item) for item in entry[key]] for key in ("points", "lines"))
    return DroppedPackets(points, lines, int(entry.get("lost", 0)))


def _snapshot(entry: Mapping[str, Any] | None) -> Snapshot | None:
    if entry is None:
        return None
    time = entry.get("time")
    return Snapshot(
        time=None if time is None else int(time),
        outputs={_text(name): _text(text) for name, text in entry.get("outputs", {}).items()},
        cut=[_text(name) for name in entry.get("cut", [])],
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value

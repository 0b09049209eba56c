"""Witnesses in parts that can be left out one by one: a text of a namespace at both moments, a line of a trace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from capnet.quick_tuple import NamedTuple
from capnet.witnesses import Snapshot, Witnesses


class WitnessPart(NamedTuple):
    """`kind`: `output`, a program's text of a namespace; `trace`, a line of it; `drop`, a line of a machine."""

    kind: str
    place: int  # index of the namespace, or of the machine
    name: str  # of the program
    line: int = 0


def witness_parts(witnesses: Witnesses) -> list[WitnessPart]:
    """All of them."""
    made = []
    for place, namespace in enumerate(witnesses.namespaces):
        outputs: dict[str, None] = {}
        for snapshot in (namespace.before, namespace.after):
            outputs |= dict.fromkeys(snapshot.outputs) if snapshot else {}
        made += [WitnessPart("output", place, name) for name in outputs]
        made += [WitnessPart("trace", place, "", line) for line in range(len(namespace.trace))]
    for place, drops in enumerate(witnesses.drops):
        made += [WitnessPart("drop", place, "", line) for line in range(len(drops.lines))]
    return made


def with_parts(witnesses: Witnesses, chosen: Collection[WitnessPart]) -> Witnesses:
    """The witnesses with these alone; namespaces and machines of which nothing is left are left out."""
    wanted = set(chosen)
    namespaces = []
    for place, namespace in enumerate(witnesses.namespaces):

        def of_moment(snapshot: Snapshot | None, place: int = place) -> Snapshot | None:
            if snapshot is None:
                return None
            outputs = {
                name: text for name, text in snapshot.outputs.items() if WitnessPart("output", place, name) in wanted
            }
            return Snapshot(snapshot.time, outputs, [name for name in snapshot.cut if name in outputs])

        trace = [
            line for number, line in enumerate(namespace.trace) if WitnessPart("trace", place, "", number) in wanted
        ]
        small = replace(namespace, before=of_moment(namespace.before), after=of_moment(namespace.after), trace=trace)
        if trace or any(snapshot and snapshot.outputs for snapshot in (small.before, small.after)):
            namespaces.append(small)
    drops = []
    for place, machine in enumerate(witnesses.drops):
        lines = [line for number, line in enumerate(machine.lines) if WitnessPart("drop", place, "", number) in wanted]
        if lines:
            drops.append(replace(machine, lines=lines))
    return Witnesses(witnesses.recorded, namespaces, drops)

"""What the kernel's connection tracking says, read by the tests themselves: truth that no code of capnet touched."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

# `conntrack -L -o extended`: the original tuple, then the tuple in which replies are expected.
_TUPLE = re.compile(r"src=(\S+) dst=(\S+) (?:sport=(\d+) dport=(\d+)|type=\d+ code=\d+ id=(\d+))", re.ASCII)


class Rewritten(NamedTuple):
    """One translated connection: protocol, then (src, sport, dst, dport, id) before and after."""

    proto: str
    before: tuple[object, ...]
    after: tuple[object, ...]


def translations(topology: Path) -> set[Rewritten]:
    """All connections in the topology's conntrack listings whose reply tuple is not simply the original turned."""
    found = set()
    for host in json.loads(topology.read_text())["hosts"]:
        for line in host["conntrack"]:
            original, reply = (match.groups() for match in _TUPLE.finditer(line))
            src, dst, sport, dport, ident = original
            r_src, r_dst, r_sport, r_dport, r_ident = reply
            before = (src, _n(sport), dst, _n(dport), _n(ident))
            after = (r_dst, _n(r_dport), r_src, _n(r_sport), _n(r_ident))
            if before != after:
                found.add(Rewritten(line.split()[2], before, after))
    return found


def reported(report: dict) -> set[Rewritten]:  # type: ignore[type-arg]
    """The `nat` rows of a JSON report in the same form."""

    def form(side: dict) -> tuple[object, ...]:  # type: ignore[type-arg]
        return side["src"], side["sport"], side["dst"], side["dport"], side.get("id")

    return {Rewritten(row["proto"], form(row["before"]), form(row["after"])) for row in report["nat"]}


def _n(text: str | None) -> int | None:
    return None if text is None else int(text)

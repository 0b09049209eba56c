"""asymmetric-path: the answers of a connection leave a host by another interface than the questions came in by.

Looks at: the hops of both directions at one host's own interfaces (parents and underlays).
Says: which interfaces, for how many connections. Filters that follow connections see half of each.
Wrong when: the two interfaces are one for the traffic (a bond and its members, captured apart).
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import Finding, Path
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.paths import path_facts


def _began(path: Path) -> tuple[str, int]:
    """Of two directions, the question comes first in the file."""
    return path.evidence[0].file, path.evidence[0].frame


def diagnose(context: Context) -> list[Finding]:
    outside = {point.name for point in context.points if point.role in ("parent", "underlay")}
    by_end: dict[tuple[object, ...], Path] = {}
    for path in path_facts(context):
        first = path.hops[0]
        by_end.setdefault((path.proto, first.point, first.src, first.sport, first.dst, first.dport, first.id), path)
    found: dict[tuple[str, str, str], list[Path]] = {}
    paired: set[frozenset[int]] = set()
    for path in path_facts(context):
        last = path.hops[-1]
        back = by_end.get((path.proto, last.point, last.dst, last.dport, last.src, last.sport, last.id))
        if back is None or back is path or frozenset((id(path), id(back))) in paired:
            continue
        paired.add(frozenset((id(path), id(back))))
        there, back = sorted((path, back), key=_began)
        for host in sorted({host_of(name) or "" for name in outside}):
            here = {name for name in outside if (host_of(name) or "") == host}
            there_by, back_by = (sorted({hop.point for hop in way.hops} & here) for way in (there, back))
            if there_by and back_by and not set(there_by) & set(back_by):
                found.setdefault((host, there_by[0], back_by[0]), []).append(there)
    return [
        Finding(
            "asymmetric-path",
            "warning",
            f"{plural(len(paths), 'connection')} came by {there} and went back by {back}",
            "make the routes of both directions agree, or have filters and NAT at one interface only",
            {"host": host, "there": there, "back": back, "connections": len(paths)},
            [each for path in paths for each in path.evidence[:2]][:10],
        )
        for (host, there, back), paths in sorted(found.items())
    ]

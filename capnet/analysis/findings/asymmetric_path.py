"""asymmetric-path: the two directions of a connection pass one host by different interfaces.

Looks at: the hops of both directions at one host's own interfaces (parents and underlays).
Says: which interfaces, for how many connections. Connection tracking and stateful filters see half of each.
Wrong when: the two interfaces are one for the traffic, as a bond and its members that are captured apart.
Fix: give both directions the same interface, by routes or by policy routing (`ip rule`).
Verify: `ip route get ADDRESS from SOURCE` on that host, for both ends.
"""

from __future__ import annotations

from typing import NamedTuple

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import MAX_EVIDENCE, Finding, Path
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.paths import path_facts

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault asymmetric-path"
WITNESS = "pcaps/overlay-service.pcapng"  # both directions pass several interfaces of each host
EXPLAINS = ()

SAYS = Text(en="{connections:connection} came by {forward} and went back by {back}", zh="")
FIX = Text(en="make the routes of both directions agree, or have filters and NAT at one interface only", zh="")


class _Detour(NamedTuple):
    """A host, and by which of its interfaces requests come and answers leave."""

    host: str
    forward: str
    back: str


def diagnose(context: Context) -> list[Finding]:
    uplinks = {point.name for point in context.points if point.role in ("parent", "underlay")}
    detours: dict[_Detour, list[Path]] = {}
    for request, answer in _conversations(context):
        for host in sorted({host_of(name) or "" for name in uplinks}):
            own = {name for name in uplinks if (host_of(name) or "") == host}
            incoming, outgoing = (sorted({hop.point for hop in path.hops} & own) for path in (request, answer))
            if incoming and outgoing and not set(incoming) & set(outgoing):
                detours.setdefault(_Detour(host, incoming[0], outgoing[0]), []).append(request)
    return [
        Finding(
            NAME,
            "warning",
            SAYS.fill(connections=len(paths), forward=forward, back=back),
            FIX.fill(),
            {"host": host, "there": forward, "back": back, "connections": len(paths)},
            [frame for path in paths for frame in path.evidence[:2]][:MAX_EVIDENCE],
        )
        for (host, forward, back), paths in sorted(detours.items())
    ]


def _conversations(context: Context) -> list[tuple[Path, Path]]:
    """The paths of both directions, the one that began first in front."""
    by_start: dict[tuple[object, ...], Path] = {}
    for path in path_facts(context):
        first = path.hops[0]
        by_start.setdefault((path.proto, first.point, first.src, first.sport, first.dst, first.dport, first.id), path)
    pairs = []
    paired: set[frozenset[int]] = set()
    for path in path_facts(context):
        last = path.hops[-1]
        back = by_start.get((path.proto, last.point, last.dst, last.dport, last.src, last.sport, last.id))
        if back is None or back is path or frozenset((id(path), id(back))) in paired:
            continue
        paired.add(frozenset((id(path), id(back))))
        request, answer = sorted((path, back), key=_began)
        pairs.append((request, answer))
    return pairs


def _began(path: Path) -> tuple[str, int]:
    """File and number of the path's first frame: of two directions, the request comes first."""
    return path.evidence[0].file, path.evidence[0].frame

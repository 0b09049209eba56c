"""The smallest part of a capture that still has a finding, without what identifies.

Method: of a large capture the conversations of the finding's evidence are read, or else all with its addresses. Then
addresses, names and payload are replaced, so that every step from there on is tried on what will be written. Delta
debugging leaves out points, then conversations, then packets. The topology, names of addresses and witnesses are used
only if the finding is not told without them; of witnesses, the texts that it rests on stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from capnet.analysis.core.contract.keys import LEVELS
from capnet.analysis.core.results import Finding
from capnet.analysis.engine import Study
from capnet.analysis.findings import payload_read_by
from capnet.errors import CapnetError, Exit, UsageError
from capnet.quick_tuple import NamedTuple
from capnet.reduce.anonymous import anonymous, is_ip
from capnet.reduce.frames import (
    MAX_FRAMES,
    CandidateFrame,
    Chosen,
    Loaded,
    PointFacts,
    TooMany,
    capture_of,
    ends_of,
    load,
)
from capnet.reduce.oracle import Names, Oracle
from capnet.reduce.search import Budget, smallest
from capnet.reduce.witness_parts import WitnessPart, with_parts, witness_parts
from capnet.report.text import count
from capnet.topology import Topology
from capnet.witnesses import Witnesses

Points = Mapping[int, PointFacts]

# Fields of `Context` with addresses as text in payload: another one has another length, and moves what follows.
WRITTEN_OUT = frozenset(("ftp_openings", "advertised"))


class NotTold(CapnetError):
    """The finding is not told of the anonymised capture, or of what fits in memory."""

    exit_code = Exit.FINDING


class Reduced(NamedTuple):
    """The small capture. `finding`: as it is told of it; `packets`, `points`: how many before and after."""

    capture: bytes
    topology: Topology | None
    witnesses: Witnesses | None
    finding: Finding
    packets: tuple[int, int]
    points: tuple[int, int]
    trials: int
    is_smallest: bool
    replaced: list[str]


class _Parts(NamedTuple):
    """What the finding is told of."""

    frames: list[CandidateFrame]
    points: dict[int, PointFacts]
    topology: Topology | None
    names: Names
    witnesses: Witnesses | None

    def finding(
        self, oracle: Oracle, frames: Sequence[CandidateFrame] | None = None, points: Points | None = None
    ) -> Finding | None:
        """The finding of these parts; of `frames` and `points` in place of theirs."""
        frames, points = self.frames if frames is None else frames, self.points if points is None else points
        return oracle.finding(frames, points, self.topology, self.names, self.witnesses)


def reduce(study: Study, name: str, budget: Budget, keep: bool, tell: Callable[[str], None]) -> Reduced:
    """The reduced capture. `keep`: addresses, names and payload stay. UsageError if the study has no such finding."""
    finding = _wanted(study, name)
    oracle = Oracle(name, finding.level, finding.explained_by is not None, study.options.vxlan_port)
    parts, replaced = _beginning(study, finding, oracle, keep)
    tell(f"{count(len(parts.frames), 'packet')} at {count(len(parts.points), 'point')} have the finding")
    parts = _search(parts, oracle, budget, tell)
    parts = _with_least_witnesses(parts, oracle, budget)
    parts = parts._replace(topology=_trimmed(parts, oracle))
    last = parts.finding(oracle)
    assert last is not None
    return Reduced(
        capture=capture_of(parts.frames, parts.points, parts.names),
        topology=parts.topology,
        witnesses=parts.witnesses,
        finding=last,
        packets=(sum(source.packets for source in study.report.inputs), len(parts.frames)),
        points=(len(study.report.points), len(parts.points)),
        trials=budget.used,
        is_smallest=not budget.is_spent,
        replaced=replaced,
    )


def _wanted(study: Study, name: str) -> Finding:
    """The worst finding of this name."""
    own = [row for row in study.report.findings if row.name == name]
    if not own:
        names = ", ".join(dict.fromkeys(row.name for row in study.report.findings)) or "none"
        raise UsageError(f"--finding {name}: the capture does not have it; its findings: {names}")
    return min(own, key=lambda row: (row.explained_by is not None, LEVELS.index(row.level)))


# -- what to begin with ---------------------------------------------------------------------------------
def _beginning(study: Study, finding: Finding, oracle: Oracle, keep: bool) -> tuple[_Parts, list[str]]:
    """The least of the capture, and of what is known beside it, with which the finding is told; and what was replaced.

    Raises NotTold.
    """
    is_told_of_originals = False
    for chosen in _choices(study, finding):
        try:
            loaded = load(study, chosen, study.options.vxlan_port)
        except TooMany:
            break
        originals = _with_extras(loaded, study.context.topology, study.context.witnesses, oracle)
        if originals is None:
            continue
        is_told_of_originals = True
        if keep:
            return originals, []
        new, topology, witnesses, replaced = anonymous(
            loaded, study.context.topology, study.context.witnesses, payload_read_by(finding.name)
        )
        parts = _with_extras(new, topology, witnesses, oracle)
        if parts is not None:
            return parts, replaced
    if is_told_of_originals and WRITTEN_OUT & payload_read_by(finding.name):
        raise NotTold(
            f"{finding.name} rests on addresses that are written out in payload, which capnet replaces as a whole; "
            "nothing was written. --keep-addresses writes the small capture with all addresses, names and payload"
        )
    if is_told_of_originals:
        raise NotTold(
            f"{finding.name} is not told any more when addresses, names and payload are replaced; nothing was written. "
            "--keep-addresses writes the small capture with all of them"
        )
    if sum(source.packets for source in study.report.inputs) <= MAX_FRAMES:
        raise NotTold(
            f"{finding.name} is not told of all packets in a new file: it is about the file, or about what is told of "
            "it, and not about packets; nothing was written. Hand on the file itself"
        )
    raise NotTold(
        f"{finding.name} is not told of the packets that were tried: of a capture with more than {MAX_FRAMES:,}, only "
        "those that have an address of its evidence, if they are fewer"
    )


def _choices(study: Study, finding: Finding) -> Iterable[Chosen]:
    """What of the capture is tried: all of a small one; of a large one the evidence's conversations, then addresses."""
    if sum(source.packets for source in study.report.inputs) <= MAX_FRAMES:
        return [Chosen()]
    numbers = frozenset((frame.file, frame.frame) for frame in finding.evidence)
    if not numbers:
        return []
    shown = load(study, Chosen(numbers=numbers), study.options.vxlan_port).frames
    rows = np.array([list(row.values()) for frame in shown for row in frame.rows], dtype=np.int64)
    ends = frozenset(int(each) for end in ("src", "dst") for each in ends_of(rows, end))
    return [Chosen(conversations=frozenset(frame.conversation for frame in shown)), Chosen(addresses=ends)]


def _with_extras(
    loaded: Loaded, topology: Topology | None, witnesses: Witnesses | None, oracle: Oracle
) -> _Parts | None:
    """The parts with which the finding is told: without topology, names and witnesses if they are not needed."""
    points = dict(enumerate(loaded.points))
    names = [(address, name) for address, own in loaded.names.items() for name in own if is_ip(address)]
    variants: list[tuple[Topology | None, Names]] = [(None, ())]
    variants += [(topology, ())] if topology else []
    variants += [(topology, names)] if names else []
    for testimony in (None, witnesses) if witnesses else (None,):
        for used, pairs in variants:
            parts = _Parts(loaded.frames, points, used, pairs, testimony)
            if parts.finding(oracle):
                return parts
    return None


# -- leaving out -------------------------------------------------------------------------------------------
def _search(parts: _Parts, oracle: Oracle, budget: Budget, tell: Callable[[str], None]) -> _Parts:
    """The parts without the points, conversations and packets that the finding does not need."""

    def is_told(frames: Sequence[CandidateFrame], points: Points) -> bool:
        return parts.finding(oracle, frames, points) is not None

    points, frames = parts.points, parts.frames

    def of_points(numbers: list[int]) -> tuple[list[CandidateFrame], Points]:
        return [frame for frame in frames if frame.point in numbers], {number: points[number] for number in numbers}

    kept = smallest(list(points), lambda numbers: is_told(*of_points(numbers)), budget)
    frames, points = of_points(kept)[0], {number: points[number] for number in kept}
    tell(f"{count(len(points), 'point')} with {count(len(frames), 'packet')} are enough")
    conversations = list(dict.fromkeys(frame.conversation for frame in frames))

    def of_conversations(chosen: list[int]) -> list[CandidateFrame]:
        wanted = set(chosen)
        return [frame for frame in frames if frame.conversation in wanted]

    chosen = smallest(conversations, lambda part: is_told(of_conversations(part), points), budget)
    frames = of_conversations(chosen)
    tell(f"{count(len(chosen), 'conversation')} with {count(len(frames), 'packet')} are enough")
    frames = smallest(frames, lambda part: is_told(part, points), budget)
    kept = smallest(list(points), lambda numbers: is_told(*of_points(numbers)), budget)
    frames, points = of_points(kept)[0], {number: points[number] for number in kept}
    return parts._replace(frames=frames, points=points)


def _trimmed(parts: _Parts, oracle: Oracle) -> Topology | None:
    """The topology, without the containers, hosts and networks that the small capture shows nothing of, if possible."""
    topology = parts.topology
    if topology is None:
        return None
    names = {facts.name for facts in parts.points.values()}
    points = [point for point in topology.points if point.name in names]
    hosts = {point.host for point in points}
    small = Topology(
        hosts=[host for host in topology.hosts if host.name in hosts] or topology.hosts,
        networks=topology.networks,
        containers=[container for container in topology.containers if container.host in hosts],
        points=points,
        namespaces=[namespace for namespace in topology.namespaces if namespace.host in hosts],
        services=topology.services,
    )
    return small if parts._replace(topology=small).finding(oracle) else topology


def _with_least_witnesses(parts: _Parts, oracle: Oracle, budget: Budget) -> _Parts:
    """The parts without the texts of kernels that the finding does not rest on."""
    witnesses = parts.witnesses
    if witnesses is None:
        return parts

    def is_told(chosen: list[WitnessPart]) -> bool:
        return parts._replace(witnesses=with_parts(witnesses, chosen)).finding(oracle) is not None

    kept = smallest(witness_parts(witnesses), is_told, budget)
    return parts._replace(witnesses=with_parts(witnesses, kept))

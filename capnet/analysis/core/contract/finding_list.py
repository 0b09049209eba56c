"""Findings as a report lists them: a cause without its symptoms, many alike as one, each with an id and a count.

Input: what each finding states about a capture. Output: `Finding`s, the worst level first, then those that concern the
most packets. Method: a finding explains those of the names in its EXPLAINS that are about its own conversations only,
or about those of several such causes; these are left out. Where one of the two is about more than single conversations
(a broadcast storm, a MAC), or is of too many to show all, the points decide: a symptom has none that its cause lacks.
Of more than MAX_OF_ONE_NAME of one name and level, one remains.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from capnet import language
from capnet.analysis.core.contract.order import by_level
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple

MAX_OF_ONE_NAME = 20  # of one level: a reader looks at the first few, and then for what they have in common
MAX_EXAMPLES = 3  # sentences of findings that are listed as one

ALIKE = Text(en="{number} times: {examples}; and {others} more", zh="{number} 次：{examples}；另有 {others} 次")

# Symptoms that stay in JSON when a cause explains them: other programs read the numbers in their facts.
ALWAYS_LISTED = ("retransmissions",)

# Facts that name what a finding is about; others are numbers that grow while a fault lasts.
_NUMBERS_THAT_NAME = ("port", "vni", "id", "spi", "code", "type", "other_port")
# Facts that say how much a finding concerns: numbers, or lists and dictionaries of what is counted.
_COUNTED = (
    "packets", "connections", "attempts", "requests", "questions", "messages", "segments", "lost", "frames", "flows",
    "refused", "answers", "rewritten", "races", "tries", "unfilled", "clients", "sources",
)  # fmt: skip


class Subjects(NamedTuple):
    """What the evidence of a finding is about."""

    names: frozenset[Hashable] = frozenset()  # of conversations, and of questions for a MAC
    is_of_flows: bool = False  # each frame was found, and is of a conversation between two hosts


class Statement(NamedTuple):
    """What a finding states, and what its module says of all of them."""

    finding: Finding
    explains: tuple[str, ...] = ()
    verify: str | None = None
    is_of_tunnel: bool = False  # it is about all that the tunnels of its evidence carry


def listed(statements: Iterable[Statement], subjects: Callable[[Statement], Subjects]) -> list[Finding]:
    """The findings of a report, in its order; `subjects` says what the evidence of one is about."""
    statements = list(statements)
    subjects_at = cache(lambda number: subjects(statements[number]))
    explaining: dict[str, list[int]] = {}  # name of a finding → indexes of what explains findings of this name
    for number, statement in enumerate(statements):
        for name in statement.explains:
            explaining.setdefault(name, []).append(number)
    causes = [
        _explaining(number, explaining.get(statement.finding.name, []), statements, subjects_at)
        for number, statement in enumerate(statements)
    ]
    symptoms: dict[int, set[str]] = {}  # index of a cause that nothing explains → names of what it explains here
    findings: list[tuple[int, Finding]] = []
    for number, (finding, _, verify, _) in enumerate(statements):
        evidence = list(dict.fromkeys(finding.evidence))[:MAX_EVIDENCE]
        finding = replace(finding, id=_id(finding), count=_count(finding), verify=verify, evidence=evidence)
        roots = _roots(causes, number)
        for root in roots if causes[number] else ():
            symptoms.setdefault(root, set()).add(finding.name)
        if not causes[number]:
            findings.append((number, finding))
        elif finding.name in ALWAYS_LISTED:
            cause_id = _id(statements[roots[0]].finding)
            findings.append((number, replace(finding, level="info", fix=None, explained_by=cause_id)))
    listed_findings = [replace(each, explains=sorted(symptoms.get(number, ()))) for number, each in findings]
    return _with_unique_ids(_joined(sorted(listed_findings, key=by_level)))


def _roots(causes: Sequence[Sequence[int]], number: int) -> list[int]:
    """Indexes of what explains a statement and is explained by nothing itself; the statement, if that is nothing."""
    roots, waiting, seen = [], [number], {number}
    while waiting:
        number = waiting.pop(0)
        if not causes[number]:
            roots.append(number)
        waiting += [cause for cause in causes[number] if cause not in seen]
        seen.update(causes[number])
    return roots


def _points(finding: Finding) -> set[str]:
    return {frame.point for frame in finding.evidence}


def _explaining(
    number: int, causes: Sequence[int], statements: Sequence[Statement], subjects: Callable[[int], Subjects]
) -> list[int]:
    """Indexes of those `causes` of which statement `number` is a symptom; empty if something of it remains."""
    finding = statements[number].finding
    if not causes or not finding.evidence:
        return []
    own = subjects(number)
    sharing = [cause for cause in causes if own.names & subjects(cause).names]
    if own.names and own.names <= frozenset().union(*(subjects(cause).names for cause in sharing)):
        return sharing
    return [
        cause
        for cause in causes
        if _points(finding) <= _points(statements[cause].finding)
        and not (own.is_of_flows and subjects(cause).is_of_flows and _shows_all(statements[cause].finding))
    ]


def _shows_all(finding: Finding) -> bool:
    """Is its evidence all that it is about? Of many flows it is the first ones, or some of each point."""
    return len(finding.evidence) < MAX_EVIDENCE


def _id(finding: Finding) -> str:
    """`stops-between:A/ens33,A/docker0,tcp,192.168.111.128,8080`: the name, and what the finding is about."""
    about = [
        str(value)
        for key, value in finding.facts.items()
        if isinstance(value, str) or (key in _NUMBERS_THAT_NAME and isinstance(value, int))
    ]
    return f"{finding.name}:{','.join(about)}" if about else finding.name


def _with_unique_ids(findings: list[Finding]) -> list[Finding]:
    """Findings of which each has an id of its own: equal ones are numbered in the order of the report."""
    times: dict[str, int] = {}
    unique = []
    for finding in findings:
        times[finding.id] = times.get(finding.id, 0) + 1
        is_first = times[finding.id] == 1
        unique.append(finding if is_first else replace(finding, id=f"{finding.id}#{times[finding.id]}"))
    return unique


def _count(finding: Finding) -> int:
    """How much a finding concerns: the largest of the numbers in its facts that count; 1 without any."""
    return max([1, *(_number(finding.facts[key]) for key in _COUNTED if key in finding.facts)])


def _number(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(_number, value.values()))
    if isinstance(value, list):
        return len(value)
    return int(value) if isinstance(value, int) or hasattr(value, "__index__") else 0


def _joined(findings: list[Finding]) -> list[Finding]:
    """One finding in place of more than MAX_OF_ONE_NAME of one name and level; the others as they are, in order."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.level, finding.name), []).append(finding)
    joined = []
    for group in groups.values():
        joined += [_one_of_all(group)] if len(group) > MAX_OF_ONE_NAME else group
    return sorted(joined, key=by_level)


def findings_in(facts: Mapping[str, Any]) -> int:
    """How many findings one with these facts stands for; more than one have no facts of their own."""
    return int(facts["findings"]) if "examples" in facts and "findings" in facts else 1


def _one_of_all(group: list[Finding]) -> Finding:
    examples = group[:MAX_EXAMPLES]
    says = language.clauses([finding.says for finding in examples])
    evidence = [finding.evidence[0] for finding in group if finding.evidence][:MAX_EVIDENCE]
    return replace(
        group[0],
        id=group[0].name,
        says=ALIKE.fill(number=len(group), examples=says, others=len(group) - len(examples)),
        facts={"findings": len(group), "examples": [finding.id for finding in examples]},
        count=sum(finding.count for finding in group),
        explains=sorted({name for finding in group for name in finding.explains}),
        evidence=evidence,
    )

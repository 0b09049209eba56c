"""Findings as a report lists them: a cause without its symptoms, many alike as one, each with an id and a count.

Input: what each finding states about a capture. Output: `Finding`s, the worst level first, then those that concern the
most packets. Method: a finding explains those of the names in its EXPLAINS whose evidence lies at points of its own
evidence only; these are left out. Of more than MAX_OF_ONE_NAME of one name and level, one remains.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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
# Symptoms of single flows, whose evidence is their frames: a cause that shows one of them is about these flows.
OF_FLOWS = ("connection-unanswered", "handshake-unfinished")

# Facts that name what a finding is about; others are numbers that grow while a fault lasts.
_NUMBERS_THAT_NAME = ("port", "vni", "id", "spi", "code", "type", "other_port")
# Facts that say how much a finding concerns: numbers, or lists and dictionaries of what is counted.
_COUNTED = (
    "packets", "connections", "attempts", "requests", "questions", "messages", "segments", "lost", "frames", "flows",
    "refused", "answers", "rewritten", "races", "tries", "unfilled", "clients", "sources",
)  # fmt: skip


class Statement(NamedTuple):
    """What a finding states, and what its module says of all of them."""

    finding: Finding
    explains: tuple[str, ...] = ()
    verify: str | None = None


def listed(statements: Iterable[Statement]) -> list[Finding]:
    """The findings of a report, in its order."""
    statements = list(statements)
    symptoms: dict[int, set[str]] = {}  # index of a cause → names of what it explains here
    causes = [(number, each) for number, each in enumerate(statements) if each.explains]
    findings: list[tuple[int, Finding]] = []
    for number, (finding, _, verify) in enumerate(statements):
        explaining = [number for number, cause in causes if _is_explained(finding, cause)]
        for cause in explaining:
            symptoms.setdefault(cause, set()).add(finding.name)
        finding = replace(finding, id=_id(finding), count=_count(finding), verify=verify)
        if not explaining:
            findings.append((number, finding))
        elif finding.name in ALWAYS_LISTED:
            cause_id = _id(statements[explaining[0]].finding)
            findings.append((number, replace(finding, level="info", fix=None, explained_by=cause_id)))
    listed_findings = [replace(each, explains=sorted(symptoms.get(number, ()))) for number, each in findings]
    return _with_unique_ids(_joined(sorted(listed_findings, key=by_level)))


def _points(finding: Finding) -> set[str]:
    return {frame.point for frame in finding.evidence}


def _is_explained(finding: Finding, cause: Statement) -> bool:
    if finding.name not in cause.explains or not finding.evidence:
        return False
    shares_frame = finding.name in OF_FLOWS and not set(finding.evidence).isdisjoint(cause.finding.evidence)
    return shares_frame or _points(finding) <= _points(cause.finding)


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

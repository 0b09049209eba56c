"""The first sentences of a report: the worst cause, or what may be said where nothing fails; and what is not known.

Input: a document. Output: sentences. A sentence claims no more than the capture shows: that nothing was lost only where
every flow is complete between several points, and nothing at all about what one point cannot see.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.keys import FILES_BESIDE
from capnet.report.fate_words import FAILED, fate, flows_of, together
from capnet.report.grouping import same_fate
from capnet.report.text import count, listing, number
from capnet.report.words import Words

# Warnings that often are symptoms: any other warning says more.
VAGUE = ("retransmissions", "sequence-gap", "packet-loss")
# Findings about the capture itself, not about the network.
NOTES = (
    "capture-damaged", "capture-dropped-packets", "checksum-offload", "clock-skew", "duplicate-observation",
    "not-all-looked-at", "offload-oversize-frames",
)  # fmt: skip
BY_DESIGN = "by design; "
MAX_NAMED = 4  # points, and names of findings, in one sentence


def headline(document: Document, words: Words) -> list[str]:
    """The worst cause and the next step, or what the state of all flows allows to say."""
    if "findings" not in document:
        return []
    causes = [
        finding
        for finding in document["findings"]
        if finding["level"] != "info" and not finding["explained_by"] and finding["name"] not in NOTES
    ]
    has_fates = "fates" in document and "paths" in document
    sentences = list(_causes(causes))
    if has_fates and all(finding["name"] in VAGUE for finding in causes):
        sentences = [*_failed(document, words), *sentences]
    return sentences or (list(_state(document)) if has_fates else [])


def limits(document: Document) -> Iterator[str]:
    """What the capture cannot tell: packets that it dropped, files that are damaged."""
    dropped = {point["name"]: point["dropped"] for point in document["points"] if point["dropped"]}
    if dropped:
        points = listing(list(dropped), MAX_NAMED)
        yield f"The capture dropped {count(sum(dropped.values()), 'packet')} at {points}: loss cannot be told there."
    unrecorded = _unrecorded(document)
    if unrecorded:
        points, packets = listing(list(unrecorded), MAX_NAMED), count(sum(unrecorded.values()), "packet")
        yield f"At least {packets} passed {points} unrecorded: loss cannot be told there."
    problems = [problem for file in document["inputs"] for problem in file["problems"]]
    if damaged := sum(problem["name"] not in FILES_BESIDE for problem in problems):
        yield f"The input is damaged in {count(damaged, 'place')}; what could be read is reported."
    for problem in problems:
        if problem["name"] in FILES_BESIDE:
            yield f"{FILES_BESIDE[problem['name']]}: {problem['says']}."


def _causes(causes: list[Document]) -> Iterator[str]:
    if not causes:
        return
    worst = min(causes, key=lambda finding: (finding["level"] != "error", finding["name"] in VAGUE))  # the first such
    yield worst["says"].rstrip(".") + "."
    if worst["fix"]:
        yield f"Next: {first_step(worst['fix'])}."
    others = [finding for finding in causes if finding is not worst]
    counted = [
        count(len(of_level), f"more {level}")
        for level in ("error", "warning")
        if (of_level := [finding for finding in others if finding["level"] == level])
    ]
    if counted:
        names = listing(list(dict.fromkeys(finding["name"] for finding in others)), MAX_NAMED)
        yield f"{' and '.join(counted)}: {names}."


def first_step(fix: str) -> str:
    """The first clause of a fix, up to a semicolon outside of `code`; that something is by design is no step."""
    start = len(BY_DESIGN) if fix.startswith(BY_DESIGN) else 0
    end = next((at for at in range(start, len(fix)) if fix[at] == ";" and fix.count("`", 0, at) % 2 == 0), len(fix))
    return fix[start:end].rstrip(".")


def _failed(document: Document, words: Words) -> Iterator[str]:
    """The worst of the flows that fail, and how many of all do."""
    groups = same_fate(document)
    if not groups:
        return
    fates = document["correlation"].get("fates", {})
    failed, total = sum(fates.get(name, 0) for name in FAILED), sum(fates.values())
    yield f"{flows_of(groups[0], words)}: {fate(together(groups[0]), words)}."
    if len(groups) > 1:
        yield f"{number(failed)} of {count(total, 'flow')} fail: see Flows that fail."


def _state(document: Document) -> Iterator[str]:
    fates = document["correlation"].get("fates", {})
    total = sum(fates.values())
    if not total:
        return
    unknown = fates.get("unknown", 0) + fates.get("copied", 0)
    answered = f"{number(document['correlation']['answered'])} of {count(total, 'flow')} answered"
    if len(document["points"]) == 1:
        yield f"No problem found at the one capture point; what is lost elsewhere cannot be seen ({answered})."
    elif unknown:
        yield f"No problem found; {number(unknown)} of {count(total, 'flow')} cannot be followed{_reason(document)}."
    elif _is_complete(document):
        yield "No packet lost between capture points."
    else:
        yield f"No problem found ({answered})."


_REASONS = {
    "next-unknown": "no capture point shows where they go next",
    "one-packet": "single packets",
    "not-listening": "the next point was not capturing them",
    "seen-there": "similar packets pass the next point",
    "too-many": "too many to look at",
}


def _reason(document: Document) -> str:
    """` (single packets)`: why flows cannot be followed, by the reason of most of those that are listed."""
    reasons = [row["unknown"] for row in document["fates"] if row["unknown"] in _REASONS]
    return f" ({_REASONS[max(sorted(set(reasons)), key=reasons.count)]})" if reasons else ""


def _is_complete(document: Document) -> bool:
    """Was every packet compared, and is none missing at any hop, at points that dropped none?"""
    is_sampled = document["correlation"].get("share", 1.0) < 1.0
    paths = [path for path in document["paths"] if len(path["hops"]) > 1 and not _is_to_group(path["flow"]["dst"])]
    is_lossless = all(hop["lost"] == 0 for path in paths for hop in path["hops"][1:])
    has_dropped = _unrecorded(document) or any(point["dropped"] for point in document["points"])
    return bool(paths) and is_lossless and not is_sampled and not has_dropped


def _is_to_group(address: str) -> bool:
    """Multicast and broadcast go where a receiver is: what is missing elsewhere is not lost."""
    return ip_address(address).is_multicast or address == "255.255.255.255"


def _unrecorded(document: Document) -> dict[str, int]:
    """Point → packets that passed it and that it does not show."""
    unrecorded: dict[str, int] = document["correlation"].get("unrecorded", {})
    return unrecorded

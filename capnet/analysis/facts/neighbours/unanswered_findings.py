"""Findings on questions for a MAC address without an answer, in the words of ARP or of Neighbor Discovery.

Input: unanswered neighbours of one protocol. Output: a finding for each question; one for each asker whose questions
for more than MAX_TARGETS addresses show nothing else; none for MIN_SCANNED and more (`address-scan`). An error if the
address exists, else a warning.
"""

from __future__ import annotations

from collections.abc import Mapping

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.neighbours.unanswered_neighbours import (
    MAX_TARGETS,
    MIN_SCANNED,
    Place,
    Unanswered,
    unanswered_by_asker,
)
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_text


class Wording(NamedTuple):
    """The sentences of one finding. `says` ends in {though}, which a place fills."""

    says: Text
    says_of_several: Text
    fix: Text
    though: Mapping[Place, Text]
    fix_at: Mapping[Place, Text]


def unanswered_findings(context: Context, name: str, kind: str, wording: Wording) -> list[Finding]:
    """The findings called `name` on questions of `kind` (`arp` or `nd`), by the address of the asker."""
    findings = []
    for asker, questions in sorted(unanswered_by_asker(context, kind).items(), key=lambda item: address_value(item[0])):
        lost = [question for question in questions if question.whereabouts is None]
        findings += [_of_one(context, name, wording, question) for question in questions if question not in lost]
        if MAX_TARGETS < len(lost) < MIN_SCANNED:
            findings.append(_of_several(context, name, wording, asker, lost))
        elif len(lost) <= MAX_TARGETS:
            findings += [_of_one(context, name, wording, question) for question in lost]
    return findings


def _of_one(context: Context, name: str, wording: Wording, question: Unanswered) -> Finding:
    asker, target, requests = question.asker, question.target, question.requests
    though, fix = "", wording.fix.fill(target=target)
    if question.whereabouts:
        point, mac, place = question.whereabouts
        values = {"point": point, "mac": mac_text(mac), "target": target, "asker": asker}
        though, fix = (texts[place].fill(**values) for texts in (wording.though, wording.fix_at))
    return Finding(
        name,
        "error" if question.whereabouts else "warning",
        wording.says.fill(asker=asker, target=target, requests=requests, though=though),
        fix,
        {"asks": asker, "for": target, "requests": requests},
        question.evidence(context)[:MAX_EVIDENCE],
    )


def _of_several(context: Context, name: str, wording: Wording, asker: str, questions: list[Unanswered]) -> Finding:
    targets = sorted((question.target for question in questions), key=address_value)
    requests = sum(question.requests for question in questions)
    return Finding(
        name,
        "warning",
        wording.says_of_several.fill(asker=asker, targets=several(targets), requests=requests),
        wording.fix.fill(target=targets[0]),
        {"asks": asker, "targets": targets[:MAX_EVIDENCE], "addresses": len(targets), "requests": requests},
        sorted(frame for question in questions for frame in question.evidence(context))[:MAX_EVIDENCE],
    )

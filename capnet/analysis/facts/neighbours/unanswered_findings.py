"""Findings on questions for a MAC address without an answer, in the words of ARP or of Neighbor Discovery.

Input: unanswered neighbours of one protocol. Output: a finding for each question; one for each asker whose questions
for more than MAX_TARGETS addresses show nothing else; none for MIN_SCANNED and more (`address-scan`). An error if the
address must be reached there, else a warning.
"""

from __future__ import annotations

from collections.abc import Mapping

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.neighbours.unanswered_neighbours import (
    EXISTS,
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
        by_place = {place: [of for of in questions if _place(of) == place] for place in (None, *Place)}
        lost = by_place.pop(None)
        if len(lost) >= MIN_SCANNED:  # a scan asks for all addresses of a network
            by_place[Place.BROADCAST] = []
        for place, of_place in by_place.items():
            if place in EXISTS or len(of_place) <= MAX_TARGETS:
                findings += [_of_one(context, name, wording, question) for question in of_place]
            else:
                findings.append(_of_several(context, name, wording, asker, of_place))
        if MAX_TARGETS < len(lost) < MIN_SCANNED:
            findings.append(_of_several(context, name, wording, asker, lost))
        elif len(lost) <= MAX_TARGETS:
            findings += [_of_one(context, name, wording, question) for question in lost]
    return findings


def _place(question: Unanswered) -> Place | None:
    return question.whereabouts.place if question.whereabouts else None


def _fix(wording: Wording, question: Unanswered) -> str:
    if question.whereabouts is None:
        return wording.fix.fill(target=question.target)
    point, mac, place = question.whereabouts
    return wording.fix_at[place].fill(point=point, mac=mac_text(mac), target=question.target, asker=question.asker)


def _of_one(context: Context, name: str, wording: Wording, question: Unanswered) -> Finding:
    asker, target, requests = question.asker, question.target, question.requests
    though = ""
    if question.whereabouts:
        point, mac, place = question.whereabouts
        though = wording.though[place].fill(point=point, mac=mac_text(mac))
    return Finding(
        name,
        "error" if _place(question) in EXISTS else "warning",
        wording.says.fill(asker=asker, target=target, requests=requests, though=though),
        _fix(wording, question),
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
        _fix(wording, min(questions, key=lambda question: address_value(question.target))),
        {"asks": asker, "targets": targets[:MAX_EVIDENCE], "addresses": len(targets), "requests": requests},
        sorted(frame for question in questions for frame in question.evidence(context))[:MAX_EVIDENCE],
    )

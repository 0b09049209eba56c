"""Which frames a page shows as evidence, what they are evidence of, and the links between both.

Each claim gives its first frames, then claims with more give further ones, up to MAX_FRAMES in all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from capnet.analysis.core.contract.document import Document
from capnet.quick_tuple import NamedTuple
from capnet.report.page.markup import escape, link
from capnet.report.page.supplement import FrameKey
from capnet.report.sections import overview
from capnet.report.sections.section import Section, View
from capnet.report.wanted import ALL, Wanted

MAX_FRAMES = 100  # of a page: 400 kB
FIRST_FRAMES = 2  # of each claim, before claims with more get further ones
MAX_CLAIMS = 400  # that are looked at


class Claim(NamedTuple):
    """A statement of the report, and where it stands on the page: the row that makes it, or its section."""

    label: str
    anchor: str
    evidence: Sequence[Document]


def claims(sections: Sequence[Section], anchors: Mapping[int, str] | None = None) -> Iterator[Claim]:
    """All statements of a page that have frames as evidence, in the order of its sections; problems first.

    `anchors`: `id` of a fact → the id of the element that shows it; of others, the section's is taken.
    """
    anchors = anchors or {}
    for section in sorted(sections, key=lambda section: section.key != "findings"):
        for row in section.rows:
            for fact in facts_of(row):
                if fact.get("evidence"):
                    label = fact["name"] if section.key == "findings" else section.heading
                    yield Claim(label, anchors.get(id(fact), section.key), fact["evidence"])


def facts_of(row: object) -> list[Document]:
    """The facts of a row: one, or those of a group."""
    return [fact for fact in (row if isinstance(row, list) else [row]) if isinstance(fact, dict)]


def finding_anchors(section: Section) -> dict[int, str]:
    """`id` of a finding → the id of its element on the page."""
    return {id(row): f"finding-{number}" for number, row in enumerate(section.rows, start=1)}


def wanted_frames(document: Document, wanted: Wanted = ALL) -> list[FrameKey]:
    """The frames that a page of this document shows, the most important ones first."""
    if wanted.only:
        return []
    sections = overview(document, View.DETAILED, wanted).sections
    rows = [claim.evidence for _, claim in zip(range(MAX_CLAIMS), claims(sections), strict=False)]
    chosen: dict[FrameKey, None] = {}
    for start, end in ((0, FIRST_FRAMES), (FIRST_FRAMES, None)):
        for evidence in rows:
            for frame in evidence[start:end]:
                if len(chosen) < MAX_FRAMES:
                    chosen[frame["file"], frame["frame"]] = None
    return list(chosen)


class EvidenceLinks:
    """Links from evidence to the frames that the page shows, and from the frames back to the rows that name them."""

    def __init__(self, document: Document, shown: Mapping[FrameKey, object]) -> None:
        self.files = {source["file"]: index for index, source in enumerate(document["inputs"])}
        self.shown = shown
        self.anchors: dict[int, str] = {}  # `id` of a fact → the id of the element that shows it

    def target(self, facts: Sequence[Document], anchor: str) -> str:
        """The attribute `id` of the element that shows these facts; empty if the page has no frame of theirs."""
        if not any(self.is_shown(frame) for fact in facts for frame in fact.get("evidence", [])):
            return ""
        self.anchors |= {id(fact): anchor for fact in facts}
        return f' id="{escape(anchor)}"'

    def anchor(self, key: FrameKey) -> str:
        """The id of a frame's element."""
        return f"frame-{self.files.get(key[0], 0) + 1}-{key[1]}"

    def anchor_of(self, frame: Document) -> str:
        """As `anchor`, of a frame of evidence."""
        return self.anchor((frame["file"], frame["frame"]))

    def is_shown(self, frame: Document) -> bool:
        """Does the page show the frame?"""
        return (frame["file"], frame["frame"]) in self.shown

    def frame(self, frame: Document) -> str:
        """`#41`, as a link if the page shows the frame."""
        key = frame["file"], frame["frame"]
        text = f"#{frame['frame']}"
        return link(self.anchor(key), text) if key in self.shown else escape(text)

    def frames(self, evidence: Sequence[Document], one_point: bool) -> str:
        """`A/docker0 #41 #42, B/ens33 #9`, each frame a link."""
        points: dict[str, list[str]] = {}
        for frame in evidence:
            points.setdefault(frame["point"], []).append(self.frame(frame))
        if one_point:
            return " ".join(text for texts in points.values() for text in texts)
        return ", ".join(f"{escape(point)} {' '.join(texts)}" for point, texts in points.items())

    def linked(self, text: str, evidence: Sequence[Document]) -> str:
        """Escaped text in which frame numbers behind their point are links: those of this evidence."""
        if "#" not in text:
            return escape(text)
        parts: list[str] = []
        end = 0
        for match in re.finditer(r"#(\d+)", text):
            same = [frame for frame in evidence if str(frame["frame"]) == match[1]]
            near = max(same, key=lambda frame: text.rfind(frame["point"], 0, match.start()), default=None)
            parts += [escape(text[end : match.start()]), self.frame(near) if near else escape(match[0])]
            end = match.end()
        return "".join([*parts, escape(text[end:])])


def claims_of(sections: Sequence[Section], anchors: Mapping[int, str]) -> dict[FrameKey, list[Claim]]:
    """Frame → what it is evidence of, each row once; several rows of a section are told apart by their number."""
    by_frame: dict[FrameKey, dict[str, Claim]] = {}
    for claim in claims(sections, anchors):
        for frame in claim.evidence:
            by_frame.setdefault((frame["file"], frame["frame"]), {}).setdefault(claim.anchor, claim)
    return {key: _numbered(list(by_anchor.values())) for key, by_anchor in by_frame.items()}


def _numbered(several: list[Claim]) -> list[Claim]:
    """`Paths 2`, `Paths 5` of claims with the same label."""
    labels = Counter(claim.label for claim in several)
    return [
        claim._replace(label=f"{claim.label} {claim.anchor.rpartition('-')[2]}") if labels[claim.label] > 1 else claim
        for claim in several
    ]

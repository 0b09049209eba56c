"""One frame of the evidence as HTML: its bytes with the fields marked, what capnet decoded, what it is evidence of."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing.frame import render
from capnet.report.escape import visible
from capnet.report.page.evidence import Claim, EvidenceLinks, claims, claims_of
from capnet.report.page.field_places import FieldPlace, places
from capnet.report.page.frames import EvidenceFrame
from capnet.report.page.markup import code, escape, link
from capnet.report.page.supplement import FrameKey, Supplement
from capnet.report.sections.section import Section
from capnet.report.text import count

MAX_BYTES = 192  # of a frame; headers of a tunnel and of what it carries have fewer
BYTES_A_LINE = 16
DECODE_COLUMNS = 68
MAX_SHOWN_CLAIMS = 6

MORE_FRAMES = Text(en="… and {frames}: {command}", zh="…… 另有 {frames}：{command}")
BYTES_AND_FIELDS = Text(en="{frames}, bytes and fields", zh="{frames}，字节与字段")


def evidence_section(
    document: Document,
    sections: Sequence[Section],
    beside: Supplement,
    links: EvidenceLinks,
    way: Sequence[FrameKey] = (),
) -> str:
    """The section of all frames; empty if there are none.

    `way`: the frames of one packet in the order of its points, so that the fields which differ are marked.
    """
    if not beside.frames:
        return ""
    by_frame = claims_of(sections, links.anchors)
    points = {(frame["file"], frame["frame"]): frame["point"] for claim in claims(sections) for frame in claim.evidence}
    before = dict(zip(way[1:], way, strict=False))
    keys = [key for key in way if key in beside.frames]
    keys = keys or sorted(beside.frames, key=lambda key: (links.files.get(key[0], 0), key[1]))
    articles = [
        _article(key, before.get(key), points.get(key, ""), by_frame.get(key, []), document, beside, links)
        for key in keys
    ]
    missing = len(set(points) - set(beside.frames))
    rest = (
        MORE_FRAMES.fill(frames=count(missing, "more frame"), command="capnet packet FILE N --hex") if missing else ""
    )
    return (
        f'<section id="evidence"><h2>{escape(language.term("Evidence"))}'
        f"<small>{escape(BYTES_AND_FIELDS.fill(frames=count(len(articles), 'frame')))}</small></h2>"
        + "".join(articles)
        + (f'<p class="soft small">{escape(rest)}</p>' if rest else "")
        + "</section>"
    )


def _article(
    key: FrameKey,
    before: FrameKey | None,
    point: str,
    claims: Sequence[Claim],
    document: Document,
    beside: Supplement,
    links: EvidenceLinks,
) -> str:
    (file, number), frame = key, beside.frames[key]
    earlier = beside.frames.get(before) if before else None
    lines = hex_lines(frame, _different(frame, earlier) if earlier else ())
    names = {**document.get("names_at", {}).get(point, {}), **document.get("names", {})}
    head, _, decoded = render(frame.rows, file, point, DECODE_COLUMNS, names).partition("\n\n")
    head = " ".join(line.strip() for line in head.splitlines())
    shown = [link(claim.anchor, claim.label) for claim in claims[:MAX_SHOWN_CLAIMS]]
    proves = f"<p>{escape(language.term('Evidence of'))} {language.pick(', ', '、').join(shown)}</p>" if shown else ""
    rules = "".join(
        f"<p><b>{escape(language.term('Kernel'))}:</b> {escape(row['says'])}</p>" for row in _rules(document, key)
    )
    command = visible(f"capnet packet {shlex.quote(beside.where.get(file, file))} {number} --hex")
    return (
        f'<article class="frame" id="{links.anchor(key)}"><h3>{escape(head)}</h3>{proves}{rules}'
        f'<div class="bytes"><pre class="hex">{lines}</pre><pre>{escape(decoded.rstrip())}</pre></div>'
        f"{_fields(frame)}"
        f'<p class="small soft">{code(command, copy=True)}</p></article>'
    )


def _rules(document: Document, key: FrameKey) -> Iterator[Document]:
    """What the kernel says of this frame."""
    for row in document.get("kernel", []):
        if any((frame["file"], frame["frame"]) == key for frame in row["evidence"]):
            yield row


def _fields(frame: EvidenceFrame) -> str:
    """The marked fields by name, with offset and value."""
    shown = [f"{place.at} {place.name} {place.value}" for place in places(frame.raw, frame.rows) if place.is_key]
    if not shown:
        return ""
    label = escape(language.term("fields"))
    return f'<details><summary>{label}</summary><p class="small mono">{escape(" · ".join(shown))}</p></details>'


def _different(frame: EvidenceFrame, earlier: EvidenceFrame) -> list[FieldPlace]:
    """The fields of the packet itself, inside any tunnel, that had another value in the earlier frame."""
    values = {place.name: place.value for place in places(earlier.raw, earlier.rows)}
    own = {place.name: place for place in places(frame.raw, frame.rows)}  # of two of a name, the inner one
    return [place for name, place in own.items() if place.value and values.get(name, place.value) != place.value]


def hex_lines(frame: EvidenceFrame, different: Collection[FieldPlace] = ()) -> str:
    """The bytes as hex, 16 a line; a field is a span with its name and value as title.

    `different`: fields to mark, because they were rewritten.
    """
    raw = frame.raw[:MAX_BYTES]
    spans = sorted(places(frame.raw, frame.rows))
    by_byte: dict[int, FieldPlace] = {}
    for place in sorted(spans, key=lambda place: place.at):
        by_byte.update(dict.fromkeys(range(place.at, min(place.end, len(raw))), place))
    lines = []
    for at in range(0, len(raw), BYTES_A_LINE):
        chunk = range(at, min(at + BYTES_A_LINE, len(raw)))
        lines.append(f'<span class="soft">{at:04x}</span>  {_runs(raw, chunk, by_byte, different)}')
    if len(frame.raw) > MAX_BYTES:
        lines.append(f'<span class="soft">… {count(len(frame.raw) - MAX_BYTES, "more byte")}</span>')
    return "\n".join(lines)


def _runs(raw: bytes, offsets: range, by_byte: Mapping[int, FieldPlace], different: Collection[FieldPlace]) -> str:
    """One line: runs of bytes of one field."""
    parts: list[str] = []
    start = offsets.start
    while start < offsets.stop:
        place = by_byte.get(start)
        end = start + 1
        while end < offsets.stop and by_byte.get(end) is place:
            end += 1
        text = raw[start:end].hex(" ")
        parts.append(_span(place, text, place in different) if place else text)
        start = end
    return " ".join(parts)


def _span(place: FieldPlace, text: str, is_different: bool) -> str:
    key = " key" * place.is_key + " differs" * is_different
    title = f"{place.name} {place.value}".strip()
    return f'<span class="{place.layer}{key}" title="{escape(title)}">{text}</span>'

"""The report as one page that needs nothing else: no network, no font, no image, and no script to show all it has.

Every string passes `escape`, the one place that makes text safe for HTML and SVG. `page.shell` has the policy that
forbids everything from outside. Light or dark as the reader's system is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.contract.order import LEVELS
from capnet.analysis.core.wording import Text
from capnet.report import wireshark
from capnet.report.drawing import routes
from capnet.report.fate_words import ending, is_lost
from capnet.report.headline import next_sentence
from capnet.report.headline import problems as problems_of
from capnet.report.page import header
from capnet.report.page.conversations import PathPair, conversation_groups
from capnet.report.page.evidence import EvidenceLinks, finding_anchors
from capnet.report.page.frame_article import evidence_section
from capnet.report.page.ladder import ladder
from capnet.report.page.markup import code, escape, labelled, prose
from capnet.report.page.network_figure import network_figure
from capnet.report.page.shell import page
from capnet.report.page.supplement import Supplement
from capnet.report.page.tables import evidence_list, table_section
from capnet.report.sections import Overview, overview
from capnet.report.sections.findings import next_step
from capnet.report.sections.section import Section, View
from capnet.report.text import count
from capnet.report.wanted import ALL, Wanted
from capnet.report.words import Words

LITERAL = "|`"  # between backticks, `fix` of a finding is shown as code
MAX_OPEN_PATHS = 6  # the ladders of further paths are folded
MAX_LADDERS = 24  # of groups of conversations

NOTES = Text(en="{notes} that {verb} no action", zh="{notes}，无需处理")
MORE_CONVERSATIONS = Text(en="… and {conversations} (--top all)", zh="…… 另有 {conversations}（--top all）")
WIDER = Text(en="and other flows between these addresses", zh="也包括这些地址之间的其他流")

__all__ = ["LITERAL", "escape", "render"]


def render(
    document: Document,
    width: int = 0,
    where: Mapping[str, str] | None = None,
    wanted: Wanted = ALL,
    beside: Supplement | None = None,
) -> str:
    """The whole page. Deterministic: same arguments, same bytes. `width` changes nothing.

    `beside`: the topology, the frames of the evidence, and who made the page; without it they are left out.
    """
    beside = beside or Supplement()
    shown = overview(document, View.DETAILED, wanted)
    links = EvidenceLinks(shown.document, beside.frames)
    section = next((section for section in shown.sections if section.key == "findings"), None)
    anchors = finding_anchors(section) if section else {}
    problems = problems_of(shown.document)
    findings = _findings(section, anchors, shown.words, links) if section else ""
    others = [_section(each, shown, links, wanted) for each in shown.sections if each.key != "findings"]
    evidence = figure = ""
    if not wanted.only:  # behind the rows, to which its frames link back
        evidence = evidence_section(shown.document, shown.sections, beside, links)
        figure = network_figure(
            shown.document,
            shown.words,
            beside.topology,
            problems,
            lambda row: anchors.get(id(row), "findings"),
            sections=[each.key for each in shown.sections],
        )
    below = {next_sentence(row) for row in problems if row["fix"]}  # the findings, right below, have the whole fix
    verdict = language.joined([sentence for sentence in shown.verdict if sentence not in below])
    body = [
        "<header>",
        *header.head_line(shown.title),
        f'<p class="story">{prose(verdict)}</p>' if verdict else "",
        "</header>",
        *((findings, figure) if problems else (figure, findings)),
        header.topics(shown.topics),
        header.names(shown.names, shown.names_left_out),
        header.origin(shown.document, beside),
        _contents(shown, bool(evidence)),
        *others,
        evidence,
        _next(shown.document),
    ]
    return page(shown.title.partition(" · ")[0], body)


def _contents(shown: Overview, has_evidence: bool) -> str:
    links = [f'<a href="#{section.key}">{escape(section.heading)}</a>' for section in shown.sections]
    links += ['<a href="#evidence">' + escape(language.term("Evidence")) + "</a>"] if has_evidence else []
    return f"<nav>{''.join(links)}</nav>"


def _next(document: Document) -> str:
    best = wireshark.best(document)
    return f"<footer>Wireshark, {escape(best[0])}: {code(best[1], copy=True)}</footer>" if best else ""


# -- findings ---------------------------------------------------------------------------------------
def _findings(section: Section, anchors: Mapping[int, str], words: Words, links: EvidenceLinks) -> str:
    """Problems, and folded those that need no action."""
    rows = {level: [row for row in section.rows if row["level"] == level] for level in LEVELS}
    problems = [row for level in LEVELS if level != "info" for row in rows[level]]
    links.anchors |= anchors
    parts = [_finding(row, anchors[id(row)], words, links) for row in problems]
    notes = "".join(_finding(row, anchors[id(row)], words, links) for row in rows["info"])
    verb = "needs" if len(rows["info"]) == 1 else "need"
    label = NOTES.fill(notes=count(len(rows["info"]), "note"), verb=verb)
    folded = f'<details class="notes"><summary>{escape(label)}</summary>{notes}</details>' if notes else ""
    rest = f'<p class="soft small">{escape(section.rest)}</p>' if section.rest else ""
    return _titled(section, "".join(parts) + folded + rest)


def _finding(row: Document, anchor: str, words: Words, links: EvidenceLinks) -> str:
    level = row["level"] if row["level"] in LEVELS else "info"
    return (
        f'<div class="finding" id="{anchor}"><span class="tag {level}">{escape(language.term(row["level"]))}</span>'
        f"<h3>{escape(row['name'])}</h3><p>{escape(row['says'])}</p>"
        + labelled(next_step(row))
        + _verify(row)
        + evidence_list(row["evidence"], words, links)
        + "</div>"
    )


def _verify(row: Document) -> str:
    """How to verify a problem; in Chinese the commands alone, which need no translation."""
    if not row["verify"] or row["level"] == "info":
        return ""
    commands = re.findall(r"`[^`]+`", row["verify"])
    text = ", ".join(commands) if language.is_chinese() else row["verify"]
    return labelled(language.labelled("Verify", text)) if text else ""


# -- sections ---------------------------------------------------------------------------------------
def _titled(section: Section, body: str) -> str:
    note = f"<small>{escape(section.note)}</small>" if section.note else ""
    return f'<section id="{section.key}"><h2>{escape(section.heading)}{note}</h2>{body}</section>'


def _section(section: Section, shown: Overview, links: EvidenceLinks, wanted: Wanted) -> str:
    if section.key != "paths":
        return _titled(section, table_section(section, shown.words, links))
    groups = conversation_groups(shown.document.get("paths", []))
    most = wanted.top if wanted.top is not None else MAX_LADDERS
    ladders = [_path(group, shown.words, links, number) for number, group in enumerate(groups[:most], start=1)]
    left_out = sum(map(len, groups[most:]))
    more = MORE_CONVERSATIONS.fill(conversations=count(left_out, "more conversation"))
    rest = f'<p class="soft small">{escape(more)}</p>' if left_out else ""
    return _titled(section, "".join(ladders) + rest)


def _path(group: Sequence[PathPair], words: Words, links: EvidenceLinks, number: int) -> str:
    """The ladder of conversations of one route, below a line that says what they are."""
    paths = [path for conversation in group for path in conversation if path]
    shown = [conversation.forward for conversation in group]
    style = "bad" if any(is_lost(path["ends"]) for path in paths) else "soft"
    total = count(sum(conversation.packets for conversation in group), "packet")
    ends = " / ".join(dict.fromkeys(ending(path) for path in paths))
    selected = wireshark.paths(shown)
    wider = f" ({WIDER.fill()})" * selected.is_wider
    evidence = [frame for path in (shown[0], group[0].backward) if path for frame in path["evidence"]]
    evidence += [frame for path in paths for frame in path["evidence"] if links.is_shown(frame)]
    evidence = list({(frame["file"], frame["frame"]): frame for frame in evidence}.values())
    target = links.target(paths, f"paths-{number}")
    return (
        f'<details class="path"{target}{" open" * (number <= MAX_OPEN_PATHS)}><summary>'
        f"<b>{escape(' · '.join(routes.flows(shown, words)))}</b> "
        f'<span class="{style}">{escape(language.pick(", ", "，").join((total, ends)))}</span></summary>'
        f"{ladder(group, words)}{evidence_list(evidence, words, links)}"
        f'<p class="small soft">Wireshark{escape(wider)} {code(selected.text, copy=True)}</p></details>'
    )

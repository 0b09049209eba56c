"""Flows or one packet hop by hop as a page: the drawing of the network, a ladder each, and the frames.

Input: the documents that the text of `drawing` is made from. Output: HTML, as `page.shell` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import zip_longest

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report import wireshark
from capnet.report.drawing.packet_path import difference_text, sighting_changes, where_seen
from capnet.report.drawing.routes import carried, signed
from capnet.report.escape import visible, visible_all
from capnet.report.fate_words import outcome
from capnet.report.page import header
from capnet.report.page.conversations import PathPair
from capnet.report.page.evidence import EvidenceLinks
from capnet.report.page.frame_article import evidence_section
from capnet.report.page.ladder import ladder
from capnet.report.page.markup import code, escape
from capnet.report.page.network_figure import network_figure
from capnet.report.page.shell import page
from capnet.report.page.supplement import Supplement
from capnet.report.page.tables import evidence_list
from capnet.report.sections.section import Section
from capnet.report.text import count
from capnet.report.words import Words

MORE_FLOWS = Text(en="… and {flows}; --most {total} shows all", zh="…… 另有 {flows}；--most {total} 显示全部")
NOTHING_BACK = Text(en="back: nothing was seen", zh="返回：未见到任何包")
_HEADS = ("point", "frame", "delay", "flow", "TTL", "bytes", "change", "what differs")

Directions = Sequence[Sequence[Document]]  # paths there, paths back


def flows_page(
    document: Document, conversations: Sequence[Directions], total: int, asked: str, beside: Supplement
) -> str:
    """Conversations hop by hop. As `drawing.text_path.render_flows`."""
    safe, shown = visible_all(document), visible_all(conversations)
    words = Words.of(safe)
    paths = [path for directions in shown for direction in directions for path in direction]
    with_paths = {**safe, "paths": paths}
    section = Section("paths", language.term("Paths"), rows=[paths])
    links = EvidenceLinks(safe, beside.frames)
    title = " · ".join(filter(None, [visible(asked) or language.term("All flows"), count(total, "flow")]))
    main = next((path for path in paths if len(path["hops"]) > 1), None)
    pieces = [piece for directions in shown for piece in zip_longest(*directions)]
    ladders = [
        _conversation(forward, backward, number, words, links)
        for number, (forward, backward) in enumerate(pieces, start=1)
    ]
    rest = MORE_FLOWS.fill(flows=count(total - len(shown), "more flow"), total=total) if total > len(shown) else ""
    body = [
        "<header>", *header.head_line(title), "</header>",
        network_figure(with_paths, words, beside.topology, [], lambda row: "paths", main) if main else "",
        header.names(words.legend(hop[end] for path in paths for hop in path["hops"] for end in ("src", "dst"))),
        header.origin(safe, beside),
        f'<section id="paths"><h2>{escape(language.term("Paths"))}</h2>{"".join(ladders)}</section>' if ladders else "",
        f'<p class="soft small">{escape(rest)}</p>' if rest else "",
        evidence_section(safe, [section], beside, links),
    ]  # fmt: skip
    return page(title, body)


def _conversation(
    forward: Document | None, backward: Document | None, number: int, words: Words, links: EvidenceLinks
) -> str:
    """The ladder of a piece of a conversation, which may have one direction only."""
    path = forward or backward
    assert path is not None
    conversation = PathPair(path, backward if forward else None)
    both = [each for each in conversation if each]
    ends = " / ".join(dict.fromkeys(outcome(each, words) for each in both))
    silent = "" if conversation.backward else f" {NOTHING_BACK.fill()}"
    total = count(conversation.packets, "packet")
    evidence = [frame for each in both for frame in each["evidence"]]
    return (
        f'<div class="path"{links.target(both, f"paths-{number}")}><h3>'
        f"{escape(path['proto'])} {escape(words.flow(path['flow'], path['hops'][0]['point']))} "
        f'<small class="soft">{escape(language.pick(", ", "，").join((total, ends)))}{silent}</small></h3>'
        f"{ladder([conversation], words)}{evidence_list(evidence, words, links)}"
        f'<p class="small soft">Wireshark {code(wireshark.paths([path]).text, copy=True)}</p></div>'
    )


def packet_page(document: Document, journey: Document, beside: Supplement) -> str:
    """One packet at every point. As `drawing.packet_path.render_packet`."""
    safe, trace = visible_all(document), visible_all(journey)
    words = Words.of(safe)
    frames = trace["frames"]
    links = EvidenceLinks(safe, beside.frames)
    asked = trace["asked"]
    evidence = [{"point": frame["point"], "file": frame["file"], "frame": frame["frame"]} for frame in frames]
    facts = [{"evidence": [each]} for each in evidence]
    section = Section("packet", language.term("Packet"), rows=facts)
    changes = sighting_changes(frames, trace["reply"], words)
    targets = [links.target([fact], f"packet-{number}") for number, fact in enumerate(facts, start=1)]
    rows = "".join(map(partial(_sighting, words=words, links=links), frames, changes, targets))
    head = "".join(f"<th>{escape(language.term(text))}</th>" for text in _HEADS)
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    title = f"{language.term('Frame')} {asked['frame']} · {asked['file']} · {asked['point']} · {trace['proto']}"
    path = _path_of(trace, evidence)
    keys = [(frame["file"], frame["frame"]) for frame in frames]
    body = [
        "<header>", *header.head_line(title),
        f'<p class="story">{escape(where_seen(frames, trace["missing"]))}</p></header>',
        network_figure({**safe, "paths": [path]}, words, beside.topology, [], lambda row: "packet", path),
        header.names(words.legend(frame[end] for frame in frames for end in ("src", "dst"))),
        header.origin(safe, beside),
        f'<section id="packet"><h2>{escape(section.heading)}<small>{escape(count(len(frames), "frame"))}</small></h2>',
        f"{table}</section>",
        evidence_section(safe, [section], beside, links, keys),
    ]  # fmt: skip
    return page(f"{language.term('Frame')} {asked['frame']}", body)


def _path_of(trace: Document, evidence: list[Document]) -> Document:
    """The frames of a packet as a path, for the drawing."""
    hops = [{**frame, "packets": 1, "lost": 0} for frame in trace["frames"]]
    flow = {key: hops[0][key] for key in ("src", "sport", "dst", "dport")}
    return {
        "proto": trace["proto"],
        "flow": flow,
        "hops": hops,
        "ends": "unknown",
        "due": None,
        "evidence": evidence,
        "reply": trace["reply"],
    }


def _sighting(frame: Document, change: Sequence[str], target: str, words: Words, links: EvidenceLinks) -> str:
    delay = "" if frame["delta_us"] is None else signed(frame["delta_us"])
    cells = (
        f"<b>{escape(frame['point'])}</b>", links.frame(frame), escape(delay),
        f"<code>{escape(words.flow(frame) + carried(frame))}</code>", escape(frame["ttl"]), escape(frame["length"]),
        escape(" · ".join(change)), escape(difference_text(frame)),
    )  # fmt: skip
    kinds = (' class="k"' if head in ("delay", "flow") else "" for head in _HEADS)
    return (
        f"<tr{target}>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, cells, strict=True)) + "</tr>"
    )


def no_match_page(text: str) -> str:
    """A page that says that nothing matches, and what there is."""
    first, *lines = text.splitlines()
    return page(first, [f"<header><h1>{escape(first)}</h1></header>", f"<pre>{escape(chr(10).join(lines))}</pre>"])

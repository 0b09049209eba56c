"""Flows or one packet hop by hop as GitHub-flavoured Markdown: a table for each conversation, there and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing.packet_path import difference_text, sighting_changes, where_seen
from capnet.report.drawing.routes import carried, note, signed
from capnet.report.escape import visible, visible_all
from capnet.report.fate_words import answers, outcome
from capnet.report.formats.markdown import escape
from capnet.report.page.conversations import PathPair, rungs
from capnet.report.text import count
from capnet.report.words import Words

HEADS = ("point", "frame", "delay", "flow", "TTL", "bytes", "change", "what differs")
MORE_FLOWS = Text(en="… and {flows}; --most {total} shows all", zh="…… 另有 {flows}；--most {total} 显示全部")
NOTHING_BACK = Text(en="back: nothing was seen", zh="返回：未见到任何包")
Directions = Sequence[Sequence[Document]]  # paths there, paths back


def flows_text(document: Document, conversations: Sequence[Directions], total: int, asked: str) -> str:
    """Conversations hop by hop. As `drawing.text_path.render_flows`."""
    safe, shown = visible_all(document), visible_all(conversations)
    words = Words.of(safe)
    files = ", ".join(source["file"] for source in safe["inputs"])
    title = " · ".join(filter(None, [files, visible(asked), count(total, "flow")]))
    blocks = [f"# {escape(title)}", *_names(words, shown)]
    for directions in shown:
        for forward, backward in zip_longest(*directions):
            blocks += _conversation(PathPair(forward or backward, backward if forward else None), words)
    if total > len(shown):
        blocks.append(escape(MORE_FLOWS.fill(flows=count(total - len(shown), "more flow"), total=total)))
    return "\n\n".join(blocks) + "\n"


def _names(words: Words, shown: Sequence[Directions]) -> Iterator[str]:
    paths = [path for directions in shown for direction in directions for path in direction]
    legend = words.legend(hop[end] for path in paths for hop in path["hops"] for end in ("src", "dst"))
    if legend:
        yield escape(language.labelled("Names", " · ".join(map(" ".join, legend))))


def _conversation(conversation: PathPair, words: Words) -> Iterator[str]:
    """A heading, a table with a row for each point, and how each direction ends."""
    path, back = conversation
    yield f"## {escape(path['proto'] + ' ' + words.flow(path['flow'], path['hops'][0]['point']))}"
    heads = ["point", "↓ there", "TTL", "packets", "since the point above"]
    heads += ["↑ back", "TTL", "packets", "since the point below"] if back else []
    heads = [language.term(head) for head in heads]
    rows = [[rung.point, *_cells(path, rung.forward, words), *(_cells(back, rung.backward, words) if back else ())]
            for rung in rungs(conversation)]  # fmt: skip
    yield "\n".join(_table(heads, rows))
    yield escape(language.labelled("there", language.clauses([outcome(path, words), *answers(path["answers"], words)])))
    yield escape(language.labelled("back", outcome(back, words)) if back else NOTHING_BACK.fill())


def _cells(path: Document, index: int | None, words: Words) -> tuple[str, str, str, str]:
    """What passes a point, and what happened on the way there."""
    if index is None:
        return "", "", "", ""
    hop = path["hops"][index]
    step = []
    if index:
        step = [*words.changes(path["hops"][index - 1], hop, path["reply"]), note([hop])]
    ttl = "" if hop["ttl"] is None else str(hop["ttl"])
    return words.flow(hop) + carried(hop), ttl, str(hop["packets"]), ", ".join(filter(None, step))


def packet_text(document: Document, journey: Document) -> str:
    """One packet at every point. As `drawing.packet_path.render_packet`."""
    safe, trace = visible_all(document), visible_all(journey)
    words = Words.of(safe)
    asked = trace["asked"]
    heads = [language.term(head) for head in HEADS]
    changes = sighting_changes(trace["frames"], trace["reply"], words)
    rows = [
        [
            frame["point"], str(frame["frame"]), "" if frame["delta_us"] is None else signed(frame["delta_us"]),
            words.flow(frame) + carried(frame), "" if frame["ttl"] is None else str(frame["ttl"]),
            str(frame["length"]), ", ".join(change), difference_text(frame),
        ]
        for frame, change in zip(trace["frames"], changes, strict=True)
    ]  # fmt: skip
    title = f"{language.term('Frame')} {asked['frame']} · {asked['file']} · {asked['point']} · {trace['proto']}"
    blocks = [f"# {escape(title)}", escape(where_seen(trace["frames"], trace["missing"]))]
    blocks.append("\n".join(_table(heads, rows)))
    return "\n\n".join(blocks) + "\n"


def no_match_text(text: str) -> str:
    """That nothing matches, and what there is."""
    return "\n".join(escape(line.strip()) + "  " for line in text.splitlines()) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(escape, heads))} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(escape, row))} |"

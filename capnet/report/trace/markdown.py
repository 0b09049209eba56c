"""Flows or one packet hop by hop as GitHub-flavoured Markdown: a table for each conversation, there and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from capnet.analysis.core.contract.document import Document
from capnet.report.drawing.packet_path import difference_text
from capnet.report.drawing.routes import carried, note, signed
from capnet.report.escape import visible, visible_all
from capnet.report.fate_words import answers, ending
from capnet.report.formats.markdown import escape
from capnet.report.page.conversations import Conversation, rungs
from capnet.report.text import count
from capnet.report.words import Words

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
            blocks += _conversation(Conversation(forward or backward, backward if forward else None), words)
    if total > len(shown):
        blocks.append(escape(f"… and {count(total - len(shown), 'more flow')}; --most {total} shows all"))
    return "\n\n".join(blocks) + "\n"


def _names(words: Words, shown: Sequence[Directions]) -> Iterator[str]:
    paths = [path for directions in shown for direction in directions for path in direction]
    legend = words.legend(hop[end] for path in paths for hop in path["hops"] for end in ("src", "dst"))
    if legend:
        yield escape("Names: " + " · ".join(map(" ".join, legend)))


def _conversation(conversation: Conversation, words: Words) -> Iterator[str]:
    """A heading, a table with a row for each point, and how each direction ends."""
    path, back = conversation
    yield f"## {escape(path['proto'] + ' ' + words.flow(path['flow'], path['hops'][0]['point']))}"
    heads = ["point", "↓ there", "TTL", "packets", "since the point above"]
    heads += ["↑ back", "TTL", "packets", "since the point below"] if back else []
    rows = [[rung.point, *_cells(path, rung.forward, words), *(_cells(back, rung.backward, words) if back else ())]
            for rung in rungs(conversation)]  # fmt: skip
    yield "\n".join(_table(heads, rows))
    yield escape(f"there: {'; '.join([ending(path), *answers(path['answers'], words)])}")
    yield escape(f"back: {ending(back)}" if back else "back: nothing was seen")


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
    heads = ["point", "frame", "delay", "flow", "TTL", "bytes", "change", "what differs"]
    rows = [
        [
            frame["point"], str(frame["frame"]), "" if frame["delta_us"] is None else signed(frame["delta_us"]),
            words.flow(frame) + carried(frame), "" if frame["ttl"] is None else str(frame["ttl"]),
            str(frame["length"]), "copy" if frame["copy"] else ", ".join(frame["change"]), difference_text(frame),
        ]
        for frame in trace["frames"]
    ]  # fmt: skip
    title = " · ".join([f"Frame {asked['frame']} of {asked['file']}", asked["point"], trace["proto"]])
    blocks = [f"# {escape(title)}", "\n".join(_table(heads, rows))]
    if trace["missing"]:
        blocks.append(escape(f"Not seen at {', '.join(trace['missing'])}, though capturing."))
    return "\n\n".join(blocks) + "\n"


def no_match_text(text: str) -> str:
    """That nothing matches, and what there is."""
    return "\n".join(escape(line.strip()) + "  " for line in text.splitlines()) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(escape, heads))} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(escape, row))} |"

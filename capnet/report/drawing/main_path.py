"""Draws the path that matters most on one line: that of the worst problem, or the one with most packets.

tcp B:37218 → A:8080   B/ens33 ─▶ A/ens33 ─DNAT─▶ A/docker0 ─▶ A/web/eth0 ◆ delivered
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing.routes import packets
from capnet.report.drawing.session_end import session_end
from capnet.report.fate_words import FAILED, REST_DELIVERED, ending, failing_fate, fate, is_lost, packets_lost
from capnet.report.grouping import harmful_fates
from capnet.report.text import fill, number
from capnet.report.words import TUNNEL_CHANGES, Words, tunnel

NO_ANSWER = Text(en="delivered, no answer seen", zh="已送达，没有看到应答")
TIE = "╳"  # stands for a space at which a line is not broken
_SHOWN_CHANGES = ("snat", "dnat", "proxied")


def main_path(document: Document, words: Words, problems: Sequence[Document], width: int) -> list[str]:
    """The drawing, broken at points if it is too long; [] without a path of two points.

    Of the worst problem, without one of the worst flow that fails: the path that its frames refuse, or are evidence of;
    else the fate of a flow that was seen at one point only; else a path that loses packets where the problem was seen.
    Another path would not show an error: then [].
    """
    row = main_row(document, problems)
    if row is None:
        return []
    if "hops" not in row:
        return _fate(row, words, width)
    problem = problems[0] if _shows(row, _frames(problems)) else None
    return _path(row, failing_fate(document, row), problem, words, width)


def main_row(document: Document, problems: Sequence[Document]) -> Document | None:
    """The path that `main_path` draws, or the fate; None where it draws nothing."""
    paths = [path for path in document.get("paths", []) if len(path["hops"]) > 1 and not _is_message(path)]
    frames = _frames(problems) if problems else _frames([group[0] for group in harmful_fates(document)])
    shown = [path for path in paths if _refusals(path, frames)] or [path for path in paths if _shows(path, frames)]
    failing = [path for path in shown if is_lost(path["ends"]) or packets_lost(path) or failing_fate(document, path)]
    if failing:
        return max(failing, key=_rank)
    for row in document.get("fates", []):
        if row["fate"] in FAILED and _shows(row, frames):
            return row
    if not shown:
        points = {point for point, _ in frames}
        shown = [path for path in paths if _fails_at(document, path, points)]
    if not shown and not any(problem["level"] == "error" for problem in problems[:1]):
        shown = paths
    return max(shown, key=_rank, default=None)


def _frames(problems: Sequence[Document]) -> set[tuple[str, int]]:
    """The evidence of the worst problem, or fate."""
    return {(frame["point"], frame["frame"]) for row in problems[:1] for frame in row["evidence"]}


def _rank(path: Document) -> tuple[bool, int, bool, int]:
    """Paths that end early first, then those with most changes, those of requests, those with most packets."""
    names = [change for hop in path["hops"] for change in hop["change"]]
    changes = sum(change in _SHOWN_CHANGES or change in TUNNEL_CHANGES for change in names)
    is_asking = (path["flow"]["sport"] or 0) > (path["flow"]["dport"] or 0)
    return is_lost(path["ends"]), changes, is_asking, packets(path)


def _path(path: Document, failing: Document | None, problem: Document | None, words: Words, width: int) -> list[str]:
    """A path, and what became of its flow: `failing` is its fate, if it fails; `problem` is what it is evidence of."""
    hops = path["hops"]
    flow = f"{path['proto']} {words.flow(path['flow'], hops[0]['point'])}"
    steps = [f"{_arrow(before, hop, path['reply'], words)} {hop['point']}" for before, hop in pairwise(hops)]
    end = ending(path)
    if path["ends"] == "delivered" and packets_lost(path):
        end = REST_DELIVERED.fill()  # an arrow says how many are lost
    elif path["ends"] == "delivered" and problem and not path["answers"] and not path["reply"]:
        end = NO_ANSWER.fill()
    mark = "✗" if is_lost(path["ends"]) else "◆" if path["ends"] == "delivered" else "?"
    if failing and mark != "✗" and not packets_lost(path):
        mark, end = "✗", fate(failing, words)
    elif problem and mark == "◆" and not packets_lost(path):
        session = session_end(problem, hops[0]["point"], words)
        mark, end = ("✗" if session.fails else mark, session.says) if session else (mark, end)
    line = " ".join([hops[0]["point"], *(step.replace(" ", TIE) for step in steps), f"{mark}{TIE}{end}"])
    drawn = fill(line, width, "    ", "      ", breaks_chinese=False)
    return [*fill(flow, width, "  "), *(part.replace(TIE, " ") for part in drawn)]


def _fate(row: Document, words: Words, width: int) -> list[str]:
    flow = f"{row['proto']} {words.flow(row['flow'], row['point'])}"
    return [*fill(flow, width, "  "), *fill(f"{row['point']} ✗ {fate(row, words)}", width, "    ", "      ")]


def _shows(row: Document, frames: set[tuple[str, int]]) -> bool:
    """Is any of these frames evidence of the row?"""
    return any((frame["point"], frame["frame"]) in frames for frame in row["evidence"])


def _refusals(path: Document, frames: set[tuple[str, int]]) -> list[Document]:
    """The answers to a path, other than plain replies, of which any of these frames is evidence."""
    return [answer for answer in path["answers"] if answer["kind"] != "reply" and _shows(answer, frames)]


def _fails_at(document: Document, path: Document, points: set[str]) -> bool:
    """Do packets of the path, or its flow, end at one of these points?"""
    hops = path["hops"]
    is_lossy = any(hop["lost"] and before["point"] in points for before, hop in pairwise(hops))
    is_failing = is_lost(path["ends"]) or failing_fate(document, path) is not None
    return is_lossy or (is_failing and hops[-1]["point"] in points)


def _is_message(path: Document) -> bool:
    """ICMP errors and neighbour discovery tell of another flow; they are none that fails."""
    return path["proto"] in ("icmp", "icmpv6") and path["reply"] and path["flow"].get("id") is None


def _arrow(before: Document, hop: Document, reply: bool, words: Words) -> str:
    """`─▶`, with what changed the packets in it: `─DNAT─▶`, `─into vxlan 4097─▶`."""
    named = zip(hop["change"], words.changes(before, hop, reply), strict=True)
    shown = [text for change, text in named if change in _SHOWN_CHANGES]
    if "encapsulated" in hop["change"]:
        shown.append(Text(en="into {tunnel}", zh="封装 {tunnel}").fill(tunnel=tunnel(hop)))
    if "decapsulated" in hop["change"]:
        shown.append(Text(en="out of {tunnel}", zh="解封装 {tunnel}").fill(tunnel=tunnel(before)))
    if hop["lost"]:
        shown.append(Text(en="{number} lost", zh="丢失 {number} 个").fill(number=number(hop["lost"])))
    return f"─{language.items(shown)}─▶" if shown else "─▶"

"""Draws the path that matters most on one line: that of the worst problem, or the one with most packets.

tcp B:37218 → A:8080   B/ens33 ─▶ A/ens33 ─DNAT▶ A/docker0 ─▶ A/web/eth0 ◆ delivered
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from capnet.analysis.core.contract.document import Document
from capnet.report.drawing.routes import packets
from capnet.report.fate_words import FAILED, ending, fate, is_lost
from capnet.report.text import fill, number
from capnet.report.words import Words, tunnel

TIE = "╳"  # stands for a space at which a line is not broken
_SHOWN_CHANGES = {"snat": "SNAT", "dnat": "DNAT", "un-snat": "un-SNAT", "un-dnat": "un-DNAT", "proxied": "proxy"}


def main_path(document: Document, words: Words, problems: Sequence[Document], width: int) -> list[str]:
    """The drawing, broken at points if it is too long; [] without a path of two points.

    A flow of the worst problem that was seen at one point only has no path: then its fate is drawn.
    """
    paths = [path for path in document.get("paths", []) if len(path["hops"]) > 1]
    frames = {(frame["point"], frame["frame"]) for row in problems[:1] for frame in row["evidence"]}
    if not any(_shows(path, frames) for path in paths):
        for row in document.get("fates", []):
            if row["fate"] in FAILED and _shows(row, frames):
                flow = f"{row['proto']} {words.flow(row['flow'], row['point'])}"
                return [
                    *fill(flow, width, "  "),
                    *fill(f"{row['point']} ✗ {fate(row, words)}", width, "    ", "      "),
                ]
    if not paths:
        return []

    def rank(path: Document) -> tuple[bool, bool, int, bool, int]:
        names = [change for hop in path["hops"] for change in hop["change"]]
        changes = sum(change in _SHOWN_CHANGES or "capsulated" in change for change in names)
        is_asking = (path["flow"]["sport"] or 0) > (path["flow"]["dport"] or 0)
        return _shows(path, frames), is_lost(path["ends"]), changes, is_asking, packets(path)

    path = max(paths, key=rank)
    hops = path["hops"]
    flow = f"{path['proto']} {words.flow(path['flow'], hops[0]['point'])}"
    steps = [f"{_arrow(before, hop)} {hop['point']}" for before, hop in pairwise(hops)]
    mark = "✗" if is_lost(path["ends"]) else "◆" if path["ends"] == "delivered" else "?"
    line = " ".join([hops[0]["point"], *(step.replace(" ", TIE) for step in steps), f"{mark} {ending(path)}"])
    drawn = fill(line, width, "    ", "      ")
    return [*fill(flow, width, "  "), *(part.replace(TIE, " ") for part in drawn)]


def _shows(row: Document, frames: set[tuple[str, int]]) -> bool:
    """Is any of these frames evidence of the row?"""
    return any((frame["point"], frame["frame"]) in frames for frame in row["evidence"])


def _arrow(before: Document, hop: Document) -> str:
    """`─▶`, with what changed the packets in it: `─DNAT▶`, `─vxlan 4097▶`."""
    words = [_SHOWN_CHANGES[change] for change in hop["change"] if change in _SHOWN_CHANGES]
    if "encapsulated" in hop["change"]:
        words.append(f"into {tunnel(hop)}")
    if "decapsulated" in hop["change"]:
        words.append(f"out of {tunnel(before)}")
    if hop["lost"]:
        words.append(f"{number(hop['lost'])} lost")
    return f"─{', '.join(words)}─▶" if words else "─▶"

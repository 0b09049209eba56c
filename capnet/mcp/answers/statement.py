"""A statement about packets, with the points and frames that show it, as one line."""

from __future__ import annotations

from collections.abc import Sequence

from capnet.analysis.core.contract.document import Document
from capnet.mcp.captures import OpenedCapture
from capnet.mcp.fence import data

MAX_POINTS = 3  # of the evidence of a statement
MAX_FRAMES = 2  # of each point


def statement(capture: OpenedCapture, text: str, evidence: Sequence[Document]) -> str:
    """`SENTENCE [‹A/docker0› frame 12, 40; ‹A/ens33› frame 7]`; of several inputs, frames are of a file."""
    return f"{capture.fence.sentence(text)} {frames(capture.document, evidence)}"


def frames(document: Document, evidence: Sequence[Document]) -> str:
    """The first points and frames of evidence; without any, the points of the whole capture."""
    if not evidence:
        points = [data(point["name"]) for point in document["points"]]
        more = f" and {len(points) - MAX_POINTS} more" if len(points) > MAX_POINTS else ""
        return f"[the whole capture, no single frame; {', '.join(points[:MAX_POINTS]) or 'no point'}{more}]"
    has_files = len(document["inputs"]) > 1
    numbers: dict[tuple[str, str], list[str]] = {}
    for frame in evidence:
        file = frame["file"] if has_files else ""
        numbers.setdefault((frame["point"], file), []).append(str(frame["frame"]))
    places = [
        data(point) + (f" of {data(file)}" if file and file != point else "") + f" frame {', '.join(own[:MAX_FRAMES])}"
        for (point, file), own in list(numbers.items())[:MAX_POINTS]
    ]
    return f"[{'; '.join(places)}]"

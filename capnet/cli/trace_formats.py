"""The formats of `capnet trace` that people read: text, a page, Markdown. Each is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capnet.analysis.core.contract.document import Document
    from capnet.analysis.engine import Study
    from capnet.report.page.supplement import Supplement

MAX_FRAMES = 60  # of the evidence of a page: those of the first flows


def flows(
    format_: str,
    study: Study,
    document: Document,
    conversations: Sequence[tuple[Sequence[Document], Sequence[Document]]],
    total: int,
    asked: str,
    width: int,
) -> str:
    """Conversations hop by hop in this format. The arguments are those of `text_path.render_flows`."""
    if format_ == "html":
        from capnet.report.trace.html import flows_page

        paths = [path for directions in conversations for direction in directions for path in direction]
        evidence = (frame for path in paths for frame in path["evidence"])
        return flows_page(document, conversations, total, asked, _beside(study, evidence))
    if format_ == "markdown":
        from capnet.report.trace.markdown import flows_text

        return flows_text(document, conversations, total, asked)
    from capnet.report.drawing.text_path import render_flows

    return render_flows(document, conversations, total, asked, width)


def packet(format_: str, study: Study, document: Document, journey: Document, width: int) -> str:
    """One packet at every point in this format. `journey`: the document's `packet`."""
    if format_ == "html":
        from capnet.report.trace.html import packet_page

        return packet_page(document, journey, _beside(study, journey["frames"]))
    if format_ == "markdown":
        from capnet.report.trace.markdown import packet_text

        return packet_text(document, journey)
    from capnet.report.drawing.packet_path import render_packet

    return render_packet(document, journey, width)


def no_match(format_: str, text: str) -> str:
    """The text that nothing matches, in this format."""
    if format_ == "html":
        from capnet.report.trace.html import no_match_page

        return no_match_page(text)
    if format_ == "markdown":
        from capnet.report.trace.markdown import no_match_text

        return no_match_text(text)
    return text


def _beside(study: Study, evidence: Iterable[Document]) -> Supplement:
    from capnet.cli.page_inputs import beside
    from capnet.report.escape import visible

    keys = dict.fromkeys((visible(frame["file"]), int(frame["frame"])) for frame in evidence)
    return beside(study, list(keys)[:MAX_FRAMES])

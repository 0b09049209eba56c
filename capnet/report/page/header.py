"""The head of a page: what it is about, and from which files, by which command and version it was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.escape import visible
from capnet.report.page.markup import code, escape
from capnet.report.page.supplement import Supplement
from capnet.report.text import count, moment, number

MORE = Text(en="… and {rest} more", zh="…… 另有 {rest}")
MAX_FILES = 24  # listed with their digests


def head_line(title: str) -> list[str]:
    """A title as a heading and the rest of it below."""
    head, _, rest = title.partition(" · ")
    return [f"<h1>{escape(head)}</h1>", f'<p class="meta">{escape(rest)}</p>' if rest else ""]


def origin(document: Document, beside: Supplement) -> str:
    """File, size, SHA-256, command, version and time zone."""
    files = document["inputs"]
    rows = "".join(_file(source, beside) for source in files[:MAX_FILES])
    if len(files) > MAX_FILES:
        rows += f"<dt></dt><dd>{escape(MORE.fill(rest=count(len(files) - MAX_FILES, 'file')))}</dd>"
    command = _line("Command", code(visible(beside.command), copy=True)) if beside.command else ""
    return (
        f'<dl class="origin">{rows}{command}{_line("Made by", escape(document["made_by"]))}{_line("Times", "UTC")}</dl>'
    )


def _line(label: str, text: str) -> str:
    return f"<dt>{escape(language.term(label))}</dt><dd>{text}</dd>"


def _file(source: Document, beside: Supplement) -> str:
    details = [source["format"], count(source["bytes"], "byte")]
    details += [source["compression"]] if source["compression"] else []
    details.append(count(source["packets"], "packet"))
    if source["first"]:
        details.append(f"{moment(source['first'])} – {moment(source['last'])}")
    digest = beside.digests.get(source["file"])
    shown = f'<br><span class="soft">SHA-256</span> <code class="copy">{escape(digest)}</code>' if digest else ""
    return _line("File", f"<b>{escape(source['file'])}</b> {escape(', '.join(filter(None, details)))}{shown}")


def topics(labelled: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Who talks to whom, what is rewritten, what is not known: a line each."""
    lines = "".join(_line(label, escape(language.joined(list(texts)))) for label, texts in labelled)
    return f'<dl class="topics">{lines}</dl>' if lines else ""


def names(pairs: Sequence[tuple[str, str]], left_out: int = 0) -> str:
    """Names with their addresses."""
    items = list(_names(pairs))
    items += [f"<li>{escape(MORE.fill(rest=number(left_out)))}</li>"] if left_out else []
    return f'<ul class="names">{"".join(items)}</ul>' if items else ""


def _names(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, addresses in pairs:
        yield f"<li><b>{escape(name)}</b> {escape(addresses)}</li>"

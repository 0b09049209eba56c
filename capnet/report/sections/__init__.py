"""What a report shows, said once for all formats: title, sentences and names, then sections of columns and rows.

A section is a function of the document, the words and the view. Where the views differ, `Column.only` says which of
them has a column, and a pair of limits (compact, detailed) how many rows each of them shows.
"""

from __future__ import annotations

from collections.abc import Iterable

from capnet.analysis.core.contract.document import Document, row_values
from capnet.analysis.core.contract.keys import ALWAYS
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report import summary
from capnet.report.escape import visible_all
from capnet.report.headline import headline
from capnet.report.sections.section import Section, View
from capnet.report.text import number
from capnet.report.wanted import ALL, Wanted
from capnet.report.words import Words

MAX_COMPACT_NAMES = 12  # two or three lines of a terminal
MAX_DETAILED_NAMES = 24


class Overview(NamedTuple):
    """Everything that a report for people shows. All its strings are printable."""

    document: Document
    words: Words
    title: str
    verdict: list[str]  # the worst cause, or what may be said where nothing fails
    topics: list[tuple[str, list[str]]]  # label, sentences
    names: list[tuple[str, str]]  # name, its addresses
    names_left_out: int
    sections: list[Section]  # none is empty

    @property
    def more_names(self) -> str:
        """`… and 4 more`: how many names are left out."""
        return Text(en="… and {number} more", zh="…… 另有 {number} 个").fill(number=number(self.names_left_out))

    @property
    def sentences(self) -> list[str]:
        """The verdict, then the topics."""
        return [*self.verdict, *(text for _, texts in self.topics for text in texts)]


def overview(document: Document, view: View, wanted: Wanted = ALL, has_tables: bool = True) -> Overview:
    """What `view` shows of a document, in its order. Of selected sections: they alone, with the names in them.

    Without `has_tables` it has no sections, which take most of the time.
    """
    safe = visible_all(document)
    words = Words.of(safe)
    only = wanted.only
    verdict = [] if only else headline(safe, words)
    topics = [] if only else summary.topics(safe, words)
    chosen = {key: value for key, value in safe.items() if key in ALWAYS or key in only} if only else safe
    names, left_out = _names(chosen, words, view)
    sections = _sections(chosen, words, view, wanted) if has_tables else []
    return Overview(safe, words, summary.title(safe), verdict, topics, names, left_out, sections)


def _sections(document: Document, words: Words, view: View, wanted: Wanted) -> list[Section]:
    from capnet.report.sections.order import sections_of  # the first screen has none

    made = (make(document, words, view) for make in sections_of(view, wanted.only))
    sections = [section.shown(wanted.top) for section in made if section]
    return [section for section in sections if not wanted.only or section.key in wanted.only]


def _names(document: Document, words: Words, view: View) -> tuple[list[tuple[str, str]], int]:
    """The names to list and how many are left out: compact, those that the sentences did not introduce."""
    if view is View.DETAILED:
        named = words.all_names()
        return named[:MAX_DETAILED_NAMES], len(named[MAX_DETAILED_NAMES:])
    legend = words.legend(address for address in _addresses(document) if not address.startswith("fe80:"))
    return legend[:MAX_COMPACT_NAMES], len(legend[MAX_COMPACT_NAMES:])


def _addresses(document: Document) -> Iterable[str]:
    """Every address of the tables, so that the names listed are those that are there and no others."""
    for ends in row_values(document.get("nat", []), "before.src", "before.dst", "after.src", "after.dst"):
        yield from ends
    for row in document.get("proxies", []):
        yield from (row[side][end] for side in ("client_side", "server_side") for end in ("src", "dst"))
    for row in document.get("tunnels", []):
        yield from (*row["vteps"], *row["inner_ips"])
    for row in document.get("macs", []):
        yield from row["ips"]
    for row in document.get("paths", []):
        yield from (row["flow"]["src"], row["flow"]["dst"])
    for row in document.get("flows", {}).get("top", []):
        yield from (row["src"], row["dst"])
    for row in document.get("conversations", []):
        yield from (row["src"], row["dst"])
    for row in document.get("fates", []):
        yield from (row["flow"]["src"], row["flow"]["dst"])
    for row in document.get("neighbours", []):
        yield from (row["asker"], row["target"])

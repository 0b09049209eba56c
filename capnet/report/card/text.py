"""A card as text: who it is on the first line, then where it fails, whom it reaches, who reaches it."""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.wording import Text
from capnet.report.card.card import Card
from capnet.report.text import fill, number, padded

MAX_LINES = 10  # below each heading
_HEADINGS = {
    "fails": "Where it fails",
    "reached_by": "Who reaches it",
    "ports": "Ports that were asked",
    "reaches": "Whom it reaches",
    "appears_as": "As whom it appears to others",
    "names_asked": "Names it asks for",
    "mtu": "MTU",
    "points": "Captured at its own interfaces",
}


def render(card: Card, width: int = 100) -> str:
    """The card; no line is wider than `width` terminal columns."""
    lines = fill(" · ".join([card.name, *(each for each in (*card.addresses, *card.macs) if each != card.name)]), width)
    for key, heading in _HEADINGS.items():
        rows: list[str] = getattr(card, key)
        if rows:
            lines += ["", language.term(heading)]
            lines += [line for row in rows[:MAX_LINES] for line in fill(row, width, "  ", "      ")]
        if len(rows) > MAX_LINES:
            more = Text(en="… and {number} more", zh="…… 另有 {number} 条").fill(number=number(len(rows) - MAX_LINES))
            lines.append(f"  {more}")
    if not card.fails and not card.has_failing_flow:
        lines += ["", Text(en="Nothing that was captured of it fails.", zh="抓到的与它有关的流量没有失败。").fill()]
    if card.legend:
        names = " · ".join(map(" ".join, card.legend))
        lines += ["", *fill(padded(language.term("Names"), 7) + names, width, hanging=" " * 7)]
    return "\n".join(lines) + "\n"

"""What the kernels say of packets that do not arrive: rules and counters that stopped them."""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.sections.section import Column, Section, View, section_of
from capnet.report.text import count, number
from capnet.report.words import Words

MATCHES = {
    "equal": Text(en="{packets} of {missing}", zh="{missing} 中的 {packets}"),
    "part": Text(en="{packets} of {missing}", zh="{missing} 中的 {packets}"),
    "possible": Text(en="possibly {missing}", zh="可能 {missing}"),
    "implied": Text(en="{missing}, not counted", zh="{missing}，无计数"),
}


def kernel(document: Document, words: Words, view: View) -> Section:
    """A row for each rule or counter; of a rule, its text."""

    def stopped(row: Document) -> str:
        if row["action"] == "rewrote":
            return count(row["packets"], "flow")
        return MATCHES[row["match"]].fill(packets=number(row["packets"]), missing=number(row["missing"]))

    columns = [
        Column("kernel of", lambda row: row["namespace"]),
        Column("counted by", lambda row: [row["name"], *([row["text"]] if row["text"] else [])], wrap="words"),
        Column("packets", stopped, "right"),
        Column(
            "what it did",
            lambda row: Text(en="{action} them", zh="{action}它们").fill(action=language.term(row["action"])),
        ),
        Column("seen at", lambda row: words.frames(row["evidence"], 3), wrap="words"),
    ]
    return section_of("kernel", "What the kernels say", view, document.get("kernel", []), columns, (10, 60))

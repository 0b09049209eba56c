"""What the kernels say of packets that do not arrive: rules and counters that stopped them."""

from __future__ import annotations

from capnet.analysis.core.contract.document import Document
from capnet.report.sections.section import Column, Section, View, section_of
from capnet.report.text import count, number
from capnet.report.words import Words

MATCHES = {
    "equal": "{packets} of {missing}",
    "part": "{packets} of {missing}",
    "possible": "possibly {missing}",
    "implied": "{missing}, not counted",
}


def kernel(document: Document, words: Words, view: View) -> Section:
    """A row for each rule or counter; of a rule, its text."""

    def stopped(row: Document) -> str:
        if row["action"] == "rewrote":
            return count(row["packets"], "flow")
        return MATCHES[row["match"]].format(packets=number(row["packets"]), missing=number(row["missing"]))

    columns = [
        Column("kernel of", lambda row: row["namespace"]),
        Column("counted by", lambda row: [row["name"], *([row["text"]] if row["text"] else [])], wrap="words"),
        Column("packets", stopped, "right"),
        Column("it", lambda row: f"{row['action']} them"),
        Column("seen at", lambda row: words.frames(row["evidence"], 3), wrap="words"),
    ]
    return section_of("kernel", "What the kernels say", view, document.get("kernel", []), columns, (10, 60))

"""docs/witnesses.md: every key of a file of witnesses, from the comments behind the fields.

`schema_text` makes capnet/witnesses.schema.json from the same classes.
"""

from __future__ import annotations

from pathlib import Path

from capnet import witnesses
from tests.conftest import PROJECT
from tests.generated.topology import schema_of, table

SCHEMA_FILE = PROJECT / "capnet" / "witnesses.schema.json"
CLASSES: list[type] = [
    witnesses.Witnesses,
    witnesses.NamespaceWitness,
    witnesses.Snapshot,
    witnesses.DroppedPackets,
]

HEAD, TAIL = Path(__file__).with_suffix(".md").read_text(encoding="utf-8").split("<!-- tables -->\n")


def witnesses_page() -> str:
    """The page: what it is, a table for each class, and what is read from it."""
    lines = [HEAD.rstrip() + "\n"]
    for kind in CLASSES:
        lines += table(kind, witnesses.SCHEMA if kind is witnesses.Witnesses else "")
    return "\n".join(lines) + TAIL


def schema_text() -> str:
    """The JSON Schema of a file of witnesses."""
    return schema_of(CLASSES, witnesses.SCHEMA, "What kernels say of a recording's packets")

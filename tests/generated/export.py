"""docs/export.md: how to write tables, and the columns of each, with their types and meanings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from capnet.analysis.facts.volume.applications import PORTS
from capnet.analysis.tables.library import columns_of
from capnet.analysis.tables.names import TABLES
from capnet.table.column import KINDS
from capnet.wire.tables.columns import REASONS

HEAD = (Path(__file__).with_suffix(".md")).read_text(encoding="utf-8")


def export_page() -> str:
    """The page: a table of columns for each table."""
    return HEAD + "".join(_tables()) + _applications()


def _tables() -> Iterator[str]:
    for name, says in TABLES.items():
        yield f"\n## {name}\n\nA row for each: {says}.\n\n| column | type | meaning |\n|---|---|---|\n"
        for column in columns_of(name):
            yield f"| `{column.name}` | {KINDS[column.kind].says} | {column.says} |\n"
        if name == "frames":
            yield f"\n`undecoded` is one of {', '.join(REASONS)}: see [Rows](rows.md#values-of-reason).\n"


def _applications() -> str:
    named = ", ".join(f"{port} {name}" for port, name in PORTS.items())
    return f"""
## Applications

`application` is what the first octets of payload show (HTTP, HTTP/2, TLS, SSH, SMTP, AMQP, MQTT, MySQL, PostgreSQL,
Redis, memcached, SMB, STUN, QUIC, BitTorrent), else what the port says. `application_by` tells which.
First octets are read in a second pass, which standard input cannot have.
The ports: {named}.
"""

"""An inventory for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from capnet.report.escape import visible, visible_all
from capnet.report.inventory.rows import InventoryRow, node_interfaces
from capnet.topology import Topology
from capnet.topology.file import as_json


def inventory_json(
    topology: Topology, rows: Sequence[InventoryRow], answers: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """The rows, and networks, services and own interfaces of nodes as a topology has them.

    `answers`: what was asked, and what it is. Then only networks and services of the rows are there.
    """
    used = {row.network for row in rows}
    services = {row.service for row in rows}
    document = {
        "containers": [row_json(row) for row in rows],
        "networks": [as_json(each) for each in topology.networks if not answers or each.name in used],
        "services": [as_json(each) for each in topology.services if not answers or each.name in services],
        "interfaces": [
            {"host": host.name, **as_json(each)} for host, each in node_interfaces(topology) if not answers
        ],
        "stopped": [as_json(each) for each in topology.stopped if not answers],
        "unseen": [
            {"host": host.name, **as_json(unseen)} for host in topology.hosts for unseen in host.unseen
        ],
    }  # fmt: skip
    printable: dict[str, Any] = visible_all({"answers": list(answers), **document} if answers else document)
    return printable


def row_json(row: InventoryRow) -> dict[str, Any]:
    """The row as an object of JSON."""
    values = dict(zip(InventoryRow._fields, row, strict=True))
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def inventory_csv(rows: Sequence[InventoryRow]) -> str:
    """A line of headings, and one for each row (RFC 4180); lists are separated by blanks."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(InventoryRow._fields)
    for row in rows:
        writer.writerow([visible(_cell(value)) for value in row])
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return " ".join(value) if isinstance(value, tuple) else str(value)

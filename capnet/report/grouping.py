"""Groups rows of the document that a reader takes as one: the same flow, verdict or tunnel at several points."""

from __future__ import annotations

from collections.abc import Iterable

from capnet.analysis.core.contract.document import Document
from capnet.report.fate_words import FAILED
from capnet.report.words import Words

Groups = list[list[Document]]  # no group is empty

SCAN, REFUSED = "port-scan", "connection-refused"  # findings
# Kinds of answers that a scan expects, and what they say.
_REFUSALS = (("reset", None), ("icmp-error", "port unreachable"), ("icmp-error", "host unreachable"), ("none", None))


def same_flow(document: Document, words: Words) -> Groups:
    """The biggest flows, grouped by their 5-tuple, their tunnel, and the names of their addresses at their point."""
    keys = ("proto", "src", "sport", "dst", "dport", "id", "depth", "vni")
    rows = document.get("flows", {}).get("top", [])
    return _grouped(((*(row.get(key) for key in keys), words.flow(row)), row) for row in rows)


def same_verdict(document: Document) -> Groups:
    """Verdicts on MACs, grouped by MACs, addresses and reason."""
    rows = document.get("macs", [])
    return _grouped(((row["verdict"], *row["macs"], *row["ips"], row["because"]), row) for row in rows)


def same_tunnel(document: Document) -> Groups:
    """Tunnels, grouped by kind, id, port and ends."""
    rows = document.get("tunnels", [])
    return _grouped(((row["kind"], row["vni"], row["port"], *row["vteps"]), row) for row in rows)


def same_fate(document: Document) -> Groups:
    """Flows that fail, grouped by protocol, destination, and what becomes of them in words but for its numbers."""

    def key(row: Document) -> tuple[object, ...]:
        answers = tuple((answer["kind"], answer["from"], answer["says"]) for answer in row["answers"])
        flow = row["flow"]
        return row["proto"], flow["dst"], flow["dport"], row["fate"], row["point"], row["next"], answers

    return _grouped((key(row), row) for row in document.get("fates", []) if row["fate"] in FAILED)


def harmless_refusals(document: Document) -> list[Document]:
    """The findings that need no action and say of refusals what they are: of a scan, or a server that was starting."""
    rows = (row for row in document.get("findings", []) if row["level"] == "info")
    return [row for row in rows if row["name"] == SCAN or (row["name"] == REFUSED and "address" in row["facts"])]


def _says_so(finding: Document, row: Document) -> bool:
    """Is one of `harmless_refusals` about this flow, and nothing else answers it?"""
    facts, flow, answers = finding["facts"], row["flow"], row["answers"]
    if finding["name"] == REFUSED:
        is_reset = {answer["kind"] for answer in answers} == {"reset"}
        return is_reset and bool(flow["dst"] == facts["address"])
    is_listed = all(
        flow[of] in facts[listed] or len(facts[listed]) < facts[f"{listed}_in_all"]
        for of, listed in (("dst", "servers"), ("dport", "ports"))
    )
    is_of_client = row["proto"] == facts["proto"] and flow["src"] in (facts["client"], *facts["seen_as"])
    is_expected = all((answer["kind"], answer["says"]) in _REFUSALS for answer in answers)
    return is_listed and is_of_client and is_expected


def harmful_fates(document: Document) -> Groups:
    """`same_fate` without the refusals that need no action."""
    harmless = harmless_refusals(document)
    return [group for group in same_fate(document) if not any(_says_so(finding, group[0]) for finding in harmless)]


def same_icmp_error(document: Document) -> Groups:
    """ICMP errors, grouped by all but their point, their time, and the source port of the packet they are about."""
    keys = ("proto", "from", "to", "type", "code", "mtu")
    rows = document.get("icmp_errors", [])
    return _grouped(((*(row[key] for key in keys), _destination(row["quoted"])), row) for row in rows)


def _destination(packet: Document | None) -> tuple[object, ...]:
    return tuple(packet[key] for key in ("proto", "src", "dst", "dport")) if packet else ()


def _grouped(rows: Iterable[tuple[tuple[object, ...], Document]]) -> Groups:
    """Rows of one key, in the order of their first rows. `rows`: (key, row)."""
    groups: dict[tuple[object, ...], list[Document]] = {}
    for key, row in rows:
        groups.setdefault(key, []).append(row)
    return list(groups.values())

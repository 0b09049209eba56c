"""source-port-collision: masquerade had to choose another source port or ICMP identifier.

Looks at: translations to one source address whose original ports or identifiers are equal.
Says: how many of them got a new one. Harmless, but whoever looks for the old port outside does not find it.
Wrong when: the connections were not alive at the same time and the port was rewritten for another reason.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding, Nat
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.nat.translations import nat_facts


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[object, ...], list[Nat]] = {}
    for row in nat_facts(context):
        if "snat" in row.kind:
            key = (row.proto, row.after.src, row.after.dst, row.after.dport, _number(row))
            groups.setdefault(key, []).append(row)
    findings = []
    clashes: dict[tuple[str, str], list[list[Nat]]] = {}
    for rows in groups.values():
        if len({(row.before.src, row.before.sport, row.before.id) for row in rows}) > 1:
            clashes.setdefault((rows[0].proto, rows[0].after.src), []).append(rows)
    for (proto, address), groups_here in sorted(clashes.items()):
        rewritten = [row for rows in groups_here for row in rows if _source_rewritten(row)]
        if not rewritten:
            continue
        what = "ICMP identifier" if proto.startswith("icmp") else "source port"
        findings.append(
            Finding(
                "source-port-collision",
                "info",
                f"{plural(len(rewritten), 'connection')} left as {address} with another {what}: two wanted the same",
                None,
                {
                    "proto": proto,
                    "address": address,
                    "rewritten": len(rewritten),
                    "wanted": sorted({_number(row) for row in rewritten}),
                },
                [each for rows in groups_here for row in rows for each in row.evidence[:2]][:10],
            )
        )
    return findings


def _number(row: Nat) -> int:
    """The source port, or the ICMP identifier, that the sender chose."""
    number = row.before.sport if row.before.id is None else row.before.id
    return -1 if number is None else number


def _source_rewritten(row: Nat) -> bool:
    return (row.before.sport, row.before.id) != (row.after.sport, row.after.id)

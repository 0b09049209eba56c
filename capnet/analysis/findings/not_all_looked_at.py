"""not-all-looked-at: more addresses or tunnels than are looked at one by one.

Looks at: how many pairs of a MAC and an address there are, how many pairs of addresses spoke ARP, how many tunnels, how
many addresses of one network are inside of tunnels, how many translations are told by the two directions of a
connection alone.
Says: of how many how many were looked at: those with the most packets, of every MAC the same number; of translations
the first. Flows, their paths and NAT that packets show are not affected.
Wrong when: a network really has so many; then capture less of it.
"""

from __future__ import annotations

from capnet.analysis.aggregate import limits
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.facts.nat.translations import half_translations
from capnet.analysis.facts.tunnels import most_addresses_inside


def diagnose(context: Context) -> list[Finding]:
    facts: dict[str, object] = {}
    says = []
    of_table = context.totals.get
    for thing, words, of, kept in (
        ("addresses", "pairs of a MAC and an address", of_table("addresses", 0), len(context.stations)),
        ("arps", "pairs of addresses in ARP", of_table("arps", 0), len(context.arps)),
        ("tunnels", "directions of tunnels", of_table("tunnels", 0), len(context.tunnels)),
        ("inside", "addresses of one network inside tunnels", most_addresses_inside(context), limits.MOST_INSIDE),
        (
            "half",
            "translations that only the two directions of a connection show",
            half_translations(context),
            limits.MOST,
        ),
    ):
        if of > kept:
            facts[thing], facts[f"{thing}_looked_at"] = of, kept
            which = "the first ones" if thing == "half" else "those with the most packets"
            says.append(f"of {of:,} {words} only {kept:,} were looked at, {which}")
    if not says:
        return []
    fix = "they are a scan, a flood or the clients of a busy server; a capture filter shows fewer of them"
    return [Finding("not-all-looked-at", "info", "; ".join(says), fix, facts)]

"""Which addresses NAT hides, and which it writes into packets instead."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.nat.translations import nat_facts


@derived
def addresses_behind_nat(context: Context) -> set[str]:
    """Addresses of stations behind a NAT host: sources before SNAT, destinations after DNAT."""
    sources = {row.before.src for row in nat_facts(context) if "snat" in row.kind}
    return sources | {row.after.dst for row in nat_facts(context) if "dnat" in row.kind}


@derived
def addresses_set_by_nat(context: Context) -> set[str]:
    """Addresses that stand for others: sources after SNAT, destinations before DNAT."""
    sources = {row.after.src for row in nat_facts(context) if "snat" in row.kind}
    return sources | {row.before.dst for row in nat_facts(context) if "dnat" in row.kind}

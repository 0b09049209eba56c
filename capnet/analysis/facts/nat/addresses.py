"""Which addresses NAT hides, and which it writes into packets instead."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.nat.translations import nat_facts


@derived
def addresses_behind_nat(context: Context) -> set[str]:
    """Addresses of stations behind a NAT host: sources before SNAT, destinations after DNAT."""
    sources = nat_facts(context).of_kinds("snat", "snat+dnat").addresses("before", "src")
    return {*sources, *nat_facts(context).of_kinds("dnat", "snat+dnat").addresses("after", "dst")}


@derived
def addresses_set_by_nat(context: Context) -> set[str]:
    """Addresses that stand for others: sources after SNAT, destinations before DNAT."""
    sources = nat_facts(context).of_kinds("snat", "snat+dnat").addresses("after", "src")
    return {*sources, *nat_facts(context).of_kinds("dnat", "snat+dnat").addresses("before", "dst")}

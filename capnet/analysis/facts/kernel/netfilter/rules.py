"""Netfilter rules as data: tables, chains, and rules with their tests, verdicts and counters.

`iptables_save` and `nft_ruleset` make them from what programs print; `rule_walk` follows a packet through them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from capnet.quick_dataclass import mutable
from capnet.quick_tuple import NamedTuple

PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = "prerouting", "input", "forward", "output", "postrouting"

EBTABLES = "ebtables"  # the tool of rules that bridges have

# Verdicts. A jump or goto names a chain; UNCLEAR may end the walk or not (NFQUEUE, an unknown target).
ACCEPT, DROP, REJECT, RETURN, JUMP, GOTO, CONTINUE, UNCLEAR = (
    "accept", "drop", "reject", "return", "jump", "goto", "continue", "unclear",
)  # fmt: skip


class Test(NamedTuple):
    """One condition of a rule: src, dst, proto, sport, dport, in, out, state, dst-local, icmp, family, or unknown."""

    what: str
    values: tuple[str, ...] = ()  # any of them; networks as `10.0.0.0/8`, ports as `80` or `1024-65535`
    is_negated: bool = False


class Rule(NamedTuple):
    """A rule, or the policy of a chain (number 0)."""

    tool: str  # how a person lists it: iptables, ip6tables, iptables-legacy, nft …
    table: str
    chain: str
    number: int  # from 1, as `iptables -L --line-numbers` counts
    text: str
    tests: tuple[Test, ...]
    verdict: str
    target: str  # of JUMP and GOTO, the chain; else what the rule does, as written: DROP, MASQUERADE …
    packets: int | None  # its counter; None if it has none
    octets: int | None
    to: str = ""  # of DNAT, the address and port
    branches: tuple[Rule, ...] = ()  # of a verdict map: what the rule does for each of its elements

    @property
    def name(self) -> str:
        """`iptables filter FORWARD rule 3`."""
        place = f"{self.tool} {self.table} {self.chain}"
        return f"{place} rule {self.number}" if self.number else f"{place} policy"


def listing_command(tool: str, table: str, chain: str) -> str:
    """What a person types to see the rules of a chain, with counters."""
    if tool == "nft":
        return f"nft -a list chain {table} {chain}"
    if tool == EBTABLES:
        return f"{tool} -t {table} -L {chain} --Lc --Ln"
    return f"{tool} -t {table} -vnL {chain} --line-numbers"


@mutable
class Chain:
    """A chain; `hook` is empty for one that others jump to."""

    name: str
    hook: str = ""
    priority: int = 0
    rules: list[Rule] = field(default_factory=list)
    policy: Rule | None = None

    def steps(self) -> Iterator[Rule]:
        """What a packet is compared with in turn: each rule, or each branch of it."""
        for rule in self.rules:
            yield from rule.branches or (rule,)


@mutable
class RuleTable:
    """A table of one address family: ip, ip6, inet or bridge."""

    tool: str
    family: str
    name: str
    chains: dict[str, Chain] = field(default_factory=dict)

    def base_chains(self, hook: str) -> list[Chain]:
        """The chains that packets enter at a hook."""
        return [chain for chain in self.chains.values() if chain.hook == hook]

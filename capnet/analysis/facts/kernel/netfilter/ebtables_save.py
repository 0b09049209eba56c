"""Rules of bridges as `ebtables-nft-save -c` prints them (ebtables-nft(8)).

Input: its text. Output: `Table`s of family bridge. MACs, ports of a bridge and what else a flow does not tell become
the test `unknown`, which a packet may or may not pass. A chain of one's own ends in its policy, as if that were a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from capnet.analysis.facts.kernel.netfilter.rules import (
    ACCEPT,
    CONTINUE,
    DROP,
    EBTABLES,
    FORWARD,
    INPUT,
    JUMP,
    OUTPUT,
    POSTROUTING,
    PREROUTING,
    RETURN,
    UNCLEAR,
    Chain,
    Rule,
    RuleTable,
    Test,
)

FAMILY = "bridge"
MAX_RULES = 50_000  # of one text
_CHAIN = re.compile(r":(\S+) (\S+)$")
_RULE = re.compile(r"\[(\d+):(\d+)\] (-A (\S+) .*)$")
_HOOKS = {name.upper(): name for name in (PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING)}
_PRIORITIES = {"nat": -300, "filter": -200}  # linux/netfilter_bridge.h
_VERDICTS = {
    "ACCEPT": ACCEPT, "DROP": DROP, "RETURN": RETURN, "CONTINUE": CONTINUE, "mark": UNCLEAR, "redirect": UNCLEAR,
    "snat": UNCLEAR, "dnat": UNCLEAR, "arpreply": UNCLEAR,
}  # fmt: skip
_FAMILIES = {"IPv4": "ip", "0x0800": "ip", "IPv6": "ip6", "0x86dd": "ip6"}
_TESTS = {
    "--ip-src": "src", "--ip-dst": "dst", "--ip-proto": "proto", "--ip-sport": "sport", "--ip-dport": "dport",
    "--ip6-src": "src", "--ip6-dst": "dst", "--ip6-proto": "proto", "--ip6-sport": "sport", "--ip6-dport": "dport",
    "--logical-in": "in",
}  # fmt: skip


def ebtables_tables(text: str) -> list[RuleTable]:
    """The tables, each of which the text begins with a line `*NAME`."""
    tables: list[RuleTable] = []
    policies: dict[tuple[int, str], str] = {}  # of chains of one's own, by number of the table
    for line in text.splitlines()[:MAX_RULES]:
        if line.startswith("*"):
            tables.append(RuleTable(EBTABLES, FAMILY, line[1:].strip()))
        elif tables and (declared := _CHAIN.match(line)):
            chain = _chain(tables[-1], declared[1], declared[2])
            tables[-1].chains[chain.name] = chain
            if not chain.hook:
                policies[len(tables) - 1, chain.name] = declared[2]
        elif tables and (parts := _RULE.match(line)) and (owner := tables[-1].chains.get(parts[4])):
            owner.rules.append(_rule(tables[-1], owner, int(parts[1]), int(parts[2]), parts[3]))
    for (number, name), policy in policies.items():
        chain = tables[number].chains[name]
        if policy in ("ACCEPT", "DROP"):
            chain.rules.append(_policy(tables[number], name, policy))
    return tables


def _chain(table: RuleTable, name: str, policy: str) -> Chain:
    hook = _HOOKS.get(name, "")
    chain = Chain(name, hook, _PRIORITIES.get(table.name, 0))
    if hook:
        chain.policy = _policy(table, name, policy)
    return chain


def _policy(table: RuleTable, chain: str, policy: str) -> Rule:
    """Policies are not counted."""
    return Rule(
        EBTABLES, table.name, chain, 0, f"-P {chain} {policy}", (), _VERDICTS.get(policy, ACCEPT), policy, None, None
    )


def _rule(table: RuleTable, chain: Chain, packets: int, octets: int, text: str) -> Rule:
    words = text.split()[2:]
    target = words[words.index("-j") + 1] if "-j" in words[:-1] else "CONTINUE"
    verdict = JUMP if target in table.chains else _VERDICTS.get(target, CONTINUE)
    number = len(chain.rules) + 1
    return Rule(
        EBTABLES, table.name, chain.name, number, text, tuple(_tests(words)), verdict, target, packets, octets
    )  # fmt: skip


def _tests(words: list[str]) -> Iterator[Test]:
    """The tests in the words of a rule, up to its target. `-s ! MAC` negates."""
    position = 0
    while position < len(words) and words[position] != "-j":
        word, position = words[position], position + 1
        is_negated = words[position : position + 1] == ["!"]
        position += is_negated
        value = words[position] if position < len(words) else ""
        if word == "-p":
            yield Test("family", (_FAMILIES.get(value, value),), is_negated)
        elif word in _TESTS:
            yield Test(_TESTS[word], (value.replace(":", "-") if "port" in word else value,), is_negated)
        else:
            yield Test("unknown")
        position += not value.startswith("-")

"""Rules as `iptables-save -c` prints them (iptables-save(8)): tables, chains with policies, rules with counters.

Input: its text. Output: `Table`s. A line that is none of it is left out. Tests that are not known become `unknown`,
which a packet may or may not pass.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from capnet.analysis.facts.kernel.netfilter.rules import (
    ACCEPT,
    CONTINUE,
    DROP,
    FORWARD,
    GOTO,
    INPUT,
    JUMP,
    OUTPUT,
    POSTROUTING,
    PREROUTING,
    REJECT,
    RETURN,
    UNCLEAR,
    Chain,
    Rule,
    RuleTable,
    Test,
)

_CHAIN = re.compile(r":(\S+) (\S+) \[(\d+):(\d+)\]$")
_RULE = re.compile(r"\[(\d+):(\d+)\] (-A (\S+) .*)$")
HOOKS = {name.upper(): name for name in (PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING)}
PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}  # linux/netfilter_ipv4.h
_VERDICTS = {
    "ACCEPT": ACCEPT, "DROP": DROP, "REJECT": REJECT, "RETURN": RETURN, "QUEUE": UNCLEAR, "NFQUEUE": UNCLEAR,
    "TARPIT": DROP, "SNAT": ACCEPT, "DNAT": ACCEPT, "MASQUERADE": ACCEPT, "REDIRECT": ACCEPT, "NETMAP": ACCEPT,
}  # fmt: skip
_TESTS = {
    "-s": "src", "--source": "src", "-d": "dst", "--destination": "dst", "-p": "proto", "-i": "in", "-o": "out",
    "--sport": "sport", "--dport": "dport", "--sports": "sport", "--dports": "dport", "--ctstate": "state",
    "--state": "state", "--dst-type": "dst-type", "--icmp-type": "icmp", "--icmpv6-type": "icmp",
}  # fmt: skip
# Matches that add no condition of their own beside options of _TESTS; comments say nothing of a packet.
_PLAIN = ("tcp", "udp", "comment", "conntrack", "state", "multiport", "addrtype", "icmp", "icmp6", "icmpv6")
_IGNORED = ("--comment",)
MAX_RULES = 50_000  # of one text


def iptables_tables(text: str, tool: str, family: str) -> list[RuleTable]:
    """The tables of `iptables-save -c` or `ip6tables-save -c`; `tool` is how a person lists them."""
    tables: list[RuleTable] = []
    for line in text.splitlines()[:MAX_RULES]:
        if line.startswith("*"):
            tables.append(RuleTable(tool, family, line[1:].strip()))
        elif tables and (declared := _CHAIN.match(line)):
            tables[-1].chains[declared[1]] = _chain(tables[-1], *declared.groups())
        elif tables and (parts := _RULE.match(line)) and (chain := tables[-1].chains.get(parts[4])):
            chain.rules.append(_rule(tables[-1], chain, int(parts[1]), int(parts[2]), parts[3]))
    return tables


def _chain(table: RuleTable, name: str, policy: str, packets: str, octets: str) -> Chain:
    chain = Chain(name, HOOKS.get(name, "") if policy != "-" else "", PRIORITIES.get(table.name, 0))
    if chain.hook:
        # The nft backend prints 0 for the counters of policies, which it does not count.
        counters = (int(packets), int(octets)) if int(packets) else (None, None)
        text = f"-P {name} {policy}"
        chain.policy = Rule(table.tool, table.name, name, 0, text, (), _VERDICTS.get(policy, ACCEPT), policy, *counters)
    return chain


def _rule(table: RuleTable, chain: Chain, packets: int, octets: int, text: str) -> Rule:
    try:
        words = shlex.split(text)[2:]
    except ValueError:  # quotes that do not close
        words = ["--unreadable"]
    tests, target, to = list(_tests(words)), "", ""
    for option in ("-j", "-g"):
        if option in words[:-1]:
            target = words[words.index(option) + 1]
    if "--to-destination" in words[:-1]:
        to = words[words.index("--to-destination") + 1]
    if target in table.chains:
        verdict = GOTO if "-g" in words else JUMP
    else:
        verdict = _VERDICTS.get(target, CONTINUE)
    number = len(chain.rules) + 1
    return Rule(
        table.tool, table.name, chain.name, number, text, tuple(tests), verdict, target, packets, octets, to
    )  # fmt: skip


def _tests(words: list[str]) -> Iterator[Test]:
    """The tests in the words of a rule, up to its target, behind which options are the target's."""
    position, is_negated = 0, False
    while position < len(words):
        word, value = words[position], words[position + 1] if position + 1 < len(words) else ""
        if word == "!":
            is_negated, position = True, position + 1
            continue
        if word in ("-j", "-g"):
            return
        if word == "-m":
            if value not in _PLAIN:
                yield Test("unknown")
            position += 2
        elif word in _TESTS:
            yield _test(_TESTS[word], value, is_negated)
            position += 2
        elif word in _IGNORED:
            position += 2
        else:
            yield Test("unknown")
            position += 1
        is_negated = False


def _test(what: str, value: str, is_negated: bool) -> Test:
    values = tuple(value.replace(":", "-").split(",") if what in ("sport", "dport") else value.split(","))
    if what == "dst-type":
        return Test("dst-local", (), is_negated) if values == ("LOCAL",) else Test("unknown")
    return Test(what, values, is_negated)

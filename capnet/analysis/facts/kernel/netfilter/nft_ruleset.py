"""Rules as `nft -j list ruleset` prints them (libnftables-json(5)).

Input: its text, and the tables that iptables listed, which nft lists again in words of its own. Output: `RuleTable`s.
Statements that are not known become the test `unknown`, which a packet may or may not pass; a verdict map whose
elements are not known may end a packet's way or not.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from capnet.analysis.facts.kernel.netfilter.nft_expressions import (
    Case,
    Sets,
    map_text,
    match_test,
    match_text,
    value_text,
    verdict_cases,
)
from capnet.analysis.facts.kernel.netfilter.rules import (
    ACCEPT,
    CONTINUE,
    DROP,
    GOTO,
    JUMP,
    REJECT,
    RETURN,
    UNCLEAR,
    Chain,
    Rule,
    RuleTable,
    Test,
)

_VERDICTS = {
    "accept": ACCEPT, "drop": DROP, "reject": REJECT, "return": RETURN, "continue": CONTINUE, "queue": UNCLEAR,
    "jump": JUMP, "goto": GOTO, "masquerade": ACCEPT, "snat": ACCEPT, "dnat": ACCEPT, "redirect": ACCEPT,
    "tproxy": UNCLEAR,
}  # fmt: skip
_WITHOUT_TEST = ("counter", "log", "mangle", "notrack")  # statements that let each packet go on
_FAMILIES = ("ip", "ip6", "inet", "bridge")
MAX_TEXT = 300  # characters of a rule in words


def nft_tables(text: str, listed: Collection[tuple[str, str]]) -> list[RuleTable]:
    """The tables that are not in `listed` (family, name)."""
    try:
        objects = json.loads(text)["nftables"]
        tables: dict[tuple[str, str], RuleTable] = {}
        sets = Sets(objects)
        for entry in objects:
            _add(tables, entry, listed, sets)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []  # cut, or another program's
    return list(tables.values())


def _add(
    tables: dict[tuple[str, str], RuleTable], entry: dict[str, Any], listed: Collection[tuple[str, str]], sets: Sets
) -> None:
    kind, about = next(iter(entry.items()))
    if kind not in ("chain", "rule") or about["family"] not in _FAMILIES:
        return
    key = (about["family"], about["table"])
    if key in listed:
        return
    table = tables.setdefault(key, RuleTable("nft", *key))
    if kind == "chain":
        chain = Chain(about["name"], about.get("hook", ""), _priority(about.get("prio", 0)))
        if chain.hook:
            policy = about.get("policy", "accept")
            chain.policy = Rule(
                "nft", _table_name(table), chain.name, 0, f"policy {policy}", (), _VERDICTS.get(policy, ACCEPT), policy,
                None, None,
            )  # fmt: skip
        table.chains[chain.name] = chain
    elif (owner := table.chains.get(about["chain"])) is not None:
        owner.rules.append(_rule(table, owner, about, sets))


def _priority(priority: Any) -> int:
    return priority if isinstance(priority, int) else 0


def _table_name(table: RuleTable) -> str:
    return f"{table.family} {table.name}"


def _rule(table: RuleTable, chain: Chain, about: dict[str, Any], sets: Sets) -> Rule:
    tests: list[Test] = []
    words: list[str] = []
    verdict, target, packets, octets, to = CONTINUE, "", None, None, ""
    cases: list[Case] | None = []
    for statement in about.get("expr", []):
        name, value = next(iter(statement.items()))
        if name == "match":
            tests.append(match_test(value, sets.of(table.family, table.name)))
            words.append(match_text(value))
        elif name == "counter" and isinstance(value, dict):
            packets, octets = int(value["packets"]), int(value["bytes"])
            words.append("counter")
        elif name in _VERDICTS:
            verdict, target = _VERDICTS[name], name
            if verdict in (JUMP, GOTO):
                target = str(value["target"])
            if name == "dnat" and isinstance(value, dict):
                to = f"{value_text(value.get('addr', ''))}:{value_text(value.get('port', ''))}".rstrip(":")
            words.append(f"{name} {target}" if verdict in (JUMP, GOTO) else name)
        elif name == "vmap":
            cases = verdict_cases(value, sets.of(table.family, table.name))
            verdict = UNCLEAR if cases is None else CONTINUE
            words.append(map_text(value))
        else:
            if name not in _WITHOUT_TEST:
                tests.append(Test("unknown"))
            words.append(name)
    if about.get("comment"):
        words.append(f'comment "{about["comment"]}"')
    rule = Rule(
        "nft", _table_name(table), chain.name, len(chain.rules) + 1, " ".join(words)[:MAX_TEXT], tuple(tests), verdict,
        target, packets, octets, to,
    )  # fmt: skip
    return rule._replace(branches=tuple(_branch(rule, case) for case in cases or ()))


def _branch(rule: Rule, case: Case) -> Rule:
    """What the rule does for one element of its verdict map. The rule's counter counts all of them."""
    text = f"{rule.text} {{ {case.text} }}"[:MAX_TEXT]
    name, value = next(iter(case.verdict.items()))
    verdict = _VERDICTS.get(name, UNCLEAR)
    target = str(value["target"]) if verdict in (JUMP, GOTO) else name
    return rule._replace(
        text=text, tests=(*rule.tests, *case.tests), verdict=verdict, target=target, packets=None, octets=None
    )

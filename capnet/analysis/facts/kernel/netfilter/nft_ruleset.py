"""Rules as `nft -j list ruleset` prints them (libnftables-json(5)).

Input: its text, and the tables that iptables listed, which nft lists again in words of its own. Output: `Table`s.
Statements that are not known become the test `unknown`, which a packet may or may not pass.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

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
_PAYLOAD = {
    ("ip", "saddr"): "src", ("ip6", "saddr"): "src", ("ip", "daddr"): "dst", ("ip6", "daddr"): "dst",
    ("ip", "protocol"): "proto", ("ip6", "nexthdr"): "proto", ("icmp", "type"): "icmp", ("icmpv6", "type"): "icmp",
}  # fmt: skip
_META = {"iifname": "in", "oifname": "out", "iif": "in", "oif": "out", "l4proto": "proto"}
_FAMILIES = ("ip", "ip6", "inet", "bridge")
MAX_TEXT = 300  # characters of a rule in words


def nft_tables(text: str, listed: Collection[tuple[str, str]]) -> list[RuleTable]:
    """The tables that are not in `listed` (family, name)."""
    try:
        objects = json.loads(text)["nftables"]
        tables: dict[tuple[str, str], RuleTable] = {}
        for entry in objects:
            _add(tables, entry, listed)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []  # cut, or another program's
    return list(tables.values())


def _add(tables: dict[tuple[str, str], RuleTable], entry: dict[str, Any], listed: Collection[tuple[str, str]]) -> None:
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
        owner.rules.append(_rule(table, owner, about))


def _priority(priority: Any) -> int:
    return priority if isinstance(priority, int) else 0


def _table_name(table: RuleTable) -> str:
    return f"{table.family} {table.name}"


def _rule(table: RuleTable, chain: Chain, about: dict[str, Any]) -> Rule:
    tests: list[Test] = []
    words: list[str] = []
    verdict, target, packets, octets, to = CONTINUE, "", None, None, ""
    for statement in about.get("expr", []):
        name, value = next(iter(statement.items()))
        if name == "match":
            tests.append(_match(value))
            words.append(_match_text(value))
        elif name == "counter" and isinstance(value, dict):
            packets, octets = int(value["packets"]), int(value["bytes"])
            words.append("counter")
        elif name in _VERDICTS:
            verdict, target = _VERDICTS[name], name
            if verdict in (JUMP, GOTO):
                target = str(value["target"])
            if name == "dnat" and isinstance(value, dict):
                to = f"{_plain(value.get('addr', ''))}:{_plain(value.get('port', ''))}".rstrip(":")
            words.append(f"{name} {target}" if verdict in (JUMP, GOTO) else name)
        else:
            if name not in _WITHOUT_TEST:
                tests.append(Test("unknown"))
            words.append(name)
    if about.get("comment"):
        words.append(f'comment "{about["comment"]}"')
    return Rule(
        "nft", _table_name(table), chain.name, len(chain.rules) + 1, " ".join(words)[:MAX_TEXT], tuple(tests), verdict,
        target, packets, octets, to,
    )  # fmt: skip


def _match(match: dict[str, Any]) -> Test:
    """One comparison; a set is any of its elements."""
    left, right, operator = match.get("left"), match.get("right"), match.get("op", "==")
    what = _subject(left)
    values = _values(right)
    if what is None or values is None or operator not in ("==", "!=", "in"):
        return Test("unknown")
    return Test(what, values, operator == "!=")


def _subject(left: Any) -> str | None:
    if not isinstance(left, dict):
        return None
    if isinstance(payload := left.get("payload"), dict):
        protocol, field = payload.get("protocol"), payload.get("field")
        if field in ("sport", "dport") and protocol in ("tcp", "udp", "th"):
            return str(field)
        return _PAYLOAD.get((str(protocol), str(field)))
    if isinstance(meta := left.get("meta"), dict):
        return _META.get(str(meta.get("key")))
    if isinstance(ct := left.get("ct"), dict) and ct.get("key") == "state":
        return "state"
    return None


def _values(right: Any) -> tuple[str, ...] | None:
    """What is compared with, as texts; None for what is neither a value nor a list, set, range or prefix of values."""
    if isinstance(right, str | int) and not isinstance(right, bool):
        return (str(right),)
    if isinstance(right, dict):
        if isinstance(prefix := right.get("prefix"), dict):
            return (f"{prefix['addr']}/{prefix['len']}",)
        if isinstance(bounds := right.get("range"), list) and len(bounds) == 2:
            return (f"{bounds[0]}-{bounds[1]}",)
        right = right.get("set")
    if not isinstance(right, list):
        return None
    parts = [_values(item) for item in right]
    return None if None in parts else tuple(value for part in parts if part for value in part)


def _match_text(match: dict[str, Any]) -> str:
    left, operator = match.get("left"), match.get("op", "==")
    words = [str(value) for value in next(iter(left.values())).values()] if isinstance(left, dict) else [str(left)]
    sign = "!= " if operator == "!=" else ""
    return f"{' '.join(words)} {sign}{_plain(match.get('right'))}"


def _plain(value: Any) -> str:
    values = _values(value)
    if values is None:
        return "…"
    return values[0] if len(values) == 1 else "{ " + ", ".join(values) + " }"

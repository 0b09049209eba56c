"""Steps of packets through netfilter rules, as `record.kernel.rule_tracer` prints them.

Input: lines of a namespace's trace. Output: `Step`s in their order. A line that is no such object is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from capnet.analysis.facts.kernel.namespaces import NamespaceChanges
from capnet.analysis.facts.kernel.netfilter.iptables_save import iptables_tables
from capnet.analysis.facts.kernel.netfilter.rules import Rule
from capnet.quick_tuple import NamedTuple

SEEN, DROP, ACCEPT = "seen", "drop", "accept"
UNLISTED = "its text is not known"  # nft is not installed there, or the rule has gone
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)  # of a line
_TOOLS = {"ip": "iptables", "ip6": "ip6tables"}


class PacketKey(NamedTuple):
    """What stays of a packet on its way through a namespace: all but the destination, which DNAT rewrites."""

    proto: str
    src: str
    sport: int | None
    ident: int | None
    seq: int | None
    length: int


class TraceVerdict(NamedTuple):
    """One verdict on one packet."""

    time: int
    key: PacketKey
    dst: str
    dport: int | None
    verdict: str  # SEEN: it came in, before all rules
    family: str
    table: str
    chain: str
    number: int  # of the rule in its chain, 0 for a policy
    text: str  # of the rule, where the trace has it
    is_gone: bool  # the rule is not listed any more, and the number that it had then


def steps(lines: Sequence[str]) -> Iterator[TraceVerdict]:
    """The steps in the lines, with rules as they are numbered at the end, as in the rules that are kept."""
    numbers = _by_rule(lines[-1], "rules") if lines else {}
    texts = _by_rule(lines[-1], "texts") if lines else {}
    for line in lines:
        try:
            event = json.loads(line)
            key = (event["family"], event["table"], event["chain"], event.get("handle"))
            number = int(numbers.get(key, event["rule"]))
            yield _step(event, number if number >= 0 else int(event["rule"]), str(texts.get(key, "")), number < 0)
        except _DAMAGE:
            continue


def _by_rule(line: str, what: str) -> dict[tuple[str, str, str, int], Any]:
    """(family, table, chain, handle) → number or text, of the last line."""
    try:
        return {(family, table, chain, handle): value for family, table, chain, handle, value in json.loads(line)[what]}
    except _DAMAGE:
        return {}


def _step(event: dict[str, Any], number: int, text: str, is_gone: bool) -> TraceVerdict:
    ident = event["icmp"] << 16 | event["echo"] if "icmp" in event else None
    key = PacketKey(
        str(event["proto"]), str(event["src"]), _whole(event.get("sport", ident)), _whole(event["ident"]),
        _whole(event.get("seq")), int(event["length"]),
    )  # fmt: skip
    return TraceVerdict(
        int(event["time"]), key, str(event["dst"]), _whole(event.get("dport")),
        str(event["verdict"]), str(event["family"]), str(event["table"]), str(event["chain"]), number,
        text, is_gone,
    )  # fmt: skip


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def rule_of(namespace: NamespaceChanges, step: TraceVerdict) -> Rule:
    """The rule or the policy that a step names; one without text where neither the trace nor the namespace has it."""
    return (
        _traced(step)
        or (None if step.is_gone else _listed(namespace, step))
        or Rule(
            "nft", f"{step.family} {step.table}", step.chain, max(step.number, 0), UNLISTED, (), step.verdict,
            step.verdict, None, None,
        )
    )  # fmt: skip


def _traced(step: TraceVerdict) -> Rule | None:
    """A rule of which the trace has the text: it may have come and gone while packets were captured."""
    if not step.text or step.number <= 0:
        return None
    tool = _TOOLS.get(step.family)
    if tool and step.text.startswith(f"-A {step.chain} "):
        saved = f"*{step.table}\n:{step.chain} - [0:0]\n[0:0] {step.text}\nCOMMIT"
        for table in iptables_tables(saved, tool, step.family):
            for rule in table.chains[step.chain].rules:
                return rule._replace(number=step.number, packets=None, octets=None)
    return Rule(
        "nft", f"{step.family} {step.table}", step.chain, step.number, step.text, (), step.verdict, step.verdict,
        None, None,
    )  # fmt: skip


def _listed(namespace: NamespaceChanges, step: TraceVerdict) -> Rule | None:
    for table in namespace.tables:
        is_iptables = table.tool == _TOOLS.get(step.family) and table.name == step.table
        if not is_iptables and not (table.tool == "nft" and (table.family, table.name) == (step.family, step.table)):
            continue
        chain = table.chains.get(step.chain)
        if chain is None:
            continue
        if step.number == 0:
            return chain.policy
        if 0 < step.number <= len(chain.rules):
            return chain.rules[step.number - 1]
    return None

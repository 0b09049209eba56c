"""Steps of packets through netfilter rules, as `record.kernel.rule_tracer` prints them.

Input: lines of a namespace's trace. Output: `Step`s in their order. A line that is no such object is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from capnet.analysis.facts.kernel.namespaces import NamespaceChanges
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
    number: int  # of the rule in its chain, 0 for a policy, -1 for one that is not listed any more


def steps(lines: Sequence[str]) -> Iterator[TraceVerdict]:
    """The steps in the lines, with rules as they are numbered at the end, as in the rules that are kept."""
    numbers = _numbers(lines[-1]) if lines else {}
    for line in lines:
        try:
            event = json.loads(line)
            key = (event["family"], event["table"], event["chain"], event.get("handle"))
            yield _step(event, int(numbers.get(key, event["rule"])))
        except _DAMAGE:
            continue


def _numbers(line: str) -> dict[tuple[str, str, str, int], int]:
    """(family, table, chain, handle) → number, of the last line."""
    try:
        return {
            (family, table, chain, handle): number for family, table, chain, handle, number in json.loads(line)["rules"]
        }
    except _DAMAGE:
        return {}


def _step(event: dict[str, Any], number: int) -> TraceVerdict:
    ident = event["icmp"] << 16 | event["echo"] if "icmp" in event else None
    key = PacketKey(
        str(event["proto"]), str(event["src"]), _whole(event.get("sport", ident)), _whole(event["ident"]),
        _whole(event.get("seq")), int(event["length"]),
    )  # fmt: skip
    return TraceVerdict(
        int(event["time"]), key, str(event["dst"]), _whole(event.get("dport")),
        str(event["verdict"]), str(event["family"]), str(event["table"]), str(event["chain"]), number,
    )  # fmt: skip


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def rule_of(namespace: NamespaceChanges, step: TraceVerdict) -> Rule:
    """The rule or the policy that a step names; one without text if the namespace's rules do not list it."""
    return _listed(namespace, step) or Rule(
        "nft", f"{step.family} {step.table}", step.chain, max(step.number, 0), UNLISTED, (), step.verdict, step.verdict,
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

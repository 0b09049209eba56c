"""Steps of packets through netfilter rules, as `record.kernel.rule_tracer` prints them.

Input: lines of a namespace's trace. Output: `Step`s in their order. A line that is no such object is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from capnet.analysis.facts.kernel.namespaces import Namespace
from capnet.analysis.facts.kernel.netfilter.rules import Rule
from capnet.quick_tuple import NamedTuple

SEEN, DROP, ACCEPT = "seen", "drop", "accept"
_TOOLS = {"ip": "iptables", "ip6": "ip6tables"}


class PacketKey(NamedTuple):
    """What stays of a packet on its way through a namespace: all but the destination, which DNAT rewrites."""

    proto: str
    src: str
    sport: int | None
    ident: int | None
    seq: int | None
    length: int


class Step(NamedTuple):
    """One verdict on one packet."""

    time: int
    key: PacketKey
    dst: str
    dport: int | None
    came_by: str  # interface
    verdict: str  # SEEN: it came in, before all rules
    family: str
    table: str
    chain: str
    number: int  # of the rule in its chain, 0 for a policy, -1 for one that is not listed any more


def steps(lines: Iterable[str]) -> Iterator[Step]:
    """The steps in the lines."""
    for line in lines:
        try:
            yield _step(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue


def _step(event: dict[str, Any]) -> Step:
    ident = event["icmp"] << 16 | event["echo"] if "icmp" in event else None
    key = PacketKey(
        str(event["proto"]), str(event["src"]), _whole(event.get("sport", ident)), _whole(event["ident"]),
        _whole(event.get("seq")), int(event["length"]),
    )  # fmt: skip
    return Step(
        int(event["time"]), key, str(event["dst"]), _whole(event.get("dport")), str(event.get("in", "")),
        str(event["verdict"]), str(event["family"]), str(event["table"]), str(event["chain"]), int(event["rule"]),
    )  # fmt: skip


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def rule_of(namespace: Namespace, step: Step) -> Rule | None:
    """The rule or the policy that a step names; None if the namespace's rules do not list it."""
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

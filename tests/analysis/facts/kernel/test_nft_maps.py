"""Sets, maps and verdict maps of nft: what the kernel did with SYNs, as recorded/README.md describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.facts.kernel.netfilter.nft_ruleset import nft_tables
from capnet.analysis.facts.kernel.netfilter.rule_walk import Drop, Packet, possible_drops
from capnet.analysis.facts.kernel.netfilter.rules import DROP, REJECT

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded" / "nft-maps.json").read_text())
TABLES = nft_tables(json.dumps(RECORDED["ruleset"]), ())
ROUTER = "10.9.0.1"


def ends(probe: dict[str, Any]) -> list[Drop]:
    is_local = probe["dst"] == ROUTER
    packet = Packet(
        "ip", probe["src"], probe["dst"], "tcp", 40000, probe["dport"], None, "NEW", ("up0",), is_local=is_local
    )
    return possible_drops(TABLES, packet)


@pytest.mark.parametrize(
    "probe", RECORDED["probes"], ids=lambda probe: f"{probe['src']}-{probe['dst']}:{probe['dport']}"
)
def test_walk_ends_where_the_kernel_ended_it(probe: dict[str, Any]) -> None:
    possible = ends(probe)
    certain = [drop.rule for drop in possible if drop.is_certain]
    if probe["outcome"] == "accepted":
        assert certain == []
    else:
        verdict = {"dropped": DROP, "rejected": REJECT}[probe["outcome"]]
        assert verdict in [drop.rule.verdict for drop in possible]
        assert all(rule.verdict == verdict for rule in certain)


@pytest.mark.parametrize(
    ("src", "port", "rules"),
    [
        ("10.9.0.5", 22, []),  # the verdict map accepts it before the policy
        ("10.9.0.66", 22, ["ip saddr @blocked counter drop"]),
        ("10.9.0.5", 443, ["meta l4proto tcp counter reject"]),  # by the jump of the verdict map
        ("10.9.0.5", 91, ["meta l4proto tcp counter reject"]),  # by the goto of a concatenation
        ("10.9.0.5", 9999, ["policy drop"]),  # `*` of a map alone, which counts, and returns
    ],
)
def test_router_stops_it_by_the_rule(src: str, port: int, rules: list[str]) -> None:
    """The first element of `ct state vmap` is open: an invalid packet is dropped, which a SYN may be."""
    possible = ends({"src": src, "dst": ROUTER, "dport": port})
    assert [drop.rule.text for drop in possible] == ["ct state vmap { invalid : drop }", *rules]


def changed(name: str, **fields: object) -> list[Drop]:
    """Where the SYN of 10.9.0.66 to port 22 can end, with the set `blocked` changed."""
    objects = [{**entry, "set": {**entry["set"], **fields}} if "set" in entry else entry for entry in ruleset()]
    packet = Packet("ip", "10.9.0.66", ROUTER, "tcp", 40000, 22, None, "NEW", ("up0",), is_local=True)
    return [
        drop
        for drop in possible_drops(nft_tables(json.dumps({"nftables": objects}), ()), packet)
        if name in drop.rule.text
    ]


def ruleset() -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = RECORDED["ruleset"]["nftables"]
    return objects


def test_set_that_the_kernel_changes_is_open() -> None:
    assert len(changed("@blocked", elem=[])) == 0
    assert len(changed("@blocked", elem=[], flags=["timeout"])) == 1
    with_comment = [{"elem": {"val": "10.9.0.66", "comment": "scanner"}}]
    assert len(changed("@blocked", elem=with_comment)) == 1


def test_verdict_map_that_is_not_listed_leaves_the_policy_open() -> None:
    objects = [entry for entry in ruleset() if "map" not in entry]
    packet = Packet("ip", "10.9.0.5", ROUTER, "tcp", 40000, 9999, None, "NEW", ("up0",), is_local=True)
    (policy,) = [
        drop
        for drop in possible_drops(nft_tables(json.dumps({"nftables": objects}), ()), packet)
        if drop.rule.text == "policy drop"
    ]
    assert not policy.is_certain

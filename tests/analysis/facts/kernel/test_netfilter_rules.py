"""Rules as `iptables-save -c` and `nft -j` print them, and where a packet's walk through them can end."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from capnet.analysis.facts.kernel.netfilter.iptables_save import iptables_tables
from capnet.analysis.facts.kernel.netfilter.nft_ruleset import nft_tables
from capnet.analysis.facts.kernel.netfilter.rule_walk import Packet, possible_drops

PACKET = Packet("ip", "10.9.0.5", "172.17.0.2", "tcp", 40000, 80, None, "NEW", ("veth1", "docker0"), False)
V6 = PACKET._replace(family="ip6", src="2001:db8::5", dst="fd00::2")


def ends(rules: str, packet: Packet = PACKET, chain: str = "FORWARD", policy: str = "ACCEPT") -> list[tuple[int, bool]]:
    """Number of each rule where the packet can end, 0 for the policy, and whether it is certain."""
    lines = "\n".join(f"[0:0] {rule}" for rule in rules.splitlines() if rule)
    custom = "\n".join(f":{name} - [0:0]" for name in ("USER", "LAST"))
    text = f"*filter\n:{chain} {policy} [0:0]\n{custom}\n{lines}\nCOMMIT\n"
    tool, family = ("ip6tables", "ip6") if packet.family == "ip6" else ("iptables", "ip")
    return [(drop.rule.number, drop.is_certain) for drop in possible_drops(iptables_tables(text, tool, family), packet)]


@pytest.mark.parametrize(
    ("test", "is_met"),
    [
        ("-s 10.0.0.0/8", True), ("! -s 10.0.0.0/8", False), ("-d 172.17.0.2/32", True), ("-p udp", False),
        ("-p tcp -m tcp --dport 80", True), ("-p tcp -m tcp --dport 79:81", True),
        ("-p tcp -m tcp ! --dport 80", False),
        ("-p tcp -m multiport --dports 22,80", True), ("-p tcp -m multiport --dports 22,443", False),
        ("-i docker0", True), ("-i veth1", True), ("-i veth+", True), ("! -i docker0", False), ("-i ens33", False),
        ("-m conntrack --ctstate NEW", True), ("-m conntrack --ctstate RELATED,ESTABLISHED", False),
        ("-m addrtype --dst-type LOCAL", False), ('-m comment --comment "a -s 1.2.3.4 b"', True), ("-p icmp", False),
    ],
)  # fmt: skip
def test_known_test_decides(test: str, is_met: bool) -> None:
    assert ends(f"-A FORWARD {test} -j DROP") == ([(1, True)] if is_met else [])


@pytest.mark.parametrize(
    "test", ["-m limit --limit 1/sec", "-m set --match-set bad src", "-m mark --mark 0x1", "-m statistic --mode nth"]
)
def test_unknown_test_leaves_it_open(test: str) -> None:
    assert ends(f"-A FORWARD {test} -j DROP\n-A FORWARD -j DROP") == [(1, False), (2, False)]


def test_walk_returns_from_a_chain_and_ends_at_the_policy() -> None:
    rules = "-A FORWARD -j USER\n-A USER -s 10.0.0.0/8 -j RETURN\n-A USER -j DROP"
    assert ends(rules) == []
    assert ends(rules, policy="DROP") == [(0, True)]
    assert ends("-A FORWARD -j ACCEPT", policy="DROP") == []


def test_walk_follows_jumps_and_gotos() -> None:
    assert ends("-A FORWARD -i docker0 -j USER\n-A USER -j LAST\n-A LAST -p tcp -j DROP") == [(1, True)]
    assert ends("-A FORWARD -g USER\n-A FORWARD -j DROP\n-A USER -p udp -j DROP") == []
    assert ends("-A FORWARD -j USER\n-A USER -j USER\n-A FORWARD -j DROP")[-1] == (2, True)  # a loop ends


def test_walk_through_chains_that_multiply_ends() -> None:
    """Ten chains of ten jumps each to the next one: ten thousand million rules."""
    names = [f"C{number}" for number in range(11)]
    jumps = "".join(f"[0:0] -A {one} -j {other}\n" * 10 for one, other in pairwise(names))
    chains = "".join(f":{name} - [0:0]\n" for name in names)
    text = f"*filter\n:FORWARD ACCEPT [0:0]\n{chains}[0:0] -A FORWARD -j C0\n{jumps}[0:0] -A C10 -p udp -j DROP\n"
    assert possible_drops(iptables_tables(text, "iptables", "ip"), PACKET) == []


def test_local_packet_passes_input_and_not_forward() -> None:
    local = PACKET._replace(is_local=True)
    assert ends("-A FORWARD -j DROP", local) == []
    assert ends("-A INPUT -j DROP", local, chain="INPUT") == [(1, True)]
    assert ends("-A INPUT -j DROP", chain="INPUT") == []


def test_published_port_is_compared_as_translated() -> None:
    nat = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n[1:60] -A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination {}\n"
    )
    rule = "*filter\n:FORWARD ACCEPT [0:0]\n[1:60] -A FORWARD -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j DROP\n"
    published = PACKET._replace(dst="192.168.111.128", dport=8080, is_local=True)
    for to, number in (("172.17.0.2:80", 1), ("172.17.0.3:80", 0)):
        drops = possible_drops(iptables_tables(nat.format(to) + rule, "iptables", "ip"), published)
        assert [drop.rule.number for drop in drops] == [1] * number


def test_rules_of_the_other_family_do_not_count() -> None:
    assert ends("-A FORWARD -s 2001:db8::/32 -j DROP", V6) == [(1, True)]
    tables = iptables_tables("*filter\n:FORWARD DROP [0:0]\nCOMMIT", "iptables", "ip")
    assert possible_drops(tables, V6) == []


@pytest.mark.parametrize("text", ["*filter", "garbage\n[1:2] -A X -j DROP", '*f\n:X - [0:0]\n[1:2] -A X --comment "'])
def test_damaged_text_is_no_error(text: str) -> None:
    assert sum(len(table.chains) for table in iptables_tables(text, "iptables", "ip")) <= 1


def nft(*expressions: object, family: str = "inet", policy: str = "accept") -> str:
    place = {"family": family, "table": "t", "chain": "c"}
    chain = {"family": family, "table": "t", "name": "c", "hook": "forward", "prio": 0, "policy": policy}
    return json.dumps({"nftables": [{"chain": chain}, {"rule": {**place, "expr": list(expressions)}}]})


def match(left: object, right: object, operator: str = "==") -> object:
    return {"match": {"op": operator, "left": left, "right": right}}


SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
DROP = {"drop": None}


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        (match(SADDR, "10.9.0.5"), [1]),
        (match(SADDR, {"prefix": {"addr": "10.0.0.0", "len": 8}}), [1]),
        (match(SADDR, {"prefix": {"addr": "10.0.0.0", "len": 8}}, "!="), []),
        (match(DPORT, {"set": [80, {"range": [8000, 8100]}]}), [1]),
        (match(DPORT, {"set": [443]}), []),
        (match({"meta": {"key": "iifname"}}, "docker*"), [1]),
        (match({"ct": {"key": "state"}}, ["established", "related"]), []),
        ({"xt": {"type": "match", "name": "addrtype"}}, [1]),
        (match(SADDR, "@blocked"), [1]),
    ],
)
def test_nft_rule_is_walked(expression: object, numbers: list[int]) -> None:
    tables = nft_tables(nft(expression, {"counter": {"packets": 4, "bytes": 240}}, DROP), ())
    assert [drop.rule.number for drop in possible_drops(tables, PACKET)] == numbers
    assert tables[0].chains["c"].rules[0].packets == 4


def test_nft_table_that_iptables_lists_is_left_out() -> None:
    assert nft_tables(nft(DROP, family="ip"), {("ip", "t")}) == []
    assert nft_tables("{", ()) == nft_tables("[]", ()) == nft_tables('{"nftables": [{"rule": {}}]}', ()) == []


def test_nft_policy_that_drops_is_an_end() -> None:
    tables = nft_tables(nft(match(DPORT, 81), {"accept": None}, policy="drop"), ())
    assert [drop.rule.text for drop in possible_drops(tables, PACKET)] == ["policy drop"]


@pytest.mark.parametrize(
    ("out", "ended"), [("docker0", [(1, True)]), ("br-0", []), (None, [(1, False)])], ids=["its", "another", "unknown"]
)
def test_rule_for_a_way_out_decides_where_it_is_known(out: str | None, ended: list[tuple[int, bool]]) -> None:
    assert ends("-A FORWARD -o docker0 -j DROP", PACKET._replace(out=out)) == ended

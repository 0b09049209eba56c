"""The rule or counter that stopped packets, of witnesses that were recorded (recorded/README.md says how)."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.core.contract.report import Report
from capnet.analysis.engine import analyze
from capnet.topology import Container, Endpoint, Network, Topology, witnesses_path
from capnet.witnesses import Witnesses
from tests.conftest import PROJECT

RECORDED = Path(__file__).with_name("recorded")
BALANCE = "IpForwDatagrams + IpOutRequests - IpOutTransmits"  # some rule did stop them
INPUT = PROJECT / "pcaps" / "faults" / "kernel-drop.pcapng"

# Capture, finding that tells the loss, and what the kernel says of it.
BY_RULE = {
    "forward": ("stops-between", "iptables filter FORWARD rule 1", "-s 172.17.0.2/32 -p tcp -m tcp --dport 80 -j DROP"),
    "raw-prerouting": ("published-port-blocked", "iptables raw PREROUTING rule 1", "-s 192.168.111.129/32"),
    "docker-user": ("published-port-blocked", "iptables filter DOCKER-USER rule 1", "-i ens33 -p tcp -j DROP"),
    "nft": ("stops-between", "nft inet guard forw rule 1", "ip saddr 172.17.0.2 tcp dport { 80, 443 } counter drop"),
    "iptables-legacy": (
        "published-port-blocked",
        "iptables-legacy filter FORWARD rule 1",
        "-i ens33 -p tcp -m tcp --dport 80 -j DROP",
    ),
    "rp-filter": ("reverse-path-filter", "TcpExtIPReversePathFilter", "net.ipv4.conf.all.rp_filter = 1"),
}


def capture(name: str) -> Path:
    return RECORDED / f"{name}.pcapng"


def altered(name: str, folder: Path, alter: Callable[[dict[str, Any]], None], of: str = "A") -> Report:
    """The report on a recording whose namespace A, or another, is a different one after the recording."""
    path = Path(shutil.copy(capture(name), folder))
    shutil.copy(RECORDED / f"{name}.topology.json", folder)
    data = json.loads(witnesses_path(capture(name)).read_text(encoding="utf-8"))
    (host,) = [namespace for namespace in data["namespaces"] if namespace["name"] == of]
    alter(host["after"]["outputs"])
    witnesses_path(path).write_text(json.dumps(data), encoding="utf-8")
    return analyze(path)


def replaced(command: str, old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def alter(outputs: dict[str, Any]) -> None:
        assert old in outputs[command]
        outputs[command] = outputs[command].replace(old, new)

    return alter


def sentences(report: Report) -> str:
    return "\n".join(finding.says for finding in report.findings)


@pytest.mark.parametrize("name", BY_RULE)
def test_rule_or_counter_is_named_by_its_finding(name: str) -> None:
    finding_name, rule, text = BY_RULE[name]
    report = analyze(capture(name))
    (reason,) = report.kernel
    (finding,) = [finding for finding in report.findings if finding.name == finding_name]
    assert (reason.name, reason.match, reason.namespace) == (rule, "equal", "A")
    assert text in reason.text and reason.packets == reason.missing
    assert rule in finding.says and text in finding.says
    assert "kernel-drop" not in [finding.name for finding in report.findings]
    assert set(reason.evidence) & set(finding.evidence)


ROUTES = "ip -j route show table all type blackhole"


def test_blackhole_route_is_named() -> None:
    """The packets were neither delivered nor forwarded, as many as that, and no rule and no error counts them."""
    report = analyze(capture("blackhole-route"))
    (reason,) = report.kernel
    (finding,) = [finding for finding in report.findings if finding.level != "info"]
    assert (reason.text, reason.match, reason.packets, reason.missing) == ("10.244.1.0/26 (blackhole)", "equal", 8, 8)
    assert "a blackhole route drops them; 10.244.1.0/26" in finding.says
    assert "ip route get 10.244.1.7" in finding.fix and "the blackhole 10.244.1.0/26" in finding.fix


def test_blackhole_route_of_ipv6_is_named() -> None:
    report = analyze(capture("blackhole-route-ip6"))
    (reason,) = report.kernel
    (finding,) = [finding for finding in report.findings if finding.level != "info"]
    assert (reason.text, reason.match, reason.packets, reason.missing) == ("fd00:2::2/128 (blackhole)", "equal", 4, 4)
    assert "a blackhole route drops them; fd00:2::2/128" in finding.says


@pytest.mark.parametrize("network", ["fd00:2::3", "fd00:3::/64"])
def test_blackhole_route_of_ipv6_for_others_is_not_named(network: str, tmp_path: Path) -> None:
    change = replaced("ip -6 -j route show table all type blackhole", "fd00:2::2", network)
    report = altered("blackhole-route-ip6", tmp_path, change, of="vm")
    assert not report.kernel and "(blackhole)" not in sentences(report)


@pytest.mark.parametrize("network", ["10.244.1.64/26", "10.245.0.0/16"])
def test_blackhole_route_for_others_is_not_named(network: str, tmp_path: Path) -> None:
    report = altered("blackhole-route", tmp_path, replaced(ROUTES, "10.244.1.0/26", network))
    (reason,) = report.kernel
    assert (reason.text, reason.match) == ("", "possible") and "(blackhole)" not in sentences(report)


NEIGHBOURS = "ip -s -j ntable"


def test_full_table_of_neighbours_is_named() -> None:
    """Addresses that the table has are reached; two others are not, and nothing asks for their MACs."""
    report = analyze(capture("neighbour-table-full"))
    stops = [finding for finding in report.findings if finding.level != "info"]
    assert [finding.facts["destination"] for finding in stops] == ["192.168.111.133", "192.168.111.134"]
    for finding in stops:
        assert "its table of neighbours is full, so it does not ask for the MAC" in finding.says
        assert finding.says.endswith("net.ipv4.neigh.default.gc_thresh3 = 3")
        assert "sysctl -w net.ipv4.neigh.default.gc_thresh3=8192" in finding.fix


def test_table_of_neighbours_that_was_not_full_is_not_named(tmp_path: Path) -> None:
    report = altered("neighbour-table-full", tmp_path, replaced(NEIGHBOURS, '"table_fulls":', '"was":'))
    assert report.findings and "table of neighbours" not in sentences(report)


def test_rule_of_input_is_a_finding_of_its_own() -> None:
    """One point alone shows no place where the packets stop: the counter does."""
    report = analyze(INPUT)
    (finding,) = [finding for finding in report.findings if finding.level == "error"]
    assert finding.name == "kernel-drop"
    assert "iptables filter INPUT rule 1 on A dropped them: -A INPUT -s 192.168.111.129/32" in finding.says
    assert '--comment "no web for B"' in finding.says


def test_rule_that_drops_a_tunnel_is_told_once() -> None:
    """A finding about a tunnel shows some of its datagrams; the rule dropped all of them."""
    report = analyze(capture("tunnel-input"))
    (finding,) = [finding for finding in report.findings if finding.level != "info"]
    assert finding.name == "tunnel-not-decapsulated"
    assert "iptables filter INPUT rule 1 on B dropped them: -A INPUT -p udp -m udp --dport 4789 -j DROP" in finding.says


@pytest.mark.parametrize(
    ("name", "rule", "told_by"),
    [
        ("ebtables", "FORWARD", "stops-between"),
        ("ebtables-alone", "FORWARD", "stops-between"),
        ("ebtables-input", "INPUT", "kernel-drop"),
    ],
)
def test_rule_of_a_bridge_is_named(name: str, rule: str, told_by: str) -> None:
    """Of bridged packets, with br_netfilter and without; and of what a bridge hands to its host."""
    report = analyze(capture(name))
    (reason,) = report.kernel
    assert (reason.name, reason.match, reason.packets) == (f"ebtables filter {rule} rule 1", "equal", 4)
    (finding,) = [finding for finding in report.findings if finding.level == "error"]
    assert finding.name == told_by
    assert f"ebtables filter {rule} rule 1 on A dropped them: -A {rule} -p IPv4" in finding.says
    assert finding.fix is not None and f"`ebtables -t filter -L {rule} --Lc --Ln` lists it" in finding.fix


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("icmp -j DROP", "tcp -j DROP"), ("--ip-dst 172.17.0.2", "--ip-dst ! 172.17.0.2"), ("-p IPv4", "-p ! IPv4"),
        ("-p IPv4", "-p ARP"), ("-A FORWARD", "-A OUTPUT"), ("-j DROP", "-j ACCEPT"),
        ("-j DROP", "-j mark --mark-set 0x1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["ebtables", "ebtables-alone"])
def test_bridge_rule_that_cannot_have_stopped_them_is_not(name: str, old: str, new: str, tmp_path: Path) -> None:
    """It cannot meet them, or lets them pass."""
    report = altered(name, tmp_path, replaced("ebtables-nft-save -c", old, new))
    assert report.kernel == []
    assert "ebtables" not in sentences(report)


def test_filter_of_tc_is_told_by_its_counter() -> None:
    """It has no text in what is kept, and its counter no octets: a warning, with where to look."""
    report = analyze(capture("tc-filter"))
    (reason,) = report.kernel
    assert (reason.name, reason.match, reason.packets) == ("veth3937f65 clsact drops", "equal", 5)
    (finding,) = [finding for finding in report.findings if finding.level != "info"]
    assert (finding.name, finding.level) == ("kernel-drop", "warning")
    assert finding.fix is not None and "`tc filter show dev veth3937f65 ingress`" in finding.fix


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"drops":5', '"drops":0'), ('"drops":5', '"drops":50'), ('"kind":"clsact"', '"kind":"fq"'),
        ('"dev":"veth3937f65"', '"dev":"veth0000000"'),
    ],
)  # fmt: skip
def test_filter_that_cannot_have_stopped_them_is_not(old: str, new: str, tmp_path: Path) -> None:
    """It dropped none, or more; it is a queue for what leaves; it is at another interface."""
    report = altered("tc-filter", tmp_path, replaced("tc -s -j qdisc", old, new))
    assert report.kernel == []
    assert "drops" not in sentences(report)


@pytest.mark.parametrize("counter", ["[40:3360]", "[4:340]", "[0:0]"])
def test_bridge_rule_that_counted_others_is_not(counter: str, tmp_path: Path) -> None:
    """More packets, as many of other length, or none."""
    report = altered("ebtables", tmp_path, replaced("ebtables-nft-save -c", "[4:336]", counter))
    assert report.kernel == []
    assert "ebtables" not in sentences(report)


def test_lost_masquerade_names_the_absent_rule() -> None:
    report = analyze(capture("masquerade-lost"))
    assert [(each.namespace, each.name) for each in report.kernel] == [("B", "IpOutNoRoutes")]  # to 172.17.0.2
    (finding,) = [finding for finding in report.findings if finding.name == "not-masqueraded"]
    assert finding.says.endswith("no rule of nat POSTROUTING on A translates 172.17.0.2 (0 rules for source NAT)")


@pytest.mark.parametrize("path", sorted(RECORDED.glob("[!w]*.healthy.pcapng")), ids=lambda path: path.name)
def test_healthy_network_names_nothing(path: Path) -> None:
    report = analyze(path)
    assert report.kernel == []
    assert [finding.name for finding in report.findings if finding.level != "info"] == []
    assert "rule" not in sentences(report)


@pytest.mark.parametrize("name", BY_RULE)
def test_capture_without_witnesses_is_told_as_before(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(capture(name), tmp_path))
    shutil.copy(RECORDED / f"{name}.topology.json", tmp_path)
    bare, full = analyze(path), analyze(capture(name))
    assert bare.kernel == []
    assert [(finding.name, finding.level) for finding in bare.findings] == [
        (finding.name, finding.level) for finding in full.findings
    ]
    given = analyze(path, witnesses=Witnesses.load(witnesses_path(capture(name))))
    assert [reason.says for reason in given.kernel] == [reason.says for reason in full.kernel]


@pytest.mark.parametrize("counter", ["[5:300]", "[4:241]", "[40:2400]"])
def test_rule_that_counted_other_packets_is_not_named(counter: str, tmp_path: Path) -> None:
    """More packets, or as many with other octets: it met others' packets, perhaps these not at all."""
    report = altered("forward", tmp_path, replaced("iptables-save -c", "[4:240]", counter))
    assert [reason.name for reason in report.kernel] == [BALANCE]
    assert "FORWARD rule" not in sentences(report)


def test_rule_that_counted_fewer_is_named_with_both(tmp_path: Path) -> None:
    report = altered("forward", tmp_path, replaced("iptables-save -c", "[4:240]", "[3:180]"))
    (reason,) = report.kernel
    assert (reason.match, reason.packets, reason.missing) == ("part", 3, 4)
    assert "possibly iptables filter FORWARD rule 1 on A dropped 3 of 4" in sentences(report)


@pytest.mark.parametrize(
    "other",
    ["-s 10.0.0.0/8", "-d 172.17.0.0/16", "-p udp", "-p tcp -m tcp --dport 81", "-i ens33", "-s 172.17.0.2 -p icmp"],
)
def test_rule_for_other_packets_is_not_named(other: str, tmp_path: Path) -> None:
    """The same numbers, but it cannot have met these packets."""
    rule = "-s 172.17.0.2/32 -p tcp -m tcp --dport 80 -j DROP"
    report = altered("forward", tmp_path, replaced("iptables-save -c", rule, f"{other} -j DROP"))
    assert [reason.name for reason in report.kernel] == [BALANCE]


def test_rule_behind_one_that_accepts_is_not_named(tmp_path: Path) -> None:
    rule = "[4:240] -A FORWARD"
    accepting = f"[9:540] -A FORWARD -s 172.17.0.0/16 -j ACCEPT\n{rule}"
    report = altered("forward", tmp_path, replaced("iptables-save -c", rule, accepting))
    assert [reason.name for reason in report.kernel] == [BALANCE]


def test_two_rules_with_equal_counters_are_both_possible(tmp_path: Path) -> None:
    """What is before the second one may let packets by: a rate."""
    first = "[4:240] -A FORWARD -s 172.17.0.0/16 -m limit --limit 1/sec -j DROP\n[4:240] -A FORWARD -s 172.17.0.2/32"
    report = altered("forward", tmp_path, replaced("iptables-save -c", "[4:240] -A FORWARD -s 172.17.0.2/32", first))
    assert [(reason.name, reason.match) for reason in report.kernel] == [
        ("iptables filter FORWARD rule 1", "possible"),
        ("iptables filter FORWARD rule 2", "possible"),
    ]
    assert sentences(report).count("possibly iptables filter FORWARD rule") == 2


def test_counter_without_its_setting_is_not_named(tmp_path: Path) -> None:
    """Without a reverse path filter, the counter of another namespace's or time's packets explains nothing."""
    report = altered("rp-filter", tmp_path, replaced("sysctl", "all/rp_filter:1", "all/rp_filter:0"))
    assert report.kernel == []


def test_masquerade_rule_that_is_there_is_not_called_absent(tmp_path: Path) -> None:
    def add(outputs: dict[str, Any]) -> None:
        outputs["iptables-save -c"] = (
            "*nat\n:POSTROUTING ACCEPT [0:0]\n[2:120] -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
        )

    assert "no rule of nat" not in sentences(altered("masquerade-lost", tmp_path, add))


def test_hostile_comment_of_a_rule_is_spelled_out(tmp_path: Path) -> None:
    from capnet.report.formats import load

    comment = '-m comment --comment "\x1b[2J<script>|`" -j DROP'
    report = altered("forward", tmp_path, replaced("iptables-save -c", "--dport 80 -j DROP", f"--dport 80 {comment}"))
    assert report.kernel[0].number == 1
    texts = {name: load(name).render(report.to_dict(), 100, {}) for name in ("table", "html", "markdown", "json")}
    assert not [name for name, text in texts.items() if "\x1b" in text]
    assert "<script>" not in texts["markdown"]
    harmless = load("html").render(analyze(capture("forward")).to_dict(), 100, {})
    own_scripts = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
    assert "&lt;script&gt;|" in texts["html"]
    assert own_scripts.findall(texts["html"]) == own_scripts.findall(harmless)
    assert "<script" not in own_scripts.sub("", texts["html"]).lower()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "capnet.witnesses/1", "namespaces": [{"name": 3}]}'])
def test_damaged_witnesses_are_a_problem_of_the_input(text: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(capture("forward"), tmp_path))
    witnesses_path(path).write_text(text, encoding="utf-8")
    report = analyze(path)
    assert [problem.name for problem in report.inputs[0].problems] == ["unreadable-witnesses"]
    assert "stops-between" in [finding.name for finding in report.findings]


@pytest.mark.parametrize(
    ("name", "finding_name", "counter"),
    [
        ("ip6-gone-forward", "stops-between", "Ip6OutForwDatagrams + Ip6OutRequests - Ip6OutTransmits"),
        ("ip6-gone-input", "connection-unanswered", "Ip6InReceives - Ip6InDelivers - Ip6OutForwDatagrams"),
    ],
)
def test_rule_of_ip6tables_that_is_gone_is_told(name: str, finding_name: str, counter: str) -> None:
    """The rule dropped four SYNs, by its counter; the rulesets before and after are the same."""
    report = analyze(capture(name))
    (reason,) = report.kernel
    assert (reason.name, reason.match, reason.packets, reason.missing) == (counter, "possible", 4, 4)
    (finding,) = [finding for finding in report.findings if finding.name == finding_name]
    assert "a rule or a blackhole route stopped them that was gone when the capture ended" in finding.says


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("ip6-gone-input", {"Ip6InMcastPkts": 4}),  # of groups that nobody joined
        ("ip6-gone-input", {"Ip6FragCreates": 2}),  # conntrack joins fragments, and counts none
        ("ip6-gone-input", {"Ip6InTruncatedPkts": 4}),
        ("ip6-gone-input", {"Ip6InReceives": 1}),  # something else was stopped too
        ("ip6-gone-forward", {"Ip6OutTransmits": 4}),
        ("ip6-gone-forward", {"Ip6OutDiscards": 4}),
    ],
)
def test_rule_of_ip6tables_is_not_told_by_other_sums(name: str, more: dict[str, int], tmp_path: Path) -> None:
    file = "/proc/net/snmp6"

    def alter(outputs: dict[str, Any]) -> None:
        lines = [line.split() for line in outputs[file].splitlines()]
        counters = {key: int(value) for key, value in lines}
        outputs[file] = "\n".join(f"{key} {counters.get(key, 0) + more.get(key, 0)}" for key in {**counters, **more})

    assert altered(name, tmp_path, alter, "vm").kernel == []


def test_veth_that_left_its_bridge_is_told_with_its_fix() -> None:
    report = analyze(capture("left-bridge"))
    (finding,) = [each for each in report.findings if each.name == "stops-between"]
    assert "vetha on vm was a port of br0 when the capture began, and of no bridge when it ended" in finding.says
    assert finding.fix is not None and "`ip link set vetha master br0`" in finding.fix


@pytest.mark.parametrize("changes", [{"master": "br0"}, {"ifname": "vethz"}])
def test_veth_that_came_back_or_ended_is_not_told(changes: dict[str, str], tmp_path: Path) -> None:
    """The one of a container that has ended is no port of a bridge either."""

    def alter(outputs: dict[str, Any]) -> None:
        entries = json.loads(outputs["ip -s -j address"])
        (vetha,) = [entry for entry in entries if entry.get("ifname") == "vetha"]
        vetha.update(changes)
        outputs["ip -s -j address"] = json.dumps(entries)

    (finding,) = [
        each for each in altered("left-bridge", tmp_path, alter, "vm").findings if each.name == "stops-between"
    ]
    assert "of no bridge" not in finding.says and "master" not in (finding.fix or "")


@pytest.mark.parametrize("bridge", [None, "br0"])
def test_veth_outside_of_its_bridge_from_the_beginning_is_told(bridge: str | None, tmp_path: Path) -> None:
    """By the topology, as of Docker's networks; nothing left a bridge meanwhile."""
    path = Path(shutil.copy(capture("left-bridge"), tmp_path))
    witnesses = Witnesses.load(witnesses_path(capture("left-bridge")))
    witnesses.namespaces[0].before = witnesses.namespaces[0].after
    topology = Topology.load(RECORDED / "left-bridge.topology.json")
    end = Endpoint("net", "eth0", None, ["172.30.0.2/24"], "vetha", network_id="f" * 64, kind="veth", bridge=bridge)
    topology.networks = [Network("net", "f" * 64, "bridge", "vm", bridge="br0")]
    topology.containers = [Container("vm", "a", "a" * 64, "busybox", "net", [end])]
    report = analyze(path, topology, witnesses=witnesses)
    (finding,) = [each for each in report.findings if each.name == "stops-between"]
    says = "vetha on vm is no port of br0, and was none when the capture began"
    assert (says in finding.says) is (bridge is None)

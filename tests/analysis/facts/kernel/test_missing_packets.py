"""What the kernel of one host says of packets that are made, with witnesses that are made: two texts before and after.

`recorded` has witnesses of real kernels; these cases differ from them in one thing each.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capnet.analysis.core.contract.outcomes import KernelReason
from capnet.analysis.core.contract.report import Report
from capnet.analysis.engine import analyze, study
from capnet.topology import Container, Endpoint, Topology
from capnet.witnesses import DroppedPackets, NamespaceWitness, Snapshot, Witnesses
from tests.analysis.findings.reported import CARD_A, CARD_B, two_hosts
from tests.stories import SYN, Network, tcp
from tests.story_reports import A, B

RULES = "iptables-save -c"
CHILD = "192.168.111.10"  # of ipvlan: it has the MAC of the host's interface


def rules(rule: str, policy: str = "ACCEPT") -> str:
    return f"*filter\n:INPUT {policy} [0:0]\n:FORWARD {policy} [0:0]\n{rule}\nCOMMIT"


def snapshot(outputs: dict[str, str], *cut: str) -> Snapshot:
    address = [{"ifname": "ens33", "address": CARD_A, "addr_info": [{"local": A}]}]
    return Snapshot(None, {"ip -s -j address": json.dumps(address), **outputs}, list(cut))


def said(
    folder: Path, before: Snapshot, after: Snapshot, to: str = A, syns: int = 3, topology: Topology | None = None
) -> list[KernelReason]:
    """What the kernel of A says of SYNs that B sends, and that nothing answers."""
    return report_of(folder, before, after, to, syns, topology).kernel


def report_of(
    folder: Path, before: Snapshot, after: Snapshot, to: str = A, syns: int = 3, topology: Topology | None = None
) -> Report:
    """The report on such SYNs, with witnesses of A."""
    net = Network(["B/ens33", "A/ens33"])
    for number in range(syns):
        syn = tcp(f"{B}:40000 > {to}:80", flags=SYN, seq=100, ident=number + 1, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("B/ens33", syn), ("A/ens33", syn), gap=1e9)
    witnesses = Witnesses(namespaces=[NamespaceWitness("A", ["A/ens33"], before, after)])
    return analyze(net.write(folder), topology or two_hosts(), witnesses=witnesses)


def dropped(folder: Path, rule: str, syns: int, *cut: str) -> list[tuple[str, str]]:
    """Name and match of what stopped SYNs, of a rule of INPUT that counted each with 40 octets."""
    counted = rules(f"[{syns}:{40 * syns}] -A INPUT {rule} -j DROP")
    before = snapshot({RULES: rules(f"[0:0] -A INPUT {rule} -j DROP")} if not cut else {RULES: "*filter"}, *cut)
    return [(each.name, each.match) for each in said(folder, before, snapshot({RULES: counted}), syns=syns)]


@pytest.mark.parametrize(
    ("rule", "syns", "match"),
    [
        ("-p tcp", 3, "equal"),
        ("-p tcp", 1, "equal"),
        ("-p tcp -m statistic --mode random --probability 0.5", 3, "equal"),
        ("-p tcp -m statistic --mode random --probability 0.5", 1, "possible"),
    ],
)
def test_single_packet_and_open_test_is_possible(rule: str, syns: int, match: str, tmp_path: Path) -> None:
    """As many is little where it is one, and where the rule may have met another packet."""
    assert dropped(tmp_path, rule, syns) == [("iptables filter INPUT rule 1", match)]


def test_rules_cut_before_the_recording_count_nothing(tmp_path: Path) -> None:
    """The rule lies behind the cut: nobody knows what it had counted before."""
    assert dropped(tmp_path, "-p tcp", 3, RULES) == []


@pytest.mark.parametrize(("used", "setting"), [("16", "nf_conntrack_count = 16 of nf_conntrack_max = 16"), ("3", "")])
def test_conntrack_table_is_named_where_it_is_full(used: str, setting: str, tmp_path: Path) -> None:
    sizes = f"net/netfilter/nf_conntrack_max:16\nnet/netfilter/nf_conntrack_count:{used}"
    before, after = (snapshot({"conntrack -S": f"cpu=0 drop={drops}", "sysctl": sizes}) for drops in (5, 8))
    (reason,) = said(tmp_path, before, after)
    assert (reason.name, reason.packets) == ("conntrack drop", 3)
    assert reason.text.removeprefix("net.netfilter.") == setting


def test_policy_of_forward_is_named_for_a_routed_packet(tmp_path: Path) -> None:
    policy = snapshot({RULES: rules("", "DROP")})
    assert [reason.match for reason in said(tmp_path, policy, policy, to=CHILD)] == ["implied"]


def test_policy_of_forward_is_not_named_for_ipvlan(tmp_path: Path) -> None:
    """The kernel hands the packet to the child, whose address it has, before the rules of the host."""
    topology = two_hosts()
    endpoint = Endpoint("ipvlanA", "eth0", CARD_A, [f"{CHILD}/24"])
    topology.containers.append(Container("A", "one", "2", "i", "ipvlanA", [endpoint]))
    policy = snapshot({RULES: rules("", "DROP")})
    assert said(tmp_path, policy, policy, to=CHILD, topology=topology) == []


@pytest.mark.parametrize(("apart_us", "matches", "ambiguous"), [(1, [], {"NO_SOCKET": 1}), (9, ["equal"], None)])
def test_drop_that_fits_two_frames_is_counted_alone(
    apart_us: int, matches: list[str], ambiguous: dict[str, int] | None, tmp_path: Path
) -> None:
    """Two SYNs of one length: their times tell which one was dropped, or do not."""
    net = Network(["B/ens33", "A/ens33"])
    for number in range(2):
        syn = tcp(f"{B}:{40000 + number} > {A}:80", flags=SYN, seq=100, ident=number + 1, smac=CARD_B, dmac=CARD_A)
        net.at(net.now + number * apart_us, "A/ens33", syn)
    path = net.write(tmp_path)
    first = study(path).context.points[1].first
    event = {"reason": "NO_SOCKET", "location": "tcp_v4_rcv", "device": "ens33", "how": "received", "length": 40}
    host = NamespaceWitness("A", ["A/ens33"], snapshot({}), snapshot({}))
    drops = DroppedPackets(["A/ens33"], [json.dumps({**event, "passed": first})])
    report = analyze(path, two_hosts(), witnesses=Witnesses(namespaces=[host], drops=[drops]))
    assert report.correlation.get("ambiguous_drops") == ambiguous
    assert [reason.match for reason in report.kernel] == matches


def snmp(**counters: int) -> str:
    return f"Ip: {' '.join(counters)}\nIp: {' '.join(map(str, counters.values()))}\n"


def test_missing_route_back_is_named_with_its_fix(tmp_path: Path) -> None:
    """A container without a default route: it has no way to answer, and its kernel counts that."""
    before, after = (snapshot({"/proc/net/snmp": snmp(OutNoRoutes=number)}) for number in (4, 7))
    report = report_of(tmp_path, before, after)
    (finding,) = [each for each in report.findings if each.level == "error"]
    assert (finding.name, finding.facts["rule"]) == ("kernel-drop", "IpOutNoRoutes")
    assert "it has no route for its answers" in finding.says
    assert f"give A a route back to {B}" in (finding.fix or "")


@pytest.mark.parametrize(
    ("rules", "is_named"),
    [(f"[3:180] -A PREROUTING -d {A} -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2:80", True), ("", False)],
)
def test_dnat_without_forwarding_names_the_setting(rules: str, is_named: bool, tmp_path: Path) -> None:
    """SYNs to the host's own address: a DNAT rule would have sent them on."""
    texts = {"sysctl": "net/ipv4/ip_forward:0", RULES: f"*nat\n:PREROUTING ACCEPT [0:0]\n{rules}\nCOMMIT"}
    before, after = (snapshot({**texts, "/proc/net/snmp": snmp(InAddrErrors=number)}) for number in (0, 3))
    report = report_of(tmp_path, before, after)
    assert [each.name for each in report.kernel] == ["IpInAddrErrors"] * is_named
    assert any("sysctl -w net.ipv4.ip_forward=1" in (each.fix or "") for each in report.findings) is is_named


@pytest.mark.parametrize(
    ("counters", "says"),
    [
        ({"InReceives": 3}, "IpInReceives - IpInDelivers - IpForwDatagrams"),
        ({"InReceives": 3, "InDelivers": 3}, None),
        ({"InReceives": 3, "InHdrErrors": 3}, None),
        ({"InReceives": 4}, None),
        ({"InReceives": 9, "ReasmReqds": 9, "ReasmOKs": 3, "InDelivers": 3}, None),
    ],
)
def test_rule_that_is_gone_is_told_by_the_balance(counters: dict[str, int], says: str | None, tmp_path: Path) -> None:
    """Three SYNs came in, and the IP layer neither delivered nor forwarded them, nor counted an error."""
    before = snapshot({"/proc/net/snmp": snmp(**dict.fromkeys(counters, 0))})
    after = snapshot({"/proc/net/snmp": snmp(**counters)})
    reasons = said(tmp_path, before, after)
    assert [(each.name, each.match) for each in reasons] == ([(says, "possible")] if says else [])
    assert all("a rule or a blackhole route stopped them that was gone" in each.says for each in reasons)


def test_rule_that_counted_them_comes_before_the_balance(tmp_path: Path) -> None:
    texts = [
        {RULES: rules(f"[{n}:{40 * n}] -A INPUT -p tcp -j DROP"), "/proc/net/snmp": snmp(InReceives=n)} for n in (0, 3)
    ]
    (reason,) = said(tmp_path, *map(snapshot, texts))
    assert (reason.name, reason.match) == ("iptables filter INPUT rule 1", "equal")


@pytest.mark.parametrize(("sent", "is_told"), [(0, True), (3, False)])
def test_forwarded_packet_that_is_not_sent_is_told(sent: int, is_told: bool, tmp_path: Path) -> None:
    """Linux counts it as forwarded before the rules of FORWARD; one that is sent is in OutTransmits too."""
    counted = snmp(InReceives=3, ForwDatagrams=3, OutTransmits=sent)
    before, after = (
        snapshot({"/proc/net/snmp": text}) for text in (snmp(InReceives=0, ForwDatagrams=0, OutTransmits=0), counted)
    )
    names = [each.name for each in said(tmp_path, before, after, to="10.0.0.9")]
    assert names == ["IpForwDatagrams + IpOutRequests - IpOutTransmits"] * is_told

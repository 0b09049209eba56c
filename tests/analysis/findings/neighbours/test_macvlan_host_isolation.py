"""macvlan-host-isolation: a host that asks for its own macvlan child."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.topology import Container, Endpoint, Host, Interface, Topology
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, named, of_story
from tests.conftest import PROJECT
from tests.stories import Network, Packet, advertise, arp, solicit, tcp
from tests.story_reports import A, B
from tests.wire.expected import stored

CHILD_1, CHILD_2 = "192.168.111.10", "192.168.111.11"
MAC_1, MAC_2 = "06:11:00:00:00:0a", "06:11:00:00:00:0b"


def lan(folder: Path, *, reaches_children: bool) -> Findings:
    """Two children and host B through A's interface in the middle; A asks for a child."""
    net = Network(["if0", "if1", "if2", "if3"])  # child 1, child 2, A's interface, B
    numbers = count(1000, 1000)  # of sequence: no two packets are equal

    def record(form: object, *points: str) -> None:
        net.pass_by(*((point, form) for point in points))  # type: ignore[misc]

    for mac, address in ((MAC_1, CHILD_1), (MAC_2, CHILD_2), (CARD_B, B)):
        for point in net.points:
            net.at(net.now, point, arp(1, mac, address, "192.168.111.200"))
        net.now += 1e6
    for src, smac, dst, dmac, way in (
        (f"{CHILD_1}:40000", MAC_1, f"{CHILD_2}:80", MAC_2, ("if0", "if2", "if1")),
        (f"{CHILD_1}:40001", MAC_1, f"{B}:80", CARD_B, ("if0", "if2", "if3")),
        (f"{CHILD_2}:40001", MAC_2, f"{B}:80", CARD_B, ("if1", "if2", "if3")),
    ):
        record(tcp(f"{src} > {dst}", b"ask", seq=next(numbers), ident=1, smac=smac, dmac=dmac), *way)
        record(tcp(f"{dst} > {src}", b"tell", seq=next(numbers), ident=2, smac=dmac, dmac=smac), *way[::-1])
    for _ in range(3):
        for point in ("if0", "if1", "if2", "if3") if reaches_children else ("if2", "if3"):
            net.at(net.now, point, arp(1, CARD_A, A, CHILD_1))
        net.now += 1e6
    if reaches_children:
        for point in ("if0", "if2"):
            net.at(net.now, point, arp(2, MAC_1, CHILD_1, A, to=CARD_A))
    record(
        tcp(f"{CHILD_1}:40002 > {B}:80", b"ask", seq=next(numbers), ident=5, smac=MAC_1, dmac=CARD_B),
        "if0",
        "if2",
        "if3",
    )
    return of_story(net, folder, "macvlan-host-isolation")


def test_host_asking_for_own_child_is_told(tmp_path: Path) -> None:
    (finding,) = lan(tmp_path, reaches_children=False)
    facts = finding["facts"]
    assert (facts["host"], facts["child"], facts["requests"]) == (A, CHILD_1, 3)
    assert {frame["point"] for frame in finding["evidence"]} == {"if2"}


def test_host_reaching_its_neighbours_is_silent(tmp_path: Path) -> None:
    assert lan(tmp_path, reaches_children=True) == []


def test_requests_in_macvlan_golden_as_tshark_counts_is_told() -> None:
    capture = PROJECT / "pcaps" / "macvlan.pcapng"
    report = analyze(capture).to_dict()
    (finding,) = named(report, "macvlan-host-isolation")
    facts = finding["facts"]
    rows = stored(capture)[1]
    asked = [row for row in rows if (row.get("arp_op"), row.get("src"), row.get("dst")) == ("1", A, facts["child"])]
    (point,) = [point["interface"] for point in report["points"] if point["name"] == facts["point"]]
    assert facts["requests"] == sum(row["point"] == str(point) for row in asked) > 0


def talk(
    folder: Path,
    *,
    asks: str,
    seen_inside: bool = False,
    kind: str = "arp",
    goes_on: bool = True,
    topology: Topology | None = None,
    more: tuple[str, ...] = (),
) -> Findings:
    """A child and its host ping B by the host's card; one of them asks for the other, in vain."""
    net = Network(["A/m1/eth0", *more, "A/ens33", "B/ens33"])
    child, host, peer = (CHILD_1, A, B) if kind == "arp" else ("2001:db8::a", "2001:db8::80", "2001:db8::81")

    def question(mac: str, asker: str, target: str) -> bytes | Packet:
        return arp(1, mac, asker, target) if kind == "arp" else solicit(mac, asker, target)

    def answer(mac: str, target: str, asker: str, to: str) -> bytes | Packet:
        return arp(2, mac, target, asker, to=to) if kind == "arp" else advertise(mac, target, asker, to=to)

    for mac, address, way in ((MAC_1, child, net.points), (CARD_A, host, net.points[1:])):
        inside = net.points[:1] if seen_inside and mac == CARD_A else []
        net.pass_by(*((point, question(mac, address, peer)) for point in [*inside, *way]))
        net.pass_by(*((point, answer(CARD_B, peer, address, mac)) for point in reversed(way)))
    asker, target, mac = (child, host, MAC_1) if asks == "child" else (host, child, CARD_A)
    for _ in range(3):
        way = net.points if asks == "child" or seen_inside else net.points[1:]
        net.pass_by(*((point, question(mac, asker, target)) for point in way))
        net.now += 1e6
    if goes_on:
        net.pass_by(*((point, question(MAC_1, child, peer)) for point in net.points))
    return of_story(net, folder, "macvlan-host-isolation", topology)


def test_child_asking_for_its_own_host_is_told(tmp_path: Path) -> None:
    """B answers both of them."""
    (finding,) = talk(tmp_path, asks="child")
    assert finding["says"] == (
        f"{CHILD_1} asked for {A} by ARP 3 times: it is a macvlan child of that host's own parent interface, out "
        "of its reach"
    )
    assert finding["facts"] == {"host": A, "child": CHILD_1, "point": "A/ens33", "requests": 3}


def test_host_and_child_that_others_answer_is_told(tmp_path: Path) -> None:
    (finding,) = talk(tmp_path, asks="host")
    assert finding["says"].startswith(f"{A} asked for {CHILD_1} by ARP 3 times: a macvlan child")


def test_ipv6_child_asking_for_its_own_host_is_told(tmp_path: Path) -> None:
    (finding,) = talk(tmp_path, asks="child", kind="nd")
    assert finding["facts"]["host"] == "2001:db8::80"


def test_child_that_may_be_gone_is_silent(tmp_path: Path) -> None:
    """Its interface shows nothing from the host's questions on: the container may have ended."""
    assert talk(tmp_path, asks="host", goes_on=False) == []


def test_container_that_is_no_macvlan_by_the_topology_is_silent(tmp_path: Path) -> None:
    """The card is a port of its bridge, and another port is isolated from its own."""
    end = Endpoint("lan", "eth0", MAC_1, [f"{CHILD_1}/24"], kind="veth")
    topology = Topology(containers=[Container("A", "m1", "1", "i", "lan", [end])])
    assert talk(tmp_path, asks="child", topology=topology) == []


def test_container_whose_frames_pass_a_bridge_is_silent(tmp_path: Path) -> None:
    assert talk(tmp_path, asks="child", more=("A/br0",)) == []


def test_station_whose_broadcasts_the_child_gets_is_silent(tmp_path: Path) -> None:
    """It is another machine, which does not answer for a reason of its own."""
    assert talk(tmp_path, asks="child", seen_inside=True) == []


@pytest.mark.parametrize("asks", ["child", "host"])
@pytest.mark.parametrize(
    ("kind", "parent", "is_isolated"),
    [("macvlan", "ens33", True), ("macvlan", "ens34", False), ("veth", "ens33", False), ("macvlan", None, False)],
    ids=["child", "of another card", "on a bridge", "parent unknown"],
)
def test_child_of_a_card_by_the_topology_is_told(
    tmp_path: Path, asks: str, kind: str, parent: str | None, is_isolated: bool
) -> None:
    """Only the question was captured: the topology says whose both addresses are."""
    net = Network(["A/ens33"])
    asker, target, mac = (CHILD_1, A, MAC_1) if asks == "child" else (A, CHILD_1, CARD_A)
    for _ in range(3):
        net.pass_by(("A/ens33", arp(1, mac, asker, target)), gap=1e6)
    end = Endpoint("lan", "eth0", MAC_1, [f"{CHILD_1}/24"], kind=kind, parent=parent)
    host = Host("A", "20.10", "6", [Interface("ens33", 2, CARD_A, [f"{A}/24"])])
    topology = Topology(hosts=[host], containers=[Container("A", "m1", "1", "i", "lan", [end])])
    findings = of_story(net, tmp_path, "macvlan-host-isolation", topology)
    assert [(finding["facts"]["host"], finding["facts"]["child"]) for finding in findings] == (
        [(A, CHILD_1)] if is_isolated else []
    )

"""arp-unanswered: requests that get no reply at any point."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Host, Interface, Service, Topology, VirtualAddress
from capnet.topology import Network as DockerNetwork
from tests.analysis.findings.dhcp_messages import DISCOVER, OFFER, dhcp_message
from tests.analysis.findings.reported import CARD_A, CARD_B, named, of_capture, of_story
from tests.stories import SYN, Network, Packet, about, arp, ping, tcp, udp
from tests.story_reports import A, B, read

SILENT, OTHER = "192.168.111.77", "02:00:c0:a8:6f:09"


def ask(net: Network, target: str, times: int, sender: str = A) -> None:
    for _ in range(times):
        net.at(net.now, "A/ens33", arp(1, CARD_A, sender, target))
        net.now += 1e6


def test_arp_request_repeated_without_reply_is_told(tmp_path: Path) -> None:
    """A second address is asked for once: a host without a reply asks again, so that proves nothing."""
    net = Network(["A/ens33"])
    ask(net, SILENT, times=3)
    ask(net, "192.168.111.78", times=1)
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["says"] == f"{A} asked for {SILENT} by ARP 3 times, no answer"
    assert finding["facts"] == {"asks": A, "for": SILENT, "requests": 3}
    assert [frame["frame"] for frame in finding["evidence"]] == [1]


@pytest.mark.parametrize("point", ["A/ens33", "B/ens33"])
def test_arp_request_answered_at_a_point_is_silent(tmp_path: Path, point: str) -> None:
    net = Network(["A/ens33", "B/ens33"])
    ask(net, B, times=3)
    net.at(net.now, point, arp(2, CARD_B, B, A, to=CARD_A))
    assert of_story(net, tmp_path, "arp-unanswered") == []


@pytest.mark.parametrize("sender", ["0.0.0.0", SILENT], ids=["probe", "announcement"])
def test_arp_probe_or_announcement_is_silent(tmp_path: Path, sender: str) -> None:
    net = Network(["A/ens33"])
    ask(net, SILENT, times=3, sender=sender)
    assert of_story(net, tmp_path, "arp-unanswered") == []


def test_arp_request_for_own_macvlan_child_is_silent() -> None:
    """It is `macvlan-host-isolation` instead."""
    assert of_capture("pcaps/macvlan.pcapng", "arp-unanswered") == []
    assert of_capture("pcaps/macvlan.pcapng", "macvlan-host-isolation") != []


def test_scan_of_addresses_is_silent(tmp_path: Path) -> None:
    """It is `address-scan` instead; a host that looks for a few machines that are down is a warning."""
    net = Network(["A/ens33"])
    for number in range(1, 31):
        ask(net, f"192.168.111.{number}", times=2)
    assert of_story(net, tmp_path, "arp-unanswered") == []


def test_several_addresses_without_reply_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for number in range(1, 6):
        ask(net, f"192.168.111.{number}", times=3)
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "warning"
    assert finding["says"] == (
        f"{A} asked for 192.168.111.1, 192.168.111.2, 192.168.111.3 and 2 more by ARP 15 times, no answer"
    )


def test_own_interface_that_gets_the_requests_is_told(tmp_path: Path) -> None:
    """B talks to two other hosts, and does not reply to A."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.9", 5, number, smac=CARD_B, dmac=OTHER)))
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.8", 5, number, smac=CARD_B, dmac="02:00:c0:a8:6f:08")))
        net.pass_by(*((point, arp(1, CARD_A, A, B)) for point in net.points), delay=60)
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "error"
    assert finding["says"].endswith("no answer, though its own interface B/ens33 gets the requests")


def test_child_that_asks_for_its_own_host_is_told(tmp_path: Path) -> None:
    """The host's interface shows the requests of its macvlan child as they leave: no filter drops them."""
    net = Network(["B/m1/eth0", "B/ens33"])
    for number in range(3):
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.9", 5, number, smac=CARD_B, dmac=OTHER)))
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.8", 5, number, smac=CARD_B, dmac="02:00:c0:a8:6f:08")))
        net.pass_by(*((point, arp(1, "02:42:c0:a8:6f:0a", "192.168.111.10", B)) for point in net.points))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["level"] == "warning" and finding["says"].endswith("no answer")


def test_bystander_of_the_requests_is_silent(tmp_path: Path) -> None:
    """B talks with A only; it gets what A broadcasts, and would not get a reply to A. A bond asks every second."""
    net = Network(["B/ens33"])
    for number in range(9):
        net.pass_by(("B/ens33", ping(f"{B} > {A}", 5, number, smac=CARD_B, dmac=CARD_A)))
        net.pass_by(("B/ens33", ping(f"{A} > {B}", 5, number, icmp=(0, 0), smac=CARD_A, dmac=CARD_B)))
        net.pass_by(("B/ens33", ping(f"{B} > 192.168.111.9", 5, number, smac=CARD_B, dmac=OTHER)))
        net.at(net.now, "B/ens33", arp(1, CARD_A, A, SILENT))
        net.now += 1e6
    assert of_story(net, tmp_path, "arp-unanswered") == []


THIRD, CARD_THIRD, CARD_SILENT = "192.168.111.79", "02:00:c0:a8:6f:0b", "02:00:c0:a8:6f:4d"


def talk(net: Network) -> None:
    """Two hosts ping A, whose interface the point is."""
    for number, (peer, mac) in enumerate(((B, CARD_B), (THIRD, CARD_THIRD))):
        net.at(net.now, "A/ens33", ping(f"{peer} > {A}", 7, number, smac=mac, dmac=CARD_A))
        net.now += 1e6


def answer_to_another(net: Network, point: str, target: str = SILENT) -> None:
    """A third station asks, and has its answer."""
    net.at(net.now, point, arp(1, CARD_THIRD, THIRD, target))
    net.at(net.now + 50, point, arp(2, CARD_SILENT, target, THIRD, to=CARD_THIRD))
    net.now += 1e6


def test_target_that_answers_another_host_is_silent(tmp_path: Path) -> None:
    """A mirror port that shows some answers and not others: the address is there."""
    net = Network(["mirror"])
    for number in range(3):
        net.at(net.now, "mirror", arp(1, CARD_A, A, SILENT))
        net.at(net.now + 100, "mirror", ping(f"{B} > {A}", 7, number, smac=CARD_B, dmac=CARD_A))
        net.now += 1e6
    answer_to_another(net, "mirror")
    assert of_story(net, tmp_path, "arp-unanswered") == []


def test_target_that_answered_another_host_before_is_told(tmp_path: Path) -> None:
    """It may have gone since."""
    net = Network(["A/ens33"])
    talk(net)
    answer_to_another(net, "A/ens33")
    net.now += 60e6
    ask(net, SILENT, times=3)
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["fix"] == f"check that {SILENT} exists, on this network, and is up"


@pytest.mark.parametrize("source", [A, "10.9.0.5"], ids=["own", "forwarded"])
def test_asker_that_then_sends_to_the_target_is_silent(tmp_path: Path, source: str) -> None:
    """It knows the MAC: the capture dropped the answer, or records what the asker sends alone."""
    net = Network(["A/ens33"])
    ask(net, SILENT, times=2)
    net.at(net.now, "A/ens33", udp(f"{source}:5000 > {SILENT}:7000", b"data", smac=CARD_A, dmac=CARD_SILENT))
    assert of_story(net, tmp_path, "arp-unanswered") == []


def test_asker_that_sent_to_the_target_before_is_told(tmp_path: Path) -> None:
    """Its entry may still be in use while it asks again, as some routers do before it ends."""
    net = Network(["A/ens33"])
    for number in range(6):
        net.at(net.now, "A/ens33", udp(f"{A}:5000 > {SILENT}:7000", b"%d" % number, smac=CARD_A, dmac=CARD_SILENT))
        ask(net, SILENT, times=number % 2)
        net.now += 1e5
    assert len(of_story(net, tmp_path, "arp-unanswered")) == 1


@pytest.mark.parametrize("seen", [True, False], ids=["used-by-others", "of-all-networks"])
def test_broadcast_address_is_told(tmp_path: Path, seen: bool) -> None:
    """A host with too small a netmask asks for the last address of its network."""
    net, target = Network(["A/ens33"]), "192.168.111.255" if seen else "255.255.255.255"
    talk(net)
    if seen:
        net.at(net.now, "A/ens33", udp(f"{B}:137 > {target}:137", b"x", smac=CARD_B, dmac="ff:ff:ff:ff:ff:ff"))
    ask(net, target, times=3)
    (finding,) = of_story(net, tmp_path, "arp-unanswered")
    assert finding["says"].endswith("no answer: this is a broadcast address, which no host has")
    assert (finding["level"], finding["fix"]) == (
        "warning", f"correct the netmask of {A}, or what sends to {target} there"
    )  # fmt: skip


def test_dhcp_server_that_looks_before_it_offers_is_silent(tmp_path: Path) -> None:
    """It is to have no answer (RFC 2131 section 2.2). The same questions of another host are told."""
    for server, count in ((A, 0), (B, 1)):
        net = Network(["A/ens33"])
        talk(net)
        net.pass_by(("A/ens33", dhcp_message(DISCOVER, CARD_THIRD)))
        ask(net, SILENT, times=3)
        net.pass_by(("A/ens33", dhcp_message(OFFER, CARD_THIRD, server=server)))
        assert len(of_story(net, tmp_path, "arp-unanswered")) == count


@pytest.mark.parametrize(("before", "wait_us", "count"), [("offer", 200, 0), ("", 200, 0), ("", 5e5, 1)])
def test_dhcp_server_with_several_clients_is_silent(tmp_path: Path, before: str, wait_us: float, count: int) -> None:
    """dnsmasq looks at one address after the other; or the capture ends before any offer."""
    net = Network(["A/ens33"])
    talk(net)
    net.pass_by(("A/ens33", dhcp_message(DISCOVER, CARD_THIRD)), gap=3e6 if before else wait_us)
    if before:
        net.pass_by(("A/ens33", dhcp_message(OFFER, CARD_THIRD, server=A)), gap=wait_us)
    ask(net, SILENT, times=3)
    assert len(of_story(net, tmp_path, "arp-unanswered")) == count


@pytest.mark.parametrize(("snaplen", "times", "count"), [(96, 3, 0), (96, 8, 1), (1 << 18, 3, 1)])
def test_dhcp_server_whose_messages_are_cut_is_silent(tmp_path: Path, snaplen: int, times: int, count: int) -> None:
    """`tcpdump -s 96` leaves their ports alone; a server asks three times at most."""
    net = Network(["A/ens33"], snaplens={"A/ens33": snaplen})
    talk(net)
    net.pass_by(("A/ens33", dhcp_message(OFFER, CARD_THIRD, server=A)), gap=5e6)
    ask(net, SILENT, times=times)
    assert len(of_story(net, tmp_path, "arp-unanswered")) == count


@pytest.mark.parametrize("gateway", ["192.168.111.254", "192.168.111.1"])
def test_gateway_of_a_containers_network_is_told(tmp_path: Path, gateway: str) -> None:
    """The network was made with an address that no router has; what its host tells the program adds nothing."""
    own, asked, mac = "192.168.111.60", "192.168.111.254", "06:11:00:00:00:0a"
    net = Network(["A/m1/eth0", "A/m1/lo"])
    for number in range(3):
        net.at(number * 1e6, "A/m1/eth0", arp(1, mac, own, asked))
    lost = tcp(f"{own}:40000 > 10.9.9.9:80", flags=SYN, seq=7)
    for number in range(2):
        error = about(Packet("icmp", own, own, icmp=(3, 1), smac="00:00:00:00:00:00"), lost)
        net.at(3e6 + number * 1e6, "A/m1/lo", error)
    end = Endpoint("lan", "eth0", mac, [f"{own}/24"], kind="macvlan", parent="ens33", network_id="9")
    networks = [DockerNetwork("lan", "9", "macvlan", "A", gateway=gateway)]
    topology = Topology(networks=networks, containers=[Container("A", "m1", "1", "i", "lan", [end])])
    report = read(net, tmp_path, topology=topology)
    (finding,) = named(report, "arp-unanswered")
    is_gateway = gateway == asked
    assert ("it is the gateway of lan" in finding["says"]) == is_gateway
    assert ("make lan again" in finding["fix"]) == is_gateway
    assert bool(named(report, "host-unreachable")) != is_gateway


@pytest.mark.parametrize("virtual", [SILENT, "10.0.1.7"])
def test_virtual_address_of_a_service_is_told(tmp_path: Path, virtual: str) -> None:
    """The node's load balancer of the network does not have it, as without IPVS in the kernel."""
    net = Network(["A/ens33"])
    ask(net, SILENT, 3)
    host = Host("A", "20.10", "6", [Interface("ens33", 2, CARD_A, [f"{A}/24"])])
    known = Topology(hosts=[host], services=[Service("api", "1", "vip", [VirtualAddress("mesh", virtual)])])
    (finding,) = named(read(net, tmp_path, topology=known), "arp-unanswered")
    assert ("it is the virtual address of service api" in finding["says"]) == (virtual == SILENT)
    assert ("mesh's load balancer" in finding["fix"]) == (virtual == SILENT)

"""not-masqueraded: a container's own address on the wire, without an answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.topology import topology_path
from tests.analysis.findings.reported import named, of_capture
from tests.analysis.findings.routes import WAY, ask, facts, route_findings
from tests.conftest import PROJECT
from tests.stories import ACK, SYN, Network, arp, ping, tcp, udp
from tests.story_reports import C1, C2, A, B, read

RECORDED = "tests/analysis/facts/kernel/recorded"


def test_container_address_on_the_wire_is_told(tmp_path: Path) -> None:
    """The masquerade rule is gone; B has a 172.17.0.0/16 of its own, and looks for the client there."""
    net = Network([*WAY, "B/docker0"])
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY)
    ask(net, ping(f"{C2} > {B}", 9, 1, ident=50), WAY)
    for _ in range(3):
        net.at(net.now, "B/docker0", arp(1, "02:42:00:00:00:0b", "172.17.0.1", C1))
        net.now += 1e6
    report = read(net, tmp_path)
    (finding,) = named(report, "not-masqueraded")
    assert finding["facts"] == {"point": "A/ens33", "addresses": [C1, C2], "connections": 2}
    assert finding["level"] == "error" and "POSTROUTING" in finding["fix"]
    assert {frame["point"] for frame in finding["evidence"]} == {"A/ens33"}
    assert route_findings(report) == {"not-masqueraded"}
    assert report["nat"] == []


def test_answer_to_a_namesake_on_the_other_host_is_told(tmp_path: Path) -> None:
    """B's own container has the address: it gets the SYN-ACK and refuses it."""
    net = Network([*WAY, "B/docker0"])
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY)
    net.pass_by(("B/docker0", tcp(f"{B}:7000 > {C1}:5555", flags=SYN | ACK, seq=900, ack=101)))
    assert route_findings(read(net, tmp_path)) == {"not-masqueraded"}


def test_ipv6_address_on_the_wire_is_told(tmp_path: Path) -> None:
    """Docker before 27 has no rules for IPv6, and restarting it writes none."""
    net = Network(WAY[:2])
    ask(net, tcp("[fd00:1::2]:5555 > [fd00:aa::b]:7000", flags=SYN, seq=100, ident=1), WAY[:2])
    (finding,) = named(read(net, tmp_path), "not-masqueraded")
    assert finding["facts"]["addresses"] == ["fd00:1::2"]
    assert '"ip6tables": true' in finding["fix"] and "restarting" not in finding["fix"]


def test_address_of_podmans_bridge_is_told(tmp_path: Path) -> None:
    way = ["A/podman0", *WAY[1:2]]
    net = Network(way)
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), way)
    (finding,) = named(read(net, tmp_path), "not-masqueraded")
    assert "`podman network reload --all`" in finding["fix"] and "Docker" not in finding["fix"]


def test_capture_of_the_senders_host_alone_is_told(tmp_path: Path) -> None:
    net = Network(WAY[:2])
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY[:2])
    assert facts(read(net, tmp_path), "not-masqueraded")[0]["addresses"] == [C1]


def test_masqueraded_question_without_answer_is_silent(tmp_path: Path) -> None:
    net = Network(WAY)
    ask(net, tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1), WAY, outside=A)
    assert route_findings(read(net, tmp_path)) == set()


def test_answered_question_of_routed_network_is_silent(tmp_path: Path) -> None:
    """B has a route to the containers."""
    net = Network(WAY)
    syn = tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=1)
    net.pass_by(("A/docker0", syn), *((point, syn.routed()) for point in WAY[1:]))
    answer = tcp(f"{B}:7000 > {C1}:5555", flags=SYN | ACK, seq=900, ack=101, ident=2)
    net.pass_by(*((point, answer) for point in WAY[:0:-1]), ("A/docker0", answer.routed()))
    assert route_findings(read(net, tmp_path)) == set()


@pytest.mark.parametrize("story", ["bridged", "no question"])
def test_packets_without_route_or_question_is_silent(tmp_path: Path, story: str) -> None:
    """The interface is a port of the bridge; or a log message, which gets no answer."""
    net = Network(WAY)
    if story == "bridged":
        for number in range(3):
            net.pass_by(*((point, ping(f"192.168.111.50 > {B}", 9, number, ident=number + 1)) for point in WAY))
    else:
        ask(net, udp(f"{C1}:514 > {B}:514", b"a message to a log", ident=1), WAY)
    assert route_findings(read(net, tmp_path)) == set()


@pytest.mark.parametrize("ttl", [63, 64], ids=["masqueraded", "the host's own"])
def test_network_without_the_rule_of_others_is_told(tmp_path: Path, ttl: int) -> None:
    """The router answers containers that are masqueraded, of a bridge that was not captured; or the host alone."""
    net = Network(["A/br-5f2e91aa0c77", "A/ens33"])
    router, card, bridge = "00:50:56:c0:00:08", "02:00:c0:a8:6f:80", "02:42:9c:1d:00:80"
    net.at(net.now, "A/ens33", arp(1, router, "192.168.111.1", A))
    net.at(net.now + 9, "A/ens33", arp(2, card, A, "192.168.111.1", to=router))
    net.at(net.now + 19, "A/ens33", arp(2, router, "192.168.111.1", A, to=card))
    for number in range(3):
        there, back = f"{A}:{40000 + number} > 10.60.0.5:443", f"10.60.0.5:443 > {A}:{40000 + number}"
        syn = tcp(there, flags=SYN, seq=7, ttl=ttl, ident=number + 1, smac=card, dmac=router)
        net.pass_by(("A/ens33", syn))
        answer = tcp(back, flags=SYN | ACK, seq=9, ack=8, ttl=62, ident=number + 60, smac=router, dmac=card)
        net.pass_by(("A/ens33", answer))
        net.pass_by(("A/ens33", syn.but(flags=ACK, seq=8, ack=10, ident=number + 90)))
        lost = tcp("10.78.0.7:41000 > 10.60.0.5:443", flags=SYN, seq=70, ident=number + 30, dmac=bridge)
        net.pass_by(("A/br-5f2e91aa0c77", lost), ("A/ens33", lost.routed(smac=card, dmac=router)), gap=1e6)
    (finding,) = named(read(net, tmp_path), "not-masqueraded")
    assert finding["facts"]["addresses"] == ["10.78.0.7"]
    assert finding["level"] == ("error" if ttl == 63 else "warning")
    assert finding["says"].endswith("no answer came" if ttl == 63 else "; 10.60.0.5 answers the host itself")


@pytest.mark.parametrize("is_tcp", [True, False], ids=["SYNs sent again", "pings"])
def test_answers_that_are_not_recorded_are_silent(tmp_path: Path, is_tcp: bool) -> None:
    """What the host sends alone: only SYNs that are sent again show that no answer came."""
    net = Network(WAY[:2])
    for number in range(3):
        began = tcp(f"{C2}:{40000 + number} > {B}:7000", flags=SYN, seq=7, ident=number + 1)
        for packet in (began, began.but(flags=ACK, seq=8, ack=10, ident=number + 90)):
            net.pass_by((WAY[0], packet), (WAY[1], packet.routed(src=A, smac="02:00:c0:a8:6f:80")))
    lost = tcp(f"{C1}:5555 > {B}:7000", flags=SYN, seq=100, ident=50) if is_tcp else ping(f"{C1} > {B}", 9, 1, ident=50)
    ask(net, lost, WAY[:2])
    assert len(named(read(net, tmp_path), "not-masqueraded")) == is_tcp


def test_host_that_asks_another_server_is_silent() -> None:
    """Recorded: the host has connections to another server alone, so these may end there for another reason."""
    assert of_capture("tests/analysis/findings/recorded/no-default-route/node__cni0.pcap", "not-masqueraded") == []


def test_network_made_without_masquerading_is_told() -> None:
    """A router gets the packets, and whether it has a route back is not known."""
    (finding,) = of_capture(f"{RECORDED}/without-masquerade.pcapng", "not-masqueraded")
    assert finding["level"] == "warning" and finding["facts"]["network"] == "nomasq"
    assert finding["says"].endswith("nomasq was made with enable_ip_masquerade=false")
    assert "`com.docker.network.bridge.enable_ip_masquerade=false`" in finding["fix"]


def test_network_that_docker_masquerades_is_silent(tmp_path: Path) -> None:
    path = Path(shutil.copy(PROJECT / RECORDED / "without-masquerade.pcapng", tmp_path))
    text = topology_path(PROJECT / RECORDED / path.name).read_text(encoding="utf-8")
    topology_path(path).write_text(text.replace("enable_ip_masquerade", "other"), encoding="utf-8")
    assert named(analyze(path).to_dict(), "not-masqueraded") == []


def test_address_that_a_container_forwards_is_told() -> None:
    """Docker's rules are for its own networks: the server of the VPN has to translate."""
    (finding,) = of_capture(f"{RECORDED}/vpn-server.pcapng", "not-masqueraded")
    facts = finding["facts"]
    assert (facts["container"], facts["addresses"], facts["connections"]) == ("wg", ["10.13.13.2"], 2)
    assert "container's own" not in finding["says"] and finding["fix"].startswith("masquerade in wg")


def test_address_that_the_container_translates_is_silent() -> None:
    assert of_capture(f"{RECORDED}/vpn-server.healthy.pcapng", "not-masqueraded") == []


def test_podmans_bridge_among_other_flows_is_told() -> None:
    """The fix is that of the bridge which the packets came by, however many flows there are."""
    (finding,) = of_capture(f"{RECORDED}/podman-flushed.pcapng", "not-masqueraded")
    assert "`podman network reload --all`" in finding["fix"] and "Docker" not in finding["fix"]

"""Findings about networks: each on a story that has the trouble, and on the same story without it."""

from __future__ import annotations

import struct
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton

import pytest
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import checksum, wrpcap

from capnet.analysis.core.results import Finding
from capnet.analysis.engine import Source, analyze
from capnet.analysis.findings import (
    arp_unanswered,
    duplicate_ip,
    encrypted_overlay,
    foreign_vtep,
    macvlan_host_isolation,
    mtu_blackhole,
    overlay_mtu_exceeded,
    published_port_blocked,
)
from capnet.topology import Container, Host, Interface, Network, PublishedPort, Topology
from tests.analysis.made import ACK, SYN, Seen, Story
from tests.analysis.test_models import B_MAC, HOST, HOST_MAC, IP1, KID1, KID2, B, lan
from tests.conftest import PROJECT
from tests.wire.expected import stored


def findings(diagnosis, story: Story) -> list[Finding]:
    context = story.context()
    return diagnosis.diagnose(context)


# -- ARP -------------------------------------------------------------------------------------------------
def test_a_host_that_asks_for_its_macvlan_child_is_not_just_unanswered() -> None:
    story = lan(host_reaches_children=False)
    (found,) = findings(macvlan_host_isolation, story)
    assert (found.facts["host"], found.facts["child"], found.facts["requests"]) == (HOST, IP1, 3)
    assert {each.point for each in found.evidence} == {"if2"}
    assert findings(arp_unanswered, story) == []


def test_a_host_that_reaches_its_neighbours_is_not_isolated() -> None:
    assert findings(macvlan_host_isolation, lan(host_reaches_children=True)) == []


def test_a_silent_address_is_unanswered_and_nothing_else() -> None:
    story = Story(["A/ens33"])
    story.arp("A/ens33", 1, HOST_MAC, HOST, "192.168.111.77", count=3)
    story.arp("A/ens33", 1, HOST_MAC, HOST, "192.168.111.78")  # once: whoever gets no answer asks again
    assert [each.says for each in findings(arp_unanswered, story)] == [
        "192.168.111.128 asked for 192.168.111.77 3 times, nobody answered"
    ]
    assert findings(macvlan_host_isolation, story) == []


def test_two_macs_that_claim_one_address_in_turn_are_an_error() -> None:
    story = Story(["A/ens33"])
    for mac in (KID1, KID2, KID1):
        story.arp("A/ens33", 2, mac, IP1, B)
    (found,) = findings(duplicate_ip, story)
    assert (found.level, found.facts["macs"]) == ("error", [KID1, KID2])
    assert len(found.evidence) == 2


def test_an_address_that_moved_is_a_warning_and_one_owner_nothing() -> None:
    story = Story(["A/ens33"])
    story.arp("A/ens33", 2, KID1, IP1, B)
    assert findings(duplicate_ip, story) == []
    story.arp("A/ens33", 2, KID2, IP1, B)
    (found,) = findings(duplicate_ip, story)
    assert found.level == "warning"


def test_probes_claim_nothing_and_two_hosts_may_have_the_same_docker0() -> None:
    story = Story(["A/docker0", "B/docker0"])
    for point, mac in (("A/docker0", KID1), ("B/docker0", KID2)):
        story.arp(point, 2, mac, "172.17.0.1", "172.17.0.2")
        story.arp(point, 1, mac, "0.0.0.0", IP1)
        story.arp(point, 1, B_MAC, "0.0.0.0", IP1)
    assert findings(duplicate_ip, story) == []


# -- published ports --------------------------------------------------------------------------------------
def docker_host(*, port: int = 8080) -> Topology:
    box = Container("A", "web", "1", "i", "bridge", ports=[PublishedPort("tcp", "0.0.0.0", port, 80)])
    return Topology(
        hosts=[
            Host("A", "20.10", "6", [Interface("ens33", 2, HOST_MAC, [f"{HOST}/24"])]),
            Host("B", "20.10", "6", [Interface("ens33", 2, B_MAC, [f"{B}/24"])]),
        ],
        containers=[box],
    )


def syns(story: Story, *points: str, port: int = 8080, answered: bool = False) -> Story:
    for _ in range(3):
        hops = [Seen(point, f"{B}:40000 > {HOST}:{port}", 64, B_MAC, HOST_MAC) for point in points]
        story.send("tcp", *hops, flags=SYN)
    if answered:
        hops = [Seen(point, f"{HOST}:{port} > {B}:40000", 64, HOST_MAC, B_MAC) for point in points]
        story.send("tcp", *hops, flags=SYN | ACK)
    return story


def test_a_published_port_that_never_answers_is_blocked() -> None:
    story = syns(Story(["B/ens33", "A/ens33", "A/docker0"], topology=docker_host()), "B/ens33", "A/ens33")
    (found,) = findings(published_port_blocked, story)
    assert (found.level, found.facts["port"], found.facts["attempts"]) == ("error", 8080, 3)
    assert found.facts["last_seen"] == "A/ens33"
    assert "web:80" in found.says


def test_icmp_names_who_rejects() -> None:
    story = syns(Story(["A/ens33"], topology=docker_host()), "A/ens33")
    story.send("icmp", Seen("A/ens33", f"{HOST} > {B} #8080", 64, HOST_MAC, B_MAC), kind=(3, 13))
    (found,) = findings(published_port_blocked, story)
    assert f"{HOST} answers 'unreachable'" in found.says


@pytest.mark.parametrize(("port", "answered"), [(8080, True), (9999, False)])
def test_an_answered_port_and_one_that_nobody_published_are_not_blocked(port: int, answered: bool) -> None:
    story = syns(Story(["A/ens33"], topology=docker_host()), "A/ens33", port=port, answered=answered)
    assert findings(published_port_blocked, story) == []


# -- MTU ----------------------------------------------------------------------------------------------------
def pings(sizes: dict[int, bool]) -> Story:
    """Pings of these IP lengths, and whether they arrive."""
    story = Story(["A/ens33", "B/ens33"])
    for size, arrives in sizes.items():
        for _ in range(2):
            hops = [Seen(point, f"{HOST} > {B} #5", 64, HOST_MAC, B_MAC) for point in story.points[: 1 + arrives]]
            story.send("icmp", *hops, size=size + 14)
    story.send("icmp", *(Seen(point, f"{HOST} > {B} #5", 64, HOST_MAC, B_MAC) for point in story.points), size=98)
    return story


def test_large_packets_that_vanish_where_small_ones_pass_are_a_black_hole() -> None:
    (found,) = findings(mtu_blackhole, pings({84: True, 1400: True, 1450: False, 1500: False}))
    assert (found.level, found.facts["passes"], found.facts["fails"]) == ("error", 1400, 1450)
    assert (found.facts["from"], found.facts["to"], found.facts["packets"]) == ("A/ens33", "B/ens33", 4)


@pytest.mark.parametrize(
    "sizes",
    [{84: True, 1400: True, 1500: True}, {84: True, 1400: False, 1500: True}, {84: False, 1500: False}],
    ids=["all arrive", "loss by chance", "nothing arrives"],
)
def test_other_losses_are_no_black_hole(sizes: dict[int, bool]) -> None:
    assert findings(mtu_blackhole, pings(sizes)) == []


# -- overlay ------------------------------------------------------------------------------------------------
def overlay(*vteps: str, gossip: bool = True, topology: Topology | None = None) -> Story:
    """VNI 4097 between the first VTEP and each other one; the first two gossip."""
    story = Story(["A/ens33"], topology=topology)
    first, *others = vteps
    for number, other in enumerate(others):
        text = f"10.0.1.2:5 > 10.0.1.{4 + number}:6"
        story.send("udp", Seen("A/ens33", text, 64, KID1, KID2, vni=4097))
        for src, dst in ((first, other), (other, first)):
            story.tunnel("A/ens33", 4097, src, dst, 3, 450, 300)
    if gossip:
        story.send("udp", Seen("A/ens33", f"{first}:7946 > {others[0]}:7946", 64, HOST_MAC, B_MAC))
    return story


def test_a_vtep_that_is_no_host_of_the_topology_is_foreign() -> None:
    (found,) = findings(foreign_vtep, overlay(HOST, B, "192.168.111.66", topology=docker_host()))
    assert (found.level, found.facts["vtep"], found.facts["vnis"]) == ("error", "192.168.111.66", [4097])
    assert findings(foreign_vtep, overlay(HOST, B, topology=docker_host())) == []


def test_without_a_topology_the_nodes_are_those_that_gossip() -> None:
    (found,) = findings(foreign_vtep, overlay(HOST, B, "192.168.111.66"))
    assert found.facts["vtep"] == "192.168.111.66"
    assert findings(foreign_vtep, overlay(HOST, B, "192.168.111.66", gossip=False)) == []


def test_a_network_that_is_to_be_encrypted_and_crosses_in_clear_is_an_error() -> None:
    for options, level in (({"encrypted": ""}, ["error"]), ({}, [])):
        topology = docker_host()
        topology.networks = [Network("vxlanA", "1", "overlay", None, vni=4097, options=options)]
        found = findings(encrypted_overlay, overlay(HOST, B, topology=topology))
        assert [each.level for each in found] == level


def test_fragments_of_vxlan_exceed_the_underlays_mtu() -> None:
    report = analyze([Source(PROJECT / "tests" / "made" / "vxlan_fragments.pcap")])
    (found,) = [each for each in report.findings if each.name == "overlay-mtu-exceeded"]
    assert "fragments" in found.says and found.evidence


def test_fragmentation_needed_inside_a_tunnel_names_the_remote_container() -> None:
    story = overlay(HOST, B)
    assert findings(overlay_mtu_exceeded, story) == []
    text = "10.0.1.4 > 10.0.1.2 #5"
    story.send("icmp", Seen("A/ens33", text, 64, KID2, KID1, vni=4097), kind=(3, 4))
    (found,) = findings(overlay_mtu_exceeded, story)
    assert "10.0.1.4" in str(found.facts["reason"])


# -- names and checksums: what only the bytes tell -------------------------------------------------------
def packets(folder: Path, *made: object) -> list[Finding]:
    """Findings of a capture of these scapy packets."""
    path = folder / "made.pcap"
    wrpcap(str(path), list(made))
    return analyze([Source(path)]).findings


def named(found: list[Finding], name: str) -> list[Finding]:
    return [each for each in found if each.name == name]


def asked(name: str, rcode: int | None, ident: int = 1) -> list[object]:
    """A question and, unless `rcode` is None, its answer."""
    question = DNS(id=ident, qd=DNSQR(qname=name))
    out = Ether(src=KID1, dst=B_MAC) / IP(src=IP1, dst=B) / UDP(sport=40000 + ident, dport=53) / question
    if rcode is None:
        return [out]
    answer = DNS(id=ident, qr=1, rcode=rcode, qd=DNSQR(qname=name))
    return [out, Ether(src=B_MAC, dst=KID1) / IP(src=B, dst=IP1) / UDP(sport=53, dport=40000 + ident) / answer]


def test_a_name_server_that_refuses_fails_or_knows_no_such_name_is_told(tmp_path: Path) -> None:
    made = [*asked("good.test", 0, 1), *asked("web.test", 3, 2), *asked("bad.test", 2, 3), *asked("web.test", 3, 4)]
    found = named(packets(tmp_path, *made), "dns-failure")
    assert {(each.level, each.facts["name"], each.facts["code"], each.facts["answers"]) for each in found} == {
        ("info", "web.test", 3, 2),
        ("warning", "bad.test", 2, 1),
    }
    assert {each.frame for one in found for each in one.evidence} == {4, 6, 8}  # the answers, by construction


def test_a_silent_name_server_is_told_and_one_that_answers_others_is_not(tmp_path: Path) -> None:
    later = asked("web.test", None, 7)[0]
    assert named(packets(tmp_path, *asked("web.test", None), later), "dns-failure") == []  # no time to answer yet
    later.time += 2
    (found,) = named(packets(tmp_path, *asked("web.test", None), later), "dns-failure")
    assert found.says == f"{B} did not answer 1 question of {IP1}"
    assert named(packets(tmp_path, *asked("web.test", None, 1), *asked("web.test", 0, 2)), "dns-failure") == []


@pytest.mark.parametrize("length", range(40, 75))
def test_an_answer_that_was_cut_is_no_matter(length: int, tmp_path: Path) -> None:
    answer = bytes(asked("web.test", 3)[1])
    for each in named(packets(tmp_path, Ether(answer[:length])), "dns-failure"):
        assert "web.test".startswith(str(each.facts["name"]))


def test_hostile_names_in_answers_are_bounded(tmp_path: Path) -> None:
    """A label length beyond the packet, and a pointer to itself."""
    head = Ether(src=B_MAC, dst=KID1) / IP(src=B, dst=IP1) / UDP(sport=53, dport=4)
    for question in (b"\x3fshort", b"\xc0\x0c", b"\x01\x1b\x00"):
        flags = b"\x00\x01\x81\x83\x00\x01" + bytes(6)
        (found,) = named(packets(tmp_path, head / Raw(flags + question)), "dns-failure")
        assert found.facts["name"] in ("", "\x1b")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_checksum_that_holds_the_pseudo_header_only_is_offload(family: int, transport: str, tmp_path: Path) -> None:
    """The sum is computed here as RFC 9293 has it, without complement, by scapy's own routine."""
    network = IP(src=IP1, dst=B) if family == 4 else IPv6(src="fd00::1", dst="fd00::2")
    segment = TCP(sport=1, dport=2, seq=5) if transport == "tcp" else UDP(sport=1, dport=2)
    data = b"some payload"
    size = (20 if transport == "tcp" else 8) + len(data)
    number = 6 if transport == "tcp" else 17
    text = "!4s4sBBH" if family == 4 else "!16s16sI3xB"
    ends = [inet_pton(AF_INET if family == 4 else AF_INET6, each) for each in (network.src, network.dst)]
    header = struct.pack(text, *ends, 0, number, size) if family == 4 else struct.pack(text, *ends, size, number)
    partial = checksum(header) ^ 0xFFFF
    ether = Ether(src=KID1, dst=B_MAC)
    good = ether / network / segment / data
    segment = segment.copy()
    segment.chksum = partial
    unfilled = ether / network / segment / data
    segment = segment.copy()
    segment.chksum = partial ^ 0x5555
    damaged = ether / network / segment / data
    (found,) = named(packets(tmp_path, good, *[unfilled] * 3, damaged), "checksum-offload")
    assert (found.facts["unfilled"], found.facts["looked_at"]) == (3, 5)
    assert [each.frame for each in found.evidence] == [2, 3]
    assert named(packets(tmp_path, good, good, damaged), "checksum-offload") == []


def test_what_tshark_calls_a_bad_checksum_is_offload_in_the_bridge_golden() -> None:
    """TShark 4.0.17 with checksum validation on: all 210 TCP and UDP packets bad."""
    report = analyze([Source(PROJECT / "pcaps" / "bridge.pcapng")])
    (found,) = named(report.findings, "checksum-offload")
    assert found.facts["unfilled"] == found.facts["looked_at"] == transported(PROJECT / "pcaps" / "bridge.pcapng")


def transported(path: Path) -> int:
    """How many TCP and UDP packets tshark sees."""
    return sum(row.get("proto") in ("6", "17") for row in stored(path)[1])

"""stale-neighbour: a station with a new MAC, and hosts that go on sending to the old one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.topology import Container, Endpoint, Topology
from tests.analysis.findings.reported import of_story
from tests.stories import ACK, SYN, Network, Packet, advertise, arp, solicit, tcp
from tests.story_reports import read

NAME = "stale-neighbour"
POINT = "A/docker0"
ADDRESS, HOST = "172.17.0.2", "172.17.0.3"
OLD, NEW, HOST_MAC = "02:42:ac:11:00:02", "02:42:5e:10:9f:75", "02:42:ac:11:00:03"


def lookup(net: Network, mac: str) -> None:
    """The host asks for the address, and `mac` answers."""
    net.at(net.now, POINT, arp(1, HOST_MAC, HOST, ADDRESS))
    net.at(net.now + 30, POINT, arp(2, mac, ADDRESS, HOST, to=HOST_MAC))
    net.now += 1000


def connect(net: Network, mac: str, port: int, *, tries: int = 1, answered_by: str = "") -> None:
    """SYNs to the address at `mac`, a second apart."""
    for number in range(tries):
        syn = tcp(f"{HOST}:{port} > {ADDRESS}:80", flags=SYN, seq=7, ident=port + number, smac=HOST_MAC, dmac=mac)
        net.at(net.now, POINT, syn)
        if answered_by:
            back = tcp(f"{ADDRESS}:80 > {HOST}:{port}", flags=SYN | ACK, seq=3, ack=8, ident=port, smac=answered_by)
            net.at(net.now + 50, POINT, back.but(dmac=HOST_MAC))
        net.now += 1.02e6


def speak(net: Network, mac: str, *, target: str = "172.17.0.1") -> None:
    """The station asks for its gateway, or announces itself; all hear its MAC."""
    net.at(net.now, POINT, arp(1, mac, ADDRESS, target))
    net.now += 1000


def moved(folder: Path, *, target: str = "172.17.0.1", tries: int = 4) -> list[dict[str, Any]]:
    """The host knows the old MAC; the container is made anew; the host's entry stays."""
    net = Network([POINT])
    lookup(net, OLD)
    connect(net, OLD, 4000, answered_by=OLD)
    net.now += 5e6
    speak(net, NEW, target=target)
    connect(net, OLD, 4001, tries=tries)
    return of_story(net, folder, NAME)


@pytest.mark.parametrize("target", ["172.17.0.1", ADDRESS], ids=["asks", "announces"])
def test_packets_to_the_old_mac_is_told(tmp_path: Path, target: str) -> None:
    (finding,) = moved(tmp_path, target=target)
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"{ADDRESS} is at {NEW}, and {HOST} sent to {OLD} instead for 3.1 s: 4 packets without an answer"
    )
    assert finding["facts"]["points"] == [POINT] and f"ip neigh del {ADDRESS}" in finding["fix"]


def test_ipv6_address_with_a_new_mac_is_told(tmp_path: Path) -> None:
    net, address, host = Network([POINT]), "fd00:17::2", "fd00:17::3"
    for mac in (OLD, NEW):
        net.at(net.now, POINT, solicit(HOST_MAC if mac == OLD else "02:42:ac:11:00:09", host, address))
        net.at(net.now + 30, POINT, advertise(mac, address, host, to=HOST_MAC))
        net.now += 5e6
    for seq in range(3):
        net.at(net.now, POINT, Packet("icmp", host, address, icmp=(128, 0), echo=3, seq=seq, smac=HOST_MAC, dmac=OLD))
        net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["facts"]["address"], finding["facts"]["packets"]) == (address, 3)


def test_symptoms_of_a_stale_entry_are_left_out(tmp_path: Path) -> None:
    net = Network([POINT])
    lookup(net, OLD)
    connect(net, OLD, 4000, answered_by=OLD)
    speak(net, NEW)
    connect(net, OLD, 4001, tries=4)
    assert [finding["name"] for finding in read(net, tmp_path)["findings"] if finding["level"] != "info"] == [NAME]


def test_container_made_anew_is_silent(tmp_path: Path) -> None:
    """Its packets were lost while it was down; the host learns the new MAC at once."""
    net = Network([POINT])
    lookup(net, OLD)
    connect(net, OLD, 4000, answered_by=OLD)
    connect(net, OLD, 4001, tries=4)
    speak(net, NEW)
    lookup(net, NEW)
    connect(net, NEW, 4002, answered_by=NEW)
    assert of_story(net, tmp_path, NAME) == []


def test_two_stations_in_turn_is_silent(tmp_path: Path) -> None:
    """The old one lives: duplicate-ip."""
    net = Network([POINT])
    lookup(net, OLD)
    speak(net, NEW)
    connect(net, OLD, 4001, tries=4)
    lookup(net, OLD)
    assert of_story(net, tmp_path, NAME) == []


def test_packets_that_are_answered_is_silent(tmp_path: Path) -> None:
    """The old host forwards them to the new one, as hosts of containers do."""
    net = Network([POINT])
    lookup(net, OLD)
    speak(net, NEW)
    for port in range(4000, 4004):
        connect(net, OLD, port, answered_by=NEW)
    assert of_story(net, tmp_path, NAME) == []


def test_one_packet_to_the_old_mac_is_silent(tmp_path: Path) -> None:
    assert moved(tmp_path, tries=1) == []


def to_a_silent_mac(folder: Path, *, old: str = OLD, is_served: bool = True, speaks: bool = False) -> object:
    """The capture begins after the change: another host asks and gets the new MAC, and this one sends to the old."""
    net, other = Network([POINT]), "172.17.0.4"
    net.at(0, POINT, arp(1, "02:42:ac:11:00:04", other, ADDRESS))
    net.at(30, POINT, arp(2, NEW, ADDRESS, other, to="02:42:ac:11:00:04"))
    net.now = 1000
    for number in range(2):
        asked = tcp(f"{other}:{4100 + number} > {ADDRESS}:80", flags=SYN, seq=7, smac="02:42:ac:11:00:04", dmac=NEW)
        net.pass_by((POINT, asked))
        if is_served:
            back = asked.but(ends=f"{ADDRESS}:80 > {other}:{4100 + number}", flags=SYN | ACK, seq=3, ack=8, smac=NEW)
            net.pass_by((POINT, back.but(dmac="02:42:ac:11:00:04")))
    connect(net, old, 4001, tries=4)
    if speaks:
        net.at(net.now, POINT, arp(1, old, "172.17.0.1", HOST))
    return of_story(net, folder, NAME)


def test_packets_to_a_mac_that_nobody_has_is_told(tmp_path: Path) -> None:
    (finding,) = to_a_silent_mac(tmp_path)  # type: ignore[misc]
    assert (finding["facts"]["old"], finding["facts"]["new"], finding["facts"]["packets"]) == (OLD, NEW, 4)


@pytest.mark.parametrize(
    "story",
    [{"speaks": True}, {"is_served": False}, {"old": "00:00:5e:00:01:07"}],
    ids=["a gateway that speaks", "a server that answers nobody", "a virtual router"],
)
def test_packets_by_another_way_is_silent(tmp_path: Path, story: dict[str, Any]) -> None:
    """A host of another netmask sends to a gateway, on the same link; what it sends stays unanswered."""
    assert to_a_silent_mac(tmp_path, **story) == []


def test_stale_entry_of_a_router_is_told(tmp_path: Path) -> None:
    """The client is elsewhere: its router has the stale entry."""
    net, client, router = Network([POINT]), "10.9.0.5", "172.17.0.9"
    net.at(net.now, POINT, arp(1, HOST_MAC, router, ADDRESS))
    net.at(net.now + 30, POINT, arp(2, OLD, ADDRESS, router, to=HOST_MAC))
    for number, (mac, answer) in enumerate(((OLD, OLD), (NEW, ""), (OLD, ""), (OLD, ""), (OLD, ""))):
        net.now += 1.02e6
        if mac == NEW:
            speak(net, NEW)
            continue
        ends = f"{client}:{4000 + min(number, 2)} > {ADDRESS}:80"
        syn = tcp(ends, flags=SYN, seq=7, ident=number + 1, ttl=62, smac=HOST_MAC, dmac=mac)
        net.at(net.now, POINT, syn)
        if answer:
            back = tcp(f"{ADDRESS}:80 > {client}:4000", flags=SYN | ACK, seq=3, ack=8, smac=answer, dmac=HOST_MAC)
            net.at(net.now + 50, POINT, back)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["hosts"] == [router] and f"on {router}" in finding["fix"]


@pytest.mark.parametrize(
    ("kind", "dmac", "is_spoken", "is_stale"),
    [("macvlan", OLD, False, True), ("macvlan", NEW, False, False), ("ipvlan", OLD, False, False),
     ("macvlan", OLD, True, False)],
    ids=["old MAC", "own MAC", "shared MAC", "MAC of a router"],
)  # fmt: skip
def test_mac_of_a_container_by_the_topology_is_told(
    tmp_path: Path, kind: str, dmac: str, is_spoken: bool, is_stale: bool
) -> None:
    """A container was made again with another MAC, and is captured with its parent interface alone."""
    net = Network(["A/ens33"])
    for number in range(3):
        syn = tcp(f"{HOST}:4000 > {ADDRESS}:80", flags=SYN, seq=7, ident=number, smac=HOST_MAC, dmac=dmac)
        net.pass_by(("A/ens33", syn), gap=1.02e6)
    if is_spoken:
        net.pass_by(("A/ens33", tcp(f"10.0.0.9:1 > {HOST}:2", flags=SYN, smac=OLD, dmac=HOST_MAC)))
    end = Endpoint("lan", "eth0", NEW, [f"{ADDRESS}/24"], kind=kind, parent="ens33")
    known = Topology(containers=[Container("A", "m1", "1", "i", "lan", [end])])
    findings = of_story(net, tmp_path, NAME, known)
    assert [(finding["facts"]["old"], finding["facts"]["new"]) for finding in findings] == [(OLD, NEW)] * is_stale

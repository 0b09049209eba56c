"""duplicate-ip: one address that several MACs claim in ARP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Host, Interface, Topology
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, named, of_story
from tests.stories import ACK, RST, SYN, Network, advertise, arp, ping, solicit, tcp, udp
from tests.story_reports import A, B, read

ADDRESS = "192.168.111.10"
OF_MAC_2 = "192.168.111.11"
MAC_1, MAC_2 = "06:11:00:00:00:0a", "06:11:00:00:00:0b"


def answer_alone(net: Network) -> None:
    """All are asked for an address that one of two MACs has, and the other one, which would, does not answer for it."""
    net.at(0, "A/ens33", arp(1, CARD_B, B, OF_MAC_2))
    net.at(50, "A/ens33", arp(2, MAC_2, OF_MAC_2, B, CARD_B))


def claims(folder: Path, *macs: str, pause: float = 1.0, are_several: bool = True) -> Findings:
    """The findings where these MACs reply for one address, some seconds apart."""
    net = Network(["A/ens33"])
    if are_several:
        answer_alone(net)
    for number, mac in enumerate(macs):
        net.at(number * pause * 1e6 + 100, "A/ens33", arp(2, mac, ADDRESS, B))
    return of_story(net, folder, "duplicate-ip")


def test_claims_without_a_sign_of_two_hosts_is_told_as_info(tmp_path: Path) -> None:
    """Two cards of one host, of whose addresses one was asked for, look the same."""
    (finding,) = claims(tmp_path, MAC_1, MAC_2, MAC_1, are_several=False)
    assert finding["level"] == "info"
    assert "two stations have it, or one answers for others as well" in finding["says"]
    assert "arp_ignore=1" in finding["fix"]


def test_two_macs_claiming_an_address_in_turn_is_told(tmp_path: Path) -> None:
    (finding,) = claims(tmp_path, MAC_1, MAC_2, MAC_1)
    assert (finding["level"], finding["facts"]) == ("error", {"address": ADDRESS, "macs": [MAC_1, MAC_2]})
    assert [frame["frame"] for frame in finding["evidence"]] == [3, 4]


@pytest.mark.parametrize(
    ("answering", "level"),
    [((MAC_1, MAC_2), "error"), ((MAC_1, MAC_1), None), ((MAC_1,), "info"), ((), "info")],
    ids=["each for itself", "one for both", "one was asked", "none"],
)
def test_macs_that_answer_packets_for_themselves_is_told(
    tmp_path: Path, answering: tuple[str, ...], level: str | None
) -> None:
    """A host sends by the card that its route names, whichever card a packet came in by."""
    net = Network(["A/ens33"])
    for mac in (MAC_1, MAC_2):
        net.pass_by(("A/ens33", arp(2, mac, ADDRESS, B)))
    for number, (asked, answers) in enumerate(zip((MAC_1, MAC_2), answering, strict=False)):
        net.pass_by(("A/ens33", ping(f"{B} > {ADDRESS}", 7 + number, 1, smac=CARD_B, dmac=asked)))
        reply = ping(f"{ADDRESS} > {B}", 7 + number, 1, icmp=(0, 0), smac=answers, dmac=CARD_B)
        net.pass_by(("A/ens33", reply), gap=1e6)
    levels = [finding["level"] for finding in of_story(net, tmp_path, "duplicate-ip")]
    assert levels == ([level] if level else [])


@pytest.mark.parametrize("same_host", [True, False])
def test_macs_of_two_hosts_by_the_topology_is_told(tmp_path: Path, same_host: bool) -> None:
    net = Network(["A/ens33"])
    for mac in (MAC_1, MAC_2):
        net.pass_by(("A/ens33", arp(2, mac, ADDRESS, B)))
    cards = [Interface("eth0", 2, MAC_1, [f"{ADDRESS}/24"]), Interface("eth1", 3, MAC_2, [f"{OF_MAC_2}/24"])]
    hosts = [Host("A", "20.10", "6", cards)] if same_host else [
        Host(name, "20.10", "6", [card]) for name, card in zip("AB", cards, strict=True)
    ]  # fmt: skip
    findings = of_story(net, tmp_path, "duplicate-ip", Topology(hosts=hosts))
    assert [finding["level"] for finding in findings] == [] if same_host else ["error"]


@pytest.mark.parametrize("forwards", [True, False])
def test_proxy_that_asks_or_sends_to_the_owner_is_silent(tmp_path: Path, forwards: bool) -> None:
    """It answers for one host only; nothing that has an address asks for it, or sends to it."""
    net = Network(["A/ens33"])
    for mac in (MAC_1, MAC_2):
        net.pass_by(("A/ens33", arp(2, mac, ADDRESS, B)))
    if forwards:
        net.pass_by(("A/ens33", ping(f"{B} > {ADDRESS}", 7, 1, ttl=63, smac=MAC_2, dmac=MAC_1)))
    else:
        net.pass_by(("A/ens33", arp(1, MAC_2, OF_MAC_2, ADDRESS)))
    assert of_story(net, tmp_path, "duplicate-ip") == []


@pytest.mark.parametrize("pause", [0.5, 20], ids=["restart", "later"])
def test_address_that_moved_to_another_mac_is_silent(tmp_path: Path, pause: float) -> None:
    """As when a container is made anew: address-moved."""
    assert claims(tmp_path, MAC_1, MAC_2, pause=pause) == []


def test_address_with_one_mac_is_silent(tmp_path: Path) -> None:
    assert claims(tmp_path, MAC_1, MAC_1) == []


def test_probes_and_equal_bridges_of_two_hosts_is_silent(tmp_path: Path) -> None:
    """A probe claims nothing (RFC 5227), and each host has a docker0 with the same address."""
    net = Network(["A/docker0", "B/docker0"])
    for point, mac in (("A/docker0", MAC_1), ("B/docker0", MAC_2)):
        net.at(net.now, point, arp(2, mac, "172.17.0.1", "172.17.0.2"))
        for prober in (mac, "02:00:c0:a8:6f:81"):
            net.now += 1e6
            net.at(net.now, point, arp(1, prober, "0.0.0.0", ADDRESS))
    assert of_story(net, tmp_path, "duplicate-ip") == []


def test_address_in_two_vlans_of_a_trunk_is_silent(tmp_path: Path) -> None:
    """Each VLAN has its own hosts; beside it, one VLAN with two of them."""
    net, tagged = Network(["A/ens33"]), {MAC_1: 10, MAC_2: 20}
    for number, mac in enumerate((MAC_1, MAC_2, MAC_1)):
        frame = arp(2, mac, ADDRESS, B)
        net.at(number * 1e6, "A/ens33", frame[:12] + bytes((0x81, 0, 0, tagged[mac])) + frame[12:])
    assert of_story(net, tmp_path, "duplicate-ip") == []
    net.at(4e6, "A/ens33", frame[:12] + bytes((0x81, 0, 0, 20)) + frame[12:])
    frame = arp(2, MAC_2, ADDRESS, B)
    net.recorded[1] = (net.recorded[1][0], "A/ens33", frame[:12] + bytes((0x81, 0, 0, 10)) + frame[12:])
    assert len(of_story(net, tmp_path, "duplicate-ip")) == 1


def test_cards_of_one_host_on_two_links_is_silent(tmp_path: Path) -> None:
    """A mirror of both sides of a router, which asks on either side under one address."""
    net = Network(["mirror"])
    passing = udp(f"{B}:5000 > 10.9.0.5:514", b"log", ident=9, dmac=MAC_1)
    net.pass_by(("mirror", passing), ("mirror", passing.routed(smac=MAC_2)))
    for number, mac in enumerate((MAC_1, MAC_2, MAC_1)):
        net.at(number * 20e6, "mirror", arp(1, mac, ADDRESS, B))
    assert of_story(net, tmp_path, "duplicate-ip") == []


def test_claims_that_overlap_is_told(tmp_path: Path) -> None:
    """Only requests are seen, as on a switch: a warning, for the address may have moved back."""
    net = Network(["A/ens33"])
    answer_alone(net)
    for number, mac in enumerate((MAC_1, MAC_2, MAC_1)):
        net.at(number * 20e6 + 100, "A/ens33", arp(1, mac, ADDRESS, B))
    (finding,) = of_story(net, tmp_path, "duplicate-ip")
    assert finding["level"] == "warning" and finding["says"] == f"{ADDRESS} is claimed by {MAC_1} and {MAC_2}"


def test_ipv6_address_of_two_stations_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", solicit(CARD_A, "fe80::a", "fe80::10"))
    for number, mac in enumerate((MAC_1, MAC_2)):
        net.at(30 + number, "A/ens33", advertise(mac, "fe80::10", "fe80::a", to=CARD_A))
    (finding,) = of_story(net, tmp_path, "duplicate-ip")
    assert (finding["level"], finding["facts"]) == ("error", {"address": "fe80::10", "macs": [MAC_1, MAC_2]})


def test_virtual_router_is_silent(tmp_path: Path) -> None:
    """VRRP: the gateway's address has a MAC of its own, beside the one of the router that has it now."""
    assert claims(tmp_path, "00:00:5e:00:01:07", MAC_1, "00:00:5e:00:01:07") == []


def test_takeover_that_was_announced_is_silent(tmp_path: Path) -> None:
    """keepalived tells everybody; later the first router comes back, and tells so too."""
    net = Network(["A/ens33"])
    for number, mac in enumerate((MAC_1, MAC_2, MAC_1)):
        net.at(number * 60e6, "A/ens33", arp(1, mac, ADDRESS, ADDRESS))
        net.at(number * 60e6 + 5e6, "A/ens33", arp(2, mac, ADDRESS, B))
    assert of_story(net, tmp_path, "duplicate-ip") == []


def test_cards_that_answer_for_each_other_is_silent(tmp_path: Path) -> None:
    """Two cards of a host in one network (arp_ignore 0): each request gets two replies."""
    net = Network(["A/ens33"])
    for number, address in enumerate((ADDRESS, "192.168.111.11")):
        for mac in (MAC_1, MAC_2):
            net.at(number * 1e6, "A/ens33", arp(2, mac, address, B))
    assert of_story(net, tmp_path, "duplicate-ip") == []


def test_proxy_that_answers_for_many_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for number in range(10, 16):
        net.at(number * 1e6, "A/ens33", arp(2, MAC_1, f"192.168.111.{number}", B))
    net.at(10e6 + 50, "A/ens33", arp(2, MAC_2, "192.168.111.10", B))
    assert of_story(net, tmp_path, "duplicate-ip") == []


def test_damaged_claims_is_silent(tmp_path: Path) -> None:
    """Bits of the sender's MAC have changed, not of the frame's source."""
    net = Network(["A/ens33"])
    for second, mac in enumerate((MAC_1, "06:11:00:00:00:4a")):
        frame = arp(2, mac, ADDRESS, B)
        net.at(second * 1e6, "A/ens33", frame[:6] + bytes.fromhex(MAC_1.replace(":", "")) + frame[12:])
    assert of_story(net, tmp_path, "duplicate-ip") == []


V6_TARGET, PROBER, OWNER = "2001:db8::5", "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def probed(folder: Path, answers: dict[str, str], *, after: float = 100.0) -> Findings:
    """Duplicate address detection, and what answers which targets: address → MAC."""
    net = Network(["A/ens33"])
    for number, (target, mac) in enumerate(answers.items()):
        net.at(number * 5e6, "A/ens33", solicit(PROBER, "::", target))
        net.at(number * 5e6 + after, "A/ens33", advertise(mac, target, "ff02::1", "33:33:00:00:00:01"))
    return of_story(net, folder, "duplicate-ip")


def test_probe_that_the_owner_answers_is_told(tmp_path: Path) -> None:
    (finding,) = probed(tmp_path, {V6_TARGET: OWNER})
    assert (finding["level"], finding["facts"]["macs"]) == ("error", [OWNER, PROBER])
    assert "does not use it" in finding["says"]


def test_arp_probe_that_the_owner_answers_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", arp(1, PROBER, "0.0.0.0", B))
    net.at(50, "A/ens33", arp(2, OWNER, B, "0.0.0.0", PROBER))
    (finding,) = of_story(net, tmp_path, "duplicate-ip")
    assert (finding["level"], finding["facts"]["macs"]) == ("warning", [OWNER, PROBER])


def test_probe_of_a_switch_to_the_owner_alone_is_silent(tmp_path: Path) -> None:
    """Neighbor tracking, IP device tracking: a switch asks a known MAC, under no address, whether it is there."""
    net = Network(["A/ens33"])
    net.at(0, "A/ens33", replace(solicit(PROBER, "::", V6_TARGET), dmac=OWNER))
    net.at(50, "A/ens33", advertise(OWNER, V6_TARGET, "ff02::1", "33:33:00:00:00:01"))
    net.at(1e6, "A/ens33", arp(1, PROBER, "0.0.0.0", B, OWNER))
    net.at(1e6 + 50, "A/ens33", arp(2, OWNER, B, "0.0.0.0", PROBER))
    assert of_story(net, tmp_path, "duplicate-ip") == []


def test_probe_that_only_its_sender_answers_is_silent(tmp_path: Path) -> None:
    """It announces the address when it has taken it."""
    assert probed(tmp_path, {V6_TARGET: PROBER}) == []


def test_announcement_long_after_a_probe_is_silent(tmp_path: Path) -> None:
    assert probed(tmp_path, {V6_TARGET: OWNER}, after=3e6) == []


def test_proxy_that_answers_many_probes_is_silent(tmp_path: Path) -> None:
    assert probed(tmp_path, {f"2001:db8::{number}": OWNER for number in range(1, 6)}) == []


def masters(folder: Path, *, in_turn: bool) -> Findings:
    """Two VRRP routers claim the virtual address; both advertise themselves, or the second one after the first."""
    net = Network(["C/ens33"])
    for number in range(8):
        for half, (mac, host) in enumerate(((MAC_1, A), (MAC_2, B))):
            if in_turn and half != number // 4:
                continue
            net.now = number * 1e6 + half * 4e5
            advert = udp(f"{host}:1 > 224.0.0.18:1", bytes(12), ttl=255, smac=mac, dmac="01:00:5e:00:00:12").frame()
            net.at(net.now, "C/ens33", advert[:23] + b"\x70" + advert[24:])  # IP protocol 112
            net.at(net.now + 100, "C/ens33", arp(2, mac, ADDRESS, "192.168.111.130"))
    return of_story(net, folder, "duplicate-ip")


def test_two_masters_of_vrrp_is_told(tmp_path: Path) -> None:
    (finding,) = masters(tmp_path, in_turn=False)
    assert finding["says"].endswith("and both advertise themselves by VRRP: two masters at once")
    assert "IP protocol 112" in finding["fix"]


def test_failover_of_vrrp_is_silent(tmp_path: Path) -> None:
    assert masters(tmp_path, in_turn=True) == []


GUESTS, HOST = ("08:00:27:00:00:01", "08:00:27:00:00:02"), "b0:c0:90:00:00:01"


def guests_ask(folder: Path, addresses: tuple[str, ...], *, delay: float) -> Findings:
    """Guests ask for two stations, one after the other; a MAC sends each question again after `delay` µs."""
    net = Network(["host/wlan0"])
    for second, target in enumerate([B, "192.168.111.1"] * 2):
        for number, (guest, address) in enumerate(zip(GUESTS, addresses, strict=False)):
            time = second * 1e6 + number * 1e5
            net.at(time, "host/wlan0", arp(1, guest, address, target))
            net.at(time + delay, "host/wlan0", arp(1, HOST, address, target))
            net.at(time + 900, "host/wlan0", arp(2, guest, address, target, HOST))
            net.at(time + 900 + delay, "host/wlan0", arp(2, HOST, address, target, HOST))
    return of_story(net, folder, "duplicate-ip")


def test_host_on_wifi_that_repeats_its_guests_is_silent(tmp_path: Path) -> None:
    """Its Wi-Fi takes its own MAC only: it puts that into the frames of its guests."""
    assert guests_ask(tmp_path, (ADDRESS, "192.168.111.11"), delay=8) == []


def test_station_that_asks_soon_after_another_is_told(tmp_path: Path) -> None:
    """Two stations with one address ask for who sent to all; or two pairs of them do, as slowly as stations do."""
    assert len(guests_ask(tmp_path, (ADDRESS,), delay=30)) == 1
    assert len(guests_ask(tmp_path, (ADDRESS, "192.168.111.11"), delay=400)) == 2


@pytest.mark.parametrize(
    ("kind", "parent", "ttl", "mac", "is_duplicate"),
    [
        ("macvlan", "ens33", 64, MAC_2, True),
        ("macvlan", "ens33", 64, MAC_1, False),
        ("macvlan", "ens33", 63, MAC_2, False),
        ("macvlan", "ens34", 64, MAC_2, False),
        ("ipvlan", "ens33", 64, MAC_2, False),
        ("macvlan", "ens33", 64, "00:00:5e:00:01:07", False),
    ],
    ids=["other station", "itself", "router", "other card", "shared MAC", "virtual router"],
)
def test_station_with_the_address_of_a_container_is_told(
    tmp_path: Path, kind: str, parent: str, ttl: int, mac: str, is_duplicate: bool
) -> None:
    """No ARP was captured: the topology has the MAC of the container, and the station refuses in its place."""
    net = Network(["A/ens33"])
    for number in range(2):
        syn = tcp(f"{A}:{40000 + number} > {ADDRESS}:80", flags=SYN, seq=7, smac=CARD_A, dmac=mac)
        back = f"{ADDRESS}:80 > {A}:{40000 + number}"
        net.pass_by(("A/ens33", syn), gap=50)
        net.pass_by(("A/ens33", tcp(back, flags=RST | ACK, ack=8, ttl=ttl, smac=mac, dmac=CARD_A)), gap=1e6)
    end = Endpoint("lan", "eth0", MAC_1, [f"{ADDRESS}/24"], kind=kind, parent=parent)
    topology = Topology(containers=[Container("A", "m1", "1", "i", "lan", [end])])
    report = read(net, tmp_path, topology=topology)
    assert [finding["facts"]["macs"] for finding in named(report, "duplicate-ip")] == [[MAC_1, MAC_2]] * is_duplicate
    assert bool(named(report, "connection-refused")) != is_duplicate

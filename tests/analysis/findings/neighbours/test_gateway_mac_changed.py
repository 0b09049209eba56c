"""gateway-mac-changed: a bridge that lost the port whose MAC it had, and hosts that do not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.findings.reported import of_story
from tests.stories import Network, Packet, advertise, arp, ping, solicit
from tests.story_reports import read

NAME = "gateway-mac-changed"
POINT = "A/podman1"
GATEWAY, HOST, SERVER = "10.89.0.1", "10.89.0.3", "192.168.111.129"
OLD, NEW, HOST_MAC = "0a:11:11:11:11:11", "6e:22:22:22:22:22", "02:42:0a:59:00:03"


def lookup(net: Network, gateway_mac: str, *, to: str = "") -> None:
    """The host asks for its gateway, or probes the MAC that it knows; `gateway_mac` answers, if any."""
    question = arp(1, HOST_MAC, HOST, GATEWAY)
    net.at(net.now, POINT, bytes.fromhex(to.replace(":", "")) + question[6:] if to else question)
    if gateway_mac:
        net.at(net.now + 30, POINT, arp(2, gateway_mac, GATEWAY, HOST, to=HOST_MAC))
    net.now += 1000


def pings(net: Network, mac: str, count: int, *, echo: int, answered: bool, seq: int = 0) -> None:
    """One every 0.7 s, through the gateway at `mac`."""
    for number in range(seq, seq + count):
        asked = ping(f"{HOST} > {SERVER}", echo, number, ident=number, smac=HOST_MAC, dmac=mac)
        net.at(net.now, POINT, asked)
        if answered:
            reply = ping(f"{SERVER} > {HOST}", echo, number, ident=number, ttl=63, icmp=(0, 0), smac=mac, dmac=HOST_MAC)
            net.at(net.now + 200, POINT, reply)
        net.now += 0.7e6


def changed(folder: Path, *, late: bool = False, ends_early: bool = False) -> list[dict[str, Any]]:
    """Pings to the old MAC, unanswered; probes of it; then the new MAC answers. `late`: when the capture begins."""
    net = Network([POINT])
    if not late:
        lookup(net, OLD)
        pings(net, OLD, 3, echo=1, answered=True)
    pings(net, OLD, 20, echo=2, answered=False)
    if ends_early:
        net.at(net.now, POINT, arp(1, "02:42:0a:59:00:09", "10.89.0.9", GATEWAY))
        net.at(net.now + 30, POINT, arp(2, NEW, GATEWAY, "10.89.0.9", to="02:42:0a:59:00:09"))
        pings(net, OLD, 4, echo=2, answered=False, seq=20)
        return of_story(net, folder, NAME)
    for _ in range(3):
        lookup(net, "", to=OLD)
        net.now += 1e6
    lookup(net, NEW)
    pings(net, NEW, 3, echo=2, answered=True, seq=20)
    return of_story(net, folder, NAME)


def test_packets_to_the_old_mac_is_told(tmp_path: Path) -> None:
    (finding,) = changed(tmp_path)
    assert finding["level"] == "warning"
    assert finding["says"] == (
        f"the gateway {GATEWAY} changed its MAC from {OLD} to {NEW}: {HOST} went on sending to the old one for 14 s, "
        "20 packets without an answer"
    )
    assert finding["facts"]["hosts"] == [HOST] and finding["facts"]["packets"] == 20


def test_capture_that_begins_after_the_change_is_told(tmp_path: Path) -> None:
    """The host's probes say where it believes its gateway to be."""
    (finding,) = changed(tmp_path, late=True)
    assert (finding["facts"]["old"], finding["facts"]["new"], finding["facts"]["packets"]) == (OLD, NEW, 20)


def test_host_that_never_learns_the_new_mac_is_told(tmp_path: Path) -> None:
    """Another host asks, and gets the new MAC; the capture ends before this one asks again."""
    (finding,) = changed(tmp_path, ends_early=True)
    assert finding["facts"]["packets"] == 24


def test_ipv6_gateway_with_a_new_mac_is_told(tmp_path: Path) -> None:
    net = Network([POINT])
    gateway, host = "fe80::1", "fd00:89::3"
    for mac, seqs, answered in ((OLD, range(3), True), (OLD, range(3, 9), False), (NEW, range(9, 12), True)):
        if answered:
            net.at(net.now, POINT, solicit(HOST_MAC, host, gateway))
            net.at(net.now + 30, POINT, advertise(mac, gateway, host, to=HOST_MAC))
        for seq in seqs:
            asked = Packet("icmp", host, "fd00::9", icmp=(128, 0), echo=3, seq=seq, smac=HOST_MAC, dmac=mac)
            net.at(net.now + 100, POINT, asked)
            if answered:
                reply = asked.but(src="fd00::9", dst=host, icmp=(129, 0), ttl=63, smac=mac, dmac=HOST_MAC)
                net.at(net.now + 300, POINT, reply)
            net.now += 1e6
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["facts"]["gateway"], finding["facts"]["packets"]) == (gateway, 6)


def test_symptoms_of_a_changed_mac_are_left_out(tmp_path: Path) -> None:
    net = Network([POINT])
    lookup(net, OLD)
    pings(net, OLD, 3, echo=1, answered=True)
    pings(net, OLD, 9, echo=2, answered=False)
    lookup(net, NEW)
    pings(net, NEW, 3, echo=2, answered=True, seq=9)
    assert [finding["name"] for finding in read(net, tmp_path)["findings"]] == [NAME]


@pytest.mark.parametrize("lost", [0, 4])
def test_failover_that_announces_itself_is_silent(tmp_path: Path, lost: int) -> None:
    """The new gateway tells everybody (VRRP, keepalived); `lost`: packets before it took over."""
    net = Network([POINT])
    lookup(net, OLD)
    pings(net, OLD, 3, echo=1, answered=True)
    pings(net, OLD, lost, echo=1, answered=False, seq=3)
    net.at(net.now, POINT, arp(2, NEW, GATEWAY, GATEWAY))
    pings(net, NEW, 3, echo=1, answered=True, seq=9)
    assert of_story(net, tmp_path, NAME) == []


def test_one_way_datagrams_to_a_quiet_gateway_is_silent(tmp_path: Path) -> None:
    """A log sender gets no answers; its gateway has another MAC a minute later."""
    net = Network([POINT])
    lookup(net, OLD)
    for number in range(60):
        log = Packet("udp", HOST, SERVER, 40000, 514, payload=b"log", ident=number, smac=HOST_MAC, dmac=OLD)
        net.at(net.now, POINT, log)
        net.now += 1e6
    lookup(net, NEW)
    assert of_story(net, tmp_path, NAME) == []


def test_station_that_moved_is_silent(tmp_path: Path) -> None:
    """A container made anew with the same address: nobody sent through it. It is address-moved."""
    net = Network([POINT])
    for mac in (OLD, NEW):
        lookup(net, mac)
        for number in range(3):
            net.at(net.now, POINT, ping(f"{HOST} > {GATEWAY}", 4, number, smac=HOST_MAC, dmac=mac))
            net.now += 1e6
    assert of_story(net, tmp_path, NAME) == []
    assert of_story(net, tmp_path, "address-moved") != []

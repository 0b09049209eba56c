"""arp-spoofing: a MAC that announces addresses, and goes on asking who has them."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import Network, arp

ATTACKER, OTHER = "02:42:ac:11:00:02", "02:42:ac:11:00:03"
OWN, VICTIMS = "172.19.0.4", ("172.19.0.2", "172.19.0.3")
EVERYBODY = "255.255.255.255"


def findings(folder: Path, *frames: bytes) -> Findings:
    """The findings where these frames pass a bridge, a second apart."""
    net = Network(["A/docker0"])
    for number, frame in enumerate(frames):
        net.at(number * 1e6, "A/docker0", frame)
    return of_story(net, folder, "arp-spoofing")


def announce(address: str, mac: str = ATTACKER, to: str = "ff:ff:ff:ff:ff:ff") -> bytes:
    return arp(2, mac, address, EVERYBODY, to)


def ask(address: str, own: str = OWN, mac: str = ATTACKER) -> bytes:
    return arp(1, mac, own, address)


def test_announced_and_asked_for_is_told(tmp_path: Path) -> None:
    first, second = VICTIMS
    (finding,) = findings(tmp_path, ask(second), announce(first), ask(first), announce(second), ask(second))
    assert finding["facts"] == {"mac": ATTACKER, "addresses": list(VICTIMS), "own": [OWN], "point": "A/docker0"}
    assert finding["says"] == (
        f"{ATTACKER} tells everybody that it has {first} and {second}, and asks as {OWN} who has them: ARP spoofing"
    )
    assert [frame["frame"] for frame in finding["evidence"]] == [1, 2, 3, 4]


def test_asked_before_it_was_announced_is_silent(tmp_path: Path) -> None:
    """A router looks for the virtual addresses before it takes them over."""
    assert findings(tmp_path, *map(ask, VICTIMS), *map(announce, VICTIMS)) == []


def test_one_address_alone_is_silent(tmp_path: Path) -> None:
    """A virtual address that went to another router, and was asked for then."""
    assert findings(tmp_path, announce(VICTIMS[0]), ask(VICTIMS[0]), announce(VICTIMS[0])) == []


def test_addresses_that_two_routers_announce_is_silent(tmp_path: Path) -> None:
    """keepalived: both virtual addresses go from one router to the other."""
    frames = [*map(announce, VICTIMS), *(announce(each, OTHER) for each in VICTIMS), *map(ask, VICTIMS)]
    assert findings(tmp_path, *frames) == []


def test_answers_to_the_asker_is_silent(tmp_path: Path) -> None:
    """Proxy ARP, also on one link (RFC 3069): each answer goes to who asked."""
    answers = [announce(each, to=OTHER) for each in VICTIMS]
    assert findings(tmp_path, *answers, *map(ask, VICTIMS)) == []


def test_announcements_and_probes_of_own_addresses_is_silent(tmp_path: Path) -> None:
    """RFC 5227: a probe asks under no address, an announcement under the address itself."""
    probes = [ask(each, "0.0.0.0") for each in VICTIMS]
    announcements = [ask(each, each) for each in VICTIMS]
    assert findings(tmp_path, *map(announce, VICTIMS), *probes, *announcements) == []

"""arp-spoofing: a MAC that announces addresses, and goes on asking who has them."""

from __future__ import annotations

from pathlib import Path

import pytest

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


GATEWAY, AT_GATEWAY, AT_VICTIM = "172.19.0.1", "02:42:66:22:7f:0a", "02:42:ac:11:00:05"


def every_second(folder: Path, *rounds: list[bytes], name: str = "arp-spoofing") -> Findings:
    """The findings called `name` where these rounds of frames come a second apart."""
    net = Network(["A/docker0"])
    for second, frames in enumerate(rounds):
        for number, frame in enumerate(frames):
            net.at(second * 1e6 + number * 1000, "A/docker0", frame)
    return of_story(net, folder, name)


def tell(address: str, to: str, at: str, mac: str = ATTACKER) -> bytes:
    """A reply to one station, which `to` is the address of."""
    return arp(2, mac, address, to, at)


def between() -> list[bytes]:
    """What a man in the middle repeats, to the gateway and to a victim."""
    return [tell(VICTIMS[0], GATEWAY, AT_GATEWAY), tell(GATEWAY, VICTIMS[0], AT_VICTIM)]


def test_unasked_replies_to_both_ends_is_told(tmp_path: Path) -> None:
    """arpspoof, ettercap and bettercap send to single stations; the owners answer as well."""
    owner = [ask(VICTIMS[0]), tell(VICTIMS[0], OWN, ATTACKER, AT_VICTIM)]
    rounds = [owner, between(), between(), between()]
    (finding,) = every_second(tmp_path, *rounds)
    assert finding["facts"] == {
        "mac": ATTACKER, "addresses": [GATEWAY, VICTIMS[0]], "told": [GATEWAY, VICTIMS[0]], "messages": 6,
        "point": "A/docker0",
    }  # fmt: skip
    assert finding["says"] == (
        f"{ATTACKER} tells {GATEWAY} that it has {VICTIMS[0]}, and {VICTIMS[0]} that it has {GATEWAY}, 6 times and "
        "unasked; what they send to each other goes to it: ARP spoofing"
    )
    assert [frame["frame"] for frame in finding["evidence"]] == [3, 4]
    for name in ("duplicate-ip", "address-moved"):
        assert every_second(tmp_path, *rounds, name=name) == [], "its claims are forged, and no rival's"


def test_one_station_told_of_anothers_address_is_told(tmp_path: Path) -> None:
    """The victim alone is told, by frames that are not from the MAC that they name."""
    forged = tell(GATEWAY, VICTIMS[0], AT_VICTIM)
    forged = forged[:6] + bytes(6) + forged[12:]
    gateway = ask(VICTIMS[0], GATEWAY, AT_GATEWAY)
    (finding,) = every_second(tmp_path, [gateway], [forged], [forged], [gateway], [forged])
    assert finding["says"] == (
        f"{ATTACKER} tells {VICTIMS[0]} that it has {GATEWAY}, 3 times and unasked, while {AT_GATEWAY} has this "
        "address: ARP spoofing"
    )


def test_station_told_what_is_put_right_at_the_end_is_told(tmp_path: Path) -> None:
    """arpspoof gives the right MAC in frames of its own when it is stopped; the owner says nothing meanwhile."""
    forged, right = (tell(GATEWAY, VICTIMS[0], AT_VICTIM, mac) for mac in (ATTACKER, AT_GATEWAY))
    restored = [right[:6] + forged[6:12] + right[12:]]
    (finding,) = every_second(tmp_path, *[[forged]] * 3, restored, restored)
    assert finding["says"].endswith(f"while {AT_GATEWAY} has this address: ARP spoofing")


def test_one_station_told_of_what_it_asks_for_is_told(tmp_path: Path) -> None:
    forged = tell(GATEWAY, VICTIMS[0], AT_VICTIM)
    question = [ask(GATEWAY), tell(GATEWAY, OWN, ATTACKER, AT_GATEWAY)]
    assert every_second(tmp_path, question, [forged], [forged], [*question, forged])


@pytest.mark.parametrize("are_both", [True, False], ids=["both", "one"])
def test_two_that_tell_the_same_of_each_other_is_silent(tmp_path: Path, are_both: bool) -> None:
    """Each tells a station of its own that it has the address, and asks for it: either may be its owner."""
    first, second = (tell(GATEWAY, to, at, mac) for to, at, mac in (
        (VICTIMS[0], AT_VICTIM, ATTACKER), (VICTIMS[1], "02:42:ac:11:00:06", OTHER),
    ))  # fmt: skip
    questions = [ask(GATEWAY), ask(GATEWAY, "172.19.0.9", OTHER)]
    owner = arp(1, OTHER, GATEWAY, VICTIMS[1])
    round_of_both = [*questions[: 1 + are_both], first, second if are_both else owner]
    found = every_second(tmp_path, *[round_of_both] * 4)
    assert [finding["facts"]["mac"] for finding in found] == ([] if are_both else [ATTACKER])


def test_answers_of_a_proxy_to_both_ends_is_silent(tmp_path: Path) -> None:
    """A private VLAN (RFC 3069): the router has all traffic pass it, and answers what it is asked."""
    asked = [
        ask(VICTIMS[0], GATEWAY, AT_GATEWAY), tell(VICTIMS[0], GATEWAY, AT_GATEWAY),
        ask(GATEWAY, VICTIMS[0], AT_VICTIM), tell(GATEWAY, VICTIMS[0], AT_VICTIM),
    ]  # fmt: skip
    assert every_second(tmp_path, *[asked] * 4) == []


def test_answers_whose_questions_were_not_captured_is_silent(tmp_path: Path) -> None:
    """`tcpdump not broadcast`, at a router with proxy ARP: hosts ask again when their entries are half a minute old."""
    assert every_second(tmp_path, *([between()] + [[]] * 29) * 4) == []


def test_bond_that_tells_its_clients_is_silent(tmp_path: Path) -> None:
    """balance-alb: after each question of the bond, a client is told anew which card it shall use."""
    updates = [ask(OWN, GATEWAY, AT_GATEWAY), tell(GATEWAY, VICTIMS[0], AT_VICTIM, OTHER)]
    assert every_second(tmp_path, *[updates] * 5) == []


def test_address_that_fails_over_is_silent(tmp_path: Path) -> None:
    """keepalived announces to all, five times, and the address goes back."""
    rounds = [[announce(GATEWAY, mac)] * 5 for mac in (ATTACKER, AT_GATEWAY, ATTACKER)]
    assert every_second(tmp_path, *rounds) == []

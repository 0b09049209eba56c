"""answers-by-other-network: a container of two bridges whose default route leads to the other one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, SYN, Network, arp, tcp
from tests.story_reports import read

NAME = "answers-by-other-network"
FRONT, BACK = "A/br-111111111111", "A/br-222222222222"
CLIENT, WEB, GATEWAY = "10.9.0.5", "172.21.0.2", "172.23.0.1"
FRONT_MAC, WEB_MAC, OTHER_MAC, BACK_MAC = (f"02:42:ac:15:00:0{number}" for number in (1, 2, 3, 4))


def asked(*, looks: str = "", answers: str = "", beside: str = BACK) -> Network:
    """SYNs of a client come by the front bridge; web looks for its gateway, or answers, with a MAC at another point."""
    net = Network([FRONT, beside])
    net.at(0, FRONT, arp(1, FRONT_MAC, "172.21.0.1", WEB))
    net.at(20, FRONT, arp(2, WEB_MAC, WEB, "172.21.0.1", to=FRONT_MAC))
    net.now = 1000
    for number in range(4):
        syn = tcp(f"{CLIENT}:40000 > {WEB}:80", flags=SYN, seq=7, ident=number, smac=FRONT_MAC, dmac=WEB_MAC)
        net.at(net.now, FRONT, syn)
        if looks:
            net.at(net.now + 50, beside, arp(1, looks, WEB, GATEWAY))
        if answers:
            back = tcp(f"{WEB}:80 > {CLIENT}:40000", flags=SYN | ACK, seq=3, ack=8, ident=90 + number, smac=answers)
            net.at(net.now + 50, beside, back.but(dmac=BACK_MAC))
        net.now += 1.02e6
    return net


def told(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, NAME)


def test_gateway_that_is_looked_for_elsewhere_is_told(tmp_path: Path) -> None:
    """rp_filter: the host does not answer an ARP request of an address of its other bridge."""
    (finding,) = [of for of in read(asked(looks=OTHER_MAC), tmp_path)["findings"] if of["level"] != "info"]
    assert (finding["name"], finding["level"]) == (NAME, "error")
    looks = f"the container looks in vain for the gateway {GATEWAY} at {BACK}"
    assert finding["says"].startswith(f"4 SYNs of {CLIENT} reach {WEB}:80 at {FRONT}, and {looks}")
    assert "gw-priority" in finding["fix"]


def test_answers_at_the_other_bridge_is_told(tmp_path: Path) -> None:
    (finding,) = told(asked(answers=OTHER_MAC), tmp_path)
    assert f"answers at {BACK}" in finding["says"] and finding["facts"]["attempts"] == 4


def test_ports_of_one_container_are_one_cause_that_is_told(tmp_path: Path) -> None:
    """SYNs to port 80 are answered at the other bridge; those to 443 are not, and the gateway is looked for there."""
    net = asked(answers=OTHER_MAC)
    for number in range(4):
        syn = tcp(f"{CLIENT}:40001 > {WEB}:443", flags=SYN, seq=9, ident=40 + number, smac=FRONT_MAC, dmac=WEB_MAC)
        net.at(net.now, FRONT, syn)
        net.at(net.now + 50, BACK, arp(1, OTHER_MAC, WEB, GATEWAY))
        net.now += 1.02e6
    (finding,) = told(net, tmp_path)
    assert finding["says"].startswith(f"8 SYNs of {CLIENT} reach {WEB}:80 and {WEB}:443 at {FRONT}, and")
    assert (finding["facts"]["port"], finding["facts"]["ports"]) == (80, [80, 443])


@pytest.mark.parametrize(
    "story",
    [{}, {"looks": OTHER_MAC, "beside": "B/br-222222222222"}, {"answers": WEB_MAC}],
    ids=["nothing", "another host", "its own veth"],
)
def test_server_that_is_silent_is_silent(tmp_path: Path, story: dict[str, str]) -> None:
    """A container that answers nothing; one of another host with the same address; the same interface once more."""
    assert told(asked(**story), tmp_path) == []

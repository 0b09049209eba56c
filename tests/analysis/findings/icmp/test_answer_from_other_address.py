"""answer-from-other-address: UDP answers that the client refuses, because they come from an address it did not ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Host, Interface, PublishedPort, Topology
from tests.analysis.findings.reported import of_story
from tests.stories import Network, about, ping, udp

CLIENT, ASKED, OTHER = "172.17.0.2", "172.17.0.1", "192.168.111.128"


def ask(net: Network, port: int, answered_by: str, refused: bool) -> None:
    """A question to ASKED:53, its answer, and what the client says of it."""
    net.pass_by(("A/docker0", udp(f"{CLIENT}:{port} > {ASKED}:53", b"question", ident=port)))
    answer = udp(f"{answered_by}:53 > {CLIENT}:{port}", b"answer", ident=port + 1)
    net.pass_by(("A/docker0", answer))
    if refused:
        net.pass_by(("A/docker0", about(ping(f"{CLIENT} > {answered_by}", 0, 0, icmp=(3, 3)), answer)))


def test_refused_answer_of_another_address_is_told(tmp_path: Path) -> None:
    net = Network(["A/docker0"])
    for port in (40000, 40001):
        ask(net, port, OTHER, refused=True)
    (finding,) = of_story(net, tmp_path, "answer-from-other-address")
    assert finding["level"] == "error"
    assert finding["facts"] == {
        "asked": ASKED, "port": 53, "answered_from": OTHER, "clients": [CLIENT], "refused": 2,
    }  # fmt: skip
    assert [frame["frame"] for frame in finding["evidence"]] == [3, 6]


@pytest.mark.parametrize(
    ("host_ip", "port", "owner", "is_named"),
    [
        ("0.0.0.0", 53, "A", True),
        ("0.0.0.0", 5353, "A", False),
        ("127.0.0.1", 53, "A", False),
        ("0.0.0.0", 53, "B", False),
    ],
    ids=["published", "other port", "at one address", "on another host"],
)
def test_port_that_docker_proxy_answers_for_is_told(
    tmp_path: Path, host_ip: str, port: int, owner: str, is_named: bool
) -> None:
    net = Network(["A/docker0"])
    for source in (40000, 40001):
        ask(net, source, OTHER, refused=True)
    interfaces = [Interface("docker0", 3, None, [f"{ASKED}/16"]), Interface("ens33", 2, None, [f"{OTHER}/24"])]
    pihole = Container(owner, "pihole", "1", "i", "pi", ports=[PublishedPort("udp", host_ip, port, 5300)])
    hosts = [Host("A", "20.10", "6", interfaces), Host("B", "20.10", "6", [])]
    (finding,) = of_story(net, tmp_path, "answer-from-other-address", Topology(hosts=hosts, containers=[pihole]))
    assert finding["facts"].get("container") == ("pihole" if is_named else None)
    assert (f"`-p {ASKED}:53:5300/udp` in place of" in finding["fix"]) == is_named


def test_late_answer_that_is_refused_is_silent(tmp_path: Path) -> None:
    """The client has closed its socket: the answer comes from the address that was asked."""
    net = Network(["A/docker0"])
    ask(net, 40000, ASKED, refused=True)
    assert of_story(net, tmp_path, "answer-from-other-address") == []


def test_accepted_answer_of_another_address_is_silent(tmp_path: Path) -> None:
    net = Network(["A/docker0"])
    ask(net, 40000, OTHER, refused=False)
    assert of_story(net, tmp_path, "answer-from-other-address") == []


@pytest.mark.parametrize(
    ("group", "mac"),
    [("224.0.0.252", "01:00:5e:00:00:fc"), ("192.168.111.255", "ff:ff:ff:ff:ff:ff")],
    ids=["multicast", "broadcast"],
)
def test_answer_to_a_question_to_all_is_silent(tmp_path: Path, group: str, mac: str) -> None:
    """LLMNR and the like: whoever has the name answers, and the client has closed its socket."""
    net = Network(["A/docker0"])
    net.pass_by(("A/docker0", udp(f"{CLIENT}:40000 > {group}:5355", b"question", ident=1, dmac=mac)))
    answer = udp(f"{OTHER}:5355 > {CLIENT}:40000", b"answer", ident=2)
    net.pass_by(("A/docker0", answer))
    net.pass_by(("A/docker0", about(ping(f"{CLIENT} > {OTHER}", 0, 0, icmp=(3, 3)), answer)))
    assert of_story(net, tmp_path, "answer-from-other-address") == []


@pytest.mark.parametrize("name", ["answer-from-other-address", "answer-not-translated"])
def test_address_that_was_asked_too_is_silent(tmp_path: Path, name: str) -> None:
    """One packet to an address of a private network, many to the public one: these are what is answered."""
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", udp(f"{CLIENT}:35683 > 10.19.0.5:40000", b"hello", ident=1)))
    for number in range(5):
        asked = udp(f"{CLIENT}:35683 > {OTHER}:40000", b"%d" % number, ident=number + 2)
        answer = udp(f"{OTHER}:40000 > {CLIENT}:35683", b"answer", ident=number + 90)
        net.pass_by(("A/ens33", asked), ("A/ens33", answer))
    net.pass_by(("A/ens33", about(ping(f"{CLIENT} > {OTHER}", 0, 0, icmp=(3, 3)), answer)))
    assert of_story(net, tmp_path, name) == []

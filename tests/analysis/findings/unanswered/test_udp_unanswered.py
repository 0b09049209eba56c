"""udp-unanswered: questions by UDP to which each server answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_capture, of_story
from tests.stories import ACK, SYN, Network, Packet, about, tcp, udp
from tests.story_reports import A, B

NAME = "udp-unanswered"
HERE = "A/ens33"
NTP = b"\x23" + bytes(47)


def asks(net: Network, port: int = 123, *, payload: bytes = NTP, count: int = 4, sport: int = 40000) -> None:
    """Each time from another port, as most clients ask; `sport` 123: always from that one."""
    for number in range(count):
        own = sport if sport == port else sport + number
        net.pass_by((HERE, udp(f"{A}:{own} > {B}:{port}", payload, ident=100 + number)), gap=2e6)


def answer(port: int, to: int) -> Packet:
    return udp(f"{B}:{port} > {A}:{to}", b"\x24" + bytes(47), ident=7, ttl=60)


def connects(net: Network) -> None:
    net.pass_by((HERE, tcp(f"{A}:40000 > {B}:22", flags=SYN, seq=1, ident=1)))
    net.pass_by((HERE, tcp(f"{B}:22 > {A}:40000", flags=SYN | ACK, seq=9, ack=2, ttl=60, ident=2)))


@pytest.mark.parametrize("is_up", [True, False])
def test_clock_that_does_not_answer_is_told(tmp_path: Path, is_up: bool) -> None:
    net = Network([HERE])
    asks(net)
    if is_up:
        connects(net)
    (finding,) = of_story(net, tmp_path, NAME)
    facts = finding["facts"]
    assert (finding["level"], facts["protocol"], facts["questions"]) == ("warning", "NTP", 4)
    assert facts["accepts_tcp"] == is_up == ("so it is up" in finding["says"])


def test_silent_devices_of_one_link_is_told_each(tmp_path: Path) -> None:
    """A monitor has the wrong community for three switches: they share no way out."""
    net = Network([HERE])
    for number in range(3):
        for question in range(4):
            ends = f"{A}:{41000 + question} > 192.168.111.{10 + number}:161"
            net.pass_by((HERE, udp(ends, NTP, ident=200 + question, dmac=f"02:00:00:00:01:0{number}")), gap=2e6)
    findings = of_story(net, tmp_path, NAME)
    assert [len(finding["facts"]["servers"]) for finding in findings] == [1, 1, 1]
    assert all("community" in finding["fix"] for finding in findings)


@pytest.mark.parametrize("others", [3, 1])
def test_silent_clocks_of_one_way_is_told_once(tmp_path: Path, others: int) -> None:
    """The pool of a distribution names four; a clock that accepts TCP connections has a cause of its own."""
    net = Network([HERE])
    asks(net)
    connects(net)
    for number in range(others):
        for question in range(4):
            ends = f"{A}:{41000 + question} > 203.0.113.{number + 1}:123"
            net.pass_by((HERE, udp(ends, NTP, ident=200 + question)), gap=2e6)
    findings = of_story(net, tmp_path, NAME)
    assert sorted(finding["facts"]["questions"] for finding in findings) == [4, 4 * others]
    assert [finding["facts"]["servers"] for finding in findings if not finding["facts"]["accepts_tcp"]] == [
        [f"203.0.113.{number + 1}" for number in range(others)]
    ]
    assert [f"all {others} servers share" in finding["fix"] for finding in findings].count(True) == (others > 1)


@pytest.mark.parametrize("comes", [True, False], ids=["something comes", "nothing comes"])
def test_capture_of_one_direction_is_told(tmp_path: Path, comes: bool) -> None:
    """Where nothing at all goes to the client, it is not known that the server is silent."""
    net = Network([HERE])
    asks(net)
    if comes:
        net.pass_by((HERE, udp(f"192.168.111.77:514 > {A}:514", b"<13>log")))
    (finding,) = of_story(net, tmp_path, NAME)
    assert ("did not answer" in finding["says"]) == comes
    assert ("nor anything else that goes to" in finding["says"]) != comes


@pytest.mark.parametrize("sport", [123, 40000], ids=["from the same port", "from any port"])
def test_one_answer_is_silent(tmp_path: Path, sport: int) -> None:
    """Classic clocks ask from the port that they ask."""
    net = Network([HERE])
    asks(net, sport=sport)
    net.pass_by((HERE, answer(123, sport)))
    assert of_story(net, tmp_path, NAME) == []


def test_two_questions_is_silent(tmp_path: Path) -> None:
    net = Network([HERE])
    asks(net, count=2)
    assert of_story(net, tmp_path, NAME) == []


def test_log_messages_is_silent(tmp_path: Path) -> None:
    """They ask nothing."""
    net = Network([HERE])
    asks(net, 514, payload=b"<14>log")
    assert of_story(net, tmp_path, NAME) == []


def test_questions_that_icmp_refuses_is_silent(tmp_path: Path) -> None:
    net = Network([HERE])
    asks(net, sport=123)
    refusal = Packet("icmp", B, A, icmp=(3, 3))
    net.pass_by((HERE, about(refusal, udp(f"{A}:123 > {B}:123", NTP, ident=103))))
    assert of_story(net, tmp_path, NAME) == []


def test_answers_from_other_ports_is_silent(tmp_path: Path) -> None:
    """TFTP (RFC 1350 section 4): each transfer goes on from a port that the server chooses."""
    net = Network([HERE])
    for number in range(4):
        net.pass_by((HERE, udp(f"{A}:{40000 + number} > {B}:69", b"\0\1file\0octet\0", ident=number)))
        data = udp(f"{B}:{50000 + number} > {A}:{40000 + number}", b"\0\3\0\1data", ident=number + 50, ttl=60)
        net.pass_by((HERE, data), gap=2e6)
    assert of_story(net, tmp_path, NAME) == []


def test_ike_behind_its_first_exchange_is_told() -> None:
    """Port 500 passes, port 4500 does not."""
    (finding,) = of_capture("tests/analysis/findings/recorded/ike-port-4500/left__eth0.pcap", NAME)
    assert finding["says"].endswith("it answers the same client at UDP port 500, where IKE begins")
    assert (finding["facts"]["port"], finding["facts"]["questions"]) == (4500, 4)


@pytest.mark.parametrize("payload", [b"\xff", bytes(4) + b"x" * 40], ids=["keep-alive", "no IKE"])
def test_other_datagrams_to_port_4500_is_silent(tmp_path: Path, payload: bytes) -> None:
    """What keeps a translation alive is never answered (RFC 3948)."""
    net = Network([HERE])
    asks(net, 4500, payload=payload, sport=4500)
    connects(net)
    assert of_story(net, tmp_path, NAME) == []


def test_silent_domain_controller_is_told(tmp_path: Path) -> None:
    """Its clients ask many well-known ports, as a scan does, but each again and again."""
    net = Network([HERE])
    connects(net)
    for port in (88, 137, 138, 389, 464):
        asks(net, port, payload=b"\x30\x20" + bytes(60))
    asks(net)
    assert "123" in " ".join(finding["says"] for finding in of_story(net, tmp_path, NAME))

"""Answers that another point shows, or another tunnel, than what they answer. Truth: the stories."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import ACK, SYN, Network, Packet, ping, tcp
from tests.story_reports import A, B, read

CARD_A, CARD_B = "02:00:c0:a8:6f:80", "02:00:c0:a8:6f:81"
HALVES = ["S/eth1_in", "S/eth4_out", "S/eth4_in", "S/eth1_out"]  # of a switch: two ports, a file for each direction
SECOND = 1_000_000.0


def echoes(number: int) -> tuple[Packet, Packet]:
    request = ping(f"{A} > {B}", 77, number + 1, ident=number + 1, smac=CARD_A, dmac=CARD_B)
    reply = ping(f"{B} > {A}", 77, number + 1, ident=number + 50, smac=CARD_B, dmac=CARD_A, icmp=(0, 0))
    return request, reply


def fates(net: Network, folder: Path) -> list[tuple[str, str]]:
    """Source and fate of each flow, without the fates of answers that lose packets."""
    return [(row["flow"]["src"], row["fate"]) for row in read(net, folder)["fates"]]


@pytest.mark.parametrize("is_answered", [True, False])
def test_echo_is_answered_at_points_of_the_other_direction(is_answered: bool, tmp_path: Path) -> None:
    net = Network(HALVES)
    for number in range(3):
        request, reply = echoes(number)
        net.pass_by((HALVES[0], request), (HALVES[1], request))
        if is_answered:
            net.pass_by((HALVES[2], reply), (HALVES[3], reply))
        net.now += SECOND
    said = [fate for source, fate in fates(net, tmp_path) if source == A]
    assert said == ["delivered" if is_answered else "answered-by"]


@pytest.mark.parametrize("vni", [11, None], ids=["answered in another network", "not answered"])
def test_echo_is_answered_in_another_network_of_a_tunnel(vni: int | None, tmp_path: Path) -> None:
    """A network for each direction, as some switches are set up."""
    net = Network(["A/ens33"])
    for number in range(3):
        request, reply = (echo.but(smac=CARD_A, dmac=CARD_B) for echo in echoes(number))
        net.pass_by(("A/ens33", request.but(tunnel=(10, "10.0.0.1", "10.0.0.2", 5000))))
        if vni:
            net.pass_by(("A/ens33", reply.but(tunnel=(vni, "10.0.0.2", "10.0.0.1", 5001))))
        net.now += SECOND
    inner = dict(fates(net, tmp_path)).get(A)
    assert inner == ("delivered" if vni else "repeated")


def test_client_that_acknowledges_was_answered(tmp_path: Path) -> None:
    """Only its own direction was recorded."""
    net = Network(["B/ens33"])
    for number, (flags, data) in enumerate([(SYN, b""), (ACK, b""), (ACK, b"GET / HTTP/1.1\r\n\r\n")]):
        packet = tcp(f"{A}:40000 > {B}:80", data, flags=flags, seq=100 + (number > 0), ack=900 * (number > 0),
                     ident=number + 1, smac=CARD_A, dmac=CARD_B)  # fmt: skip
        net.pass_by(("B/ens33", packet))
    assert fates(net, tmp_path) == [(A, "delivered")]


def test_syn_whose_answer_does_not_come_back_is_not_delivered(tmp_path: Path) -> None:
    """The SYN-ACK is at another point; the client sends its SYN again and again, so it has not got it."""
    net = Network(["A/ens33", "R/eth9"])
    for number in range(3):
        syn = tcp(f"{A}:40000 > {B}:80", flags=SYN, seq=100, ident=number + 1, smac=CARD_A, dmac=CARD_B)
        answer = tcp(f"{B}:80 > {A}:40000", flags=SYN | ACK, seq=900, ack=101, ident=number + 50)
        net.pass_by(("A/ens33", syn))
        net.pass_by(("R/eth9", answer))
        net.now += SECOND
    assert dict(fates(net, tmp_path))[A] == "repeated"


@pytest.mark.parametrize("acknowledged", [101, 909], ids=["its SYN", "another SYN"])
def test_redirected_connection_is_answered(acknowledged: int, tmp_path: Path) -> None:
    """A pod redirects what it sends to its own proxy: its loopback interface shows the two halves of the translation.

    As recorded in a network namespace with `iptables -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001`.
    """
    net = Network(["pod/lo"])
    net.pass_by(("pod/lo", tcp(f"{A}:40000 > 127.0.0.1:15001", flags=SYN, seq=100)))
    net.pass_by(("pod/lo", tcp(f"{B}:8080 > {A}:40000", flags=SYN | ACK, seq=500, ack=acknowledged)))
    net.pass_by(("pod/lo", tcp(f"{A}:40000 > 127.0.0.1:15001", flags=ACK, seq=101, ack=501)))
    assert read(net, tmp_path)["correlation"]["answered"] == (2 if acknowledged == 101 else 0)

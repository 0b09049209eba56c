"""Answers of DNS from another address than was asked: taken by the client, refused by it, or asked for again.

As at cni0 of a node with kube-proxy: measured, the question is to the pod of the name server, and the answer comes
from the cluster IP.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.analysis.findings.dns_stories import CLIENT, SERVER, answer, question
from tests.stories import Network, about, ping
from tests.story_reports import read

POINT, POD = "A/cni0", "10.244.2.2"
RETRY_US = 2_500_000  # musl waits so long


def ask(net: Network, number: int, times: int = 1, refused: bool = False) -> None:
    """A question to POD behind the translation, and the answer of SERVER, translated back."""
    for _ in range(times):
        asked = question(f"host{number}.example", ident=number, port=40000 + number, dst=POD)
        reply = answer(asked, src=SERVER)
        net.pass_by((POINT, asked))
        net.pass_by((POINT, reply), gap=RETRY_US)
        if refused:
            net.pass_by((POINT, about(ping(f"{CLIENT} > {SERVER}", 0, 0, icmp=(3, 3)), reply)))


def questions(net: Network, tmp_path: Path) -> set[str]:
    """The fates of the questions."""
    rows: list[dict[str, Any]] = read(net, tmp_path)["fates"]
    return {row["fate"] for row in rows if row["flow"]["src"] == CLIENT and row["proto"] == "udp"}


def test_answers_that_the_client_takes_are_delivered(tmp_path: Path) -> None:
    net = Network([POINT])
    for number in range(3):
        ask(net, number)
    assert questions(net, tmp_path) == {"delivered"}


def test_answers_that_the_client_refuses_are_not_delivered(tmp_path: Path) -> None:
    net = Network([POINT])
    for number in range(3):
        ask(net, number, refused=True)
    assert questions(net, tmp_path) == {"answered-by"}


def test_questions_asked_again_are_not_delivered(tmp_path: Path) -> None:
    """A resolver that compares the address itself drops the answer without a word."""
    net = Network([POINT])
    for number in range(3):
        ask(net, number, times=2)
    assert questions(net, tmp_path) == {"answered-by"}

"""backend-fails: one of several servers behind a service fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, RST, SYN, Network, Packet, tcp

SECOND = 1e6  # µs
V4 = ("10.0.1.7", "10.0.1.5", "10.0.1.3", ["10.0.1.11", "10.0.1.12", "10.0.1.13"])
V6 = ("[fd00::7]", "[fd00::5]", "[fd00::3]", ["[fd00::11]", "[fd00::12]", "[fd00::13]"])


class Balancer:
    """Connections of a client to a service on port 80, which a balancer translates to one of three tasks."""

    def __init__(self, hosts: tuple[str, str, str, list[str]] = V4, *points: str) -> None:
        self.net, self.hosts, self.port = Network(list(points) or ["lb/eth0", "lb/eth1"]), hosts, 40000

    def connect(self, task: int, answer: int | None = SYN | ACK) -> None:
        """`answer`: flags of what the task answers, None for nothing."""
        client, service, balancer, tasks = self.hosts
        self.port += 1
        for number in range(1 if answer is not None else 4):
            syn = tcp(f"{client}:{self.port} > {service}:80", seq=self.port * 1000, flags=SYN)
            self.pass_by(syn, f"{balancer}:{self.port} > {tasks[task]}:80", True, number)
            self.net.now += SECOND * (answer is None)
        if answer is not None:
            back = tcp(
                f"{tasks[task]}:80 > {balancer}:{self.port}", seq=self.port, ack=self.port * 1000 + 1, flags=answer
            )
            self.pass_by(back, f"{service}:80 > {client}:{self.port}", False)
        if answer == SYN | ACK:
            ack = tcp(f"{client}:{self.port} > {service}:80", seq=self.port * 1000 + 1, ack=self.port + 1)
            self.pass_by(ack, f"{balancer}:{self.port} > {tasks[task]}:80", True)

    def pass_by(self, packet: Packet, ends: str, is_out: bool, number: int = 0) -> None:
        packet = packet.but(ident=len(self.net.recorded) + 1 + number)
        translated = packet.routed(ends=ends)
        points = self.net.points if is_out else self.net.points[::-1]
        self.net.pass_by((points[0], packet), (points[1], translated))

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "backend-fails")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("answer", [RST | ACK, None], ids=["refused", "silent"])
def test_one_task_that_fails_is_told(
    tmp_path: Path, answer: int | None, hosts: tuple[str, str, str, list[str]]
) -> None:
    played = Balancer(hosts)
    for number in range(9):
        played.connect(number % 3, answer if number % 3 == 1 else SYN | ACK)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["connections"]) == ("error", 3)
    assert facts["backend"].startswith(hosts[3][1]) and facts["service"].endswith(":80")
    assert (facts["refused"], facts["silent"]) == ((3, 0) if answer else (0, 3))
    assert sum(facts["accepted_by"].values()) == 6


def test_all_tasks_that_fail_is_silent(tmp_path: Path) -> None:
    """The service is down: `connection-refused`."""
    played = Balancer()
    for number in range(9):
        played.connect(number % 3, RST | ACK)
    assert played.findings(tmp_path) == []


def test_task_that_fails_once_is_silent(tmp_path: Path) -> None:
    played = Balancer()
    for number in range(9):
        played.connect(number % 3, RST | ACK if number == 1 else SYN | ACK)
    assert played.findings(tmp_path) == []


def test_all_tasks_that_serve_is_silent(tmp_path: Path) -> None:
    played = Balancer()
    for number in range(9):
        played.connect(number % 3)
    assert played.findings(tmp_path) == []


def test_one_task_alone_is_silent(tmp_path: Path) -> None:
    """A published port of one container, which refuses: there is no other one to compare it with."""
    played = Balancer()
    for _ in range(4):
        played.connect(0, RST | ACK)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("answer", [RST | ACK, None], ids=["refused", "silent"])
def test_pod_that_fails_names_its_endpoints(tmp_path: Path, answer: int | None) -> None:
    """At a bridge of a CNI plugin: the address may be that of a pod which is gone."""
    played = Balancer(V4, "node/vethapp", "node/cni0")
    for number in range(9):
        played.connect(number % 3, answer if number % 3 == 1 else SYN | ACK)
    (finding,) = played.findings(tmp_path)
    assert "kubectl get endpointslices,pods" in finding["fix"] and "docker" not in finding["fix"]
    assert ("node/cni0" in finding["fix"]) == (answer is None)

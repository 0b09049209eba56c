"""port-scan: clients that try many ports or addresses. Truth: `recorded.record_scans`, and each story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.facts.syns.refusers import connect
from tests.analysis.findings.reported import CARD_A, Findings, named, of_story
from tests.stories import ACK, PSH, RST, SYN, Network, arp, tcp
from tests.story_reports import A, B, read

NAME = "port-scan"
RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str, *points: str) -> dict[str, Any]:
    """The report of all points of a recording, or of these."""
    files = [RECORDED / name / f"{point}.pcap" for point in points] or sorted((RECORDED / name).glob("*.pcap"))
    report: dict[str, Any] = analyze(files).to_dict()
    return report


def sentence(name: str, *points: str) -> str:
    (finding,) = named(recorded(name, *points), NAME)
    assert finding["level"] == "info"
    says: str = finding["says"]
    return says


def outcomes(finding: dict[str, Any]) -> tuple[int, ...]:
    return tuple(finding["facts"][name] for name in ("tries", "accepted", "refused", "unanswered"))


@pytest.mark.parametrize("points", [(), ("node__cni0",)])
def test_scan_by_raw_packets_is_told(points: tuple[str, ...]) -> None:
    """Behind the masquerade it is the same scan."""
    assert sentence("syn-scan", *points) == (
        "10.77.1.8 tried 40 TCP ports of 10.60.0.5, 61 to 100: 1 accepted, 29 refused and 10 did not answer"
    )


def test_scan_by_connections_is_told() -> None:
    assert sentence("connect-scan") == (
        "10.77.1.8 tried 12 TCP ports of 10.60.0.5, 78 to 89: 1 accepted, 9 refused and 2 did not answer"
    )


@pytest.mark.parametrize("points", [(), ("node__cni0",)])
def test_sweep_of_addresses_is_told(points: tuple[str, ...]) -> None:
    assert sentence("address-sweep", *points) == (
        "10.77.1.8 tried TCP port 80 of 32 addresses: 1 accepted, 1 refused and 30 did not answer"
    )


def test_scan_by_datagrams_is_told() -> None:
    """nmap -sU. Truth: of 11 ports, tshark counts ICMP errors about 7."""
    assert (
        sentence("port-scan") == "10.20.0.11 tried 11 UDP ports of 10.20.0.2, 50 to 60: 7 refused and 4 did not answer"
    )


@pytest.mark.parametrize("name", ["syn-scan", "connect-scan", "address-sweep", "port-scan"])
def test_scan_is_no_other_problem(name: str) -> None:
    """Neither of what refuses it, nor of what a router says of addresses that it tries."""
    findings = recorded(name)["findings"]
    assert {finding["name"] for finding in findings} - {"checksum-offload"} == {NAME}


@pytest.mark.parametrize(("name", "ports"), [("few-refusals", [5432, 6379, 9092]), ("passive-ports", [50011])])
def test_refusals_of_a_client_that_is_served_is_silent(name: str, ports: list[int]) -> None:
    report = recorded(name)
    assert named(report, NAME) == []
    refusals = named(report, "connection-refused")
    assert [(finding["level"], finding["facts"]["port"]) for finding in refusals] == [
        ("warning", port) for port in ports
    ]


def probe(net: Network, sport: int, dport: int, answers: int = RST | ACK) -> None:
    net.pass_by(("A/ens33", tcp(f"{A}:{sport} > {B}:{dport}", seq=12_345, flags=SYN)), gap=10)
    if answers:
        net.pass_by(("A/ens33", tcp(f"{B}:{dport} > {A}:{sport}", ack=12_346, flags=answers)), gap=10)


def of_probes(folder: Path, probes: list[tuple[int, int, int]]) -> Findings:
    """The findings about SYNs of A to B: source port, destination port, flags of the answer."""
    net = Network(["A/ens33"])
    for sport, dport, answers in probes:
        probe(net, sport, dport, answers)
    return of_story(net, folder, NAME)


def test_many_ports_of_a_server_is_told(tmp_path: Path) -> None:
    (finding,) = of_probes(tmp_path, [(40000 + port, port, RST | ACK) for port in range(1, 200)])
    assert outcomes(finding) == (199, 0, 199, 0)
    assert (finding["facts"]["ports_in_all"], finding["facts"]["ports"][:3]) == (199, [1, 2, 3])
    assert len(finding["evidence"]) == 10


def test_one_source_port_for_four_ports_is_told(tmp_path: Path) -> None:
    """The kernel takes a port for each connection; nmap and masscan do not."""
    (finding,) = of_probes(tmp_path, [(54949, port, RST | ACK) for port in (1935, 4567, 27353, 32769)])
    assert outcomes(finding) == (4, 0, 4, 0)
    assert "all from port 54949" in finding["says"]


@pytest.mark.parametrize("sport", [20, 1023])
def test_calls_back_from_a_port_of_a_service_is_silent(tmp_path: Path, sport: int) -> None:
    """FTP, active: the server opens each data connection from port 20."""
    assert of_probes(tmp_path, [(sport, port, RST | ACK) for port in range(40000, 40005)]) == []


def test_five_programs_with_a_port_each_is_silent(tmp_path: Path) -> None:
    assert of_probes(tmp_path, [(40000 + port, port, RST | ACK) for port in range(80, 85)]) == []


def test_ports_of_which_most_accept_is_silent(tmp_path: Path) -> None:
    probes = [(40000 + port, port, SYN | ACK if port > 6 else 0) for port in range(1, 14)]
    assert of_probes(tmp_path, probes) == []
    (finding,) = of_probes(tmp_path, probes[:-1])  # six of twelve
    assert (outcomes(finding), finding["facts"]["open"][:2]) == ((12, 6, 0, 6), [f"{B}:7", f"{B}:8"])


def test_sweep_of_many_addresses_is_told(tmp_path: Path) -> None:
    """One port of forty addresses: what refuses has no part in it."""
    net = Network(["A/ens33"])
    for host in range(1, 41):
        net.pass_by(("A/ens33", tcp(f"{A}:40000 > 10.0.0.{host}:80", seq=12_345, flags=SYN)), gap=10)
    net.pass_by(("A/ens33", tcp(f"10.0.0.7:80 > {A}:40000", ack=12_346, flags=RST | ACK)))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["servers_in_all"] == 40
    assert outcomes(finding) == (40, 0, 1, 39)


@pytest.mark.parametrize(("neighbors", "tries", "is_scan"), [(20, 4, True), (19, 4, False), (20, 3, False)])
def test_what_an_address_scan_tries_is_told(tmp_path: Path, neighbors: int, tries: int, is_scan: bool) -> None:
    """Who looks for neighbors by ARP, and asks those that are there. Of three refusals, each may be a mistake."""
    net = Network(["A/ens33"])
    for host in range(neighbors):
        net.at(net.now, "A/ens33", arp(1, CARD_A, A, f"192.168.111.{host + 10}"))
        net.now += 1e6
    for number in range(tries):
        connect(net, RST | ACK, sport=40000 + number, ends=(A, f"192.168.111.{200 + number}"))
    assert len(of_story(net, tmp_path, NAME)) == is_scan


def serve(net: Network, sport: int, dport: int, address: str = B) -> None:
    """A request and its answer, of a connection that is older than the capture."""
    request = tcp(f"{A}:{sport} > {address}:{dport}", b"GET", seq=1, ack=9, flags=PSH | ACK)
    net.pass_by(("A/ens33", request), gap=10)
    net.pass_by(("A/ens33", tcp(f"{address}:{dport} > {A}:{sport}", b"200", seq=9, ack=4, flags=PSH | ACK)), gap=10)


def levels(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(finding["name"], finding["level"]) for finding in report["findings"]}


@pytest.mark.parametrize("answer", [RST | ACK, 0])
def test_services_of_a_node_that_restarts_is_silent(tmp_path: Path, answer: int) -> None:
    """A client of eight services has used them before."""
    net = Network(["A/ens33"])
    for port in range(8001, 8009):
        serve(net, 30000 + port, port)
    for port in range(8001, 8009):
        for tries in range(1 if answer else 3):
            net.now += tries * 1e6
            probe(net, 40000 + port, port, answer)
    name = "connection-refused" if answer else "connection-unanswered"
    assert levels(read(net, tmp_path)) - {("retransmissions", "info")} == {(name, "warning")}


@pytest.mark.parametrize(("rounds", "name"), [(2, NAME), (3, "connection-refused")])
@pytest.mark.parametrize("addresses", [1, 25])
def test_ports_that_a_client_insists_on_is_silent(tmp_path: Path, rounds: int, name: str, addresses: int) -> None:
    """A monitor of 30 targets, and the probes of a node: they ask again and again."""
    net = Network(["A/ens33"])
    for number in range(rounds):
        for target in range(25):
            sport, end = 40000 + 100 * number + target, f"10.0.{target % addresses}.9:{9000 + target // addresses}"
            net.pass_by(("A/ens33", tcp(f"{A}:{sport} > {end}", seq=12_345, flags=SYN)), gap=10)
            net.pass_by(("A/ens33", tcp(f"{end} > {A}:{sport}", ack=12_346, flags=RST | ACK)), gap=10)
        net.now += 15e6
    assert levels(read(net, tmp_path)) == {(name, "info" if name == NAME else "warning")}


def test_inventory_that_is_made_again_and_again_is_told(tmp_path: Path) -> None:
    probes = [(20000 + number, port, RST | ACK) for number, port in enumerate([*range(1, 120)] * 3)]
    assert outcomes(*of_probes(tmp_path, probes)) == (119, 0, 119, 0)


@pytest.mark.parametrize("ports", [3, 4])
def test_few_ports_from_one_source_port_is_silent(tmp_path: Path, ports: int) -> None:
    """A program that binds its port: of three refusals, each may be a mistake, and who insists wants an answer."""
    net = Network(["A/ens33"])
    for number in range(1 if ports == 3 else 3):
        for port in range(5060, 5060 + ports):
            probe(net, 5060, port)
        net.now += (number + 1) * 5e6
    assert levels(read(net, tmp_path)) == {("connection-refused", "warning")}


def test_ftp_server_that_asks_for_identification_is_silent(tmp_path: Path) -> None:
    """It opens data connections from port 20, and one more from a free port (RFC 1413)."""
    probes = [(20, port, RST | ACK) for port in range(40000, 40004)]
    assert of_probes(tmp_path, [*probes, (50000, 113, RST | ACK)]) == []


def test_clients_of_one_server_with_a_port_each_is_silent(tmp_path: Path) -> None:
    """None of the eight tries many."""
    net = Network(["A/ens33"])
    for number in range(8):
        connect(net, RST | ACK, port=8000 + number, ends=(f"192.168.111.{10 + number}", B))
    report = read(net, tmp_path)
    assert levels(report) == {("connection-refused", "warning")}
    assert "tries many" not in str(report["findings"])


def test_refusal_that_a_sweep_is_not_about_is_silent(tmp_path: Path) -> None:
    """One client sweeps port 80 of many addresses, and insists on that of another."""
    net = Network(["A/ens33"])
    for host in range(1, 41):
        net.pass_by(("A/ens33", tcp(f"{A}:40000 > 10.0.{host}.1:80", seq=12_345, flags=SYN)), gap=10)
        if host in (17, 27):
            net.pass_by(("A/ens33", tcp(f"10.0.{host}.1:80 > {A}:40000", ack=12_346, flags=RST | ACK)))
    for sport in range(50000, 50004):
        probe(net, sport, 80)
    report = read(net, tmp_path)
    assert [of["facts"]["address"] for of in named(report, "connection-refused")] == [B]
    (sweep,) = named(report, NAME)
    assert outcomes(sweep) == (40, 0, 2, 38)


def test_port_that_is_used_beside_a_scan_is_told(tmp_path: Path) -> None:
    """It is one of the ports that the client tried."""
    net = Network(["A/ens33"])
    connect(net, SYN | ACK, port=80, sport=30000)
    serve(net, 30000, 80)
    for port in range(1, 12):
        probe(net, 40000 + port, port)
    assert outcomes(*of_story(net, tmp_path, NAME)) == (12, 1, 11, 0)

"""dns-failure: names that are not resolved, servers that do not answer, and answers that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.analysis.findings.dns_stories import answer, question
from tests.analysis.findings.made import CLIENT, MAC_1, MAC_2, SERVER, of_packets
from tests.analysis.findings.reported import named, of_story
from tests.stories import Network, about, ping, udp
from tests.story_reports import read

NAME = "dns-failure"


def query(name: str, rcode: int | None, ident: int = 1) -> list[Ether]:
    """A query and, unless `rcode` is None, its answer."""
    question = DNS(id=ident, qd=DNSQR(qname=name))
    out = Ether(src=MAC_1, dst=MAC_2) / IP(src=CLIENT, dst=SERVER) / UDP(sport=40000 + ident, dport=53) / question
    if rcode is None:
        return [out]
    answer = DNS(id=ident, qr=1, rcode=rcode, qd=DNSQR(qname=name))
    back = Ether(src=MAC_2, dst=MAC_1) / IP(src=SERVER, dst=CLIENT) / UDP(sport=53, dport=40000 + ident) / answer
    return [out, back]


def later(packet: Ether, seconds: float) -> Ether:
    packet.time += seconds
    return packet


def test_answer_with_result_code_is_told(tmp_path: Path) -> None:
    packets = [
        *query("good.test", 0, 1),
        *query("web.test", 3, 2),
        *query("bad.test", 2, 3),
        *query("web.test", 3, 4),
    ]
    findings = of_packets(tmp_path, NAME, *packets)
    assert {
        (finding["level"], finding["facts"]["name"], finding["facts"]["code"], finding["facts"]["answers"])
        for finding in findings
    } == {("info", "web.test", 3, 2), ("warning", "bad.test", 2, 1)}
    assert {frame["frame"] for finding in findings for frame in finding["evidence"]} == {4, 6, 8}


@pytest.mark.parametrize(("rcode", "statements"), [(2, 1), (5, 1), (3, 4)], ids=["SERVFAIL", "REFUSED", "NXDOMAIN"])
def test_names_of_one_failing_server_is_told_once(tmp_path: Path, rcode: int, statements: int) -> None:
    """A forwarder without its upstream fails for all names; names that do not exist are mistakes of their own."""
    names = ("a.test", "b.test", "c.test", "d.test", "d.test")
    packets = [packet for number, name in enumerate(names) for packet in query(name, rcode, number + 1)]
    findings = of_packets(tmp_path, NAME, *packets)
    assert len(findings) == statements
    assert sum(finding["facts"]["answers"] for finding in findings) == len(names)
    if statements == 1:
        assert "d.test, a.test, b.test and c.test (5 times)" in findings[0]["says"]


@pytest.mark.parametrize(
    ("flags", "sport", "is_told"),
    [(0x8189, 53, True), (0xD81D, 53, False), (0x81C9, 53, False), (0xAA8A, 1024, False)],
    ids=["NOTAUTH", "opcode of no RFC", "reserved bit", "to port 53"],
)
def test_octets_that_are_no_answer_is_silent(tmp_path: Path, flags: int, sport: int, is_told: bool) -> None:
    """Generators send random octets from port 53, or to it."""
    payload = flags.to_bytes(2, "big").join((b"\x12\x34", bytes(8)))
    packet = Ether(src=MAC_2, dst=MAC_1) / IP(src=SERVER, dst=CLIENT)
    findings = of_packets(tmp_path, NAME, packet / UDP(sport=sport, dport=53 if sport != 53 else 40000) / payload)
    assert [finding["says"] for finding in findings] == ([f"{SERVER} answered NOTAUTH about a name"] if is_told else [])


@pytest.mark.parametrize(("ports", "is_told"), [(9, False), (3, True)])
def test_scan_of_ports_is_silent(tmp_path: Path, ports: int, is_told: bool) -> None:
    """nmap asks the DNS port in DNS as well: no host that leaves it unanswered is a name server for that."""
    packets = [query("web.test", None, 7)[0], later(query("web.test", None, 8)[0], 1.2)]
    macs = {"src": MAC_1, "dst": MAC_2}
    packets += [Ether(**macs) / IP(src=CLIENT, dst=SERVER) / UDP(sport=40007, dport=54 + n) for n in range(ports)]
    packets += [later(Ether(**macs) / IP(src=CLIENT, dst=SERVER) / TCP(sport=5, dport=6), 5)]
    assert bool(of_packets(tmp_path, NAME, *packets)) == is_told


@pytest.mark.parametrize("other", ["to the client", "from the client"])
def test_server_without_any_answer_is_told(tmp_path: Path, other: str) -> None:
    """Where nothing at all goes to the client, the capture may hold one direction only."""
    repeated = later(query("web.test", None, 7)[0], 2)
    ends, macs = {"src": SERVER, "dst": CLIENT}, {"src": MAC_2, "dst": MAC_1}
    if other == "from the client":
        ends, macs = {"src": CLIENT, "dst": SERVER}, {"src": MAC_1, "dst": MAC_2}
    log = Ether(**macs) / IP(**ends) / UDP(sport=514, dport=514) / b"<13>log"
    (finding,) = of_packets(tmp_path, NAME, *query("web.test", None), log, repeated)
    assert finding["level"] == "warning"
    if other == "to the client":
        assert finding["says"] == f"the name server {SERVER} did not answer 1 DNS question of {CLIENT}"
    else:
        assert finding["says"] == (
            f"the capture has no answer to 1 DNS question of {CLIENT} to {SERVER}, "
            f"nor anything else that goes to {CLIENT}"
        )
        assert finding["fix"].startswith("capture both directions first")


def test_clients_of_a_silent_server_are_counted(tmp_path: Path) -> None:
    """In the order of their addresses, and how many more there are."""
    packets = []
    for number in (107, 9, 10, 11, 12):
        client = f"10.0.1.{number}"
        for ident, seconds in ((number, 0), (number + 1000, 2)):
            asked = query("web.test", None, ident)[0]
            asked[IP].src = client
            packets.append(later(asked, seconds))
        packets.append(
            Ether(src=MAC_2, dst=MAC_1) / IP(src=SERVER, dst=client) / UDP(sport=514, dport=514) / b"<13>log"
        )
    packets.sort(key=lambda packet: float(packet.time))
    (finding,) = of_packets(tmp_path, NAME, *packets)
    assert finding["says"].endswith("of 10.0.1.9, 10.0.1.10, 10.0.1.11 and 2 more")


@pytest.mark.parametrize("size", [0, 60])
def test_server_that_answers_by_tcp_is_told(tmp_path: Path, size: int) -> None:
    """A policy drops UDP alone. An accepted connection without an answer shows no name server."""
    ends = {"sport": 50000, "dport": 53}
    back = {"sport": 53, "dport": 50000}
    there, here = IP(src=CLIENT, dst=SERVER), IP(src=SERVER, dst=CLIENT)
    by_tcp = [
        Ether(src=MAC_1, dst=MAC_2) / there / TCP(**ends, seq=1, flags="S"),
        Ether(src=MAC_2, dst=MAC_1) / here / TCP(**back, seq=9, ack=2, flags="SA"),
        Ether(src=MAC_1, dst=MAC_2) / there / TCP(**ends, seq=2, ack=10, flags="PA") / Raw(bytes(30)),
        Ether(src=MAC_2, dst=MAC_1) / here / TCP(**back, seq=10, ack=32, flags="A") / Raw(bytes(size)),
    ]
    repeated = later(query("web.test", None, 7)[0], 2)
    (finding,) = of_packets(tmp_path, NAME, *query("web.test", None), *by_tcp, repeated)
    assert ("it does answer by TCP" in finding["says"]) == (size > 0)


def test_resolved_name_is_silent(tmp_path: Path) -> None:
    assert of_packets(tmp_path, NAME, *query("good.test", 0), later(query("good.test", 0, 2)[0], 2)) == []


def test_query_at_the_end_of_the_capture_is_silent(tmp_path: Path) -> None:
    """The answer had no time to come."""
    assert of_packets(tmp_path, NAME, *query("web.test", None), *query("web.test", None, 7)) == []


def test_server_that_answers_another_query_is_silent(tmp_path: Path) -> None:
    packets = [*query("web.test", None, 1), *query("web.test", 0, 2), later(query("web.test", 0, 3)[0], 2)]
    assert of_packets(tmp_path, NAME, *packets) == []


@pytest.mark.parametrize("length", range(40, 75))
def test_answer_cut_by_snap_length_names_what_is_there(length: int, tmp_path: Path) -> None:
    """The header of DNS ends behind 54 octets, its first label behind 58, the second one behind 63."""
    answer = bytes(query("web.test", 3)[1])
    findings = of_packets(tmp_path, NAME, Ether(answer[:length]))
    name = "" if length < 58 else "web" if length < 63 else "web.test"
    assert [finding["facts"]["name"] for finding in findings] == [name] * (length >= 54)


@pytest.mark.parametrize("question", [b"\x3fshort", b"\xc0\x0c", b"\x01\x1b\x00"])
def test_hostile_name_is_bounded(question: bytes, tmp_path: Path) -> None:
    """A label length beyond the packet, a pointer to itself, an escape character."""
    head = Ether(src=MAC_2, dst=MAC_1) / IP(src=SERVER, dst=CLIENT) / UDP(sport=53, dport=4)
    flags = b"\x00\x01\x81\x83\x00\x01" + bytes(6)
    (finding,) = of_packets(tmp_path, NAME, head / Raw(flags + question))
    assert finding["facts"]["name"] in ("", "\x1b")


def test_answer_before_translation_is_silent(tmp_path: Path) -> None:
    """A bridge with br_netfilter shows questions to the server's own address, and answers from the service's."""
    net = Network(["A/cni0"])
    for number in range(3):
        asked = question("api.example.com", ident=number + 1, port=40000 + number)
        net.pass_by(("A/cni0", asked.but(dst="192.168.111.129")), gap=2e6)
        net.pass_by(("A/cni0", answer(asked)))
    assert of_story(net, tmp_path, NAME) == []


def test_server_that_is_silent_over_ipv6_is_told(tmp_path: Path) -> None:
    net = Network(["pod/eth0"])
    for number in range(3):
        asked = question("api.example.com", ends="[fd00::7]:40000 > [fd00:96::a]:53", ident=number + 1)
        net.pass_by(("pod/eth0", asked), gap=2e6)
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["level"], finding["facts"]["server"]) == ("warning", "fd00:96::a")


def test_server_that_refuses_by_icmp_is_told(tmp_path: Path) -> None:
    """Nothing listens on port 53 of the server's host (ICMP port unreachable)."""
    net = Network(["pod/eth0"])
    asked = question("api.example.com")
    refusal = ping(f"{asked.dst} > {asked.src}", 0, 0, icmp=(3, 3))
    net.pass_by(("pod/eth0", asked), gap=1000)
    net.pass_by(("pod/eth0", about(refusal, asked)), gap=2e6)
    net.pass_by(("pod/eth0", ping(f"{asked.dst} > {asked.src}", 1, 1)))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["refused"] is True and "no name server" in finding["says"]


def test_single_pair_of_questions_is_silent(tmp_path: Path) -> None:
    """A and AAAA once: their answer may have passed before the capture's filter, or be lost by chance."""
    net = Network(["pod/eth0"])
    for number in range(2):
        net.pass_by(("pod/eth0", question("api.example.com", 1 + 27 * number, number + 1)))
    net.pass_by(("pod/eth0", ping("10.1.1.1 > 10.1.1.2", 1, 1)), gap=1e6)
    net.now += 3e6
    net.pass_by(("pod/eth0", ping("10.1.1.1 > 10.1.1.2", 1, 2)))
    assert of_story(net, tmp_path, NAME) == []


def test_loopback_that_refuses_names_the_resolver(tmp_path: Path) -> None:
    """A container with the host's systemd-resolved in resolv.conf; the capture ends at once."""
    net = Network(["pod/lo"])
    asked = question("api.example.com", ends="127.0.0.1:40000 > 127.0.0.53:53")
    net.pass_by(("pod/lo", asked), gap=100)
    net.pass_by(("pod/lo", about(ping("127.0.0.53 > 127.0.0.1", 0, 0, icmp=(3, 3)), asked)))
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["refused"] is True and "own loopback" in finding["fix"]


def test_load_to_the_port_of_dns_is_silent(tmp_path: Path) -> None:
    """A generator sends text to port 53: its first octets are no header that an RFC defines."""
    net = Network(["A/ens33"])
    for number in range(4):
        net.pass_by(("A/ens33", udp(f"{CLIENT}:53 > {SERVER}:53", b"Open air interface " * 3, ident=number)), gap=1e6)
    assert of_story(net, tmp_path, NAME) == []


def test_server_that_a_router_cannot_reach_is_silent(tmp_path: Path) -> None:
    """The cause is the missing route, which host-unreachable says."""
    net = Network(["A/ens33"])
    for number in range(3):
        asked = question("web.test", ident=number + 1, port=40000 + number)
        error = ping(f"192.168.100.254 > {asked.src}", 0, 0, icmp=(3, 0), ident=number + 90)
        net.pass_by(("A/ens33", asked), ("A/ens33", about(error, asked)), gap=2e6)
    report = read(net, tmp_path)
    assert named(report, NAME) == [] and len(named(report, "host-unreachable")) == 1


@pytest.mark.parametrize("is_reached", [True, False])
def test_silent_server_in_a_container_is_told_where(tmp_path: Path, is_reached: bool) -> None:
    """The questions come to its own interface: neither the way nor a published port is the cause."""
    card, inside = "A/ens33", "A/pihole/eth0"
    net = Network([card, inside])
    for number in range(3):
        asked = question("web.test", ident=number, ends=f"192.168.111.129:{40000 + number} > 192.168.111.128:53")
        handed_on = asked.routed(dst="172.18.0.2", dmac="02:42:ac:12:00:02")
        net.pass_by((card, asked), *[(inside, handed_on)] * is_reached, gap=2e6)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"].get("reached") == (inside if is_reached else None)
    assert ("Permit all origins" in finding["fix"]) == is_reached


GATEWAY, POD, OTHER = "10.244.1.1", "10.244.0.7", "10.244.0.8"


@pytest.mark.parametrize(("name", "is_cluster"), [("web.default.svc.cluster.local", True), ("web.test", False)])
def test_questions_that_another_host_rejects_is_told(tmp_path: Path, name: str, is_cluster: bool) -> None:
    """Measured: kube-proxy's rule for a name service without endpoints answers from the gateway of the pod."""
    net = Network(["A/web/eth0"])
    for number in (1, 2):
        asked = question(name, ident=number, port=40000 + number, src=POD)
        net.pass_by(("A/web/eth0", asked))
        net.pass_by(("A/web/eth0", about(ping(f"{GATEWAY} > {POD}", 0, 0, icmp=(3, 3)), asked)))
    (finding,) = of_story(net, tmp_path, NAME)
    server = finding["facts"]["server"]
    assert finding["facts"] | {"rejected_by": GATEWAY, "questions": 2, "refused": False} == finding["facts"]
    assert finding["says"] == f"{GATEWAY} rejects 2 DNS questions of {POD} to {server} (ICMP port unreachable)"
    assert ("kubectl" in finding["fix"]) == is_cluster and "without endpoints" in finding["fix"]


@pytest.mark.parametrize(
    ("served", "is_client_silent"),
    [(OTHER, True), (POD, False), ("before", True)],
    ids=["another client", "the same client", "another client before"],
)
def test_one_client_that_gets_no_answer(tmp_path: Path, served: str, is_client_silent: bool) -> None:
    """Measured: a NetworkPolicy drops the questions of one pod. One that answered before may have ended."""
    net = Network(["A/cni0"])
    client = OTHER if served == "before" else served
    asked = [question("web.test", ident=number, port=40000 + number, src=POD) for number in (1, 2)]
    others = [question("web.test", ident=9, port=50000, src=client)]
    for each in others + asked if served == "before" else asked + others:
        net.pass_by(("A/cni0", each), gap=1_500_000)
        if each in others:
            net.pass_by(("A/cni0", answer(each)), gap=1_500_000)
    findings = of_story(net, tmp_path, NAME)
    fact = "answered_before" if served == "before" else "answered"
    assert [finding["facts"].get(fact) for finding in findings] == [[OTHER]] * is_client_silent
    assert all(("and nothing since" in finding["says"]) == (served == "before") for finding in findings)

"""handshake-unfinished: SYN-ACKs that no client takes. Played with a real kernel, a filter and a card without sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Topology
from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, named, of_story
from tests.analysis.findings.sums import summed
from tests.stories import ACK, RST, SYN, Network, Packet, arp, tcp
from tests.story_reports import A, B, read

NAME = "handshake-unfinished"
V6_A, V6_B = "[fd00::128]", "[fd00::129]"
SECOND = 1e6  # µs
BOTH = ("A/ens33", "B/ens33")


class Server:
    """B answers A's SYNs; both repeat. The answers are seen at `seen` only."""

    def __init__(self, points: tuple[str, ...] = BOTH, ends: tuple[str, str] = (A, B)) -> None:
        self.net = Network(list(points))
        self.client, self.server = ends
        self.port = 40000

    def put(self, packet: Packet, points: tuple[str, ...]) -> None:
        packet = packet.but(ident=len(self.net.recorded) + 1)
        self.net.pass_by(*((point, packet) for point in points if point in self.net.points), gap=100)

    def call(
        self, seen: tuple[str, ...], *, tries: int = 3, filled: bool = True, port: int = 80, syns: int = 3
    ) -> None:
        self.port += 1
        out, back = (
            f"{self.client}:{self.port} > {self.server}:{port}",
            f"{self.server}:{port} > {self.client}:{self.port}",
        )
        for number in range(tries):
            if number < syns:
                self.put(summed(tcp(out, seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B)), BOTH)
            answer = tcp(back, seq=3, ack=8, flags=SYN | ACK, smac=CARD_B, dmac=CARD_A)
            self.put(summed(answer, is_filled=filled), seen)
            self.net.now += 1.02 * SECOND

    def serve(self, client: str = "", mac: str = CARD_A, port: int = 22) -> None:
        """A handshake that is finished."""
        self.port += 1
        client = client or self.client
        asked = tcp(f"{client}:{self.port} > {self.server}:{port}", seq=7, flags=SYN, smac=mac, dmac=CARD_B)
        back = f"{self.server}:{port} > {client}:{self.port}"
        answer = tcp(back, seq=3, ack=8, flags=SYN | ACK, smac=CARD_B, dmac=mac)
        self.put(summed(asked), BOTH)
        self.put(summed(answer), BOTH[::-1])
        self.put(summed(asked.but(seq=8, ack=4, flags=ACK)), BOTH)

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, NAME)


@pytest.mark.parametrize("ends", [(A, B), (V6_A, V6_B)], ids=["IPv4", "IPv6"])
def test_answers_lost_between_two_points_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    played = Server(ends=ends)
    played.serve()
    played.call(("B/ens33",))
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["point"], facts["next"], facts["answers"]) == ("error", "B/ens33", "A/ens33", 3)
    assert finding["says"].startswith(f"{played.server}:80 answers the SYNs of {facts['clients'][0]}, and")
    assert "none reaches A/ens33" in finding["says"]


@pytest.mark.parametrize(("way", "is_other"), [("A/tun0", True), ("C/ens33", False)])
def test_answers_by_another_interface_is_told(tmp_path: Path, way: str, is_other: bool) -> None:
    """The route to the client leads to a VPN. At another host, where they go on is no other way out of A."""
    inside, card = "A/docker0", "A/ens33"
    net = Network([card, inside, way])
    for port, last in ((40000, card), (41000, way)):
        for number in range(3):
            client = "192.168.7.9" if last == way else "192.168.111.9"
            syn = tcp(f"{client}:{port} > {A}:80", seq=port, flags=SYN, ident=port + number, dmac=CARD_A)
            answer = tcp(f"{A}:80 > {client}:{port}", seq=3, ack=port + 1, flags=SYN | ACK, ident=port + 10 + number)
            web = {"src": "172.17.0.2", "smac": "02:42:ac:11:00:02"}
            net.pass_by((card, syn), (inside, syn.routed(dst=web["src"], dmac=web["smac"])))
            net.pass_by((inside, answer.but(**web)), (last, answer.routed(smac=CARD_A, dmac=syn.smac)))
            if last == card:
                done = syn.but(seq=port + 1, ack=4, flags=ACK, ident=port + 20)
                net.pass_by((card, done), (inside, done.routed(dst=web["src"], dmac=web["smac"])))
                break
            net.now += 1.02 * SECOND
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["level"] == "error"
    assert finding["facts"].get("elsewhere") == (way if is_other else None)
    assert ("leave by A/tun0" in finding["says"]) == is_other


def test_answers_the_client_ignores_is_told(tmp_path: Path) -> None:
    played = Server()
    played.call(BOTH[::-1])
    report = read(played.net, tmp_path)
    (finding,) = named(report, NAME)
    assert finding["facts"]["next"] is None and "the SYNs go on" in finding["says"]
    assert [other["level"] for other in named(report, "retransmissions")] == ["info"]


def test_unfilled_checksum_of_the_answers_is_told(tmp_path: Path) -> None:
    """A virtual card does not fill in what the container's host leaves to it; the host's own answers are right."""
    played = Server(("A/ens33",))
    played.serve()
    played.call(("A/ens33",), filled=False)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["is_checksum_bad"]) == ("error", True)
    assert "not filled in" in finding["says"] and "ethtool -K" in finding["fix"]


def test_unfilled_checksum_where_all_are_is_no_cause(tmp_path: Path) -> None:
    """Before the card that fills them in: the answers are lost behind it for another reason."""
    played = Server(("B/ens33",))
    played.call(("B/ens33",), filled=False)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["is_checksum_bad"]) == ("warning", False)


@pytest.mark.parametrize("connections", [3, 2])
def test_client_that_gives_up_early_is_told(tmp_path: Path, connections: int) -> None:
    """Its time limit is below 1 s: the server alone repeats. Two connections may be those of a client that left."""
    played = Server()
    played.serve()
    for _ in range(connections):
        played.call(("B/ens33",), syns=1)
    findings = played.findings(tmp_path)
    assert [finding["level"] for finding in findings] == ["error"] * (connections > 2)
    assert all("9 SYN-ACKs reach B/ens33, none reaches A/ens33" in finding["says"] for finding in findings)


def test_client_that_resets_late_answers_is_silent(tmp_path: Path) -> None:
    """A time limit shorter than the round trip: the client's kernel refuses the answers that come too late."""
    played = Server()
    for _ in range(4):
        played.call(BOTH[::-1], tries=1, syns=1)
        refusal = tcp(f"{A}:{played.port} > {B}:80", seq=8, flags=RST, smac=CARD_A, dmac=CARD_B)
        played.put(summed(refusal), BOTH)
    assert played.findings(tmp_path) == []


def test_client_that_goes_on_is_silent(tmp_path: Path) -> None:
    played = Server()
    for _ in range(3):
        played.serve()
    assert played.findings(tmp_path) == []


def test_point_that_shows_one_direction_is_silent(tmp_path: Path) -> None:
    """The answers come in by another interface: this point shows nothing to the client."""
    played = Server()
    played.call(("B/ens33",))
    assert played.findings(tmp_path) == []


def test_answers_seen_under_another_address_are_silent(tmp_path: Path) -> None:
    """answer-not-translated: they come to the client's port, from the server behind."""
    played = Server()
    played.serve()
    played.call(("B/ens33",))
    other = tcp(f"10.0.0.9:80 > {A}:{played.port}", seq=3, ack=8, flags=SYN | ACK, smac=CARD_B, dmac=CARD_A)
    played.put(other, ("A/ens33",))
    assert played.findings(tmp_path) == []


def test_capture_that_ends_early_is_silent(tmp_path: Path) -> None:
    """One SYN and its answer: the client's ACK may come behind the end."""
    played = Server()
    played.call(BOTH[::-1], tries=1)
    assert played.findings(tmp_path) == []


def test_scan_is_silent(tmp_path: Path) -> None:
    """A scanner without a socket: its kernel would reset, and a firewall drops the resets."""
    played = Server()
    for port in range(1, 9):
        played.call(BOTH[::-1], port=port)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("vlan", [None, 20], ids=["one link", "two VLANs"])
def test_answers_that_go_to_another_gateway_is_told(tmp_path: Path, vlan: int | None) -> None:
    """A VPN's router brings the SYNs, and the default route leads the answers to a firewall that did not see them."""
    vpn, router = "00:50:56:c0:00:09", "00:50:56:c0:00:08"
    net = Network(["A/ens33"])
    for number in range(3):
        syn = tcp(f"10.8.0.6:40000 > {A}:8080", flags=SYN, seq=7, ident=number, ttl=63, smac=vpn, dmac=CARD_A)
        back = syn.but(ends=f"{A}:8080 > 10.8.0.6:40000", flags=SYN | ACK, ack=8, ttl=64, smac=CARD_A, dmac=router)
        net.pass_by(("A/ens33", syn), gap=100)
        net.pass_by(("A/ens33", back.but(vlan=vlan)), gap=1.02 * SECOND)
    (finding,) = of_story(net, tmp_path, NAME)
    if vlan:  # a firewall at a trunk: each link has MACs of its own
        assert "gateway" not in finding["says"]
        return
    assert f"the SYNs came from {vpn} there, and the answers go to {router}: by another gateway" in finding["says"]
    assert f"a route to 10.8.0.6 by {vpn}" in finding["fix"]


def test_answers_at_the_inside_of_a_balancer_is_told(tmp_path: Path) -> None:
    """It forwards SYNs and not their answers; its outside shows nothing but ARP the other way."""
    inside, outside = "A/lb/eth0", "A/lb/eth1"
    net = Network([inside, outside])
    net.at(0, outside, arp(1, CARD_A, A, "172.18.0.2"))
    net.at(20, outside, arp(2, "02:42:ac:12:00:02", "172.18.0.2", A, to=CARD_A))
    for number in range(4):
        syn = tcp(f"{B}:40000 > 172.18.0.2:8080", flags=SYN, seq=7, ident=number, smac=CARD_A, dmac="02:42:ac:12:00:02")
        handed_on = syn.routed(ends="10.0.0.2:40000 > 10.0.0.3:80", smac="02:42:0a:00:00:02", dmac="02:42:0a:00:00:03")
        back = handed_on.but(ends="10.0.0.3:80 > 10.0.0.2:40000", flags=SYN | ACK, ack=8, smac="02:42:0a:00:00:03")
        net.pass_by(
            (outside, syn), (inside, handed_on), (inside, back.but(dmac="02:42:0a:00:00:02")), gap=1.02 * SECOND
        )
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["facts"]["point"], finding["facts"]["next"]) == (inside, outside)


def test_unfilled_checksums_on_veth_are_no_cause(tmp_path: Path) -> None:
    """Frames between containers are not filled in; what stops the connection is something else."""
    net = Network(["A/app/eth0"])
    for number in range(3):
        syn = tcp("172.17.0.2:40000 > 172.17.0.3:80", flags=SYN, seq=7, ident=number, smac=CARD_A, dmac=CARD_B)
        back = syn.but(ends="172.17.0.3:80 > 172.17.0.2:40000", flags=SYN | ACK, ack=8, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("A/app/eth0", summed(syn, is_filled=False)), gap=100)
        net.pass_by(("A/app/eth0", summed(back, is_filled=False)), gap=1.02 * SECOND)
    (finding,) = of_story(net, tmp_path, NAME)
    assert not finding["facts"]["is_checksum_bad"]


@pytest.mark.parametrize("ack", [8, 9], ids=["told", "silent"])
def test_answers_at_a_point_without_syns_acknowledge_them(tmp_path: Path, ack: int) -> None:
    """Another host may have the same addresses and ports: the number decides."""
    server = Server((*BOTH, "B/ens34"))
    out, back = f"{A}:40001 > {B}:80", f"{B}:80 > {A}:40001"
    for _ in range(3):
        server.put(summed(tcp(out, seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B)), BOTH)
        server.put(summed(tcp(back, seq=3, ack=ack, flags=SYN | ACK, smac=CARD_B, dmac=CARD_A)), ("B/ens34",))
        server.net.now += 1.02 * SECOND
    findings = server.findings(tmp_path)
    assert [finding["facts"]["elsewhere"] for finding in findings] == (["B/ens34"] if ack == 8 else [])


@pytest.mark.parametrize("is_router", [False, True], ids=["VPN client", "router"])
def test_answers_by_the_tunnel_of_a_container_is_told(tmp_path: Path, is_router: bool) -> None:
    """The container's default route leads into its VPN. One that forwards the SYNs gets the answers instead."""
    card, inside, tunnel, wire = "A/ens33", "A/web/eth0", "A/web/tun0", "A/web/eth1"
    net = Network([card, inside, tunnel, wire])
    web, client = "172.18.0.2", "10.9.9.9:40000"
    for number in range(4):
        syn = tcp(f"{client} > {A}:8080", seq=7, flags=SYN, ident=number, smac=CARD_B, dmac=CARD_A, ttl=63)
        last = syn.routed(ends=f"{client} > {web}:80", smac="02:42:aa:00:00:01", dmac="02:42:ac:12:00:02")
        answer = last.but(ends=f"{web}:80 > {client}", seq=3, ack=8, flags=SYN | ACK, ttl=64)
        hops = [(card, syn), (inside, last)] + [(wire, last.routed(smac="02:42:ac:13:00:02"))] * is_router
        net.pass_by(*hops, (tunnel, answer), gap=1.02 * SECOND)
    (finding,) = of_story(net, tmp_path, NAME)
    way = "come in by A/web/tun0" if is_router else "leave by A/web/tun0"
    assert way in finding["says"]
    assert ("give A/web a route to 10.9.9.9 by eth0" in finding["fix"]) != is_router


def test_answers_lost_at_a_router_of_two_vlans_is_told(tmp_path: Path) -> None:
    """A trunk shows both sides of a router that translates: the answers come to it and do not leave it."""
    net, inside = Network(["trunk"]), "172.17.0.2"
    for number in range(8):
        port, is_taken = (40000, False) if number < 4 else (41000 + number, True)
        syn = tcp(f"{inside}:{port} > {B}:80", flags=SYN, seq=port, ident=number + 1, vlan=10)
        back = tcp(f"{B}:80 > {A}:{port}", flags=SYN | ACK, seq=5, ack=port + 1, ttl=63, ident=number + 50, vlan=20)
        done = syn.but(flags=ACK, seq=port + 1, ack=6, ident=number + 90)
        for packet in (syn, done) if is_taken else (syn,):
            net.pass_by(("trunk", packet), ("trunk", packet.routed(src=A, vlan=20)), gap=100)
            if packet is syn:
                answers = [back, back.routed(dst=inside, vlan=10)][: 1 + is_taken]
                net.pass_by(*(("trunk", answer) for answer in answers), gap=100)
        net.now += 1.02 * SECOND
    (finding,) = of_story(net, tmp_path, NAME)
    assert "answers the SYNs of 172.17.0.2 in vain: 4 SYN-ACKs are seen at trunk" in finding["says"]


@pytest.mark.parametrize("is_routed_back", [False, True], ids=["by the default route", "the way it came"])
def test_answers_past_a_container_that_forwards_is_told(tmp_path: Path, is_routed_back: bool) -> None:
    """wg forwards its clients to web, whose default route leads to the host; wg's own packets show no others."""
    inside, bridge, wg, web = "A/wg/eth0", "A/docker0", "02:42:ac:11:00:04", "02:42:ac:11:00:02"
    net = Network([inside, bridge])
    for number in range(4):
        syn = tcp("10.13.13.2:40000 > 172.17.0.2:80", flags=SYN, seq=7, ident=number, ttl=63, smac=wg, dmac=web)
        back = syn.but(ends="172.17.0.2:80 > 10.13.13.2:40000", flags=SYN | ACK, ack=8, ttl=64, smac=web)
        back = back.but(dmac=wg if is_routed_back else "02:42:00:00:00:01")
        net.pass_by((inside, syn), (bridge, syn), (bridge, back), gap=1.02 * SECOND)
    end = Endpoint("bridge", "eth0", wg, ["172.17.0.4/16"], kind="veth")
    known = Topology(containers=[Container("A", "wg", "1", "i", "bridge", [end])])
    findings = of_story(net, tmp_path, NAME, known)
    assert [f"the SYNs came from {wg} (wg) there" in finding["says"] for finding in findings] == (
        [] if is_routed_back else [True]
    )


@pytest.mark.parametrize("in_tunnel", [True, False])
def test_macs_inside_a_tunnel_name_no_gateway(tmp_path: Path, in_tunnel: bool) -> None:
    """Cilium sends the frames of pods in its tunnel: each has the MAC of its own pod and that of its own node's end."""
    net = Network(["A/ens33"])
    wrap, back = (((7, A, B, 50_000), (7, B, A, 50_001))) if in_tunnel else (None, None)
    for number in range(6):
        syn = tcp("10.0.1.2:4000 > 10.0.2.2:80", flags=SYN, seq=7, ident=number, smac="02:00:00:00:00:11")
        answer = tcp("10.0.2.2:80 > 10.0.1.2:4000", flags=SYN | ACK, seq=9, ack=8, ident=90 + number)
        net.pass_by(("A/ens33", syn.but(dmac="02:00:00:00:00:12", tunnel=wrap)))
        net.pass_by(("A/ens33", answer.but(smac="02:00:00:00:00:12", dmac="02:00:00:00:00:22", tunnel=back)), gap=1e6)
    (finding,) = of_story(net, tmp_path, NAME)
    assert ("gateway" in finding["says"]) != in_tunnel

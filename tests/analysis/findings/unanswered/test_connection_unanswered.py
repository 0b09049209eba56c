"""connection-unanswered: SYNs that nothing answers, and what else of the server is seen. Played with a real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, named, of_capture, of_story
from tests.stories import ACK, RST, SYN, Network, Packet, about, arp, tcp, udp
from tests.story_reports import A, B, read

NAME = "connection-unanswered"
V6_A, V6_B = "[fd00::128]", "[fd00::129]"
SECOND = 1e6  # µs
CARD_C = "02:00:c0:a8:6f:82"


class Client:
    """A calls B: at B's own interface, where C calls it too."""

    def __init__(self, points: tuple[str, ...] = ("B/ens33",), ends: tuple[str, str] = (A, B)) -> None:
        self.net = Network(list(points))
        self.client, self.server = ends
        self.port = 40000

    def put(self, packet: Packet) -> None:
        packet = packet.but(ident=len(self.net.recorded) + 1)
        self.net.pass_by(*((point, packet) for point in self.net.points), gap=100)

    def call(
        self, port: int = 80, *, tries: int = 4, answer: int | None = None, flags: int = SYN, **ends: str
    ) -> Packet:
        self.port += 1
        client = ends.get("client", self.client)
        asked = tcp(f"{client}:{self.port} > {self.server}:{port}", seq=7, flags=flags, smac=CARD_A, dmac=CARD_B)
        asked = asked.but(smac=ends.get("mac", CARD_A), dmac=ends.get("to", CARD_B))
        for _ in range(tries):
            self.put(asked)
            self.net.now += 1.02 * SECOND
        if answer is not None:
            back = asked.but(ends=f"{self.server}:{port} > {client}:{self.port}", flags=answer, seq=3, ack=8)
            self.put(back.but(smac=asked.dmac, dmac=asked.smac))
        return asked

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, NAME)


@pytest.mark.parametrize("ends", [(A, B), (V6_A, V6_B)], ids=["IPv4", "IPv6"])
def test_silent_port_of_a_server_that_lives_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    played = Client(ends=ends)
    played.call(22, tries=1, answer=SYN | ACK)
    played.call(8080)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["answers"], facts["attempts"]) == ("warning", "port", 4)
    assert "accepts connections to port 22" in finding["says"] and "would be refused" in finding["fix"]


@pytest.mark.parametrize(
    ("servers", "is_way_out"),
    [(("203.0.113.5", "198.51.100.9"), True), (("192.168.111.7", "192.168.111.9"), False), (("203.0.113.5",), False)],
    ids=["elsewhere", "on its own network", "one"],
)
def test_silent_servers_elsewhere_share_the_way_out_is_told(
    tmp_path: Path, servers: tuple[str, ...], is_way_out: bool
) -> None:
    played = Client(points=("A/ens33",))
    for server in servers:
        played.server = server
        played.call(443)
    (finding,) = played.findings(tmp_path)
    assert ("the way out of 192.168.111.128, which all 2 share" in finding["fix"]) == is_way_out
    assert ("none of these servers answered anything else" in finding["says"]) == is_way_out


def test_silent_port_at_the_servers_interface_is_an_error(tmp_path: Path) -> None:
    """Two clients show whose interface it is."""
    played = Client()
    played.call(22, tries=1, answer=SYN | ACK)
    played.call(22, tries=1, answer=SYN | ACK, client="192.168.111.130", mac=CARD_C)
    played.call(8080)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["is_at_server"]) == ("error", True)
    assert "the server's own interface" in finding["says"]


def test_server_that_says_nothing_at_all_is_told(tmp_path: Path) -> None:
    """Two ports and two servers of one client: one cause, one finding."""
    played = Client(("A/ens33",))
    played.call(80)
    played.call(443)
    played.server = "192.168.111.131"
    played.call(80)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["answers"], finding["facts"]["connections"]) == ("warning", "nothing", 3)


def test_server_that_accepted_until_then_is_told(tmp_path: Path) -> None:
    played = Client()
    played.call(answer=SYN | ACK, tries=1)
    played.call()
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["answers"] == "before" and "none since" in finding["says"]


@pytest.mark.parametrize("ends", [(A, B), (V6_A, V6_B)], ids=["IPv4", "IPv6"])
def test_client_that_gives_up_early_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    """A health check with a time limit below 1 s: one SYN of each connection."""
    played = Client(ends=ends)
    played.call(22, tries=1, answer=SYN | ACK)
    for _ in range(3):
        played.call(8080, tries=1)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (facts["answers"], facts["connections"], facts["attempts"]) == ("port", 3, 3)


@pytest.mark.parametrize(("connections", "pause"), [(2, 5.0), (6, 0.0)], ids=["two", "at once"])
def test_few_single_syns_are_silent(tmp_path: Path, connections: int, pause: float) -> None:
    """Two connections, or what a browser opens side by side."""
    played = Client()
    for _ in range(connections):
        played.call(tries=0)
        played.put(tcp(f"{A}:{played.port} > {B}:80", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B))
        played.net.now += pause * SECOND
    assert played.findings(tmp_path) == []


def test_single_syns_between_accepted_ones_are_silent(tmp_path: Path) -> None:
    """A server drops every third SYN: no three in a row."""
    played = Client()
    for number in range(12):
        played.call(tries=1, answer=None if number % 3 == 0 else SYN | ACK)
    assert played.findings(tmp_path) == []


def test_other_client_that_is_accepted_is_named(tmp_path: Path) -> None:
    played = Client()
    played.call(answer=SYN | ACK, tries=1, client="192.168.111.130", mac=CARD_C)
    played.call()
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["answers"] == "others" and "of 192.168.111.130" in finding["says"]


def test_retransmissions_of_the_syns_are_explained(tmp_path: Path) -> None:
    played = Client()
    played.call()
    report = read(played.net, tmp_path)
    assert [finding["level"] for finding in named(report, "retransmissions")] == ["info"]


@pytest.mark.parametrize("answer", [SYN | ACK, RST | ACK], ids=["accepted late", "refused"])
def test_syn_that_is_answered_in_the_end_is_silent(tmp_path: Path, answer: int) -> None:
    played = Client()
    played.call(answer=answer)
    assert played.findings(tmp_path) == []


def test_syn_that_icmp_answers_is_silent(tmp_path: Path) -> None:
    played = Client()
    asked = played.call()
    played.put(about(Packet("icmp", "192.168.111.1", A, icmp=(3, 13)), asked))
    assert played.findings(tmp_path) == []


def test_single_syn_is_silent(tmp_path: Path) -> None:
    """Its answer may come after the capture."""
    played = Client()
    played.call(tries=1)
    assert played.findings(tmp_path) == []


def test_scan_is_silent(tmp_path: Path) -> None:
    played = Client()
    for port in range(1, 9):
        played.call(port, tries=2)
    assert played.findings(tmp_path) == []


def test_one_direction_of_a_connection_is_silent(tmp_path: Path) -> None:
    """The answers take another way: data follows the SYN."""
    played = Client()
    asked = played.call(tries=2)
    played.put(asked.but(flags=ACK, seq=8, ack=4, payload=b"GET / HTTP/1.0\r\n\r\n"))
    assert played.findings(tmp_path) == []


def test_datagrams_without_an_answer_are_silent(tmp_path: Path) -> None:
    played = Client()
    for _ in range(4):
        played.put(udp(f"{A}:40000 > {B}:514", b"log"))
        played.net.now += SECOND
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("is_gateway", [True, False], ids=["gateway", "the server itself"])
def test_other_gateway_of_those_accepted_is_told(tmp_path: Path, is_gateway: bool) -> None:
    """A container's default gateway is a host that forwards nothing; its own host has the right one."""
    played = Client(("A/ens33",))
    played.call(answer=SYN | ACK, tries=1, client="192.168.111.130", mac=CARD_C, to="02:00:00:00:00:fe")
    time, point, answer = played.net.recorded.pop()
    assert isinstance(answer, Packet)
    played.net.at(time, point, answer.routed() if is_gateway else answer)  # with its first TTL, it is the sender's MAC
    played.call()
    (finding,) = played.findings(tmp_path)
    if not is_gateway:
        assert "gateway" not in finding["says"]
        return
    assert f"sent to 02:00:00:00:00:fe, these to {CARD_B}" in finding["says"] and "compare the routes" in finding["fix"]


@pytest.mark.parametrize("shown", ["two VLANs", "both sides of a router"])
def test_next_hops_of_several_links_are_no_gateways(tmp_path: Path, shown: str) -> None:
    """A mirror of several ports: on another link the same server is reached by another MAC in any case."""
    played = Client(("mirror",))
    other = "192.168.111.130"
    played.call(answer=SYN | ACK, tries=1, client=other, mac=CARD_C, to="02:00:00:00:00:fe")
    if shown == "two VLANs":
        own = [(time, point, packet) for time, point, packet in played.net.recorded if isinstance(packet, Packet)]
        played.net.recorded = [(time, point, packet.but(vlan=20)) for time, point, packet in own]
    else:
        packet = udp(f"{other}:40000 > {B}:514", b"log", ident=77, smac=CARD_C, dmac="02:00:00:00:00:fe")
        played.net.pass_by(("mirror", packet), ("mirror", packet.routed(smac="02:00:00:00:00:fd", dmac=CARD_B)))
    played.call()
    (finding,) = played.findings(tmp_path)
    assert "gateway" not in finding["says"] and f"accepted 1 connection of {other}" in finding["says"]


@pytest.mark.parametrize("case", ["neighbours", "masqueraded", "routed", "bridge"])
def test_dnat_back_to_the_network_of_the_client_is_told(tmp_path: Path, case: str) -> None:
    """NAT loopback without masquerade, at the router. Not behind another router, nor at a bridge that may translate."""
    point, web, client = "A/docker0" if case == "bridge" else "R/eth0", "192.168.111.7", "192.168.111.130"
    net = Network([point])
    for number in range(4):
        ttl = 63 if case == "routed" else 64
        syn = tcp(f"{client}:41000 > {A}:8080", flags=SYN, seq=7, ident=number + 1, ttl=ttl, smac=CARD_C, dmac=CARD_A)
        behind = syn.routed(ends=f"{client}:41000 > {web}:80", smac=CARD_A, dmac=CARD_B)
        net.pass_by((point, syn), (point, behind.but(src=A) if case == "masqueraded" else behind), gap=1.02 * SECOND)
    (finding,) = of_story(net, tmp_path, NAME)
    assert ("past the host that translates" in finding["says"]) == (case == "neighbours")
    assert ("MASQUERADE" in finding["fix"]) == (case == "neighbours")


def test_ipv6_before_ipv4_that_works_is_told(tmp_path: Path) -> None:
    """A client prefers IPv6, waits, and connects by IPv4."""
    played = Client()
    for _ in range(2):
        played.client, played.server = V6_A, V6_B
        played.call(443, tries=2)
        played.client, played.server = A, B
        played.call(443, tries=1, answer=SYN | ACK)
    (finding,) = played.findings(tmp_path)
    assert f"connected to {B} by IPv4" in finding["says"] and "AAAA" in finding["fix"]


def behind_dnat(*servers: str, answers: bool = False) -> Network:
    """Clients call A:8080 by its card; behind DNAT, at docker0, the SYNs go to these servers in turn."""
    net = Network(["A/ens33", "A/docker0"])
    for number, server in enumerate(servers):
        syn = tcp(f"{B}:{41000 + number} > {A}:8080", flags=SYN, seq=7, smac=CARD_B, dmac=CARD_A)
        for attempt in range(4):
            syn = syn.but(ident=100 * number + attempt)
            inside = syn.routed(ends=f"{B}:{41000 + number} > {server}:80", smac=BRIDGE, dmac=CONTAINER)
            net.pass_by(("A/ens33", syn), ("A/docker0", inside), gap=1.02 * SECOND)
    if answers:
        hello = tcp(f"{B}:50000 > {A}:22", flags=SYN, seq=1, ident=900, smac=CARD_B, dmac=CARD_A)
        back = tcp(f"{A}:22 > {B}:50000", flags=SYN | ACK, seq=1, ack=2, ident=901, smac=CARD_A, dmac=CARD_B)
        net.pass_by(("A/ens33", hello))
        net.pass_by(("A/ens33", back))
    return net


BRIDGE, CONTAINER = "02:42:00:00:00:01", "02:42:ac:11:00:02"


def test_backend_behind_dnat_that_is_silent_is_told(tmp_path: Path) -> None:
    """Host A answers on another port itself: that says nothing of the container behind the published port."""
    (finding,) = of_story(behind_dnat("172.17.0.2", answers=True), tmp_path, NAME)
    facts = finding["facts"]
    assert (facts["server"], facts["backends"], facts["point"]) == (A, ["172.17.0.2:80"], "A/docker0")
    assert facts["answers"] == "nothing"
    assert f"{A}:8080, which DNAT sends to 172.17.0.2:80, got no answer" in finding["says"]
    assert finding["fix"].startswith("look at 172.17.0.2 itself, behind A/docker0")


def test_backends_of_one_service_are_all_named(tmp_path: Path) -> None:
    """A service with two servers, and both are silent."""
    (finding,) = of_story(behind_dnat("172.17.0.2", "172.17.0.3"), tmp_path, NAME)
    assert finding["facts"]["backends"] == ["172.17.0.2:80", "172.17.0.3:80"]
    assert finding["facts"]["attempts"] == 8


def test_server_without_dnat_names_no_backend(tmp_path: Path) -> None:
    played = Client()
    played.call(8080)
    (finding,) = played.findings(tmp_path)
    assert "backends" not in finding["facts"] and "DNAT" not in finding["says"]


@pytest.mark.parametrize(("port", "is_named"), [(32204, True), (8080, False)])
def test_other_node_of_a_node_port_is_told(tmp_path: Path, port: int, is_named: bool) -> None:
    """Another address accepts the client on the same port; only NodePorts are one service on each node."""
    played = Client()
    other = Client(ends=(A, "192.168.111.130"))
    other.net = played.net
    other.call(port, tries=1, answer=SYN | ACK)
    other.port, played.port = 42000, 41000
    played.call(port)
    other.call(port, tries=1, answer=SYN | ACK)
    (finding,) = played.findings(tmp_path)
    assert ("192.168.111.130 accepts connections to the same port" in finding["says"]) is is_named
    assert ("externalTrafficPolicy" in finding["fix"]) is is_named


def test_peers_of_the_internet_are_no_node_port(tmp_path: Path) -> None:
    """Programs that talk with peers use such ports, too."""
    played = Client(ends=(A, "5.1.83.226"))
    other = Client(ends=(A, "3.209.45.79"))
    other.net, other.port = played.net, 42000
    other.call(30303, tries=1, answer=SYN | ACK)
    played.call(30303)
    (finding,) = played.findings(tmp_path)
    assert "externalTrafficPolicy" not in finding["fix"] and "3.209.45.79" not in finding["says"]


@pytest.mark.parametrize("is_asked", [True, False], ids=["its MAC is asked for", "no question for its MAC"])
def test_server_that_goes_down_is_told(tmp_path: Path, is_asked: bool) -> None:
    """It refuses the port while it stops, then says nothing: neither is it up, nor does it refuse the same port."""
    played = Client()
    played.call(80, tries=1, answer=RST | ACK)
    played.call(443, tries=1, answer=SYN | ACK, client="192.168.111.130", mac=CARD_C)
    played.call(80)
    if is_asked:
        for _ in range(3):
            played.net.at(played.net.now, "B/ens33", arp(1, CARD_A, A, B))
            played.net.now += SECOND
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["answers"] == "gone") is is_asked
    assert ("it is down" in finding["says"] and "own interface" not in finding["says"]) is is_asked
    assert finding["level"] == ("warning" if is_asked else "error") and "refuses" not in finding["says"]


def test_port_that_was_refused_before_is_told(tmp_path: Path) -> None:
    played = Client()
    played.call(80, tries=1, answer=RST | ACK)
    played.call(80)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["answers"]) == ("warning", "refused")
    assert "refused connections to this port before" in finding["says"] and "is up" not in finding["says"]


@pytest.mark.parametrize(
    ("ways", "direction"),
    [((3, 0), "received"), ((0, 4), "sent"), ((3,), None), (None, None)],
    ids=["the bridge's own host", "a router", "a frame for others", "Ethernet"],
)
def test_any_capture_tells_what_its_host_did(
    ways: tuple[int, ...] | None, direction: str | None, tmp_path: Path
) -> None:
    """The packet types (packet(7)) of a SYN at each interface that shows it: 0 to this host, 3 to others, 4 sent."""
    net = Network(["any"], cooked=set() if ways is None else {"any"})
    for number in range(4):
        asked = tcp(f"{A}:40000 > {B}:80", seq=7, flags=SYN, ident=number + 1, smac=CARD_A, dmac=CARD_B)
        for copy, way in enumerate(ways or (0,)):
            net.at(number * 1.02 * SECOND + 9 * copy, "any", asked if ways is None else asked.cooked(way))
    (finding,) = of_story(net, tmp_path, NAME)
    assert (finding["level"], finding["facts"].get("host")) == ("warning", direction)
    assert (f"whose host {direction} them" in finding["says"]) is (direction is not None)
    assert ("drops them on that host" in finding["fix"]) is (direction == "received")


@pytest.mark.parametrize("version", ["SLL", "SLL2"])
@pytest.mark.parametrize(
    ("name", "direction"), [("forward-drop", "received"), ("input-drop", "received"), ("no-way-back", "sent")]
)
def test_recorded_any_capture_tells_what_its_host_did(name: str, direction: str, version: str) -> None:
    """Truth: the counters of the rules, in `at_any/README.md`: a SYN and three retries."""
    (finding,) = of_capture(f"tests/analysis/findings/unanswered/at_any/{name}.{version}.pcap", NAME)
    assert (finding["facts"]["attempts"], finding["facts"]["host"]) == (4, direction)


@pytest.mark.parametrize("others", [12, 4])
def test_scan_of_neighbouring_addresses_is_silent(tmp_path: Path, others: int) -> None:
    """One client tries the port of one address after the other; of a few servers, it says what is silent."""
    played = Client()
    for number in range(others):
        played.server = f"159.79.23.{60 + number}"
        played.call(21, tries=2)
    assert (played.findings(tmp_path) == []) is (others == 12)


def behind_nat(ahead: int, behind: int, *, ticks: float = 1000, rounds: int = 3) -> Client:
    """Two hosts call by turns from one address; the server answers the one, whose timestamps begin at `ahead`."""
    played = Client()

    def stamped(start: int) -> int:
        return int(start + ticks * played.net.now / SECOND) & 0xFFFFFFFF

    for _ in range(rounds):
        for start, is_answered in ((ahead, True), (behind, False)):
            asked = tcp(f"{A}:{played.port} > {B}:80", seq=7, flags=SYN, smac=CARD_A, dmac=CARD_B)
            for _ in range(1 if is_answered else 4):
                played.put(asked.but(tsval=stamped(start)))
                played.net.now += (0.1 if is_answered else 1.02) * SECOND
            if is_answered:
                back = asked.but(ends=f"{B}:80 > {A}:{played.port}", flags=SYN | ACK, seq=3, ack=8)
                played.put(back.but(smac=CARD_B, dmac=CARD_A))
            played.port += 1
    return played


@pytest.mark.parametrize("ahead", [900_000_000, 100_000])
def test_timestamps_behind_those_accepted_is_told(tmp_path: Path, ahead: int) -> None:
    """The clock that is ahead may have begun anew (RFC 7323 section 5.2)."""
    (finding,) = behind_nat(ahead, (ahead - 500_000) & 0xFFFFFFFF).findings(tmp_path)
    assert "TCP timestamps of those are ahead" in finding["says"] and "tcp_tw_recycle" in finding["fix"]


@pytest.mark.parametrize(
    ("ahead", "behind", "ticks"), [(100_000, 900_000_000, 1000), (900_000_000, 100_000, 5000), (7, 7, 1000)]
)
def test_timestamps_that_decide_nothing_is_silent(tmp_path: Path, ahead: int, behind: int, ticks: float) -> None:
    """The host that is ahead gets no answer; no clock ticks so; one host calls."""
    (finding,) = behind_nat(ahead, behind, ticks=ticks).findings(tmp_path)
    assert "timestamps" not in finding["says"] and "tcp_tw_recycle" not in finding["fix"]

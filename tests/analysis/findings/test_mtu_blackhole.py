"""mtu-blackhole: large packets that vanish where small ones pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, of_story
from tests.conftest import PROJECT
from tests.stories import ACK, FIN, PSH, SYN, Network, Packet, about, ping, tcp
from tests.story_reports import C1, A, B


def pings(folder: Path, sizes: dict[int, bool], refused: bool = False) -> Findings:
    """The findings about two pings of each of these IP lengths, and whether they arrive; `refused`: by ICMP."""
    net = Network(["A/ens33", "B/ens33"])
    number = 0
    for size, arrives in [*sizes.items(), (84, True)]:
        for _ in range(2):
            number += 1
            packet = ping(f"{A} > {B}", 5, number, bytes(size - 28), ident=number)
            net.pass_by(*((point, packet) for point in net.points[: 1 + arrives]))
    if refused:
        net.pass_by(("A/ens33", about(ping(f"192.168.111.1 > {A}", 0, 0, icmp=(3, 4)), packet)))
    return of_story(net, folder, "mtu-blackhole")


@pytest.mark.parametrize("refused", [False, True])
def test_large_packets_lost_where_small_pass_is_told(tmp_path: Path, refused: bool) -> None:
    (finding,) = pings(tmp_path, {100: True, 1400: True, 1450: False, 1500: False}, refused)
    facts = finding["facts"]
    assert (finding["level"], facts["passes"], facts["fails"], facts["packets"]) == ("error", 1400, 1450, 4)
    assert (facts["from"], facts["to"]) == ("A/ens33", "B/ens33")
    assert facts["told_by"] == (["192.168.111.1"] if refused else [])
    assert [frame["frame"] for frame in finding["evidence"]] == [9, 10, 11]


@pytest.mark.parametrize("into", [True, False])
def test_large_packets_lost_at_a_tunnel_is_told(tmp_path: Path, into: bool) -> None:
    """One point shows packets outside and inside of a tunnel, as `any` does: it has no way from itself to itself."""
    net = Network(["node"])
    number = 0
    for size, arrives in {100: True, 1350: True, 1400: False, 1450: False, 84: True}.items():
        for _ in range(3):
            number += 1
            packet = ping("10.0.1.2 > 10.0.2.3", 5, number, bytes(size - 28), ident=number)
            inside = packet.but(tunnel=(1, A, B, 50_000)).carrier()
            forms = [packet, inside] if into else [inside, packet]
            net.pass_by(*(("node", form) for form in forms[: 1 + arrives]))
    (finding,) = of_story(net, tmp_path, "mtu-blackhole")
    end = "inside" if into else "outside"
    assert f"never got from node to the {end} of the tunnel there, up to 1350 bytes did" in finding["says"]


def test_large_packets_lost_at_a_router_of_two_vlans_is_told(tmp_path: Path) -> None:
    """A router at a trunk: what comes in one VLAN goes out in the other one."""
    net = Network(["trunk"])
    number = 0
    for size, arrives in {100: True, 1350: True, 1400: False, 1450: False, 84: True}.items():
        for _ in range(3):
            number += 1
            packet = ping("10.0.1.2 > 10.0.2.3", 5, number, bytes(size - 28), ident=number, vlan=10)
            behind = packet.routed(vlan=20, src="10.0.2.1", smac="02:00:00:00:00:02", dmac="02:00:00:00:00:03")
            net.pass_by(*(("trunk", form) for form in [packet, behind][: 1 + arrives]))
    (finding,) = of_story(net, tmp_path, "mtu-blackhole")
    assert "never got from trunk to the other side of the router there, up to 1350 bytes did" in finding["says"]


@pytest.mark.parametrize(
    "sizes",
    [{100: True, 1400: True, 1500: True}, {100: True, 1400: False, 1500: True}],
    ids=["all arrive", "loss by chance"],
)
def test_other_losses_is_silent(tmp_path: Path, sizes: dict[int, bool]) -> None:
    assert pings(tmp_path, sizes) == []


def test_path_that_carries_nothing_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    for number in range(4):
        net.pass_by(("A/ens33", ping(f"{A} > {B}", 5, number, bytes(1400 * (number % 2)), ident=number + 1)))
    assert of_story(net, tmp_path, "mtu-blackhole") == []


V4 = (f"{A}:443 > {C1}:40000", f"{C1}:40000 > {A}:443")
V6 = ("[fd00::1]:443 > [fd00::2]:40000", "[fd00::2]:40000 > [fd00::1]:443")
FULL = 1448  # an MSS of 1460 less the timestamps option
SECOND = 1e6


class Connection:
    """A server A sends to a client over one point; times in µs, sequence numbers from 1."""

    def __init__(self, point: str = "host/ens33", ends: tuple[str, str] = V4, mss: int = 1460) -> None:
        self.net = Network([point])
        self.out, self.back = ends
        self.time = 0.0
        self.request(flags=SYN, seq=0, mss=mss)
        self.response(flags=SYN | ACK, seq=0, ack=1, mss=mss)
        self.request(seq=1, ack=1)
        self.request(bytes(500), ack=1, flags=PSH | ACK)

    def request(self, payload: bytes = b"", **more: object) -> None:
        self.put(tcp(self.back, payload, **{"seq": 501 if not payload else 1, "tsval": 7, **more}))  # type: ignore[arg-type]

    def response(self, payload: bytes = b"", **more: object) -> None:
        self.put(tcp(self.out, payload, **{"seq": 1, "ack": 501, "tsval": 9, **more}))  # type: ignore[arg-type]

    def put(self, packet: Packet) -> None:
        self.time += 50
        self.net.at(self.time, self.net.points[0], packet.but(ident=round(self.time) % 60_000 + 1))

    def findings(self, folder: Path) -> Findings:
        return of_story(self.net, folder, "mtu-blackhole")


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
def test_full_segments_that_never_come_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    """At the client's card: a short segment comes behind a hole of two full ones, which stays."""
    played = Connection(ends=ends)
    full = FULL
    played.response(bytes(1200), seq=1 + 2 * full)
    played.request(ack=1)
    played.time += 5 * SECOND
    played.request(ack=1, flags=FIN | ACK)
    (finding,) = played.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["octets"], facts["segment"], facts["passed"]) == ("error", 2 * full, full, 1200)
    assert (facts["mss"], facts["told_by"]) == (1460, [])


def test_many_servers_of_one_client_is_told_once(tmp_path: Path) -> None:
    """The MTU near the client stops the full segments of each."""
    played = Connection()
    net, servers = Network(played.net.points), [f"198.51.100.{last}" for last in (10, 20, 30)]
    for server in servers:
        played = Connection(ends=(f"{server}:443 > {A}:40000", f"{A}:40000 > {server}:443"))
        played.response(bytes(1200), seq=1 + 2 * FULL)
        played.request(ack=1)
        played.time += 5 * SECOND
        played.request(ack=1, flags=FIN | ACK)
        net.recorded += played.net.recorded
    (finding,) = of_story(net, tmp_path, "mtu-blackhole")
    facts = finding["facts"]
    assert (facts["sources"], facts["destinations"], facts["connections"]) == (servers, [A], 3)
    assert facts["octets"] == 6 * FULL


def repeating(played: Connection, size: int = FULL, short: int = 1, acks: int = 1, tries: int = 4) -> None:
    """At the server's card: two full segments and `short` ones behind them; the first one again after 200 ms …"""
    played.response(bytes(size))
    played.response(bytes(size), seq=1 + size)
    for number in range(short):
        played.response(bytes(100), seq=1 + 2 * size + 100 * number)
    for _ in range(acks):
        played.request(ack=1)
    for number in range(tries):
        played.time += 0.2 * SECOND * 2**number
        played.response(bytes(size))


def test_full_segment_that_is_repeated_is_told(tmp_path: Path) -> None:
    played = Connection()
    repeating(played)
    (finding,) = played.findings(tmp_path)
    assert (finding["level"], finding["facts"]["octets"], finding["facts"]["passed"]) == ("error", 2 * FULL, 100)


def test_offload_segment_that_is_repeated_is_told(tmp_path: Path) -> None:
    """The card cuts 2 × 1448 + 1104 octets; its tap shows them whole, and the repeats as the stack cuts them."""
    played = Connection()
    played.response(bytes(4000))
    played.request(ack=1)
    for number in range(4):
        played.time += 0.2 * SECOND * 2**number
        played.response(bytes(FULL))
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["octets"], finding["facts"]["passed"]) == (2 * FULL, 1104)


def test_smaller_mss_that_passes_is_told(tmp_path: Path) -> None:
    """The host's own connection to the same server announced less and got everything: the difference is the MTU."""
    played = Connection()
    played.response(bytes(1200), seq=1 + 2 * FULL)
    played.request(ack=1)
    own = Connection(ends=(f"{A}:443 > {B}:40000", f"{B}:40000 > {A}:443"), mss=1410)
    for number in range(3):
        own.response(bytes(1398), seq=1 + 1398 * number)
        own.request(ack=1 + 1398 * (number + 1))
    played.net.recorded += own.net.recorded
    played.time += 5 * SECOND
    played.request(ack=1, flags=FIN | ACK)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["smaller_mss"] == 1410
    assert "a connection with an MSS of 1410 got everything" in finding["says"]


def test_other_full_segments_that_arrive_is_silent(tmp_path: Path) -> None:
    """Each of nine full segments behind a lost one is answered: they pass. Then the path breaks for all."""
    played = Connection()
    for number in range(10):
        played.response(bytes(FULL), seq=1 + FULL * number)
    played.response(bytes(100), seq=1 + FULL * 10)
    repeating(played, short=0, acks=10)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("is_at_sender", [False, True], ids=["near the client", "near the server"])
def test_full_segments_of_other_connection_arrive_is_silent(tmp_path: Path, is_at_sender: bool) -> None:
    """The path takes them: between the same hosts, some are lost and others arrive."""
    played = Connection()
    if is_at_sender:
        repeating(played)
    else:
        played.response(bytes(1200), seq=1 + 2 * FULL)
        played.request(ack=1)
        played.time += 5 * SECOND
        played.request(ack=1, flags=FIN | ACK)
    assert played.findings(tmp_path)
    other = Connection(ends=(V4[0].replace("40000", "40001"), V4[1].replace("40000", "40001")))
    other.response(bytes(FULL))
    other.request(ack=1 + FULL)
    played.net.recorded += other.net.recorded
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("size", [1440, 2 * FULL], ids=["shorter", "joined by GRO"])
def test_shorter_segments_of_other_connection_is_told(tmp_path: Path, size: int) -> None:
    played = Connection()
    played.response(bytes(1200), seq=1 + 2 * FULL)
    played.request(ack=1)
    played.time += 5 * SECOND
    played.request(ack=1, flags=FIN | ACK)
    other = Connection(ends=(V4[0].replace("40000", "40001"), V4[1].replace("40000", "40001")))
    other.response(bytes(size))
    other.request(ack=1 + size)
    played.net.recorded += other.net.recorded
    assert len(played.findings(tmp_path)) == 1


def test_server_that_gets_no_answer_is_silent(tmp_path: Path) -> None:
    """Short or full, nothing is acknowledged any more: the other side is gone."""
    played = Connection()
    repeating(played, acks=0)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("is_meanwhile", [True, False])
def test_full_segments_beside_small_packets_are_told(tmp_path: Path, is_meanwhile: bool) -> None:
    """All of the first flight is full, so that nothing behind it arrives; pings of both ends pass meanwhile."""
    played = Connection()
    played.response(bytes(FULL))
    played.response(bytes(FULL), seq=1 + FULL)
    for number in range(4):
        played.time += 0.2 * SECOND * 2**number
        played.response(bytes(FULL))
        if number == 2 and is_meanwhile:
            asked = ping(played.back.replace(":40000", "").replace(":80", ""), 7, 1)
            played.put(asked)
            played.put(asked.but(src=asked.dst, dst=asked.src, icmp=(0, 0)))
    findings = played.findings(tmp_path)
    assert [finding["level"] for finding in findings] == (["warning"] if is_meanwhile else [])
    assert all("packets of up to 84 bytes between them are answered" in finding["says"] for finding in findings)


def test_segments_that_shrink_is_silent(tmp_path: Path) -> None:
    """ICMP arrived, or the sender probes (RFC 4821): it cuts smaller, and goes on."""
    played = Connection()
    repeating(played, tries=2)
    played.response(bytes(1000))
    played.request(ack=1001)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("size", [FULL, 700])
def test_loss_that_is_repaired_is_silent(tmp_path: Path, size: int) -> None:
    played = Connection()
    played.response(bytes(1200), seq=1 + 2 * size)
    played.request(ack=1)
    played.time += 0.3 * SECOND
    for number in range(2):
        played.response(bytes(size), seq=1 + size * number)
    played.request(ack=1201 + 2 * size)
    played.time += 5 * SECOND
    played.request(ack=1201 + 2 * size, flags=FIN | ACK)
    assert played.findings(tmp_path) == []


def test_hole_of_a_short_segment_is_silent(tmp_path: Path) -> None:
    """700 octets never come either: whatever drops them, it is not their size."""
    played = Connection()
    played.response(bytes(1200), seq=701)
    for _ in range(2):
        played.request(ack=1)
        played.time += 2 * SECOND
    played.request(ack=1, flags=FIN | ACK)
    assert played.findings(tmp_path) == []


def test_hole_that_the_receiver_has_not_is_silent(tmp_path: Path) -> None:
    """The receiver acknowledges all of it: only the capture lacks the full segments."""
    played = Connection()
    played.response(bytes(1200), seq=1 + 2 * FULL)
    played.request(ack=1201 + 2 * FULL)
    played.time += 5 * SECOND
    played.request(ack=1201 + 2 * FULL, flags=FIN | ACK)
    assert played.findings(tmp_path) == []


def test_hole_with_one_repeated_ack_is_told(tmp_path: Path) -> None:
    """At the server's card, a long ClientHello: what is behind its first segment comes, and is answered once."""
    played = Connection()
    played.net.recorded = [row for row in played.net.recorded if not row[2].payload]  # type: ignore[union-attr]
    played.request(bytes(352), seq=1 + FULL, ack=1, flags=PSH | ACK)
    played.response(ack=1, seq=1)
    played.time += 3 * SECOND
    played.put(tcp("10.9.9.1:1 > 10.9.9.2:2"))
    (finding,) = played.findings(tmp_path)
    assert (finding["facts"]["octets"], finding["facts"]["passed"]) == (FULL, 352)


def test_single_segment_far_ahead_is_silent(tmp_path: Path) -> None:
    """A segment outside of the window is answered by one ACK as well."""
    played = Connection()
    played.net.recorded = [row for row in played.net.recorded if not row[2].payload]  # type: ignore[union-attr]
    played.request(bytes(352), seq=1 + 2000 * FULL, ack=1, flags=PSH | ACK)
    played.response(ack=1, seq=1)
    played.time += 3 * SECOND
    played.put(tcp("10.9.9.1:1 > 10.9.9.2:2"))
    assert played.findings(tmp_path) == []


def test_answers_recorded_twice_is_silent(tmp_path: Path) -> None:
    """A capture at `any` shows each packet twice: one late acknowledgment is no repeated one."""
    played = Connection()
    played.response(bytes(100))
    played.response(bytes(FULL), seq=101)
    played.response(bytes(100), seq=101 + FULL)
    played.request(ack=101)  # of the first octets; then the client is gone
    for number in range(4):
        played.time += 0.2 * SECOND * 2**number
        played.response(bytes(FULL), seq=101)
    played.net.recorded = [(time + copy, *rest) for time, *rest in played.net.recorded for copy in (0, 20)]
    assert played.findings(tmp_path) == []


def test_overlay_on_a_narrow_path_is_told() -> None:
    """The tunnel takes other ports after each timeout: these flows, all of them long, are lost as a whole."""
    found = analyze(PROJECT / "tests/analysis/findings/recorded/swarm-mtu/both.pcapng").to_dict()["findings"]
    (finding,) = [each for each in found if each["level"] != "info"]
    facts = finding["facts"]
    assert (finding["name"], facts["from"], facts["to"]) == ("mtu-blackhole", "A/ens33", "B/ens33")
    assert (facts["passes"], facts["fails"], facts["packets"]) == (60, 1450, 16)  # inside of the tunnel
    assert "com.docker.network.driver.mtu=" in finding["fix"]


def test_small_packets_that_a_filter_drops_is_silent() -> None:
    """Recorded: packets with a word are lost, of 76 bytes where 60 pass; no path has an MTU as small as that."""
    paths = sorted((PROJECT / "tests/analysis/findings/recorded/content-filter").glob("*.pcap"))
    assert "mtu-blackhole" not in {finding.name for finding in analyze(paths).findings}

"""retransmissions: TCP segments sent again, and those that only look so."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import named, of_capture, of_story
from tests.conftest import PROJECT
from tests.stories import ACK, RST, SYN, Network, ping, tcp
from tests.story_reports import A, B, read


def segments(net: Network, first: int, order: list[int], gap: float = 100.0) -> None:
    """Segments of 1000 octets in this order, seen at both ends of the wire."""
    for number in order:
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=first + 1000 * number, ident=round(net.now / 100) % 60_000)
        net.pass_by(("A/ens33", segment), ("B/ens33", segment), gap=gap)


def test_segment_sent_again_later_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    segments(net, 0, list(range(8)))
    net.now += 2e5
    segments(net, 0, [3, 4, 5, 8])
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert (finding["level"], finding["facts"]) == ("warning", {"segments": {"A/ens33": 3, "B/ens33": 3}})
    assert [frame["frame"] for frame in finding["evidence"]] == [17, 18]  # the second sending, not the flow's beginning


@pytest.mark.parametrize(("again", "level"), [(1, "info"), (3, "warning")], ids=["one", "three of one connection"])
def test_few_segments_among_many_is_told_as_info(tmp_path: Path, again: int, level: str) -> None:
    """Beside a connection with 1,000 packets: a lost segment is no problem, a connection that loses three is one."""
    net = Network(["A/ens33"])
    for number in range(1000):
        other = tcp(f"{A}:6666 > {B}:80", b"x", seq=number, ident=number)
        net.pass_by(("A/ens33", other))
    for number in (*range(100), *range(again)):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(100), seq=100 * number, ident=round(net.now / 1000) % 60_000)
        net.pass_by(("A/ens33", segment))
        net.now += 2e5 * (number == 99)
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert (finding["level"], finding["facts"]) == (level, {"segments": {"A/ens33": again}})
    assert (finding["fix"] is None) == (level == "info")
    assert ("among" in finding["says"]) == (level == "info")


@pytest.mark.parametrize(
    ("mss", "again", "level"),
    [(1460, 1460, "info"), (None, 1460, "info"), (65_000, 20_000, "warning"), (1460, 20_000, "warning")],
    ids=["segments", "segments without SYN", "loopback", "frames"],
)
def test_few_segments_among_offload_frames_is_told_as_info(
    tmp_path: Path, mss: int | None, again: int, level: str
) -> None:
    """A host hands its card 20 KB in a frame: three segments of 100 frames are three of 1,400 packets.

    Three of the frames are 42 of them; and on loopback each is a packet.
    """
    net, ends, back = Network(["A/ens33"]), f"{A}:5555 > {B}:80", f"{B}:80 > {A}:5555"
    if mss:
        net.pass_by(("A/ens33", tcp(ends, flags=SYN, seq=0, ident=1, mss=mss)))
        net.pass_by(("A/ens33", tcp(back, flags=SYN | ACK, seq=0, ack=1, ident=1, mss=mss)))
    for number, octets in (*((number, 20_000) for number in range(100)), *((number, again) for number in range(3))):
        segment = tcp(ends, bytes(octets), seq=1 + 20_000 * number, ack=1, ident=round(net.now / 1000) % 60_000)
        net.pass_by(("A/ens33", segment))
        net.now += 2e5 * (number == 99)
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert (finding["level"], finding["facts"]) == (level, {"segments": {"A/ens33": 3}})


@pytest.mark.parametrize(("late", "is_lost"), [({3, 9}, False), ({3, 9}, True), (set(), False)])
def test_segments_overtaken_between_points_is_told(tmp_path: Path, late: set[int], is_lost: bool) -> None:
    """The wire delays two segments by 10 ms, or loses one of them; their sender sends them again after 8 ms."""
    net = Network(["A/ens33", "B/ens33"])
    for ident, number in enumerate((*range(12), 3, 9)):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(100), seq=100 * number, ident=ident + 1)
        net.at(net.now, "A/ens33", segment)
        if not (is_lost and ident == 9):
            net.at(net.now + 100 + 1e4 * (ident in late), "B/ens33", segment)
        net.now += 8e3 if ident == 11 else 200
    (finding,) = of_story(net, tmp_path, "retransmissions")
    told_so = "2 segments overtook others between A/ens33 and B/ens33, where none was lost" in finding["says"]
    assert told_so is (bool(late) and not is_lost)
    assert ("overtook" in finding["says"]) is told_so


def test_segments_overtaken_at_one_point_is_silent_about_it(tmp_path: Path) -> None:
    """A point that shows packets twice, before and behind a router that lets some overtake others."""
    net = Network(["A/any"])
    for ident, number in enumerate((*range(12), 3, 9)):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(100), seq=100 * number, ident=ident + 1)
        net.at(net.now, "A/any", segment)
        net.at(net.now + 100 + 1e4 * (ident in (3, 9)), "A/any", segment.routed(src="192.168.111.77", sport=6000))
        net.now += 8e3 if ident == 11 else 200
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert "overtook" not in finding["says"]


def test_segments_that_overtake_each_other_is_silent(tmp_path: Path) -> None:
    net = Network(["A/ens33", "B/ens33"])
    segments(net, 0, [0, 2, 1, 3, 5, 6, 4, 7])
    assert of_story(net, tmp_path, "retransmissions") == []


@pytest.mark.parametrize("second", [500_000_000, 1_001_200_000], ids=["lower numbers", "slightly higher numbers"])
def test_ports_used_again_is_silent(tmp_path: Path, second: int) -> None:
    """The second connection's sequence numbers are below those of the first, or a little above: no gap either."""
    net = Network(["A/ens33", "B/ens33"])
    for first in (1_000_000_000, second):
        syn = tcp(f"{A}:5555 > {B}:80", seq=first - 1, flags=SYN, ident=7)
        net.pass_by(("A/ens33", syn), ("B/ens33", syn))
        segments(net, first, list(range(5)))
        net.now += 1e6
    report = read(net, tmp_path)
    assert named(report, "retransmissions") == named(report, "sequence-gap") == []
    assert {row["retransmissions"] for row in report["flows"]["top"]} == {0}


def test_fix_at_one_point_names_no_paths() -> None:
    """A capture of one point has no hops to look at: the next step is to capture at another one."""
    path = PROJECT / "pcaps" / "faults" / "retransmissions.pcapng"
    fix = next(finding.fix for finding in analyze(path).findings if finding.name == "retransmissions")
    assert fix is not None
    assert "capture at the next hop too" in fix and "Paths" not in fix


@pytest.mark.parametrize("points", ["two-cards/srv__eth1", "other-interface/node__eth1", "vpn-route/node__tun0"])
def test_syn_acks_without_the_other_direction_is_told(points: str) -> None:
    """The SYNs pass another interface of the host."""
    (finding,) = of_capture(f"tests/analysis/findings/recorded/{points}.pcap", "retransmissions")
    assert "all of them are SYN-ACKs of 10." in finding["says"] and "no packet of 10." in finding["says"]
    assert "see by which interface the SYNs come in" in finding["fix"]
    assert finding["facts"]["syn_acks_to"] == 1


def test_syn_acks_to_addresses_that_asked_for_nothing_is_told(tmp_path: Path) -> None:
    """A server answers a SYN flood with forged addresses, of which a darknet has some."""
    net = Network(["A/ens33"])
    for number in range(30):
        answer = tcp(f"203.0.113.77:80 > 198.51.100.{number}:{40000 + number}", seq=number, ack=7, flags=SYN | ACK)
        for at in (0, 1, 3):
            net.at((number / 10 + at) * 1e6, "A/ens33", answer.but(ttl=48))
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert finding["facts"]["syn_acks_to"] == 30
    assert finding["says"].endswith("or was not recorded, or SYNs were sent in their name (a SYN flood)")


def test_syn_acks_beside_the_client_is_silent_about_them(tmp_path: Path) -> None:
    """Its pings are seen there: its direction is recorded, and its SYNs only lack."""
    net = Network(["A/ens33"])
    for number in range(4):
        net.pass_by(("A/ens33", tcp(f"{A}:80 > {B}:5555", seq=7, ack=8, flags=SYN | ACK, ident=number)), gap=1e6)
        net.pass_by(("A/ens33", ping(f"{B} > {A}", 7, number)))
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert "SYN-ACK" not in finding["says"]


def test_syn_again_after_a_refusal_is_silent(tmp_path: Path) -> None:
    """Windows asks three times, whatever the server says."""
    net = Network(["A/ens33"])
    for number in range(3):
        asked = tcp(f"{A}:5555 > {B}:80", seq=7, flags=SYN, ident=number + 1)
        net.pass_by(("A/ens33", asked))
        net.pass_by(("A/ens33", asked.but(ends=f"{B}:80 > {A}:5555", flags=RST | ACK, ack=8, seq=0)), gap=5e5)
    assert of_story(net, tmp_path, "retransmissions") == []


@pytest.mark.parametrize("is_routed", [True, False], ids=["by a router", "by a man in the middle"])
def test_packet_that_passes_twice_is_silent(tmp_path: Path, is_routed: bool) -> None:
    """One point on both sides of who passes it on: the same packet, from another MAC, 20 ms later."""
    net = Network(["A/ens33"])
    for number in range(8):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=1000 * number, ident=number + 1)
        passed = segment.but(smac="02:00:00:00:00:66", dmac="02:00:00:00:00:77", ttl=63 if is_routed else 64)
        net.pass_by(("A/ens33", segment), gap=20_000)
        net.pass_by(("A/ens33", passed))
    assert of_story(net, tmp_path, "retransmissions") == []


def test_segments_that_fill_gaps_is_silent(tmp_path: Path) -> None:
    """The point shows them for the first time: they were lost before it, which sequence-gap says."""
    net = Network(["A/ens33"])
    for number in (0, 1, 4, 5, 6, 2, 3, 7):
        segment = tcp(f"{A}:5555 > {B}:80", bytes(1000), seq=1000 * number, ident=number + 1)
        net.pass_by(("A/ens33", segment), gap=2e5 if number == 6 else 1000)
    report = read(net, tmp_path)
    assert named(report, "retransmissions") == [] and len(named(report, "sequence-gap")) == 1


@pytest.mark.parametrize(("times", "is_told"), [(40, False), (6, True)])
def test_probe_that_repeats_one_segment_is_silent(tmp_path: Path, times: int, is_told: bool) -> None:
    """No stack sends a segment forty times: a hand-made packet has one number. Six times is TCP."""
    net = Network(["A/ens33"])
    for number in range(times):
        net.pass_by(("A/ens33", tcp(f"{A}:5555 > {B}:80", bytes(26), seq=9, ident=number + 1)), gap=3e5)
    assert bool(of_story(net, tmp_path, "retransmissions")) is is_told


def test_syn_ack_to_a_client_that_has_gone_is_silent(tmp_path: Path) -> None:
    """It neither acknowledges nor asks again, as who forges SYNs: nothing is lost behind the point."""
    net = Network(["A/ens33"])
    asked = tcp(f"{A}:5555 > {B}:80", seq=7, flags=SYN, ident=1)
    net.pass_by(("A/ens33", asked))
    for number in range(4):
        back = asked.but(ends=f"{B}:80 > {A}:5555", flags=SYN | ACK, seq=3, ack=8, ident=number + 5)
        net.pass_by(("A/ens33", back), gap=1e6)
    assert of_story(net, tmp_path, "retransmissions") == []


def connections(net: Network, *, lost: set[int], far: bool = False, at_once: bool = False) -> None:
    """Connections of A to B, of which these need a second SYN; `far`: the server answers both, after 1.4 s."""
    for number in range(6):
        begin = 0.0 if at_once else net.now
        out, back = f"{A}:{40000 + number} > {B}:80", f"{B}:80 > {A}:{40000 + number}"
        syn = tcp(out, seq=7, flags=SYN, ident=10 * number + 1)
        times = [0.0, 1e6] if number in lost else [0.0]
        for again, time in enumerate(times):
            net.at(begin + time, "A/ens33", syn.but(ident=syn.ident + again))
        accepted = tcp(back, seq=3, ack=8, flags=SYN | ACK, ident=10 * number + 3)
        answers = [1.4e6, 2.4e6] if far else [times[-1] + 1e3]
        for time in answers:
            net.at(begin + time, "A/ens33", accepted.but(ident=int(accepted.ident + time % 7)))
        for seq in range(4):
            segment = tcp(out, b"data", seq=8 + 4 * seq, ack=4, ident=10 * number + 5 + seq)
            net.at(begin + answers[0] + 1e3 * (1 + seq), "A/ens33", segment)
        net.now = max(net.now, begin + answers[-1] + 1e5)


def test_syns_alone_sent_again_is_told(tmp_path: Path) -> None:
    """A limit on new connections: they are accepted a second later, and nothing else is lost."""
    net = Network(["A/ens33"])
    connections(net, lost={1, 2, 4, 5})
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert finding["says"].endswith(
        ": all of them are SYNs, of 4 connections that were then accepted, after up to 1.0 s"
    )
    assert finding["facts"]["syns_of"] == 4 and "hashlimit" in finding["fix"]


@pytest.mark.parametrize("why", ["few", "far", "at once", "data"])
def test_syns_that_show_no_limit_is_told_without_them(tmp_path: Path, why: str) -> None:
    """Two; a server that is far away and answers each; a link that comes up; a path that loses other segments, too."""
    net = Network(["A/ens33"])
    connections(net, lost={1, 2} if why == "few" else set(range(6)), far=why == "far", at_once=why == "at once")
    if why == "data":
        net.at(net.now, "A/ens33", tcp(f"{A}:40003 > {B}:80", b"data", seq=8, ack=4, ident=99))
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert "SYN" not in finding["says"] and "syns_of" not in finding["facts"]


@pytest.mark.parametrize(("passed", "named"), [(300, True), (1200, False)])
def test_length_that_elsewhere_passes_is_silent(tmp_path: Path, passed: int, named: bool) -> None:
    """Two servers: the one does not get 1400 bytes, the other one not 1100."""
    net = Network(["A/ens33"])
    for number, (before, lost) in enumerate(((passed, 1400), (300, 1100))):
        out, back = f"{A}:{5000 + number} > 10.9.0.{number + 1}:443", f"10.9.0.{number + 1}:443 > {A}:{5000 + number}"
        for packet in (
            tcp(out, seq=100, flags=SYN),
            tcp(back, seq=200, ack=101, flags=SYN | ACK),
            tcp(out, bytes(before), seq=101, ack=201),
            tcp(back, seq=201, ack=101 + before),
            *(tcp(out, bytes(lost), seq=101 + before, ack=201, ident=9 + ident) for ident in range(6)),
        ):
            net.pass_by(("A/ens33", packet), gap=5e5)
    (finding,) = of_story(net, tmp_path, "retransmissions")
    assert ("no segment as long as these, of 1100 bytes" in finding["says"]) == named


def test_long_segments_that_nothing_acknowledges_is_told() -> None:
    """A Swarm's overlay between nodes whose path has MTU 1400, captured at the sender (swarm-mtu/README.md)."""
    (finding,) = of_capture("tests/analysis/findings/recorded/swarm-mtu/sender.pcapng", "retransmissions")
    assert (finding["level"], finding["facts"]["unacknowledged"]) == ("warning", 1398)
    assert "no segment as long as these, of 1398 bytes, was acknowledged" in finding["says"]
    assert "`ping -M do -s SIZE 10.0.1.4`" in finding["fix"]


@pytest.mark.parametrize("octets", [1400, 200], ids=["acknowledged", "short"])
def test_segments_of_other_connections_cut_off_is_silent(tmp_path: Path, octets: int) -> None:
    """Long segments that are acknowledged at last; short ones, which no MTU stops."""
    net, ends, back = Network(["A/ens33"]), f"{A}:5555 > {B}:80", f"{B}:80 > {A}:5555"
    net.pass_by(("A/ens33", tcp(ends, flags=SYN, seq=0, ident=1)))
    net.pass_by(("A/ens33", tcp(back, flags=SYN | ACK, seq=0, ack=1, ident=1)))
    for number in range(4):
        net.pass_by(("A/ens33", tcp(ends, bytes(octets), seq=1, ack=1, ident=2 + number)))
        net.now += 1e6
    if octets > 1000:
        net.pass_by(("A/ens33", tcp(back, seq=1, ack=1 + octets, ident=9)))
    assert all("unacknowledged" not in finding["facts"] for finding in of_story(net, tmp_path, "retransmissions"))

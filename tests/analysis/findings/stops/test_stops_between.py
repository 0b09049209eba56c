"""stops-between: packets that reach one point, and none that reaches the next one.

The stories have two Docker hosts: B connects to the published port 8080 of A, which is web:80 behind docker0.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, of_story
from tests.stories import ACK, SYN, Network, about, arp, ping, tcp, udp
from tests.story_reports import C1, A, B, read

BRIDGE_MAC, WEB_MAC = "02:42:00:00:00:01", "02:42:ac:11:00:02"
POINTS = ["B/ens33", "A/ens33", "A/docker0"]
SECOND_CLIENT = "192.168.111.130"
MAC_OF_SECOND = "02:00:c0:a8:6f:82"


def serve(net: Network, client: str, port: int, mac: str = CARD_B, ident: int = 1) -> None:
    """A client's connection to A:8080, translated to web:80 and answered."""
    near = net.points[: net.points.index("A/docker0")]
    for seq, flags in ((100, SYN), (101, ACK)):
        request = tcp(f"{client}:{port} > {A}:8080", flags=flags, seq=seq, ident=ident + seq, smac=mac, dmac=CARD_A)
        inside = request.routed(ends=f"{client}:{port} > {C1}:80", smac=BRIDGE_MAC, dmac=WEB_MAC)
        net.pass_by(*((point, request) for point in near), ("A/docker0", inside))
        answer = tcp(f"{C1}:80 > {client}:{port}", flags=SYN | ACK if flags == SYN else ACK, seq=900 + seq, ack=seq + 1,
                     ident=ident + 500 + seq, smac=WEB_MAC, dmac=BRIDGE_MAC)  # fmt: skip
        outside = answer.routed(ends=f"{A}:8080 > {client}:{port}", smac=CARD_A, dmac=mac)
        net.pass_by(("A/docker0", answer), *((point, outside) for point in near[::-1]))


def knock(net: Network, client: str, port: int, mac: str, *points: str, count: int = 4) -> None:
    """SYNs of a client to A:8080 that pass these points and no other."""
    syn = tcp(f"{client}:{port} > {A}:8080", flags=SYN, seq=7000, smac=mac, dmac=CARD_A)
    for number in range(count):
        net.pass_by(*((point, syn.but(ident=7000 + number)) for point in points), gap=1e6)


def stops(net: Network, folder: Path) -> Findings:
    """The findings that name the next point; of a published port, `published-port-blocked` does."""
    names = ("stops-between", "lost-on-the-wire", "published-port-blocked")
    return [each for each in read(net, folder)["findings"] if each["name"] in names and "next" in each["facts"]]


def test_syns_of_one_client_to_a_port_is_told(tmp_path: Path) -> None:
    """Another client reaches the service at the same address by the same MAC: what stops is this client.

    The port is published, so the finding about the port says it, and no other one.
    """
    net = Network(POINTS)
    serve(net, B, 40000)
    knock(net, SECOND_CLIENT, 41000, MAC_OF_SECOND, "A/ens33")
    serve(net, B, 40001, ident=2000)
    (finding,) = stops(net, tmp_path)
    assert finding["level"] == "error"
    assert finding["name"] == "published-port-blocked" and finding["facts"]["attempts"] == 4
    assert finding["facts"]["last_seen"] == "A/ens33" and finding["facts"]["next"] == "A/docker0"
    assert finding["says"].endswith(
        "they reach A/ens33, none reaches A/docker0; 2 other flows to the same service went on there"
    )
    assert {frame["point"] for frame in finding["evidence"]} == {"A/ens33"}


def test_syns_lost_before_the_host_blame_no_port(tmp_path: Path) -> None:
    """What is lost between two hosts never meets the rules of the port."""
    net = Network(POINTS)
    serve(net, B, 40000)
    knock(net, B, 41000, CARD_B, "B/ens33")
    serve(net, B, 40001, ident=2000)
    (finding,) = stops(net, tmp_path)
    assert (finding["name"], finding["facts"]["next"]) == ("lost-on-the-wire", "A/ens33")
    assert of_story(net, tmp_path, "published-port-blocked") == []


@pytest.mark.parametrize(
    ("icmp", "count"), [((8, 0), 1), ((0, 0), 0), ((3, 3), 0)], ids=["requests", "replies", "errors"]
)
def test_icmp_that_asks_nothing_is_silent(tmp_path: Path, icmp: tuple[int, int], count: int) -> None:
    """A host with two interfaces may get replies and errors at the other one: no answer to them can be missed."""
    net = Network(["near", "far"])
    for number in range(4):
        request = ping(f"{B} > {A}", 7, number, ident=number, smac=CARD_B, dmac=CARD_A)
        reply = ping(f"{A} > {B}", 7, number, icmp=(0, 0), ident=100 + number, smac=CARD_A, dmac=CARD_B)
        net.pass_by(("far", request), ("near", request))
        net.pass_by(("near", reply), ("far", reply))
        lost = ping(f"{A} > {B}", 9, number, icmp=icmp, ident=900 + number, smac=CARD_A, dmac=CARD_B)
        if icmp == (3, 3):
            lost = about(lost, udp(f"{B}:40000 > {A}:9", b"?", ident=1))
        net.pass_by(("near", lost), gap=1e6)
    assert len(stops(net, tmp_path)) == count


def test_datagrams_stop_on_the_wire_is_told(tmp_path: Path) -> None:
    """TCP passes both ways between two points of unknown hosts: gossip is filtered in one direction."""
    net = Network(["near", "far"])
    for number in range(4):
        ends = f"{A}:{42000 + number} > {B}:7946"
        question = tcp(ends, b"ping", seq=10, ident=number, smac=CARD_A, dmac=CARD_B)
        answer = tcp(f"{B}:7946 > {A}:{42000 + number}", b"pong", seq=20, ident=100 + number, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("near", question), ("far", question))
        net.pass_by(("far", answer), ("near", answer))
        gossip = udp(f"{A}:7946 > {B}:7946", b"gossip", ident=900 + number, smac=CARD_A, dmac=CARD_B)
        net.pass_by(("near", gossip))
        back = udp(f"{B}:7946 > {A}:7946", b"other", ident=950 + number, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("far", back), ("near", back))
    (finding,) = stops(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["port"] == 7946
    assert (finding["facts"]["point"], finding["facts"]["next"]) == ("near", "far")


def test_unicast_to_a_foreign_mac_stops_is_told(tmp_path: Path) -> None:
    """The container's requests come out of A's interface; what is sent to its MAC does not come back in."""
    child, mac = "192.168.111.10", "02:42:c0:a8:6f:0a"
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        request = ping(f"{A} > {B}", 1, number, ident=number, smac=CARD_A, dmac=CARD_B)
        reply = request.but(ends=f"{B} > {A}", icmp=(0, 0), ident=50 + number, smac=CARD_B, dmac=CARD_A)
        net.pass_by(("A/ens33", request), ("B/ens33", request))
        net.pass_by(("B/ens33", reply), ("A/ens33", reply))
        question = arp(1, mac, child, B)
        net.at(net.now, "A/ens33", question)
        net.at(net.now + 100, "B/ens33", question)
        to_child = ping(f"{B} > {child}", 2, number, ident=90 + number, smac=CARD_B, dmac=mac)
        net.pass_by(("B/ens33", to_child), gap=1e6)
    (finding,) = stops(net, tmp_path)
    assert finding["facts"]["destination"] == child and finding["facts"]["next"] == "A/ens33"


def test_answered_flow_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    serve(net, B, 40000)
    serve(net, SECOND_CLIENT, 41000, MAC_OF_SECOND, ident=3000)
    assert stops(net, tmp_path) == []


@pytest.mark.parametrize("why", ["no twin", "one point", "not listening yet", "seen under another port"])
def test_unproven_loss_is_silent(tmp_path: Path, why: str) -> None:
    """Nothing shows where the packets were due, or something shows that they may have been there."""
    net = Network(["A/ens33"] if why == "one point" else POINTS)
    if why not in ("no twin", "one point"):
        serve(net, B, 40000)
    if why == "not listening yet":
        net.now += 5e6
        net.recorded = [(time, point, form) for time, point, form in net.recorded if point != "A/docker0"]
        knock(net, SECOND_CLIENT, 41000, MAC_OF_SECOND, "A/ens33")
        assert stops(net, tmp_path) == []
        return
    knock(net, SECOND_CLIENT, 41000, MAC_OF_SECOND, "A/ens33")
    if why == "seen under another port":
        strange = tcp(f"{SECOND_CLIENT}:41000 > {C1}:80", flags=SYN, seq=1, smac=BRIDGE_MAC, dmac=WEB_MAC)
        for number in range(4):
            net.at(1e6 * number + 20_000, "A/docker0", strange.but(ident=8000 + number, seq=number * 77))
    assert stops(net, tmp_path) == []


def test_capture_filter_at_the_next_point_is_silent(tmp_path: Path) -> None:
    """docker0 was captured with a filter for one client: the other one's packets cannot be there."""
    net = Network(POINTS)
    for number in range(12):
        serve(net, B, 40000 + number, ident=1000 * number)
    knock(net, SECOND_CLIENT, 41000, MAC_OF_SECOND, "A/ens33")
    serve(net, B, 43000, ident=20_000)
    assert stops(net, tmp_path) == []


def test_single_packet_before_the_next_capture_is_silent(tmp_path: Path) -> None:
    """The second capture began a moment later than the first one."""
    net = Network(POINTS)
    knock(net, SECOND_CLIENT, 41000, MAC_OF_SECOND, "A/ens33", count=1)
    serve(net, B, 40000)
    serve(net, B, 40001, ident=2000)
    assert stops(net, tmp_path) == []


@pytest.mark.parametrize("small", [100, 4000])
def test_large_datagrams_that_alone_stop_are_told(tmp_path: Path, small: int) -> None:
    """The two ends of a veth have different MTUs; a filter also stops small ones of another port."""
    net = Network(["p1/eth0", "n1/vetha1b2c3d4"])
    macs = {"smac": "02:42:ac:11:00:07", "dmac": "02:42:ac:11:00:01"}
    back = {"smac": macs["dmac"], "dmac": macs["smac"]}
    for number in range(6):
        is_small = number in (0, 1, 5)
        size = 100 if is_small else 4000 if number > 2 else small
        asked = udp(f"10.77.1.7:{5000 + number} > 10.77.1.1:8125", bytes(size), ident=number + 1, **macs)
        for retry in range(1 if is_small else 2):
            points = net.points[::-1][1:] if not is_small else net.points
            net.pass_by(*((point, asked.but(ident=number * 9 + retry + 1)) for point in points), gap=1e6)
        if is_small:
            answer = udp(f"10.77.1.1:8125 > 10.77.1.7:{5000 + number}", b"ok", ident=90 + number, **back)
            net.pass_by(*((point, answer) for point in net.points[::-1]))
    (finding,) = of_story(net, tmp_path, "stops-between")
    is_larger = small == 4000
    assert ("all of them have 4028 bytes or more" in finding["says"]) == is_larger
    assert ("compare the MTU of p1/eth0 and n1/vetha1b2c3d4" in finding["fix"]) == is_larger


@pytest.mark.parametrize("connections", [3, 2])
def test_single_syns_of_a_client_that_gives_up_is_told(tmp_path: Path, connections: int) -> None:
    """Each connection ends before its SYN is sent again; an answered connection to another port shows the way."""
    net = Network(["A/ens33", "B/ens33"])
    asked = tcp(f"{A}:40000 > {B}:22", flags=SYN, seq=7, smac=CARD_A, dmac=CARD_B)
    answer = tcp(f"{B}:22 > {A}:40000", flags=SYN | ACK, seq=3, ack=8, smac=CARD_B, dmac=CARD_A)
    for packet, points in ((asked, net.points), (answer, net.points[::-1]), (asked.but(seq=8, flags=ACK), net.points)):
        net.pass_by(*((point, packet) for point in points))
    for number in range(connections):
        net.pass_by(("A/ens33", asked.but(ends=f"{A}:{40001 + number} > {B}:8080", ident=number + 1)), gap=1.5e6)
    net.pass_by(*((point, asked.but(seq=9, ident=99, flags=ACK)) for point in net.points))
    assert len(stops(net, tmp_path)) == (connections > 2)


def called_out(folder: Path, point: str, *, syns: int = 1) -> str:
    """What is said of two connections of a container that end at a point; another one is served before and after."""
    net = Network([point, "A/ens33"])
    for port, is_stopped in ((40000, False), (41000, True), (41001, True), (40001, False)):
        for number in range(syns if is_stopped else 1):
            asked = tcp(f"172.17.0.{2 + is_stopped}:{port} > {B}:80", flags=SYN, seq=port, ident=port + number)
            hops = [(point, asked), *([] if is_stopped else [("A/ens33", asked.routed(smac=CARD_A, dmac=CARD_B))])]
            net.pass_by(*hops, gap=2e6)
        if not is_stopped:
            answer = tcp(f"{B}:80 > 172.17.0.2:{port}", flags=SYN | ACK, seq=3, ack=port + 1, ident=port)
            net.pass_by(("A/ens33", answer), (point, answer.routed()), gap=1e5)
    (finding,) = stops(net, folder)
    says: str = finding["says"]
    return says


def test_single_syns_at_a_bridge_is_told(tmp_path: Path) -> None:
    assert "got a RST that A/docker0 does not show" in called_out(tmp_path, "A/docker0")


@pytest.mark.parametrize(("point", "syns"), [("A/docker0", 2), ("A/veth1a2b3c4", 1)], ids=["sent twice", "at a veth"])
def test_unseen_reset_is_silent(tmp_path: Path, point: str, syns: int) -> None:
    """A client that sends its SYN again got none; and a veth shows it."""
    assert "no SYN is sent twice" not in called_out(tmp_path, point, syns=syns)

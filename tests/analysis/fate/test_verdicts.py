"""Fates of flows, their ends and answers in a report. Truth: each story says where its packets end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import analyze
from tests.conftest import GOLDENS
from tests.stories import ACK, RST, SYN, Network, Packet, about, arp, ping, tcp, udp
from tests.story_reports import C1, POINTS, A, B, inward, outward, path_of, read

WEB = "172.17.0.2"
CARD_A, CARD_B, ROUTER = "02:00:c0:a8:6f:80", "02:00:c0:a8:6f:81", "02:00:c0:a8:6f:01"
WEB_MAC, DOCKER0 = "02:42:ac:11:00:02", "02:42:5e:00:00:01"
SYN_TO_A = tcp(f"{B}:40000 > {A}:8080", flags=SYN, seq=100, ident=1, smac=CARD_B, dmac=CARD_A)
SECOND = 1_000_000.0


def fates(report: dict[str, Any]) -> list[tuple[str, str, str, str | None]]:
    """(source, fate, point, next) of each flow."""
    return [(row["flow"]["src"], row["fate"], row["point"], row["next"]) for row in report["fates"]]


def published(net: Network, client: str, sport: int, answered: bool = True) -> None:
    """A connection to the published port 8080, three packets each way; or three SYNs that stop at the host's card."""
    for number in range(3):
        flags = SYN if number == 0 or not answered else ACK
        outside = SYN_TO_A.but(src=client, sport=sport, flags=flags, seq=100 + number * answered, ident=number + 7)
        inside = outside.routed(dst=WEB, dport=80, smac=DOCKER0, dmac=WEB_MAC)
        net.pass_by(("A/ens33", outside), *([("A/docker0", inside)] if answered else []), gap=SECOND)
        if answered:
            back = tcp(f"{WEB}:80 > {client}:{sport}", flags=flags | ACK, seq=900 + number, ident=number + 50,
                       smac=WEB_MAC, dmac=DOCKER0)  # fmt: skip
            net.pass_by(("A/docker0", back), ("A/ens33", back.routed(src=A, sport=8080, smac=CARD_A, dmac=CARD_B)))


def test_answered_flow_is_delivered(tmp_path: Path) -> None:
    net = Network(POINTS)
    for number in range(3):
        outward(net, tcp(f"{C1}:5555 > {B}:7000", b"x", seq=number, ident=number + 1))
        inward(net, tcp(f"{B}:7000 > {A}:5555", b"y", seq=900 + number, ident=number + 50), f"{C1}:5555")
    report = read(net, tmp_path)
    assert fates(report) == [(C1, "delivered", "B/ens33", None)]
    (row,) = report["fates"]
    assert (row["known_by"], row["unknown"]) == ("answer", None)
    assert [(answer["kind"], answer["from"]) for answer in row["answers"]] == [("reply", B)]
    assert report["correlation"]["fates"] == {"delivered": 1}


def test_flow_that_stops_names_both_points(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])
    published(net, B, 40000)
    published(net, "192.168.111.7", 50000, answered=False)
    published(net, B, 40001)
    report = read(net, tmp_path)
    row = report["fates"][0]
    assert (row["flow"]["src"], row["fate"]) == ("192.168.111.7", "stops-at")
    assert (row["point"], row["next"], row["known_by"], row["siblings"]) == ("A/ens33", "A/docker0", "service", 2)
    assert (row["packets"], row["repeats"], row["answers"]) == (3, 2, [])
    assert report["correlation"]["fates"] == {"stops-at": 1, "delivered": 2}


def test_path_of_a_flow_that_stops_ends_there(tmp_path: Path) -> None:
    """A router lies between B and A; the packets to one port do not reach the last one."""
    net = Network(["B/ens33", "A/ens33", "A/docker0"])
    for client, port in ((B, 40000), (B, 40001), (B, 40002)):
        for number in range(3):
            is_lost = port == 40002
            packet = SYN_TO_A.but(src=client, sport=port, flags=SYN if is_lost else ACK, seq=100 + number, ident=number)
            routed = packet.routed()
            hops = [("B/ens33", packet), ("A/ens33", routed), ("A/docker0", routed.routed(dst=WEB, dport=80))]
            net.pass_by(*hops[: 2 if is_lost else 3], gap=SECOND)
            if not is_lost:
                back = tcp(f"{WEB}:80 > {client}:{port}", seq=900 + number, ident=number + 50)
                outside = back.routed(src=A, sport=8080)
                net.pass_by(("A/docker0", back), ("A/ens33", outside), ("B/ens33", outside.routed()), gap=SECOND)
    report = read(net, tmp_path)
    (path,) = [path for path in report["paths"] if path["flow"]["sport"] == 40002]
    assert (path["ends"], path["answers"]) == ("stops-at A/ens33", [])


def test_answer_that_stops_on_its_way_back(tmp_path: Path) -> None:
    """SYNs of a container reach B, B answers each, and A's card never hands an answer to the container."""
    net = Network(["A/web/eth0", "A/ens33", "B/ens33"])
    lost, fine = (
        tcp(f"{WEB}:{port} > {B}:80", flags=SYN, seq=port, smac=WEB_MAC, dmac=CARD_B) for port in (5001, 5002)
    )
    for number in range(3):
        syn = lost.but(ident=number + 1)
        net.pass_by(*((point, syn) for point in net.points), gap=1000)
        back = tcp(
            f"{B}:80 > {WEB}:5001", flags=SYN | ACK, seq=7, ack=5002, ident=number + 90, smac=CARD_B, dmac=WEB_MAC
        )
        net.pass_by(("B/ens33", back), ("A/ens33", back), gap=SECOND)
    for number in range(2):
        net.pass_by(*((point, fine.but(ident=number + 30, flags=ACK, seq=9 + number)) for point in net.points))
        back = tcp(f"{B}:80 > {WEB}:5002", b"x", seq=50 + number, ident=number + 60, smac=CARD_B, dmac=WEB_MAC)
        net.pass_by(*((point, back) for point in reversed(net.points)))
    report = read(net, tmp_path)
    row = report["fates"][0]
    assert (row["fate"], row["point"], row["next"]) == ("answer-stops-at", "A/ens33", "A/web/eth0")
    assert (row["known_by"], row["repeats"]) == ("request", 2)
    assert [(answer["kind"], answer["from"]) for answer in row["answers"]] == [("reply", B)]
    paths = {path["ends"] for path in report["paths"] if 5001 in (path["flow"]["sport"], path["flow"]["dport"])}
    assert paths == {"answer-stops-at A/ens33", "stops-at A/ens33"}


def test_answer_elsewhere_is_silent_if_asker_goes_on(tmp_path: Path) -> None:
    """The answer comes back by an interface that is not captured: the asker acknowledges it."""
    net = Network(["A/web/eth0", "A/ens33", "B/ens33"])
    net.at(0, "A/web/eth0", arp(1, CARD_B, B, WEB))
    for number in range(3):
        packet = tcp(f"{WEB}:5001 > {B}:80", b"x", flags=SYN if number == 0 else ACK, seq=number, ident=number + 1)
        net.pass_by(*((point, packet) for point in net.points))
        net.pass_by(("B/ens33", tcp(f"{B}:80 > {WEB}:5001", b"y", seq=70 + number, ident=number + 90)))
    report = read(net, tmp_path)
    assert [row["fate"] for row in report["fates"]] == ["delivered"]


def test_reset_answers_a_connection(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", SYN_TO_A))
    net.pass_by(("A/ens33", tcp(f"{A}:8080 > {B}:40000", flags=RST | ACK, ack=101)))
    (row,) = read(net, tmp_path)["fates"]
    assert (row["fate"], row["known_by"]) == ("answered-by", "answer")
    assert [(answer["kind"], answer["from"]) for answer in row["answers"]] == [("reset", A)]


def test_icmp_error_answers_what_it_quotes(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", SYN_TO_A))
    net.pass_by(("A/ens33", about(ping(f"192.168.111.1 > {B}", 0, 0, icmp=(3, 1)), SYN_TO_A)))
    (row,) = read(net, tmp_path)["fates"]
    assert row["fate"] == "answered-by"
    (answer,) = row["answers"]
    assert (answer["kind"], answer["from"], answer["says"]) == ("icmp-error", "192.168.111.1", "host unreachable")
    assert [frame["frame"] for frame in answer["evidence"]] == [2]


@pytest.mark.parametrize("kind", [(3, 4), (5, 1)], ids=["fragmentation needed", "redirect"])
def test_error_that_lets_packets_pass_is_no_answer(tmp_path: Path, kind: tuple[int, int]) -> None:
    net = Network(["A/ens33"])
    net.pass_by(("A/ens33", SYN_TO_A))
    net.pass_by(("A/ens33", about(ping(f"192.168.111.1 > {B}", 0, 0, icmp=kind), SYN_TO_A)))
    (row,) = read(net, tmp_path)["fates"]
    assert (row["fate"], row["unknown"], row["answers"]) == ("unknown", "one-point", [])


def test_answer_of_another_address_is_named(tmp_path: Path) -> None:
    net = Network(["A/docker0"])
    net.pass_by(("A/docker0", udp(f"{C1}:40000 > {A}:54", b"question", ident=1)))
    net.pass_by(("A/docker0", udp(f"172.17.0.1:54 > {C1}:40000", b"answer", ident=2)))
    rows = {row["flow"]["src"]: row for row in read(net, tmp_path)["fates"]}
    assert rows[C1]["fate"] == "answered-by"
    assert [(answer["kind"], answer["from"]) for answer in rows[C1]["answers"]] == [("other-address", "172.17.0.1")]


@pytest.mark.parametrize(
    "group", ["224.0.0.252:5355", "239.255.255.250:1900", "255.255.255.255:9999"], ids=["LLMNR", "SSDP", "broadcast"]
)
def test_answers_to_group_are_no_failure(tmp_path: Path, group: str) -> None:
    """Each member answers from its own address; the one who asked may refuse the second answer."""
    net = Network(["A/docker0"])
    net.pass_by(("A/docker0", udp(f"{C1}:40000 > {group}", b"question", ident=1)))
    port = group.partition(":")[2]
    net.pass_by(("A/docker0", udp(f"172.17.0.1:{port} > {C1}:40000", b"answer", ident=2)))
    late = udp(f"172.17.0.4:{port} > {C1}:40000", b"late", ident=3)
    net.pass_by(("A/docker0", late))
    net.pass_by(("A/docker0", about(ping(f"{C1} > 172.17.0.4", 0, 0, icmp=(3, 3)), late)))
    report = read(net, tmp_path)
    assert report["fates"] == []
    assert report["correlation"]["fates"] == {}


ROUTERS = ["10.1.0.1", "10.2.0.1", "10.3.0.1"]


def probes(start: int) -> Network:
    """UDP to ports that nobody has: the first ones, from this TTL on, end at a router each, the last one arrives."""
    net = Network(["A/ens33"])
    for number, router in enumerate([*ROUTERS, B]):
        packet = udp(f"{A}:{40000 + number} > {B}:{33434 + number}", bytes(32), ttl=start + number, ident=number + 1)
        net.pass_by(("A/ens33", packet))
        error = (3, 3) if router == B else (11, 0)
        net.pass_by(("A/ens33", about(ping(f"{router} > {A}", 0, 0, icmp=error, ident=90 + number), packet)))
    return net


def test_probes_of_traceroute_do_not_fail(tmp_path: Path) -> None:
    report = read(probes(1), tmp_path)
    assert (report["fates"], report["correlation"]["fates"]) == ([], {})
    assert len(report["icmp_errors"]) == 4


def test_datagrams_that_die_of_their_ttl_fail(tmp_path: Path) -> None:
    """They start as programs start them: the path is a loop, or too long."""
    assert {row["fate"] for row in read(probes(61), tmp_path)["fates"]} == {"answered-by"}


def test_error_about_multicast_is_no_failure(tmp_path: Path) -> None:
    """A hypervisor's NAT answers IGMP with "time exceeded", which nobody may (RFC 1122 section 3.2.2)."""
    net = Network(["A/docker0"])
    packet = udp(f"{C1}:40000 > 224.0.0.22:9", b"group", ttl=1, ident=1)
    net.pass_by(("A/docker0", packet))
    net.pass_by(("A/docker0", about(ping(f"172.17.0.1 > {C1}", 0, 0, icmp=(11, 0)), packet)))
    assert read(net, tmp_path)["fates"] == []


def test_datagram_before_question_to_group_is_no_answer(tmp_path: Path) -> None:
    net = Network(["A/docker0"])
    net.pass_by(("A/docker0", udp(f"172.17.0.1:1900 > {C1}:40000", b"news", ident=2)))
    net.pass_by(("A/docker0", udp(f"{C1}:40000 > 239.255.255.250:1900", b"question", ident=1)))
    (row,) = read(net, tmp_path)["fates"]
    assert (row["flow"]["src"], row["fate"]) == ("172.17.0.1", "unknown")


def test_datagram_to_another_port_is_no_answer(tmp_path: Path) -> None:
    net = Network(["A/docker0"])
    net.pass_by(("A/docker0", udp(f"{C1}:40000 > {A}:54", b"question", ident=1)))
    net.pass_by(("A/docker0", udp(f"172.17.0.1:54 > {C1}:40001", b"other", ident=2)))
    assert {row["fate"] for row in read(net, tmp_path)["fates"]} == {"unknown"}


def test_nothing_answers_at_own_interface(tmp_path: Path) -> None:
    """SYNs reach the server's own interface, which serves others."""
    net = Network(["A/web/eth0", "A/docker0"])
    for number in range(3):
        net.pass_by(*((point, tcp(f"{C1}:4000 > {WEB}:81", flags=SYN, seq=5, ident=number + 1, smac=DOCKER0,
                                  dmac=WEB_MAC)) for point in ("A/docker0", "A/web/eth0")), gap=SECOND)  # fmt: skip
        net.pass_by(*((point, ping(f"{C1} > {WEB}", 9, number, smac=DOCKER0, dmac=WEB_MAC))
                      for point in ("A/docker0", "A/web/eth0")))  # fmt: skip
        net.pass_by(*((point, ping(f"{WEB} > {C1}", 9, number, icmp=(0, 0), smac=WEB_MAC, dmac=DOCKER0))
                      for point in ("A/web/eth0", "A/docker0")))  # fmt: skip
    report = read(net, tmp_path)
    row = report["fates"][0]
    assert (row["fate"], row["point"], row["known_by"]) == ("answered-by", "A/web/eth0", "interface")
    assert [(answer["kind"], answer["point"]) for answer in row["answers"]] == [("none", "A/web/eth0")]


def test_lost_packets_are_counted_between_two_points(tmp_path: Path) -> None:
    """Two of eight segments are lost, and sent again at the end."""
    net = Network(["A/ens33", "B/ens33"])
    for ident, number in enumerate([*range(8), 3, 4], start=1):
        packet = tcp(f"{A}:5000 > {B}:80", b"x" * 100, seq=number * 100, ident=ident)
        is_lost = ident == number + 1 and number in (3, 4)
        net.pass_by(("A/ens33", packet), *([] if is_lost else [("B/ens33", packet)]))
        back = tcp(f"{B}:80 > {A}:5000", b"y", seq=number, ident=number + 90)
        net.pass_by(("B/ens33", back), ("A/ens33", back))
    (row,) = read(net, tmp_path)["fates"]
    assert (row["fate"], row["point"], row["next"], row["missing"]) == ("loses", "A/ens33", "B/ens33", 2)
    assert row["packets"] == 10


def test_unanswered_syns_at_one_point_are_repeated(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    for number in range(4):
        net.pass_by(("A/ens33", SYN_TO_A.but(ident=number + 1)), gap=SECOND)
    (row,) = read(net, tmp_path)["fates"]
    assert (row["fate"], row["repeats"], row["point"], row["next"]) == ("repeated", 3, "A/ens33", None)


def test_one_way_datagrams_at_one_point_are_unknown(tmp_path: Path) -> None:
    """Syslog wants no answer."""
    net = Network(["A/ens33"])
    for number in range(4):
        net.pass_by(("A/ens33", udp(f"{B}:40000 > {A}:514", b"log", ident=number + 1)), gap=SECOND)
    (row,) = read(net, tmp_path)["fates"]
    assert (row["fate"], row["unknown"], row["repeats"]) == ("unknown", "one-point", 0)


def test_looping_packets_have_frames_of_their_passes(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    packet = udp(f"{B}:40000 > 10.99.0.1:514", b"log", ident=7)
    for turn in range(12):
        macs = (ROUTER, CARD_A) if turn % 2 else (CARD_A, ROUTER)
        net.pass_by(("A/ens33", packet.but(ttl=63 - turn, smac=macs[0], dmac=macs[1])), gap=30.0)
    (row,) = read(net, tmp_path)["fates"]
    assert (row["fate"], row["known_by"]) == ("looped", "ttl")
    assert [frame["frame"] for frame in row["evidence"]] == list(range(1, 11))


def test_packet_recorded_twice_is_copied(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    datagram = udp(f"{B}:40000 > {A}:514", b"log", ident=7)
    net.at(0, "A/ens33", datagram)
    net.at(5, "A/ens33", datagram)
    (row,) = read(net, tmp_path)["fates"]
    assert (row["fate"], row["known_by"], row["packets"]) == ("copied", "copies", 1)
    assert [frame["frame"] for frame in row["evidence"]] == [1, 2]


@pytest.mark.parametrize(
    ("packets", "reason"), [(1, "one-packet"), (2, "next-unknown")], ids=["a single packet", "no other flow"]
)
def test_unknown_fate_has_its_reason(tmp_path: Path, packets: int, reason: str) -> None:
    """Datagrams to B that A's bridge shows, and B's answers to others came from A's card."""
    net = Network(["A/docker0", "A/ens33"])
    asked = udp(f"{C1}:1000 > {B}:99", b"x", ident=9, smac=WEB_MAC, dmac=DOCKER0)
    if reason == "one-packet":
        back = udp(f"{B}:7 > {C1}:1001", b"y", ident=30, smac=ROUTER, dmac=CARD_A)
        net.pass_by(("A/ens33", back), ("A/docker0", back.routed(smac=DOCKER0, dmac=WEB_MAC)))
    for number in range(packets):
        net.pass_by(("A/docker0", asked.but(ident=number + 1)))
    net.pass_by(("A/ens33", udp(f"{A}:5 > {B}:6", b"z", ident=77)))
    (row,) = [row for row in read(net, tmp_path)["fates"] if row["flow"]["src"] == C1]
    assert row["fate"] == "unknown"
    assert row["unknown"] == reason


def test_multicast_and_messages_are_no_fates(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])
    net.pass_by(("A/ens33", udp(f"{B}:5353 > 224.0.0.251:5353", b"mdns", ident=1)))
    net.pass_by(("A/ens33", about(ping(f"192.168.111.1 > {B}", 0, 0, icmp=(3, 1)), SYN_TO_A)))
    assert read(net, tmp_path)["fates"] == []


def test_flow_in_ipv6_stops_as_in_ipv4(tmp_path: Path) -> None:
    net = Network(["A/ens33", "A/docker0"])
    for client, answered in (("2001:db8::7", True), ("2001:db8::8", False)):
        for number in range(3):
            packet = tcp(f"[{client}]:4000 > [2001:db8:1::2]:80", seq=number, flags=ACK if answered else SYN,
                         smac=ROUTER, dmac=CARD_A)  # fmt: skip
            inside = packet.routed(smac=DOCKER0, dmac=WEB_MAC)
            net.pass_by(("A/ens33", packet), *([("A/docker0", inside)] if answered else []), gap=SECOND)
            if answered:
                back = tcp(f"[2001:db8:1::2]:80 > [{client}]:4000", seq=90 + number)
                net.pass_by(("A/docker0", back), ("A/ens33", back.routed()))
    net.pass_by(("A/docker0", tcp("[2001:db8:1::2]:80 > [2001:db8::9]:4000", seq=7)))
    assert fates(read(net, tmp_path))[0] == ("2001:db8::8", "stops-at", "A/ens33", "A/docker0")


NEXT_POINT = ("service", "host", "interface", "reverse", "topology")  # what shows where packets are due


def rests_on(row: dict[str, Any]) -> bool:
    """Has a fate what its kind needs: a point where packets were due, an answer, frames, a number?"""
    kinds = {answer["kind"] for answer in row["answers"]}
    proved = all(answer["evidence"] for answer in row["answers"] if answer["kind"] != "none")
    needs = {
        "looped": len(row["evidence"]) >= 4,
        "stops-at": row["next"] is not None
        and row["known_by"] in ("service", "host", "interface", "reverse", "topology"),
        "answer-stops-at": row["next"] is not None and bool(kinds & {"reply", "reset"}),
        "answered-by": bool(kinds - {"reply"}) and (kinds != {"none"} or row["known_by"] == "interface"),
        "loses": bool(row["next"] and row["missing"]),
        "repeated": row["repeats"] > 0,
        "unknown": row["unknown"] is not None and row["known_by"] is None,
        "copied": len(row["evidence"]) == 2,
        "delivered": bool(kinds & {"reply"}) or row["known_by"] == "interface",
    }
    return bool(proved and row["evidence"] and needs[row["fate"]])


@pytest.mark.parametrize("capture", GOLDENS, ids=lambda path: path.name)
def test_no_fate_of_a_golden_rests_on_nothing(capture: Path) -> None:
    report = analyze(capture).to_dict()
    assert report["fates"]
    assert [row for row in report["fates"] if not rests_on(row)] == []


def test_path_ends_and_fates_agree(tmp_path: Path) -> None:
    """Of each golden: no path that is delivered begins with a flow that stops."""
    for capture in GOLDENS:
        report = analyze(capture).to_dict()
        stops = [row["flow"] for row in report["fates"] if row["fate"] in ("stops-at", "answer-stops-at", "looped")]
        assert not [path for path in report["paths"] if path["flow"] in stops and path["ends"] == "delivered"]


def test_answered_path_lists_its_answer(tmp_path: Path) -> None:
    net = Network(POINTS)
    outward(net, Packet("icmp", C1, B, echo=7, seq=1))
    inward(net, Packet("icmp", B, A, echo=7, seq=1, icmp=(0, 0)), f"{C1}:0")
    path = path_of(read(net, tmp_path), C1, B)
    assert path["ends"] == "delivered"
    assert [(answer["kind"], answer["from"]) for answer in path["answers"]] == [("reply", B)]


def test_answer_from_another_port_is_an_answer(tmp_path: Path) -> None:
    """Docker's DNS: a container's loopback shows questions behind the translation, and answers before it."""
    net = Network(["A/bbox/lo"])
    net.pass_by(("A/bbox/lo", udp("127.0.0.1:40000 > 127.0.0.11:35010", b"question", ident=1)))
    net.pass_by(("A/bbox/lo", udp("127.0.0.11:53 > 127.0.0.1:40000", b"answer", ident=2)))
    (row,) = read(net, tmp_path)["fates"]
    assert (row["flow"]["dport"], row["fate"], row["known_by"]) == (35010, "delivered", "answer")
    assert [(answer["kind"], answer["from"]) for answer in row["answers"]] == [("reply", "127.0.0.11")]


@pytest.mark.parametrize("is_one_way", [True, False])
def test_echo_is_not_unanswered_where_answers_are_not_recorded(is_one_way: bool, tmp_path: Path) -> None:
    """As after `tcpdump src host A`: a client acknowledges what is not there; its pings may be answered as well."""
    net = Network(["any"])
    for number, flags in enumerate((SYN, ACK, ACK)):
        net.pass_by(("any", tcp(f"{A}:40000 > {B}:80", flags=flags, seq=100 + (number > 0), ack=500, ident=number + 1)))
    if not is_one_way:
        net.pass_by(("any", tcp(f"{B}:80 > {A}:40000", flags=SYN | ACK, seq=499, ack=101)))
    for number in range(3):
        net.pass_by(("any", ping(f"{A} > {B}", 7, number, ident=number + 10)), gap=SECOND)
    verdicts = {row["proto"]: row["fate"] for row in read(net, tmp_path)["fates"]}
    assert verdicts["icmp"] == ("unknown" if is_one_way else "repeated")


@pytest.mark.parametrize("port", [123, 8125])
@pytest.mark.parametrize("is_answered", [False, True])
def test_questions_of_a_clock_without_an_answer_are_repeated(tmp_path: Path, port: int, is_answered: bool) -> None:
    """NTP asks anew each time. What only sends, as a metric, gets no answer either."""
    net = Network(["A/web/eth0"])
    for number in range(4):
        asked = udp(f"{C1}:{port} > {B}:{port}", bytes([0x23, *range(47)]), ident=number + 1)
        net.pass_by(("A/web/eth0", asked), gap=1e6)
        if is_answered:
            net.pass_by(("A/web/eth0", udp(f"{B}:{port} > {C1}:{port}", bytes([0x24, *range(47)]), ident=number + 50)))
    rows = read(net, tmp_path)["fates"]
    assert [row["fate"] for row in rows].count("repeated") == (port == 123 and not is_answered)

"""session-refused: what BGP and IKE state in clear. Truth of the recordings: `birdc`, charon's log, and tshark."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_capture, of_story
from tests.stories import ACK, PSH, Network, tcp, udp
from tests.story_reports import A, B

NAME = "session-refused"
RECORDED = "tests/analysis/findings/recorded"
SECOND = 1e6  # µs
LEFT, RIGHT = "10.70.1.1", "10.70.1.2"


def recorded(name: str, point: str = "left__eth0") -> Findings:
    return of_capture(f"{RECORDED}/{name}/{point}.pcap", NAME)


def bgp_message(kind: int, body: bytes = b"") -> bytes:
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(body), kind) + body


def opening(number: int, hold: int = 90) -> bytes:
    """An OPEN; an AS number beyond 16 bits stands in a capability (RFC 6793)."""
    capability = struct.pack(">BBBBI", 2, 6, 65, 4, number) if number > 0xFFFF else b""
    fields = struct.pack(">BHHIB", 4, min(number, 23456), hold, 0x0A000001, len(capability))
    return bgp_message(1, fields + capability)


KEEPALIVE = bgp_message(4)


class Session:
    """Messages of a session of BGP between A and B."""

    def __init__(self, ends: tuple[str, str] = (A, B)) -> None:
        self.net = Network(["A/ens33"])
        self.ends = ends
        self.port = 40000

    def say(self, from_a: bool, payload: bytes) -> None:
        a, b = self.ends
        ends = f"{a}:{self.port} > {b}:179" if from_a else f"{b}:179 > {a}:{self.port}"
        self.net.pass_by(("A/ens33", tcp(ends, payload, flags=PSH | ACK, ident=len(self.net.recorded))), gap=SECOND)

    def fail(self, code: int, detail: int, number: int = 64501) -> None:
        """A asks, B sends its NOTIFICATION."""
        self.port += 1
        self.say(True, opening(number))
        self.say(False, bgp_message(3, bytes([code, detail])))

    def stand(self) -> None:
        self.port += 1
        for from_a in (True, False, True, False):
            self.say(from_a, KEEPALIVE)


def test_peer_with_another_as_is_told() -> None:
    for point in ("left__eth0", "right__eth0"):
        (finding,) = recorded("bgp-peer-as", point)
        assert finding["level"] == "warning"
        assert finding["says"] == (
            f"{RIGHT} refused the BGP session with {LEFT} 4 times: bad peer AS (NOTIFICATION 2/2); {LEFT} says that it "
            "is AS 64501"
        )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bgp-hold-time", f"3 times: unacceptable hold time (NOTIFICATION 2/6); {LEFT} offers 1 s"),
        ("bgp-shutdown", f"ended the BGP session with {LEFT}: administrative shutdown (NOTIFICATION 6/2)"),
        ("bgp-expired", ": hold timer expired (NOTIFICATION 4/0)"),
        ("ike-no-proposal", f"refused the IKEv2 SA that {LEFT} asks for: NO_PROPOSAL_CHOSEN"),
    ],
)
def test_stated_reason_is_told(name: str, words: str) -> None:
    (finding,) = recorded(name)
    assert finding["says"].startswith(RIGHT) and words in finding["says"]


@pytest.mark.parametrize("ends", [(A, B), ("[fd00::128]", "[fd00::129]")], ids=["IPv4", "IPv6"])
def test_as_number_of_32_bits_is_told(tmp_path: Path, ends: tuple[str, str]) -> None:
    session = Session(ends)
    session.fail(2, 2, number=4_200_000_001)
    (finding,) = of_story(session.net, tmp_path, NAME)
    assert finding["says"].endswith("says that it is AS 4200000001")
    assert finding["facts"]["refuser"] == ends[1].strip("[]")


def test_session_that_came_back_is_told_as_note(tmp_path: Path) -> None:
    session = Session()
    session.fail(6, 4)
    session.stand()
    (finding,) = of_story(session.net, tmp_path, NAME)
    assert finding["level"] == "info" and finding["says"].endswith("there is a session since")


@pytest.mark.parametrize("name", ["bgp-healthy", "ike-healthy", "ike-retried", "ike-blocked", "bgp-password"])
def test_other_recordings_are_silent(name: str) -> None:
    """Among them a client that tries one group of IKE after the other."""
    assert recorded(name) == []


def test_collision_of_two_connections_is_silent(tmp_path: Path) -> None:
    """Both ends open a connection; one is closed (RFC 4271 section 6.8)."""
    session = Session()
    session.fail(6, 7)
    assert of_story(session.net, tmp_path, NAME) == []


def test_payload_of_another_protocol_is_silent(tmp_path: Path) -> None:
    session = Session()
    session.say(True, b"\xff" * 15 + bgp_message(3, b"\2\2"))
    session.say(False, bgp_message(3, b"\2\2")[:20])
    assert of_story(session.net, tmp_path, NAME) == []


def ike_message(exchange: int, payload: bytes, first: int, *, responder: int = 0, version: int = 2) -> bytes:
    head = struct.pack(">QQBBBBI", 7, responder, first, version << 4, exchange, 0, 0)
    return head + struct.pack(">I", 28 + len(payload)) + payload


def asked_by_ike(net: Network, answer: bytes, times: int = 1, port: int = 500) -> None:
    marker = b"" if port == 500 else bytes(4)
    for number in range(times):
        request = ike_message(34, struct.pack(">BBH", 0, 0, 8) + bytes(4), 33)
        net.pass_by(("A/ens33", udp(f"{A}:{port} > {B}:{port}", marker + request, ident=number)), gap=SECOND)
        net.pass_by(("A/ens33", udp(f"{B}:{port} > {A}:{port}", marker + answer, ident=90 + number)), gap=SECOND)


def notify(number: int) -> bytes:
    return struct.pack(">BBHBBH", 0, 0, 8, 0, 0, number)


@pytest.mark.parametrize("port", [500, 4500])
def test_repeated_invalid_ke_payload_is_told(tmp_path: Path, port: int) -> None:
    net = Network(["A/ens33"])
    asked_by_ike(net, ike_message(34, notify(17), 41), times=3, port=port)
    (finding,) = of_story(net, tmp_path, NAME)
    assert "3 times: INVALID_KE_PAYLOAD" in finding["says"]


def test_refusal_of_version_1_is_told(tmp_path: Path) -> None:
    net = Network(["A/ens33"])
    body = struct.pack(">BBHIBBH", 0, 0, 12, 1, 1, 0, 14)
    asked_by_ike(net, ike_message(5, body, 11, responder=9, version=1))
    (finding,) = of_story(net, tmp_path, NAME)
    assert "refused the IKEv1 SA" in finding["says"] and "NO-PROPOSAL-CHOSEN" in finding["says"]


def test_status_notification_is_silent(tmp_path: Path) -> None:
    """COOKIE: a responder under load wants proof of the address (RFC 7296 section 2.6)."""
    net = Network(["A/ens33"])
    asked_by_ike(net, ike_message(34, notify(16390), 41), times=3)
    assert of_story(net, tmp_path, NAME) == []

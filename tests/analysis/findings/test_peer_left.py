"""peer-left: a tunnel's endpoint, or a Swarm node, answers nothing more from a certain time on."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.overlays import X_MAC, Y_MAC, X, Y, outer
from tests.analysis.findings.reported import Findings, of_story
from tests.analysis.findings.wires import gossip, send, two_cards
from tests.stories import SYN, Network, about, ping, tcp, udp
from tests.story_reports import A, B


def alive(net: Network) -> None:
    """Gossip in both directions, and a tunnel."""
    for number in range(3):
        gossip(net, number)
        send(net, outer(ping(f"{X} > {Y}", 7, number, ident=300 + number, smac=X_MAC, dmac=Y_MAC), True))
        back = ping(f"{Y} > {X}", 7, number, ident=400 + number, icmp=(0, 0), smac=Y_MAC, dmac=X_MAC)
        send(net, outer(back, False))


def go_on(net: Network, seconds: int = 8) -> None:
    """A goes on probing B, over UDP and TCP, and sending into the tunnel."""
    for number in range(seconds):
        send(net, udp(f"{A}:7946 > {B}:7946", b"late probe %d" % number, ident=700 + number))
        send(net, tcp(f"{A}:45000 > {B}:7946", flags=SYN, seq=9, ident=800 + number))
        inside = ping(f"{X} > {Y}", 9, number, ident=500 + number, smac=X_MAC, dmac=Y_MAC)
        send(net, outer(inside, True, sport=51000), gap=8e5)


def left(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "peer-left")


def test_peer_that_falls_silent_is_told(tmp_path: Path) -> None:
    net = two_cards()
    alive(net)
    go_on(net)
    (finding,) = left(net, tmp_path)
    assert finding["level"] == "warning"
    assert finding["facts"]["peer"] == B and not finding["facts"]["refuses"]
    assert finding["facts"]["services"] == ["tcp port 7946", "udp port 4789", "udp port 7946"]


def test_peer_that_refuses_is_told(tmp_path: Path) -> None:
    """Its host is up, and has neither Swarm nor tunnel any more."""
    net = two_cards()
    alive(net)
    go_on(net, 4)
    for number in range(4):
        cause = udp(f"{A}:7946 > {B}:7946", b"late probe")
        send(net, about(ping(f"{B} > {A}", 0, 0, icmp=(3, 3), ident=950 + number), cause))
        go_on(net, 2)
    (finding,) = left(net, tmp_path)
    assert finding["facts"]["refuses"]


def test_peer_that_goes_on_is_silent(tmp_path: Path) -> None:
    net = two_cards()
    alive(net)
    go_on(net)
    send(net, udp(f"{B}:7946 > {A}:7946", b"probe of B", ident=990))
    assert left(net, tmp_path) == []


def test_one_flow_that_goes_on_is_silent(tmp_path: Path) -> None:
    net = two_cards()
    alive(net)
    for number in range(10):
        send(net, tcp(f"{A}:45000 > {B}:7946", flags=SYN, seq=9, ident=800 + number), gap=1e6)
    assert left(net, tmp_path) == []


def test_short_silence_is_silent(tmp_path: Path) -> None:
    net = two_cards()
    alive(net)
    go_on(net, 3)
    assert left(net, tmp_path) == []


def test_server_that_is_no_node_is_silent(tmp_path: Path) -> None:
    """No tunnel and no Swarm: other findings say what they can."""
    net = two_cards()
    send(net, tcp(f"{A}:45000 > {B}:80", b"q", seq=9, ident=1))
    send(net, tcp(f"{B}:80 > {A}:45000", b"a", seq=9, ident=2))
    for number in range(10):
        send(net, tcp(f"{A}:{46000 + number} > {B}:80", flags=SYN, seq=9, ident=800 + number), gap=1e6)
        send(net, udp(f"{A}:5000 > {B}:53", b"question %d" % number, ident=900 + number))
    assert left(net, tmp_path) == []

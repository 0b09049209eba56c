"""Swarm's own traffic is left out of the paths; traffic of users on the same ports is not."""

from __future__ import annotations

from pathlib import Path

from tests.stories import ACK, SYN, Network, tcp, udp
from tests.story_reports import C1, A, B, read


def shown(net: Network, folder: Path) -> set[tuple[str, int | None, str, int | None]]:
    return {
        (flow["src"], flow["sport"], flow["dst"], flow["dport"])
        for flow in (path["flow"] for path in read(net, folder)["paths"])
    }


def test_swarm_control_traffic_is_left_out(tmp_path: Path) -> None:
    """A client whose source port is one of Swarm's is kept."""
    net = Network(["A/ens33", "B/ens33"])
    both = ["A/ens33", "B/ens33"]
    for number in range(3):
        flags = SYN if number == 0 else ACK
        for ends in (f"{A}:40001 > {B}:2377", f"{A}:40002 > {B}:7946", f"{A}:7946 > {B}:80", f"{A}:2377 > {B}:9000"):
            request = tcp(ends, b"x" * number, seq=number * 9, flags=flags, ident=number + 1)
            net.pass_by(*((point, request) for point in both))
            target, source = ends.split(" > ")[::-1]
            answer = tcp(f"{target} > {source}", b"y" * number, seq=number, ack=1, flags=flags | ACK, ident=number + 7)
            net.pass_by(*((point, answer) for point in both[::-1]))
        for ends in (f"{A}:7946 > {B}:7946", f"{A}:7946 > {B}:53", f"{A}:50000 > {B}:7946"):
            packet = udp(ends, b"%04d" % number, ident=number + 40)
            net.pass_by(*((point, packet) for point in both))
    assert shown(net, tmp_path) == {
        (A, 7946, B, 80), (B, 80, A, 7946), (A, 2377, B, 9000), (B, 9000, A, 2377),
        (A, 7946, B, 53), (A, 50000, B, 7946),
    }  # fmt: skip


def test_connection_without_syn_belongs_to_lower_port(tmp_path: Path) -> None:
    """Without a SYN, the lower port is taken for the server's."""
    net = Network(["A/ens33", "B/ens33"])
    for number in range(3):
        for ends in (f"{A}:40001 > {B}:2377", f"{B}:7946 > {A}:33000", f"{A}:7946 > {B}:80"):
            packet = tcp(ends, b"x", seq=number, ack=5, ident=number + 1)
            net.pass_by(*((point, packet) for point in net.points))
    assert shown(net, tmp_path) == {(A, 7946, B, 80)}


def test_container_that_serves_swarm_port_is_listed(tmp_path: Path) -> None:
    """Serf and others gossip on 7946 too: from a container, through masquerade, or inside an overlay."""
    net = Network(["A/docker0", "A/ens33", "B/ens33"])
    for number in range(3):
        packet = udp(f"{C1}:7946 > {B}:7946", b"%04d" % number, ident=number + 1)
        outside = packet.routed(src=A)
        net.pass_by(("A/docker0", packet), ("A/ens33", outside), ("B/ens33", outside))
        inner = udp("10.0.1.2:7946 > 10.0.1.4:7946", b"%04d" % number, ident=number + 50, tunnel=(4097, A, B, 5))
        net.pass_by(("A/ens33", inner), ("B/ens33", inner))
    assert shown(net, tmp_path) == {(C1, 7946, B, 7946), ("10.0.1.2", 7946, "10.0.1.4", 7946)}

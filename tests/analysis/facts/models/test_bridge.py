"""bridge: what tells Docker's bridge from another NAT router, and its userland proxy."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.facts.models.stations import (
    B_MAC,
    HOST,
    HOST_MAC,
    MAC_1,
    MAC_2,
    arp_everywhere,
    docker_mac,
    likely,
)
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import read

GATEWAY, GATEWAY_MAC = "172.17.0.1", "02:42:9c:1d:00:80"
CLIENT, SERVER = "172.17.0.3", "172.17.0.2"


def test_slow_nat_router_is_no_likely_bridge(tmp_path: Path) -> None:
    net = Network(["inside", "outside"])
    syn = tcp("192.168.1.20:5555 > 93.184.216.34:443", seq=1000, flags=SYN, ident=1, smac=MAC_1, dmac=MAC_2)
    outside = syn.routed(src="203.0.113.7", smac=HOST_MAC, dmac=B_MAC)
    net.pass_by(("inside", syn), ("outside", outside), delay=2500.0)
    assert read(net, tmp_path)["models"] == []


def test_docker_proxy_without_nat_is_a_bridge(tmp_path: Path) -> None:
    """A hairpin with the userland proxy: nothing is translated, the gateway opens a second connection."""
    net = Network(["if0", "if1", "if2"])
    arp_everywhere(net, ["if0", "if1"], GATEWAY_MAC, GATEWAY, CLIENT, operation=2)
    outer = tcp(f"{CLIENT}:40000 > {HOST}:8080", seq=1000, smac=docker_mac(CLIENT), dmac=GATEWAY_MAC)
    outer_reply = tcp(f"{HOST}:8080 > {CLIENT}:40000", seq=5000, smac=GATEWAY_MAC, dmac=docker_mac(CLIENT))
    inner = tcp(f"{GATEWAY}:50000 > {SERVER}:80", seq=20_000, smac=GATEWAY_MAC, dmac=docker_mac(SERVER))
    inner_reply = tcp(f"{SERVER}:80 > {GATEWAY}:50000", seq=70_000, smac=docker_mac(SERVER), dmac=GATEWAY_MAC)
    connections = ((outer, ("if0", "if1")), (inner, ("if1", "if2")))
    replies = ((inner_reply, ("if2", "if1")), (outer_reply, ("if1", "if0")))
    for number, (request_size, reply_size, flags) in enumerate(((0, 0, SYN), (88, 500, ACK))):
        for packet, points in connections:
            sent = packet.but(payload=bytes(request_size), seq=packet.seq + number, flags=flags, ident=number + 1)
            net.pass_by(*((point, sent) for point in points))
        for packet, points in replies:
            sent = packet.but(payload=bytes(reply_size), seq=packet.seq + number, flags=flags | ACK, ident=number + 9)
            net.pass_by(*((point, sent) for point in points))
    net.pass_by(*((point, outer.but(seq=1089, ident=5)) for point in ("if0", "if1")))
    assert likely(read(net, tmp_path)) == ["bridge"]

"""A router sends packets out of the interface whose network has their destination; there they are due."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.topology import Host, Interface, Route, Topology
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer
from tests.conftest import PROJECT
from tests.stories import ACK, SYN, Network, arp, tcp

RECORDED = PROJECT / "pcaps" / "faults" / "router-drop.pcapng"
INSIDE, OUTSIDE = "router/eth1", "router/ens33"
CLIENT, OTHER_CLIENT, SERVER = "10.9.0.5", "10.9.0.6", "192.168.111.129"
OWN_INSIDE, OWN_OUTSIDE = "02:00:0a:09:00:fe", "02:00:c0:a8:6f:01"
MACS = {CLIENT: "02:00:0a:09:00:05", OTHER_CLIENT: "02:00:0a:09:00:06", SERVER: "02:00:c0:a8:6f:81"}


def router(*routes: Route) -> Topology:
    """The router, as a survey of it says."""
    interfaces = [
        Interface("eth1", 2, OWN_INSIDE, ["10.9.0.254/24"]),
        Interface("ens33", 3, OWN_OUTSIDE, ["192.168.111.1/24"]),
    ]
    return Topology(hosts=[Host("router", "", "", interfaces, routes=list(routes))])


def story(server: str = SERVER, speaks_at: tuple[str, ...] = (OUTSIDE,)) -> Network:
    """Two clients ask a server, in vain, by a router; the server asks for the router at its interfaces."""
    net = Network([INSIDE, OUTSIDE])
    speak(net, speaks_at, SYN)
    for client in (CLIENT, OTHER_CLIENT):
        syn = tcp(f"{client}:40000 > {server}:80", flags=SYN, seq=7, smac=MACS[client], dmac=OWN_INSIDE)
        for number in range(4):
            net.pass_by((INSIDE, syn.but(ident=1000 + number)), gap=1e6)
    speak(net, speaks_at, ACK)
    return net


def speak(net: Network, points: tuple[str, ...], flags: int) -> None:
    """The server asks for the router, and sends it a segment, which it answers: a point without any TCP, or without
    any answer, may have a filter.
    """
    hello = tcp(f"{SERVER}:50000 > 192.168.111.1:22", flags=flags, seq=flags, ident=flags)
    answer = tcp(f"192.168.111.1:22 > {SERVER}:50000", flags=ACK, seq=1, ack=flags + 1, ident=flags + 100)
    for point in points:
        net.pass_by((point, arp(1, MACS[SERVER], SERVER, "192.168.111.1")))
        net.pass_by((point, hello.but(smac=MACS[SERVER], dmac=OWN_OUTSIDE)))
        net.pass_by((point, answer.but(smac=OWN_OUTSIDE, dmac=MACS[SERVER])))


def stops(net: Network, folder: Path, topology: Topology | None = None) -> list[tuple[str, object]]:
    """Points between which something stops."""
    findings = analyze(net.write(folder), topology).findings
    return [(each.facts["point"], each.facts["next"]) for each in findings if each.name == "stops-between"]


def test_network_of_another_interface_is_the_way(tmp_path: Path) -> None:
    assert stops(story(), tmp_path, router()) == [(INSIDE, OUTSIDE)]


def test_neighbour_of_another_interface_is_the_way(tmp_path: Path) -> None:
    """Without a topology, the server itself shows behind which interface it is."""
    assert stops(story(), tmp_path) == [(INSIDE, OUTSIDE)]


def test_route_is_the_way_and_a_default_route_is_not(tmp_path: Path) -> None:
    """DNAT of a service address comes before the default route."""
    far = story(server="10.50.0.7")
    assert stops(far, tmp_path, router(Route("10.50.0.0/16", "192.168.111.9", "ens33"))) == [(INSIDE, OUTSIDE)]
    assert stops(far, tmp_path, router(Route("default", "192.168.111.9", "ens33"))) == []
    nearer = Route("192.168.111.128/25", "10.9.0.9", "eth1")
    assert stops(story(), tmp_path, router(nearer)) == []  # sent back by the interface that it came in


def test_neighbour_at_both_interfaces_shows_no_way(tmp_path: Path) -> None:
    assert stops(story(speaks_at=(INSIDE, OUTSIDE)), tmp_path) == []


def test_router_s_own_address_is_no_way(tmp_path: Path) -> None:
    """What is sent to the router itself is not forwarded; a published port may be translated."""
    assert stops(story(server="192.168.111.1"), tmp_path, router()) == []


@pytest.mark.parametrize(("capture_filter", "told"), [("", 1), ("tcp port 443", 0)])
def test_recording_says_whether_it_had_a_filter(capture_filter: str, told: int, tmp_path: Path) -> None:
    """The interface behind the rule shows no packet at all; with a filter, that proves nothing."""
    with open_capture(RECORDED) as capture:
        packets = [(each.interface, each.time, bytes(each.data)) for each in capture.records()]
        points = capture.interfaces
    blocks = [pcapng_writer.section(userappl="capnet")]
    blocks += [pcapng_writer.interface(point.name or "", capture_filter=capture_filter) for point in points]
    blocks += [pcapng_writer.packet(*packet) for packet in packets]
    for number, point in enumerate(points):
        assert point.started and point.ended
        span = {"start_ns": point.started, "end_ns": point.ended}
        blocks.append(pcapng_writer.statistics(number, point.ended, **span, received=point.packets))
    path = tmp_path / "made.pcapng"
    path.write_bytes(b"".join(blocks))
    findings = analyze(path, Topology.load(RECORDED.with_suffix(".topology.json"))).findings
    assert [each.name for each in findings].count("stops-between") == told

"""reverse-path-filter: a host refuses clients behind a router, because its route to them leaves by another interface.

The stories have host A with the cards ens33 and ens34, which publishes web:80 at 10.9.0.128:8080 on ens34. A router
on ens34's network passes on the packets of far clients.
"""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import CARD_A, Findings, of_story
from tests.stories import ACK, SYN, Network, udp
from tests.stories import tcp as segment
from tests.story_reports import C1

SERVER, NEIGHBOUR, FAR, FAR_TOO = "10.9.0.128", "10.9.0.50", "10.8.0.5", "10.8.0.6"
NEIGHBOUR_MAC, ROUTER_MAC = "02:16:3e:00:00:50", "02:50:56:c0:00:09"
BRIDGE_MAC, WEB_MAC = "02:42:00:00:00:01", "02:42:ac:11:00:02"
POINTS = ["A/ens34", "A/ens33", "A/docker0"]


def knock(net: Network, client: str, mac: str, ttl: int, count: int = 4) -> None:
    """SYNs of a client that end at ens34."""
    syn = segment(f"{client}:41000 > {SERVER}:8080", flags=SYN, seq=7000, smac=mac, dmac=CARD_A, ttl=ttl)
    for number in range(count):
        net.pass_by(("A/ens34", syn.but(ident=7000 + number)), gap=1e6)


def serve(net: Network, client: str, mac: str, ttl: int, port: int = 40000) -> None:
    """A client's connection, translated to web:80 and answered."""
    for seq, flags in ((100, SYN), (101, ACK)):
        ends = f"{client}:{port} > {SERVER}:8080"
        request = segment(ends, flags=flags, seq=seq, ident=port + seq, smac=mac, dmac=CARD_A, ttl=ttl)
        inside = request.routed(ends=f"{client}:{port} > {C1}:80", smac=BRIDGE_MAC, dmac=WEB_MAC)
        net.pass_by(("A/ens34", request), ("A/docker0", inside))
        answer = segment(f"{C1}:80 > {client}:{port}", flags=SYN | ACK if flags == SYN else ACK, seq=900 + seq,
                         ack=seq + 1, ident=port + 500 + seq, smac=WEB_MAC, dmac=BRIDGE_MAC)  # fmt: skip
        outside = answer.routed(ends=f"{SERVER}:8080 > {client}:{port}", smac=CARD_A, dmac=mac)
        net.pass_by(("A/docker0", answer), ("A/ens34", outside))


def refused(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "reverse-path-filter")


def test_clients_behind_a_router_is_told(tmp_path: Path) -> None:
    """The neighbour is served through the same interface; symptoms of the same packets are left out."""
    net = Network(POINTS)
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    knock(net, FAR, ROUTER_MAC, 63)
    knock(net, FAR_TOO, ROUTER_MAC, 63)
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64, 40001)
    (finding,) = refused(net, tmp_path)
    assert finding["level"] == "error"
    assert finding["facts"]["clients"] == [FAR, FAR_TOO] and finding["facts"]["packets"] == 8
    assert (finding["facts"]["router"], finding["facts"]["neighbour"]) == (ROUTER_MAC, NEIGHBOUR)
    assert of_story(net, tmp_path, "stops-between") == []


def test_host_that_shows_one_interface_is_told(tmp_path: Path) -> None:
    """Nothing shows that the route to the client leaves elsewhere: likely, and no more."""
    net = Network(["A/ens34", "A/docker0"])
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    knock(net, FAR, ROUTER_MAC, 63)
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64, 40001)
    (finding,) = refused(net, tmp_path)
    assert finding["level"] == "warning"


def test_host_that_sends_to_the_clients_elsewhere_is_told(tmp_path: Path) -> None:
    """The same client is served by ens33: the route to it leaves there."""
    net = Network(POINTS)
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    knock(net, FAR, ROUTER_MAC, 63)
    net.pass_by(("A/ens33", udp(f"192.168.111.128:53 > {FAR}:4000", b"answer", ident=77, smac=CARD_A)))
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64, 40001)
    (finding,) = refused(net, tmp_path)
    assert finding["level"] == "error"


def test_router_with_another_client_served_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    serve(net, FAR_TOO, ROUTER_MAC, 63, 40001)
    knock(net, FAR, ROUTER_MAC, 63)
    serve(net, FAR_TOO, ROUTER_MAC, 63, 40002)
    assert refused(net, tmp_path) == []


def test_service_without_a_neighbour_served_is_silent(tmp_path: Path) -> None:
    """Neighbours stop as well, so it is not the way back to the client."""
    net = Network(POINTS)
    knock(net, FAR, ROUTER_MAC, 63)
    knock(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    assert refused(net, tmp_path) == []


def test_host_that_sends_to_the_client_here_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    knock(net, FAR, ROUTER_MAC, 63)
    net.pass_by(("A/ens34", udp(f"{SERVER}:53 > {FAR}:4000", b"answer", ident=77, smac=CARD_A, dmac=ROUTER_MAC)))
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64, 40001)
    assert refused(net, tmp_path) == []


def test_single_syn_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    knock(net, FAR, ROUTER_MAC, 63, count=1)
    serve(net, NEIGHBOUR, NEIGHBOUR_MAC, 64, 40001)
    assert refused(net, tmp_path) == []


def ask_host(net: Network, client: str, mac: str, ttl: int, answered_at: str = "A/ens34") -> None:
    """A connection to a server of A itself; `answered_at`: where its answer leaves, nowhere if empty."""
    for number in range(1 if answered_at else 4):
        syn = segment(f"{client}:42000 > {SERVER}:22", flags=SYN, seq=10, ident=number, smac=mac, dmac=CARD_A, ttl=ttl)
        net.pass_by(("A/ens34", syn), gap=1e6)
    if answered_at:
        back = segment(f"{SERVER}:22 > {client}:42000", flags=SYN | ACK, seq=20, ack=11, smac=CARD_A, dmac=mac)
        net.pass_by((answered_at, back))


def test_server_of_the_host_itself_is_told(tmp_path: Path) -> None:
    net = Network(POINTS)
    ask_host(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    ask_host(net, FAR, ROUTER_MAC, 63, answered_at="")
    net.pass_by(("A/ens33", udp("192.168.111.128:53 > 192.168.111.129:4000", b"other", ident=77, smac=CARD_A)))
    (finding,) = refused(net, tmp_path)
    assert finding["level"] == "error" and finding["facts"]["clients"] == [FAR]


def test_answer_that_leaves_by_another_interface_is_silent(tmp_path: Path) -> None:
    """The host takes the packets; its answers go elsewhere."""
    net = Network(POINTS)
    ask_host(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    ask_host(net, FAR, ROUTER_MAC, 63, answered_at="")
    ask_host(net, FAR, ROUTER_MAC, 63, answered_at="A/ens33")
    assert refused(net, tmp_path) == []


def test_server_of_a_host_with_one_interface_is_silent(tmp_path: Path) -> None:
    """Its route to the client leaves by this interface: a firewall may drop senders from elsewhere."""
    net = Network(["A/ens34"])
    ask_host(net, NEIGHBOUR, NEIGHBOUR_MAC, 64)
    ask_host(net, FAR, ROUTER_MAC, 63, answered_at="")
    assert refused(net, tmp_path) == []

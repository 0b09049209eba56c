"""stale-conntrack: one sender's datagrams are still translated to an address that is gone.

The stories have host A, which publishes 5060/udp of a container. The container was replaced: its address was C1 and is
C2 now.
"""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import CARD_A, CARD_B, Findings, named, of_story
from tests.stories import Network, Packet, about, arp, ping, udp
from tests.story_reports import C1, C2, A, B, read

BRIDGE_MAC, OLD_MAC, NEW_MAC = "02:42:00:00:00:01", "02:42:ac:11:00:02", "02:42:ac:11:00:03"
GATEWAY = "172.17.0.1"
POINTS = ["A/ens33", "A/docker0"]


def send(net: Network, port: int, to: str | None, count: int, ident: int, client: str = B) -> None:
    """Datagrams of a client to A:5060; `to`: the container that gets them, None if they end at the host."""
    for number in range(count):
        outside = udp(f"{client}:{port} > {A}:5060", b"datagram", ident=ident + number, smac=CARD_B, dmac=CARD_A)
        hops = [("A/ens33", outside)]
        if to:
            mac = OLD_MAC if to == C1 else NEW_MAC
            hops.append(("A/docker0", outside.routed(ends=f"{client}:{port} > {to}:5060", smac=BRIDGE_MAC, dmac=mac)))
        net.pass_by(*hops, gap=500_000)


def ask(net: Network, address: str, answered_by: str = "") -> None:
    net.at(net.now - 499_000, "A/docker0", arp(1, BRIDGE_MAC, GATEWAY, address))
    if answered_by:
        net.at(net.now - 498_000, "A/docker0", arp(2, answered_by, address, GATEWAY, to=BRIDGE_MAC))


def unreachable(net: Network, port: int, code: int, count: int = 1) -> None:
    """A tells B that it cannot deliver the datagrams of this port."""
    cause = udp(f"{B}:{port} > {A}:5060", b"datagram")
    for number in range(count):
        error = about(ping(f"{A} > {B}", 0, 0, icmp=(3, code), smac=CARD_A, dmac=CARD_B, ident=number), cause)
        net.pass_by(("A/ens33", error))


def stale(net: Network, folder: Path) -> Findings:
    return of_story(net, folder, "stale-conntrack")


def replaced(net: Network) -> None:
    """The first sender reaches the old container until that is gone; the second sender reaches the new one."""
    send(net, 40000, C1, 3, ident=10)
    for number in range(3):
        send(net, 40000, None, 1, ident=20 + number)
        ask(net, C1)
    send(net, 40001, C2, 3, ident=30)


def test_address_that_is_gone_is_told(tmp_path: Path) -> None:
    net = Network(POINTS)
    replaced(net)
    (finding,) = stale(net, tmp_path)
    assert finding["level"] == "error"
    assert finding["facts"]["translated_to"] == C1 and finding["facts"]["others_translated_to"] == C2
    assert finding["facts"]["packets"] == 3 and finding["facts"]["sender"] == f"{B}:40000"
    assert of_story(net, tmp_path, "packet-loss") == []


def test_capture_that_began_later_is_told(tmp_path: Path) -> None:
    """The old translation was not captured: the host asks for the old address whenever a datagram comes."""
    net = Network(POINTS)
    for number in range(3):
        send(net, 40000, None, 1, ident=20 + number)
        ask(net, C1)
    send(net, 40001, C2, 3, ident=30)
    (finding,) = stale(net, tmp_path)
    assert finding["facts"]["translated_to"] == C1


def test_host_that_says_unreachable_is_told(tmp_path: Path) -> None:
    """The bridge was captured with a filter that leaves out ARP."""
    net = Network(POINTS)
    send(net, 40000, C1, 3, ident=10)
    send(net, 40000, None, 3, ident=20)
    unreachable(net, 40000, 1)
    send(net, 40001, C2, 3, ident=30)
    (finding,) = stale(net, tmp_path)
    assert finding["facts"]["translated_to"] == C1


def test_flow_that_the_host_refuses_is_told(tmp_path: Path) -> None:
    """Its entry was made before the port was published: it is not translated at all."""
    net = Network(POINTS)
    send(net, 40000, None, 3, ident=20)
    unreachable(net, 40000, 3, count=3)
    send(net, 40001, C2, 3, ident=30)
    (finding,) = stale(net, tmp_path)
    assert finding["facts"]["translated_to"] is None and finding["facts"]["others_translated_to"] == C2


def test_flow_of_ipv6_is_told(tmp_path: Path) -> None:
    server, old, new, client = "2001:db8::1", "fd00::2", "fd00::3", "2001:db8::2"
    net = Network(POINTS)

    def send_v6(port: int, to: str, mac: str, count: int, inside: int) -> None:
        for number in range(count):
            data = b"datagram %d %d" % (port, number)
            outside = udp(f"[{client}]:{port} > [{server}]:5060", data, smac=CARD_B, dmac=CARD_A)
            within = outside.routed(ends=f"[{client}]:{port} > [{to}]:5060", smac=BRIDGE_MAC, dmac=mac)
            hops = [("A/ens33", outside), ("A/docker0", within)][: 2 if number < inside else 1]
            net.pass_by(*hops, gap=500_000)

    send_v6(40000, old, OLD_MAC, 6, inside=3)
    cause = udp(f"[{client}]:40000 > [{server}]:5060", b"datagram")
    net.pass_by(("A/ens33", Packet("icmp", server, client, icmp=(1, 3), payload=cause.ip())))
    send_v6(40001, new, NEW_MAC, 3, inside=3)
    (finding,) = stale(net, tmp_path)
    assert finding["facts"]["translated_to"] == old and finding["facts"]["server"] == f"[{server}]:5060"


def test_server_that_is_down_for_all_is_silent(tmp_path: Path) -> None:
    """No sender is translated to another address."""
    net = Network(POINTS)
    send(net, 40000, C1, 3, ident=10)
    for number in range(3):
        send(net, 40000, None, 1, ident=20 + number)
        send(net, 40001, None, 1, ident=30 + number)
        ask(net, C1)
    assert stale(net, tmp_path) == []


def test_two_backends_that_live_is_silent(tmp_path: Path) -> None:
    """A balancer sends each sender to a backend of its own; ARP renews both now and then."""
    net = Network(POINTS)
    send(net, 40000, C1, 3, ident=10)
    ask(net, C1, answered_by=OLD_MAC)
    send(net, 40001, C2, 3, ident=30)
    ask(net, C2, answered_by=NEW_MAC)
    assert stale(net, tmp_path) == []


def test_loss_to_an_address_that_lives_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    send(net, 40000, C1, 3, ident=10)
    send(net, 40000, None, 3, ident=20)
    ask(net, C1, answered_by=OLD_MAC)
    send(net, 40001, C2, 3, ident=30)
    assert stale(net, tmp_path) == []


def test_arp_for_an_unrelated_address_is_silent(tmp_path: Path) -> None:
    """The host looks for another container, at a time when no datagram of the flow came."""
    net = Network(POINTS)
    send(net, 40000, None, 3, ident=20)
    send(net, 40001, C2, 3, ident=30)
    net.at(net.now, "A/docker0", arp(1, BRIDGE_MAC, GATEWAY, "172.17.0.9"))
    assert stale(net, tmp_path) == []


def answer(net: Network, port: int, of: str, ident: int) -> None:
    """The container's answer to a client."""
    mac = OLD_MAC if of == C1 else NEW_MAC
    inside = udp(f"{of}:5060 > {B}:{port}", b"answer", ident=ident, smac=mac, dmac=BRIDGE_MAC)
    outside = inside.routed(ends=f"{A}:5060 > {B}:{port}", smac=CARD_A, dmac=CARD_B)
    net.pass_by(("A/docker0", inside), ("A/ens33", outside))


def two_senders(net: Network, old_answers: bool) -> None:
    """Each has its own container; the first one's is heard at the beginning, and later if it answers then."""
    send(net, 40000, C1, 1, ident=10)
    answer(net, 40000, C1, 500)
    for number in range(5):
        send(net, 40000, C1, 1, ident=20 + number)
        if old_answers and number == 4:
            answer(net, 40000, C1, 600)
        send(net, 40001, C2, 1, ident=40 + number)
        answer(net, 40001, C2, 700 + number)


def test_address_that_sends_nothing_any_more_is_told(tmp_path: Path) -> None:
    """The host still knows the MAC of the container that is gone, and sends on without asking."""
    net = Network(POINTS)
    two_senders(net, old_answers=False)
    (finding,) = stale(net, tmp_path)
    assert finding["facts"]["translated_to"] == C1 and finding["facts"]["packets"] == 5


def test_address_that_answers_late_is_silent(tmp_path: Path) -> None:
    net = Network(POINTS)
    two_senders(net, old_answers=True)
    assert stale(net, tmp_path) == []


def relayed(net: Network, count: int, after: float) -> None:
    """A's docker-proxy sends each datagram of B on to the container, and another client's are translated."""
    for number in range(count):
        net.now = number * 500_000
        mine = udp(f"{B}:40000 > {A}:5060", b"datagram", ident=number + 1, smac=CARD_B, dmac=CARD_A)
        on = udp(f"{GATEWAY}:51000 > {C2}:5060", b"datagram", ident=number + 900, smac=BRIDGE_MAC, dmac=NEW_MAC)
        net.at(net.now, "A/ens33", mine)
        net.at(net.now + after, "A/docker0", on)
        net.now += 250_000
        send(net, 40001, C2, 1, ident=300 + number, client="192.168.111.130")


def test_datagrams_that_a_proxy_sends_on_is_told(tmp_path: Path) -> None:
    """They came before the container: the host keeps taking them for its own, and its proxy hides the sender."""
    net = Network(POINTS)
    relayed(net, 6, after=200)
    report = read(net, tmp_path)
    (finding,) = named(report, "stale-conntrack")
    assert finding["level"] == "warning" and finding["facts"]["relayed_from"] == GATEWAY
    assert f"takes 6 datagrams and sends them on, so that {C2} sees {GATEWAY} as their sender" in finding["says"]
    assert named(report, "stops-between") == []


def test_datagrams_of_the_host_at_other_times_is_silent(tmp_path: Path) -> None:
    """A asks the container on its own account: no datagram of B is followed by one of A."""
    net = Network(POINTS)
    relayed(net, 6, after=120_000)
    assert stale(net, tmp_path) == []

"""Stories of one Docker host A with two bridges: web and app on docker0, db on br-0123456789ab; B is another host."""

from __future__ import annotations

from tests.analysis.findings.reported import CARD_A, CARD_B
from tests.stories import ACK, SYN, Network, Packet, arp, tcp
from tests.story_reports import A, B

WEB, APP, DB = "172.17.0.2", "172.17.0.3", "172.18.0.2"
GATEWAY, GATEWAY_OF_DB = "172.17.0.1", "172.18.0.1"
WEB_MAC, APP_MAC, DB_MAC = "02:42:ac:11:00:02", "02:42:ac:11:00:03", "02:42:ac:12:00:02"
BRIDGE_MAC, BRIDGE_MAC_OF_DB = "02:42:00:00:00:01", "02:42:00:00:00:02"
CARD, BRIDGE, BRIDGE_OF_DB = "A/ens33", "A/docker0", "A/br-0123456789ab"
POINTS = [CARD, BRIDGE, BRIDGE_OF_DB]


def host() -> Network:
    """Each bridge shows that its host and its containers resolve each other."""
    net = Network(list(POINTS))
    for point, mac, gateway, container, container_mac in (
        (BRIDGE, BRIDGE_MAC, GATEWAY, WEB, WEB_MAC),
        (BRIDGE, BRIDGE_MAC, GATEWAY, APP, APP_MAC),
        (BRIDGE_OF_DB, BRIDGE_MAC_OF_DB, GATEWAY_OF_DB, DB, DB_MAC),
    ):
        net.at(net.now, point, arp(1, mac, gateway, container))
        net.at(net.now + 5, point, arp(2, container_mac, container, gateway, to=mac))
        net.now += 1000
    return net


def surf(net: Network, src: str, mac: str, point: str, gateway_mac: str, number: int) -> None:
    """A container's connection to B, masqueraded and answered."""
    for seq, flags in ((100, SYN), (101, ACK)):
        inside = tcp(f"{src}:{42000 + number} > {B}:80", flags=flags, seq=seq, ident=100 * number + seq, smac=mac,
                     dmac=gateway_mac)  # fmt: skip
        net.pass_by((point, inside), (CARD, inside.routed(src=A, smac=CARD_A, dmac=CARD_B)))
        answer = tcp(f"{B}:80 > {A}:{42000 + number}", flags=flags | ACK, seq=900 + seq, ack=seq + 1,
                     ident=5000 + 100 * number + seq, smac=CARD_B, dmac=CARD_A)  # fmt: skip
        net.pass_by((CARD, answer), (point, answer.routed(dst=src, smac=gateway_mac, dmac=mac)), gap=1e5)


def publish(net: Network, number: int) -> None:
    """B's connection to A:8080, translated to web:80 and answered."""
    for seq, flags in ((100, SYN), (101, ACK)):
        request = tcp(f"{B}:{43000 + number} > {A}:8080", flags=flags, seq=seq, ident=100 * number + seq, smac=CARD_B,
                      dmac=CARD_A)  # fmt: skip
        inside = request.routed(ends=f"{B}:{43000 + number} > {WEB}:80", smac=BRIDGE_MAC, dmac=WEB_MAC)
        net.pass_by((CARD, request), (BRIDGE, inside))
        answer = tcp(f"{WEB}:80 > {B}:{43000 + number}", flags=flags | ACK, seq=900 + seq, ack=seq + 1,
                     ident=5000 + 100 * number + seq, smac=WEB_MAC, dmac=BRIDGE_MAC)  # fmt: skip
        outside = answer.routed(ends=f"{A}:8080 > {B}:{43000 + number}", smac=CARD_A, dmac=CARD_B)
        net.pass_by((BRIDGE, answer), (CARD, outside), gap=1e5)


def knock(net: Network, packet: Packet, *points: str, count: int = 4, behind: str = "") -> None:
    """A SYN again and again at these points; `behind`: MAC of the receiver at the second one."""
    for number in range(count):
        forms = [packet.but(ident=7000 + number)]
        forms.append(forms[0].routed(dmac=behind or packet.dmac))
        net.pass_by(*zip(points, forms, strict=False), gap=1e6)

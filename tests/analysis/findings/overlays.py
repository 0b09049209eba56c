"""Stories of an overlay between hosts A and B: container X on A, container Y on B, one VXLAN network."""

from __future__ import annotations

from tests.analysis.findings.reported import CARD_A, CARD_B
from tests.stories import Network, Packet, arp
from tests.story_reports import A, B

X, Y = "10.0.1.2", "10.0.1.3"
X_MAC, Y_MAC = "02:42:0a:00:01:02", "02:42:0a:00:01:03"
VNI = 4097
A_INSIDE, A_CARD, B_CARD, B_INSIDE = POINTS = [
    "A/overlay:front/vxlan0", "A/ens33", "B/ens33", "B/overlay:front/vxlan0",
]  # fmt: skip


def outer(
    packet: Packet | bytes, a_to_b: bool, vni: int = VNI, ends: tuple[str, str] = (A, B), **more: object
) -> Packet:
    """The datagram that carries a packet, or a frame, from A to B or back; `ends`: addresses of A and B."""
    src, dst = ends if a_to_b else ends[::-1]
    macs = (CARD_A, CARD_B) if a_to_b else (CARD_B, CARD_A)
    inside = packet if isinstance(packet, bytes) else packet.frame()
    header = b"\x08\0\0\0" + (vni << 8).to_bytes(4, "big")
    return Packet("udp", src, dst, 50000, 4789, payload=header + inside, df=False, smac=macs[0], dmac=macs[1],
                  ident=hash_of(inside)).but(**more)  # fmt: skip


def hash_of(octets: bytes) -> int:
    """An IP identification that differs from packet to packet."""
    return sum(octet * (at % 251 + 1) for at, octet in enumerate(octets)) & 0xFFFF


def travel(net: Network, packet: Packet | bytes, a_to_b: bool, *points: str, gap: float = 1e6, **more: object) -> None:
    """A packet in the overlay at these points, in the order of its direction; `more`: arguments of `outer`."""
    order = POINTS if a_to_b else POINTS[::-1]
    carrier = outer(packet, a_to_b, **more)  # type: ignore[arg-type]
    time = net.now
    for point in order:
        time += 10
        if point in points and point in net.points:
            net.at(time, point, carrier if point in (A_CARD, B_CARD) else packet)
    net.now += gap


def asks(mac: str, sender: str, target: str) -> bytes:
    return arp(1, mac, sender, target)

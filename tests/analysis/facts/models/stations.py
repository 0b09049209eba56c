"""What the tests of network models share: stations that exchange packets, and what a report concludes."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.stories import ACK, SYN, Network, arp, tcp

HOST, B, CHILD_1, CHILD_2 = "192.168.111.128", "192.168.111.129", "192.168.111.10", "192.168.111.11"
HOST_MAC, B_MAC, MAC_1, MAC_2 = "02:00:00:00:00:80", "02:00:00:00:00:81", "06:11:00:00:00:0a", "06:11:00:00:00:0b"
BRIDGE_MAC = "02:42:9c:1d:00:80"  # as Docker gives its bridges: 02:42 and four random octets
LO_MAC = "00:00:00:00:00:00"  # of Linux' loopback interface


def docker_mac(ip: str) -> str:
    """The MAC that Docker up to 27 makes for a container of this address."""
    return "02:42:" + ":".join(f"{int(octet):02x}" for octet in ip.split("."))


class Socket(NamedTuple):
    """One end of a connection: MAC, address and port."""

    mac: str
    ip: str
    port: int


def exchange(net: Network, client: Socket, server: Socket, *points: str, ttl: int = 64) -> None:
    """A TCP segment and its answer, unlike any other one; `points` in the order of the request."""
    ends, first = f"{client.ip}:{client.port} > {server.ip}:{server.port}", 1000 * len(net.recorded)
    request = tcp(ends, bytes(46), seq=first, ident=first & 0xFFFF, ttl=ttl, smac=client.mac, dmac=server.mac)
    answer = tcp(_reverse(ends), bytes(46), seq=first + 500, ack=first + 46, ident=first + 1 & 0xFFFF, ttl=ttl)
    answer = answer.but(smac=server.mac, dmac=client.mac)
    net.pass_by(*((point, request) for point in points))
    net.pass_by(*((point, answer) for point in points[::-1]))


def arp_everywhere(
    net: Network, points: list[str], mac: str, sender: str, target: str, *, operation: int = 1, times: int = 1
) -> None:
    """ARP requests (1) or replies (2) at several points, one a second."""
    for _ in range(times):
        for point in points:
            net.at(net.now, point, arp(operation, mac, sender, target))
        net.now += 1e6


def talk_over_loopback(net: Network, point: str, ip: str) -> None:
    """A SYN and an answer of an address to itself."""
    syn = tcp(f"{ip}:40000 > {ip}:80", seq=1000, flags=SYN, smac=LO_MAC, dmac=LO_MAC)
    net.pass_by((point, syn))
    net.pass_by((point, syn.but(ends=f"{ip}:80 > {ip}:40000", seq=7000, ack=1001, flags=ACK)))


def masqueraded(net: Network, ip: str, inner: str, outer: str) -> None:
    """A SYN of a container at its bridge, and as the host sends it on."""
    syn = tcp(f"{ip}:5555 > {B}:80", seq=5000, flags=SYN, ident=9, smac=docker_mac(ip), dmac=BRIDGE_MAC)
    net.pass_by((inner, syn), (outer, syn.routed(src=HOST, smac=HOST_MAC, dmac=B_MAC)))


def likely(report: dict[str, Any]) -> list[str]:
    """The models that are more likely than not."""
    return [model["model"] for model in report["models"] if model["confidence"] >= 0.5]


def weights(report: dict[str, Any]) -> set[str]:
    """The names of all pieces of evidence for the models."""
    return {weight["name"] for model in report["models"] for weight in model["weights"]}


def verdicts(report: dict[str, Any]) -> set[str]:
    """The kinds of MAC verdicts."""
    return {verdict["verdict"] for verdict in report["macs"]}


def _reverse(ends: str) -> str:
    return " > ".join(ends.split(" > ")[::-1])

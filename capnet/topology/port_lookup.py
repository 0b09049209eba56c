"""What a port means in a topology: who publishes it, and which container has it inside.

Takes what other programs print: 8080, :8080, 8080/tcp, 0.0.0.0:8080, [::]:8080/tcp, 0.0.0.0:8080->80/tcp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from capnet.quick_tuple import NamedTuple
from capnet.topology import Container, Host, PublishedPort, ServicePort, Topology

_PORT = re.compile(
    r"(?:(?P<address>\[[^\]]+\]|[0-9.]+|\*)?:)?(?P<port>\d{1,5})(?:->(?P<inside>\d{1,5}))?(?:/(?P<proto>tcp|udp|sctp))?",
    re.IGNORECASE,
)
_MAX_PORT = 0xFFFF
_ALL_ADDRESSES = ("", "0.0.0.0", "::")


class AskedPort(NamedTuple):
    """A port, with what is written beside it: None is any."""

    number: int
    address: str | None = None
    proto: str | None = None
    inside: int | None = None


def asked_port(text: str) -> AskedPort | None:
    """The port that a text writes; None if it writes none."""
    written = _PORT.fullmatch(text)
    if written is None or not 0 < int(written["port"]) <= _MAX_PORT:
        return None
    address = (written["address"] or "*").strip("[]")
    try:
        address = None if address == "*" else str(ip_address(address.partition("%")[0]))
    except ValueError:
        return None
    inside = int(written["inside"]) if written["inside"] else None
    return AskedPort(int(written["port"]), address, (written["proto"] or "").lower() or None, inside)


def ports_published(container: Container, asked: AskedPort) -> list[PublishedPort]:
    """The container's ports that are published as this one, at whatever address."""
    return [
        port
        for port in container.ports
        if port.host_port == asked.number
        and asked.proto in (None, port.proto)
        and asked.inside in (None, port.container_port)
    ]


def ports_inside(container: Container, asked: AskedPort) -> list[PublishedPort]:
    """The container's published ports that are this one inside."""
    return [
        port
        for port in container.ports
        if port.container_port == asked.number and asked.proto in (None, port.proto) and asked.inside is None
    ]


def ports_of_service(ports: list[ServicePort], asked: AskedPort) -> list[ServicePort]:
    """Those of a service that are published as this one: on every address."""
    return [
        port
        for port in ports
        if port.published_port == asked.number
        and asked.proto in (None, port.proto)
        and asked.inside in (None, port.target_port)
    ]


def is_reached_at(port: PublishedPort, address: str | None) -> bool:
    """Whether a client of this address of the host reaches the port."""
    if address is None or ip_address(address).is_unspecified or port.host_ip in ("", address):
        return True
    return is_on_all_addresses(port) and (":" in port.host_ip) == (":" in address)


def is_on_all_addresses(port: PublishedPort) -> bool:
    """Whether it is published at all of the host's addresses, of one family at least; podman writes no address then."""
    return port.host_ip in _ALL_ADDRESSES


def addresses_reaching(port: PublishedPort, host: Host) -> Iterator[str]:
    """The addresses of the host at which clients reach the port; the one that it is bound to may be none of it now."""
    return (ip for ip in host.ips if is_reached_at(port, ip)) if is_on_all_addresses(port) else iter([port.host_ip])


def published_ports(topology: Topology) -> Iterator[tuple[str, str]]:
    """(`8080/tcp`, container or service) of all ports that are published, by number."""
    owned = {
        (port.host_port, port.proto, container.name) for container in topology.containers for port in container.ports
    }
    owned |= {
        (port.published_port, port.proto, service.name) for service in topology.services for port in service.ports
    }
    for number, proto, name in sorted(owned):
        yield f"{number}/{proto}", name

"""A machine or a container of a fault's network: its interfaces, addresses and rules, and its servers and clients."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.record.find.capture_points import CapturePoint, interfaces
from capnet.scenario.faults import clients
from capnet.scenario.faults.namespace import HeldNamespace
from capnet.scenario.faults.services import Answer, Services, echo, web_page
from capnet.topology import PublishedPort, role_from_name

DOCKER0 = "172.17.0.1/16"
DOCKER0_IPV6 = "fd00:d0c::1/64"
GET = b"GET / HTTP/1.0\r\n\r\n"


@dataclass
class Shared:
    """What the nodes of one network have in common."""

    undo: ExitStack
    services: Services
    nodes: dict[str, Node] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)  # questions without an answer, in words


class Node:
    """A network namespace with a name: `A`, or `A/web` for the container web of host A."""

    def __init__(self, name: str, shared: Shared) -> None:
        self.name = name
        self.host, _, self.container_name = name.partition("/")
        self.namespace = HeldNamespace()
        shared.undo.callback(self.namespace.close)
        shared.nodes[name] = self
        self.ports: list[PublishedPort] = []
        self._shared = shared

    @property
    def is_host(self) -> bool:
        """Is it a host, rather than a container of one?"""
        return not self.container_name

    def run(self, command: str) -> str:
        """What a shell command prints on this node. EnvironmentLacks with its complaint if it fails."""
        return self.namespace.run(command)

    def set(self, key: str, value: object) -> None:
        """Sets a kernel parameter (sysctl(8)) of this node, such as net/ipv4/ip_forward."""
        self.run(f"echo {value} >/proc/sys/{key}")

    # -- interfaces --------------------------------------------------------------------------------
    def interfaces(self) -> list[dict[str, Any]]:
        """`ip -j -d address`: one dictionary per interface."""
        return interfaces(self.namespace.shell, self.namespace.path)

    def addresses(self, interface: str) -> list[str]:
        """The addresses of an interface with prefix length, without link-local ones."""
        return [
            f"{each['local']}/{each['prefixlen']}"
            for each in self._entry(interface)["addr_info"]
            if each["scope"] == "global"
        ]

    def mac(self, interface: str) -> str:
        """The MAC of an interface."""
        return str(self._entry(interface)["address"])

    def _entry(self, interface: str) -> dict[str, Any]:
        return next(entry for entry in self.interfaces() if entry["ifname"] == interface)

    def link(self, interface: str, other: Node, other_interface: str, mac: str = "") -> None:
        """Makes a veth pair to another node, both ends up."""
        address = f"address {mac}" if mac else ""
        self.run(
            f"ip link add name {interface} {address} type veth "
            f"peer name {other_interface} netns {other.namespace.pid} && ip link set dev {interface} up"
        )
        other.run(f"ip link set dev {other_interface} up")

    def address(self, interface: str, *addresses: str) -> None:
        """Gives an interface addresses with prefix length. IPv6 ones are used at once, without DAD (RFC 4862)."""
        for each in addresses:
            if ip_interface(each).version == 6:
                for key, value in (("accept_dad", 0), ("router_solicitations", 0), ("disable_ipv6", 0)):
                    self.set(f"net/ipv6/conf/{interface}/{key}", value)
            self.run(f"ip address add {each} dev {interface}")

    def bridge(self, interface: str, *addresses: str) -> None:
        """Makes a bridge, up and with addresses."""
        self.run(f"ip link add name {interface} type bridge && ip link set dev {interface} up")
        self.address(interface, *addresses)

    def container(self, name: str, *addresses: str, bridge: str = "docker0") -> Node:
        """A container with a veth pair to a bridge of this host, and default routes to the bridge's addresses.

        An address without prefix length has the bridge's. docker0 is made with its first container.
        """
        if all(entry["ifname"] != bridge for entry in self.interfaces()):
            has_ipv6 = any(":" in each for each in addresses)
            self.bridge(bridge, *([DOCKER0, DOCKER0_IPV6] if has_ipv6 else [DOCKER0]))
        container = Node(f"{self.name}/{name}", self._shared)
        container.link("eth0", self, f"veth-{name}", mac=container_mac(addresses[0]))
        self.run(f"ip link set dev veth-{name} master {bridge}")
        gateways = [ip_interface(each) for each in self.addresses(bridge)]
        for address in addresses:
            gateway = next((each for each in gateways if ip_interface(address) in each.network), None)
            prefix_length = f"/{gateway.network.prefixlen}" if gateway and "/" not in address else ""
            container.address("eth0", f"{address}{prefix_length}")
            if gateway:
                container.run(f"ip route add default via {gateway.ip}")
        return container

    # -- what Docker adds --------------------------------------------------------------------------
    def masquerade(self, subnet: str = "172.17.0.0/16", bridge: str = "docker0") -> None:
        """Docker's rule for what leaves a bridge network."""
        self.run(f"iptables -w -t nat -A POSTROUTING -s {subnet} ! -o {bridge} -j MASQUERADE")

    def publish(self, port: int, container: Node, container_port: int, *, proto: str = "tcp") -> None:
        """Docker's rule for a published port (`--publish PORT:CONTAINER_PORT`), without docker-proxy."""
        address = container.addresses("eth0")[0].partition("/")[0]
        self.run(
            f"iptables -w -t nat -A PREROUTING -p {proto} -m addrtype --dst-type LOCAL --dport {port} "
            f"-j DNAT --to-destination {address}:{container_port}"
        )
        container.ports.append(PublishedPort(proto, "0.0.0.0", port, container_port))

    # -- servers and clients -----------------------------------------------------------------------
    def serve_tcp(self, port: int, answer: Answer = web_page, *, address: str = "0.0.0.0") -> None:
        """A TCP server; if not told otherwise, it answers each request with a page of 1000 octets."""
        self._shared.services.tcp(self._bound(socket.SOCK_STREAM, address, port), answer)

    def serve_udp(self, port: int, answer: Answer = echo, *, address: str = "0.0.0.0") -> None:
        """A UDP server; if not told otherwise, it sends back what comes."""
        self._shared.services.udp(self._bound(socket.SOCK_DGRAM, address, port), answer)

    def get(
        self,
        address: str,
        port: int = 80,
        question: bytes = GET,
        *,
        source_port: int = 0,
        patience: float = clients.PATIENCE,
        pause: float | None = None,
        reset: bool = False,
    ) -> None:
        """Asks a TCP server, for a web page if not told otherwise, and closes the connection: by RST with `reset`.

        With `pause` it asks once more, after so many seconds of silence.
        """
        client = self._bound(socket.SOCK_STREAM, clients.unspecified(address), source_port)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, clients.NO_LINGER)
        self._ask(client, address, port, question, patience, pause)

    def ask(
        self, address: str, port: int, question: bytes = b"question", *, source_port: int = 0, patience: float = 1
    ) -> None:
        """Asks a UDP server."""
        client = self._bound(socket.SOCK_DGRAM, clients.unspecified(address), source_port)
        self._ask(client, address, port, question, patience)

    def ping(self, address: str, *, count: int = 3, size: int = 56, options: str = "") -> None:
        """Sends echo requests of `size` octets, three a second."""
        try:
            self.run(f"ping -n -c {count} -i 0.3 -W 1 -s {size} {options} {address}")
        except EnvironmentLacks as error:
            self._shared.misses.append(f"{self.name}: {error}")

    def _ask(
        self,
        client: socket.socket,
        address: str,
        port: int,
        question: bytes,
        patience: float,
        pause: float | None = None,
    ) -> None:
        with client:
            client.settimeout(patience)
            try:
                client.connect((address, port))
                clients.ask(client, question)
                if pause is not None:
                    time.sleep(pause)  # silence is a length of time
                    clients.ask(client, question)
            except OSError as error:
                self._shared.misses.append(f"{self.name} asks {address} port {port}: {error}")

    def _bound(self, kind: int, address: str, port: int) -> socket.socket:
        bound = self.namespace.new_socket(clients.family_of(address), kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((address, port))
        except OSError as error:
            raise ScenarioFailed(f"{self.name} cannot use {address} port {port}: {error.strerror}") from error
        return bound

    # -- places to listen --------------------------------------------------------------------------
    def point(self, interface: str) -> CapturePoint:
        """An interface of this node as a place to listen."""
        name = f"{self.name}/{interface}"
        return CapturePoint(
            name=name,
            role=role_from_name(name),
            host=self.host,
            interface=interface,
            describes=f"{interface} of {self.name}",
            shell=self.namespace.shell,
            netns=self.namespace.path,
            mac=self.mac(interface),
            container=self.container_name or None,
        )


def container_mac(address: str) -> str:
    """Docker's MAC for an IPv4 address: 02:42 and its four octets."""
    return "02:42:" + ":".join(f"{octet:02x}" for octet in ip_interface(address).ip.packed[-4:])

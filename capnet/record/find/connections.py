"""Which connections a capture shows: those in the kernels' tables (conntrack) that had packets while it was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.nodes.reached_host import ReachedHost
from capnet.record.remote.shell import NamespaceGone
from capnet.topology import Topology

_TUPLE = ("src", "dst", "sport", "dport", "type", "code", "id")  # as conntrack prints them


class Connections:
    """The connection tables of hosts, and of their load balancers with a capture point, when this object was made.

    Make it before the capture begins, and ask it while all containers still run: tables forget within seconds.
    """

    def __init__(self, hosts: Sequence[ReachedHost], points: Sequence[CapturePoint]) -> None:
        self._earlier = [
            (host, netns, _table(host, netns)) for host in hosts for netns in (None, *_balancers(host, points))
        ]

    def used(self, say: Callable[[str], None]) -> dict[str, list[str]]:
        """Host name → lines of its tables, as conntrack prints them, of connections that had packets since.

        Says which host's table cannot be read; its lines are missing then.
        """
        lines_by_host: dict[str, list[str]] = {}
        for host, netns, earlier in self._earlier:
            lines = lines_by_host.setdefault(host.name, [])
            try:
                lines += connection_table(host, netns).used_since(earlier)
            except NamespaceGone:
                continue  # who asks for rules and counters as well says so
            except EnvironmentLacks as error:
                say(f"{host.name}: the topology goes without a connection table: {error}")
        return lines_by_host


@dataclass(frozen=True)
class ConnectionTable:
    """A host's connection table at one moment: each line as `conntrack -L -o extended` prints it.

    `asked` and `answered` enclose that moment, in seconds of the monotonic clock.
    """

    lines: list[str]
    asked: float
    answered: float

    def used_since(self, earlier: ConnectionTable) -> list[str]:
        """The lines of connections that had packets since `earlier`.

        A packet sets an entry's timeout anew (nf_ct_refresh_acct) or, with a TCP flag, to another state's;
        without one it only runs down. The table prints whole seconds, so one is allowed for on either side.
        """
        before = {_connection(line): _timeout(line) for line in earlier.lines}
        longest, shortest = self.answered - earlier.asked, self.asked - earlier.answered
        return [
            line
            for line in self.lines
            if (then := before.get(_connection(line))) is None
            or not then - longest - 1 <= _timeout(line) <= then - shortest + 1
        ]


def add_connections(topology: Topology, used: Mapping[str, list[str]]) -> None:
    """Gives each host those of its lines (`Connections.used`) that name an address of a container in the topology."""
    addresses = {
        address.split("/")[0]
        for container in topology.containers
        for endpoint in container.endpoints
        for address in endpoint.addresses
    }
    for host in topology.hosts:
        host.conntrack = lines_naming(addresses, used.get(host.name, []))


def lines_naming(addresses: set[str], lines: Sequence[str]) -> list[str]:
    """Those lines of conntrack that name one of the addresses, sorted."""
    return sorted(line for line in lines if any(part.partition("=")[2] in addresses for part in line.split()))


def connection_table(host: ReachedHost, netns: str | None = None) -> ConnectionTable:
    """The table of a network namespace, else of the host's own, now; without lines on a host without a shell.

    EnvironmentLacks where conntrack is missing or refuses.
    """
    asked = time.monotonic()
    if host.shell is None:
        return ConnectionTable([], asked, asked)
    listing = host.shell.run(["conntrack", "-L", "-o", "extended"], netns=netns or host.shell.host_netns)
    return ConnectionTable([" ".join(line.split()) for line in listing.splitlines()], asked, time.monotonic())


def _balancers(host: ReachedHost, points: Sequence[CapturePoint]) -> list[str]:
    """The namespaces of load balancers with a capture point: they translate, and have tables of their own."""
    return sorted({point.netns for point in points if point.balancer and point.host == host.name})


def _table(host: ReachedHost, netns: str | None) -> ConnectionTable:
    try:
        return connection_table(host, netns)
    except EnvironmentLacks:  # then there will be no table in the topology either
        return ConnectionTable([], 0, 0)


def _connection(line: str) -> str:
    """Protocols, and both tuples, without timeout, state and counts."""
    words = line.split()
    return " ".join(words[:4] + [word for word in words if word.partition("=")[0] in _TUPLE])


def _timeout(line: str) -> int:
    """Seconds after which the entry is forgotten: the fifth word; an entry about to go has none."""
    words = line.split()
    return int(words[4]) if len(words) > 4 and words[4].isdecimal() else 0

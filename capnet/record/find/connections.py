"""Which connections a capture shows: those in the kernels' tables that had packets while it was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.inventory import ConnectionTable, connection_table
from capnet.record.remote.docker_host import DockerHost


class Connections:
    """The connection tables of hosts, and of their load balancers that are listened at, when this was made.

    To be made before anybody listens, and asked while everything still stands: tables forget within seconds.
    """

    def __init__(self, hosts: Sequence[DockerHost], points: Sequence[CapturePoint]) -> None:
        self._earlier = [
            (host, netns, _table(host, netns)) for host in hosts for netns in (None, *_balancers(host, points))
        ]

    def used(self, say: Callable[[str], None]) -> dict[str, list[str]]:
        """Host name → lines of its tables, as conntrack prints them, of connections that had packets since.

        Says which host's table nobody can read; its lines are missing then.
        """
        found: dict[str, list[str]] = {}
        for host, netns, earlier in self._earlier:
            lines = found.setdefault(host.name, [])
            try:
                lines += connection_table(host, netns).used_since(earlier)
            except EnvironmentLacks as error:
                say(f"{host.name}: the topology goes without a connection table: {error}")
        return found


def _balancers(host: DockerHost, points: Sequence[CapturePoint]) -> list[str]:
    """The namespaces of load balancers that are listened at: they translate, and have tables of their own."""
    return sorted({point.netns for point in points if point.balancer and point.host == host.name})


def _table(host: DockerHost, netns: str | None) -> ConnectionTable:
    try:
        return connection_table(host, netns)
    except EnvironmentLacks:  # then there will be no table in the topology either
        return ConnectionTable([], 0, 0)

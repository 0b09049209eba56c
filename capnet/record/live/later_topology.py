"""Adds to the topology of a running capture what a host has by now. What has gone stays: its packets were captured."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

from capnet.topology import Container, Topology

T = TypeVar("T")


def add_later(topology: Topology, later: Topology) -> None:
    """Changes `topology`. Its lists are replaced, so that another thread may read them meanwhile."""
    containers = {(each.host, each.id): each for each in topology.containers}
    for each in later.containers:
        earlier = containers.get((each.host, each.id))
        containers[each.host, each.id] = each if earlier is None else _restarted(earlier, each)
    topology.containers = list(containers.values())
    topology.networks = _joined(topology.networks, later.networks, lambda each: each.id)
    topology.namespaces = _joined(topology.namespaces, later.namespaces, lambda each: (each.host, each.netns))
    topology.services = _joined(topology.services, later.services, lambda each: each.name)
    now = {host.name: host for host in later.hosts}
    for host in topology.hosts:
        if host.name in now:
            host.interfaces = _joined(
                host.interfaces, now[host.name].interfaces, lambda each: (each.name, each.ifindex)
            )


def _restarted(earlier: Container, later: Container) -> Container:
    """The container as it is now, with the endpoints whose addresses it has no more."""
    addresses = {address for endpoint in later.endpoints for address in endpoint.addresses}
    gone = [each for each in earlier.endpoints if not addresses.issuperset(each.addresses)]
    return replace(later, endpoints=[*later.endpoints, *gone])


def _joined(earlier: Sequence[T], later: Sequence[T], key: Callable[[T], Hashable]) -> list[T]:
    return list({**{key(each): each for each in earlier}, **{key(each): each for each in later}}.values())

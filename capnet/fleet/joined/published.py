"""Connections to published ports: which key they have behind the DNAT of the host that publishes the port.

Input: a capture's topology, and its connections. Output: TRANSLATION rows, one for each connection that the capture
shows at an address and port of the host, and each address of the container that the port leads to.
Method: DNAT keeps the client's address and port. A row joins nothing if no capture has the other key, as behind
docker-proxy, and TCP connections are joined only if their first sequence numbers are equal.
A port that a swarm's service publishes in ingress mode leads to the node's ingress-sbox, and from there, with the
sandbox's address for the client's, to one of the tasks (libnetwork, service_linux.go: DNAT, IPVS and SNAT; the port of
the service's own comes in the task only). Which task it is, the sequence number tells: so TCP alone is joined to tasks.
Limits: behind the DNAT alone, a connection does not say through which address of the host it came. Of a swarm, the
client's port must be free in the sandbox, where SNAT keeps it then; and tasks are those that the topology lists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from capnet.analysis.core.schema import Values
from capnet.fleet.joined.connections import (
    AFTER,
    BEFORE,
    KEY,
    TRANSLATION,
    Connections,
    TranslationRows,
    are_comparable,
    hashes_of,
    keys_of,
)
from capnet.quick_tuple import NamedTuple
from capnet.topology import Container, Host, PublishedPort, Topology
from capnet.topology.port_lookup import addresses_reaching
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, UDP

End: TypeAlias = tuple[int, int, int]  # both halves of the address, and the port


class _Target(NamedTuple):
    """An end that a published port leads to."""

    end: End
    client: tuple[int, int] | None = None  # halves of the address that takes the place of the client's


_Targets: TypeAlias = dict[tuple[int, End], list[_Target]]  # (protocol, published end) → where it leads

INGRESS = "ingress"  # what Docker calls the swarm's network of published ports, and their mode
MAX_TASKS = 64  # of a service, that a connection may have gone to
_NUMBERS = {"tcp": TCP, "udp": UDP}
_SIDES = (("low", "high", 16), ("high", "low", 0))  # the end that is looked at, the other one, and where its port is


def published_translations(topology: Topology | None, connections: Connections) -> TranslationRows:
    """The connections to published ports before and behind the DNAT, while the capture shows them."""
    targets = _targets(topology) if topology else {}
    if not targets or not len(connections):
        return np.zeros(0, dtype=TRANSLATION)
    proto = connections["ports"] >> 32
    pieces = [np.zeros(0, dtype=TRANSLATION)]
    for end, other, shift in _SIDES:
        port = connections["ports"] >> shift & 0xFFFF
        other_port = connections["ports"] >> (16 - shift) & 0xFFFF
        chosen = np.flatnonzero(np.isin(port, [at[2] for _, at in targets]))
        ends = np.column_stack([proto, connections[f"{end}_hi"], connections[f"{end}_lo"], port])[chosen]
        distinct_ends, number_of = np.unique(ends, axis=0, return_inverse=True)
        for number, (kind, *at) in enumerate(distinct_ends.tolist()):
            inside = targets.get((kind, (at[0], at[1], at[2])), [])
            rows = chosen[number_of.reshape(-1) == number] if inside else chosen[:0]
            client = [connections[f"{other}_hi"][rows], connections[f"{other}_lo"][rows], other_port[rows]]
            for target in inside:
                seen = [np.full(len(rows), half) for half in target.client or ()] or client[:2]
                pieces.append(_rows(connections[rows], kind, [*seen, client[2]], target.end))
    return np.concatenate(pieces)


def _rows(connections: Connections, proto: int, client: list[Values], inside: End) -> TranslationRows:
    rows = np.zeros(len(connections), dtype=TRANSLATION)
    target = [np.full(len(rows), value) for value in inside]
    after = keys_of(np.full(len(rows), proto), client, target)
    for name in KEY:
        rows[BEFORE + name], rows[AFTER + name] = connections[name], after[name]
    rows[BEFORE + "hash"], rows[AFTER + "hash"] = connections["hash"], hashes_of(after)
    rows["first"], rows["last"] = connections["first"], connections["last"]
    return rows[are_comparable(client, target)]


def _targets(topology: Topology) -> _Targets:
    hosts = {host.name: host for host in topology.hosts}
    targets: _Targets = {}
    for container in topology.containers:
        own = [ip for endpoint in container.endpoints for ip in endpoint.ips]
        for port in container.ports:
            if port.proto not in _NUMBERS or container.host not in hosts:
                continue
            for address in addresses_reaching(port, hosts[container.host]):
                inside = [
                    _Target((*address_value(text), port.container_port))
                    for text in own
                    if _family(text) == _family(address)
                ]
                end = (*address_value(address), port.host_port)
                targets.setdefault((_NUMBERS[port.proto], end), []).extend(inside)
    for host in topology.hosts:
        _add_ingress(topology, host, targets)
    return targets


def _add_ingress(topology: Topology, host: Host, targets: _Targets) -> None:
    """Adds the ports that a node has for services of the swarm, by its ingress-sbox."""
    sandboxes = [each for each in topology.containers if each.host == host.name and each.balances == INGRESS]
    ports = [(service, port) for service in topology.services for port in service.ports if port.mode == INGRESS]
    for sandbox in sandboxes[:1] if ports else ():
        outer, inner = _addresses(sandbox, lambda network: network != INGRESS), _addresses(sandbox, INGRESS.__eq__)
        for service, port in ports:
            if port.proto not in _NUMBERS:
                continue
            tasks = [each for each in topology.containers if each.swarm_service == service.name][:MAX_TASKS]
            inside = [_Target((*address_value(text), port.published_port)) for text in outer]
            if port.proto == "tcp" and inner:
                inside += [
                    _Target((*address_value(text), port.published_port), address_value(inner[0]))
                    for task in tasks
                    for text in _addresses(task, INGRESS.__eq__)
                ]
            everywhere = PublishedPort(port.proto, "0.0.0.0", port.published_port, port.target_port)
            for address in addresses_reaching(everywhere, host):
                end = (*address_value(address), port.published_port)
                targets.setdefault((_NUMBERS[port.proto], end), []).extend(inside)


def _addresses(container: Container, is_wanted: Callable[[str], bool]) -> list[str]:
    """Its IPv4 addresses on some networks; those of one address alone are VIPs, that a load balancer has."""
    texts = (text for end in container.endpoints if is_wanted(end.network) for text in end.addresses)
    return [text.partition("/")[0] for text in texts if _family(text) == 4 and not text.endswith("/32")]


def _family(address: str) -> int:
    return 6 if ":" in address else 4

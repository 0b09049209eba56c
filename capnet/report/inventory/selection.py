"""Which containers and interfaces a match of `look_up` is about."""

from __future__ import annotations

from collections.abc import Sequence

from capnet.topology import Container, Endpoint, Topology
from capnet.topology.lookup import Match, has_name_server, network_of, on_bridge


def is_selected(topology: Topology, matches: Sequence[Match], container: Container, endpoint: Endpoint | None) -> bool:
    """Is an endpoint, or a container without one, what any of the matches is about?"""
    return any(_is_about(topology, match, container, endpoint) for match in matches)


def _is_about(topology: Topology, match: Match, container: Container, endpoint: Endpoint | None) -> bool:
    if match.kind in ("service", "vip") or (match.kind == "port" and match.service):
        return match.service is not None and container.swarm_service == match.service.name
    if match.kind == "name-server":
        return has_name_server(topology, container) and endpoint is container.endpoints[0]
    if match.kind == "project":
        return container.project == match.text
    if match.endpoint:
        return endpoint is match.endpoint or _shares(container, match.container)
    if match.container:
        return container is match.container or _shares(container, match.container)
    if match.network is None:
        networks = [
            network
            for network in topology.networks
            if match.interface and network.host == match.host and network.parent == match.interface.name
        ]
    else:
        networks = [match.network]
    if endpoint is not None and any(endpoint is each for _, each in on_bridge(topology, match)):
        return True
    if endpoint is None:
        names = [network.name for network in networks if network.host == container.host]
        return container.network_mode in names
    return network_of(topology, container, endpoint) in networks


def _shares(container: Container, owner: Container | None) -> bool:
    """Does it use the network namespace of the other?"""
    return owner is not None and container.host == owner.host and container.shares_network_with == owner.name

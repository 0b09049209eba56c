"""Containers that do not work, and are told before a capture begins: stopped, paused, restarting, off their network.

Their names are not resolved, or nothing in them answers: often that is the whole reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from capnet.topology import Container, StoppedContainer, Topology
from capnet.topology.lookup import network_of
from capnet.topology.stopped import stopped_names

WITHOUT_NAMES = ("bridge", "podman", "host", "none")  # networks that containers share by chance


def stopped_beside(topology: Topology, chosen: Sequence[Container]) -> list[StoppedContainer]:
    """Those of the Compose projects of these containers, or on a network that a user made and that they are on."""
    projects = {each.project for each in chosen if each.project}
    networks = {(each.host, end.network) for each in chosen for end in each.endpoints}
    return [
        each
        for each in topology.stopped
        if each.project in projects
        or any((each.host, name) in networks for name in each.networks if name not in WITHOUT_NAMES)
    ]


def idle_warnings(topology: Topology, ids: Collection[str]) -> Iterator[str]:
    """What to say of a capture of the containers with these ids, whose topology it is."""
    chosen = [container for container in topology.containers if container.id in ids]
    if stopped := stopped_beside(topology, chosen):
        yield f"not running, and so not captured: {stopped_names(stopped)}"
    for container in chosen:
        if container.state == "paused":
            yield f"{container.name} is paused: nothing in it answers until `docker unpause {container.name}`"
        elif container.state == "restarting":
            yield f"{container.name} restarts again and again: `docker logs {container.name}` says why"
        if owner := container.lost_network_of:
            yield (
                f"{container.name} has no network: it joined that of {owner}, which has ended or restarted since; "
                f"while {owner} runs, `docker restart {container.name}` joins it again"
            )
    for container in chosen:
        if container.unpublished and not container.lost_network_of:
            yield _unpublished(topology, container)
    for container in chosen:
        for end, bridge in _detached(topology, container):
            point = f"{container.host}/{end}"
            yield f"{point} of {container.name} is no port of {bridge}: `ip link set {end} master {bridge}`"


def _unpublished(topology: Topology, container: Container) -> str:
    """That `-p` had no effect, and why."""
    ports = ", ".join(f"{port.host_port}:{port.container_port}/{port.proto}" for port in container.unpublished)
    networks = [network_of(topology, container, endpoint) for endpoint in container.endpoints]
    if container.network_mode == "host":
        why = "it uses the host's own network, where its ports are the host's"
    elif networks and all(network and network.internal for network in networks):
        why = "all its networks are internal, so connect it to another one too"
    else:
        why = f"`docker port {container.name}` shows what is"
    return f"{container.name} was made with -p {ports}, which is not published: {why}"


def _detached(topology: Topology, container: Container) -> Iterator[tuple[str, str]]:
    """Host end and bridge, where a veth that Docker made for a bridge network is not a port of its bridge."""
    for endpoint in container.endpoints:
        network = network_of(topology, container, endpoint)
        if endpoint.kind == "veth" and endpoint.veth and not endpoint.bridge and network and network.bridge:
            yield endpoint.veth, network.bridge

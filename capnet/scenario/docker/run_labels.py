"""The labels on everything that a scenario makes, and removing what carries those of a dead run.

A run is one `capnet scenario NAME`. `kill -9` leaves labelled things behind, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from capnet.record.bundle import leftover
from capnet.record.kernel.trace_instances import remove_instances
from capnet.record.remote.docker_host import DockerHost
from capnet.record.run_id import MADE, RUN, run_state
from capnet.scenario.docker.removal import (
    leave_swarm,
    managed_swarm,
    of_manager,
    remove_container,
    remove_image,
    remove_network,
    until_gone,
)

KEEP = "capnet.keep"  # = 1: --keep; only `capnet scenario clean` removes it


def labels(run: str, *, keep: bool = False) -> dict[str, str]:
    """The labels of what a run makes."""
    return {MADE: "1", RUN: run} | ({KEEP: "1"} if keep else {})


def remove(hosts: Sequence[DockerHost], which: Callable[[dict[str, str]], bool]) -> list[str]:
    """Removes what capnet made and whose labels `which` accepts: containers, swarms, networks, images.

    Returns a line per thing removed. What another process removes meanwhile is no error.
    """
    gone = []
    for host in hosts:
        for service in of_manager(partial(host.client.services.list, filters=_made())) or ():
            if which(service.attrs["Spec"].get("Labels") or {}):
                until_gone(service.remove, f"service {service.name}")
                gone.append(f"service {service.name} on {host.name}")
    for host in hosts:
        for container in host.client.containers.list(all=True, filters=_made(), ignore_removed=True):
            if which(container.labels):
                remove_container(container)
                gone.append(f"container {container.name} on {host.name}")
    gone += _dissolve_swarms(hosts, which)  # their overlay networks go with them
    for host in hosts:
        for network in host.client.networks.list(filters=_made()):
            if which(network.attrs.get("Labels") or {}):
                remove_network(network)
                gone.append(f"network {network.name} on {host.name}")
    for host in hosts:
        # docker-py's own list asks again for each, which may be gone by then.
        for image in host.client.api.images(filters=_made()):
            if which(image["Labels"] or {}):
                remove_image(host.client, image["Id"])
                gone.append(f"image {' '.join(image['RepoTags'] or ())} on {host.name}")
    return gone


def sweep(
    hosts: Sequence[DockerHost], say: Callable[[str], None], *, kept: bool = False, unknown: bool = False
) -> list[str]:
    """Removes what dead runs left; with `kept` also what --keep was to leave, with `unknown` other machines' too.

    `say` is told of captured packets that cannot be put into a bundle, which stay.
    """

    def is_left_over(run: str) -> bool:
        state = run_state(run)
        return state == "dead" or (unknown and state == "unknown")

    def which(labels: dict[str, str]) -> bool:
        return is_left_over(labels.get(RUN, "")) and (kept or KEEP not in labels)

    return remove(hosts, which) + leftover.sweep(is_left_over, say) + remove_instances(is_left_over)


def _dissolve_swarms(hosts: Sequence[DockerHost], which: Callable[[dict[str, str]], bool]) -> list[str]:
    """Swarms whose own label says that capnet made them: the other hosts leave, then the manager."""
    managers, members = [], set()
    for host in hosts:
        if (swarm := managed_swarm(host.client)) is not None:
            swarm_labels = swarm["Spec"].get("Labels") or {}
            if MADE in swarm_labels and which(swarm_labels):
                managers.append(host)
                members |= {node.id for node in of_manager(host.client.nodes.list) or ()}
    others = [host for host in hosts if host not in managers] if managers else []
    workers = [host for host in others if host.client.info()["Swarm"].get("NodeID") in members]
    for host in [*workers, *managers]:
        leave_swarm(host.client)
    return [f"swarm membership of {host.name}" for host in [*workers, *managers]]


def _made() -> dict[str, str]:
    return {"label": f"{MADE}=1"}

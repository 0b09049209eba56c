"""Swarms of a lab's two hosts, entered as slowly as a busy machine may do it."""

from __future__ import annotations

from typing import Any

import docker

from capnet.lab.addressing import ADDRESSES
from capnet.scenario.docker.start_container import start_attached
from capnet.scenario.docker.swarm import enter

Clients = dict[str, docker.DockerClient]


def found(hosts: Clients, *joined: str) -> None:
    """Host A makes a swarm, the others join it."""
    hosts["A"].swarm.init(advertise_addr=ADDRESSES["A"], listen_addr=f"{ADDRESSES['A']}:2377")
    for name in joined:
        join(hosts, name)


def join(hosts: Clients, name: str) -> None:
    """A host joins host A's swarm as a worker."""
    token = hosts["A"].swarm.attrs["JoinTokens"]["Worker"]
    enter(hosts[name], ADDRESSES[name], ADDRESSES["A"], token)


def attached(client: docker.DockerClient, network: str, name: str, **options: Any) -> Any:
    """A running container on a network of the swarm, which Docker has 20 s for: asked again, as a scenario does."""
    box = client.containers.create("busybox", ["sleep", "1000"], name=name, network=network, **options)
    start_attached(box)
    return box

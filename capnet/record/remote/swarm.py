"""The nodes of a swarm, found from one of its managers and opened as Docker hosts.

A node is reached by ssh at its address in the swarm, as the user and at the port of the manager's URL. Where that does
not get through, a task of a global service leads to it (`swarm_service`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

from capnet.errors import EnvironmentLacks, UsageError
from capnet.quick_tuple import NamedTuple
from capnet.record.remote.docker_host import DockerHost, connect
from capnet.record.remote.swarm_service import SwarmNode, dialled_in

_NO_ADDRESS = ("", "0.0.0.0", "::", "127.0.0.1", "::1")  # what a manager may say of itself
_NO_MANAGER = (404, 406, 503)  # what a node answers that is no manager; podman 404


class _Found(NamedTuple):
    """The nodes of a swarm that are ready, without the manager, and words about those that are not."""

    nodes: list[SwarmNode]
    missing: list[str]


@contextmanager
def swarm_hosts(manager: DockerHost, network: str, say: Callable[[str], None]) -> Iterator[list[DockerHost]]:
    """The hosts of the swarm, the manager first, while the block runs.

    UsageError if `network` is none of its overlay networks, or the host is no manager. EnvironmentLacks with what to
    do for a node that cannot be reached.
    """
    nodes = _nodes(manager)
    _check_network(manager, network)
    for words in nodes.missing:
        say(words)
    with ExitStack() as stack:
        hosts = [manager]
        unreached: list[SwarmNode] = []
        for node in nodes.nodes:
            try:
                host = connect(_ssh_url(manager, node), say=say)
            except EnvironmentLacks as error:
                say(f"{node.name}: not by ssh ({str(error).partition(';')[0]})")
                unreached.append(node)
                continue
            stack.callback(host.close)
            hosts.append(host)
        if unreached:
            hosts += stack.enter_context(dialled_in(manager, unreached, say))
        _name_apart(hosts)
        yield hosts


def _nodes(manager: DockerHost) -> _Found:
    from docker.errors import APIError

    try:
        listed: list[dict[str, Any]] = manager.client.api.nodes()
    except APIError as error:
        if error.status_code in _NO_MANAGER:
            raise UsageError(
                f"--swarm: {manager.name} is no manager of a swarm; name one with --host (docker node ls lists them)"
            ) from error
        raise EnvironmentLacks(f"{manager.name} does not tell its nodes: {error.explanation}") from error
    own = manager.client.info()["Swarm"]["NodeID"]
    nodes, missing = [], []
    for node in listed:
        name, state = node["Description"]["Hostname"], node["Status"]["State"]
        if node["ID"] == own:
            continue
        if state != "ready":
            missing.append(f"{name}: left out, the swarm says that it is {state}")
            continue
        address = node["Status"].get("Addr", "")
        if address in _NO_ADDRESS:
            address = (node.get("ManagerStatus") or {}).get("Addr", "").rpartition(":")[0].strip("[]")
        nodes.append(SwarmNode(node["ID"], name, address))
    return _Found(nodes, missing)


def _check_network(manager: DockerHost, name: str) -> None:
    overlays = [each["Name"] for each in manager.client.api.networks(filters={"driver": "overlay"})]
    if name not in overlays:
        raise UsageError(f"--swarm {name}: the swarm has no overlay network of that name; it has {', '.join(overlays)}")


def _ssh_url(manager: DockerHost, node: SwarmNode) -> str:
    parts = urlsplit(manager.url)
    is_ssh = parts.scheme == "ssh"
    user = f"{parts.username}@" if is_ssh and parts.username else ""
    port = f":{parts.port}" if is_ssh and parts.port else ""
    address = f"[{node.address}]" if ":" in node.address else node.address
    return f"ssh://{user}{address}{port}"


def _name_apart(hosts: Sequence[DockerHost]) -> None:
    """Points are told apart by their host's name: cloned machines get a number."""
    names: set[str] = set()
    for host in hosts:
        base, number = host.name, 2
        while host.name in names:
            host.name = f"{base}-{number}"
            number += 1
        names.add(host.name)

"""Starting one container through docker-py."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from capnet.errors import UsageError
from capnet.record.remote.docker_host import DockerHost
from capnet.scenario.docker.removal import remove_container

_API_OF_ADDRESSES = "1.22"  # Docker's API version that brought fixed addresses


def start(
    host: DockerHost,
    image: str,
    name: str,
    command: str,
    labels: dict[str, str],
    undo: ExitStack,
    *,
    ports: dict[int, int] | None = None,
    **options: Any,
) -> Any:
    """Starts a container that runs the shell command, and returns it as docker-py has it; `undo` removes it.

    `ports` is {container's TCP port: host's}, `options` are docker-py's. UsageError if the name is taken.
    """
    import docker

    try:
        container = host.client.containers.create(
            image,
            ["sh", "-c", command],
            name=name,
            labels=labels,
            ports={f"{inner}/tcp": outer for inner, outer in (ports or {}).items()},
            stop_signal="SIGKILL",
            **options,
        )
    except docker.errors.APIError as error:
        if error.status_code == 409:
            raise UsageError(
                f"host {host.name} already has a container named {name}: rename or remove it "
                "(`capnet scenario clean` removes what capnet left)"
            ) from error
        raise
    undo.callback(remove_container, container)
    start_attached(container)
    return container


def attached(network: str, address: str | None) -> dict[str, Any]:
    """How docker-py is told which network a container is on: a name, none, host, or container:NAME."""
    from docker.types import EndpointConfig

    if network in ("none", "host") or network.startswith("container:"):
        return {"network_mode": network}
    if address is None:
        return {"network": network}
    return {"network": network, "networking_config": {network: EndpointConfig(_API_OF_ADDRESSES, ipv4_address=address)}}


def start_attached(container: Any) -> None:
    """Starts it. Docker gives a swarm 20 s to attach it to its network; a slow machine needs to be asked again."""
    from docker.errors import APIError

    for last in (False, False, True):
        try:
            container.start()
            return
        except APIError as error:
            if last or "context deadline exceeded" not in str(error.explanation):
                raise

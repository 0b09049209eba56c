"""A swarm's service: one task on each of the scenario's hosts, behind a virtual address."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from capnet.errors import ScenarioFailed
from capnet.scenario.docker.removal import until_gone
from capnet.scenario.wait import wait_until

_WITHIN = 120  # seconds; a task that has its image runs after 5


def start(
    clients: Sequence[Any],
    image: str,
    name: str,
    command: str,
    network: str,
    ports: dict[int, int],
    labels: dict[str, str],
    undo: ExitStack,
) -> list[Any]:
    """Starts it on the hosts of these clients (docker.DockerClient, a manager first).

    Returns the container of the task on each of them, in their order. `ports` is {task's TCP port: published port}.
    ScenarioFailed, with what the swarm says of the tasks, when they do not run.
    """
    from docker.types import EndpointSpec, ServiceMode

    service = clients[0].services.create(
        image,
        ["sh", "-c", command],
        name=name,
        labels=labels,
        networks=[network],
        mode=ServiceMode("replicated", replicas=len(clients)),
        maxreplicas=1,  # on a host
        endpoint_spec=EndpointSpec(mode="vip", ports={outer: inner for inner, outer in ports.items()}),
        stop_signal="SIGKILL",
        stop_grace_period=0,
    )
    undo.callback(_remove, service, clients)
    tasks_by_host: list[list[Any]] = []

    def all_run() -> bool:
        tasks_by_host[:] = [_tasks(client, service.id) for client in clients]
        return all(tasks_by_host)

    try:
        wait_until(all_run, f"{name} runs", within=_WITHIN)
    except ScenarioFailed as error:
        states = [task["Status"] for task in service.tasks()]
        reasons = "; ".join(f"{state['State']}, {state.get('Err') or state.get('Message', '')}" for state in states)
        raise ScenarioFailed(f"{error} ({reasons})") from error
    return [tasks[0] for tasks in tasks_by_host]


def _tasks(client: Any, service: str, *, ended: bool = False) -> list[Any]:
    """The containers of the service's tasks on a host: those that run, or all."""
    label = f"com.docker.swarm.service.id={service}"
    containers: list[Any] = client.containers.list(all=ended, filters={"label": label}, ignore_removed=True)
    return containers


def _remove(service: Any, clients: Sequence[Any]) -> None:
    """Removes it; returns when its containers are gone, with which its networks are in use."""
    until_gone(service.remove, f"service {service.name}")
    wait_until(
        lambda: not any(_tasks(client, service.id, ended=True) for client in clients),
        f"the tasks of {service.name} are gone",
        within=60,
    )

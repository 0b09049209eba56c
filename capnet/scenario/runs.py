"""The labels on everything that a scenario makes, and removing what carries those of a dead run.

A run is one `capnet scenario NAME`. `kill -9` leaves labelled things behind, nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from capnet.errors import ScenarioFailed
from capnet.record.host import DockerHost
from capnet.record.run import fate, remove_folders
from capnet.scenario.execute import execute
from capnet.scenario.wait import until

MADE = "capnet"  # = 1 on everything that capnet makes
RUN = "capnet.run"  # = the run's id
UNDO = "capnet.undo"  # = shell command that takes back the change of the host's network for which a container stands
KEEP = "capnet.keep"  # = 1: --keep; only `capnet scenario clean` removes it

Answer = TypeVar("Answer")

_REFUSED = (400, 403, 409, 500, 503)  # what Docker answers as long as something is in use or being removed


def labels(run: str, *, keep: bool = False) -> dict[str, str]:
    return {MADE: "1", RUN: run} | ({KEEP: "1"} if keep else {})


def remove(hosts: Sequence[DockerHost], which: Callable[[dict[str, str]], bool]) -> list[str]:
    """Removes what capnet made and whose labels `which` accepts: containers, swarms, networks, images.

    Returns a line per thing removed. What somebody else removed meanwhile is no error.
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


def remove_container(container: Any) -> None:
    """Removes it; first takes back the change for which it stands, if it does.

    A way back that leads nowhere any more (the route is gone, the change was never made) is no error.
    """
    from docker.errors import NotFound

    def attempt() -> None:
        if undo := container.labels.get(UNDO):
            with contextlib.suppress(NotFound):  # the container, which the removal will say; or what it needs to start
                container.start()  # nothing happens when it runs; it does not after its daemon was started again
                execute(container, ["sh", "-c", undo])
        container.remove(force=True, v=True)

    until_gone(attempt, f"container {container.name}")


def remove_network(network: Any) -> None:
    """Docker counts a network as used until the swarm has heard that its containers are gone: so try again.

    A worker cannot remove a swarm's network (503), and lists it until it has heard that it is gone.
    """
    until_gone(network.remove, f"network {network.name}")


def remove_image(client: Any, image: str) -> None:
    """Removes an image, by its name or id, whatever else it is called."""
    until_gone(lambda: client.images.remove(image, force=True), f"image {image}")


def until_gone(remove: Callable[[], object], what: str, *, within: float = 60) -> None:
    """Calls `remove` until Docker has done it or knows no such thing (404), so that several may remove one thing.

    What is being removed by somebody else, or still in use, Docker refuses with several answers: 409, but also 500
    ("is not running: Removal In Progress", to a command in a container) and others. One that does not change is an
    error after `within` seconds: ScenarioFailed, in Docker's words.
    """
    from docker.errors import APIError, NotFound

    refused = ""

    def gone() -> bool:
        nonlocal refused
        try:
            remove()
        except NotFound:
            pass
        except APIError as error:
            if error.status_code not in _REFUSED:
                raise
            refused = f" ({error.explanation})"
            return False
        return True

    try:
        until(gone, f"{what} is removed", within=within)
    except ScenarioFailed as error:
        raise ScenarioFailed(f"{error}{refused}") from error


def leave_swarm(client: Any) -> None:
    """Gives up the host's membership; that it is in no swarm, or no more, is no error.

    Docker refuses while somebody else is about to do the same, and then it has been done.
    """
    from docker.errors import APIError

    def attempt() -> None:
        try:
            client.swarm.leave(force=True)
        except APIError:
            if client.info()["Swarm"]["LocalNodeState"] != "inactive":
                raise

    until_gone(attempt, "the membership of a swarm")


def manages(client: Any) -> dict[str, Any] | None:
    """The swarm that the host is a manager of, as Docker describes it, else None.

    Not asked of /info, for which dockerd runs other programs.
    """
    return of_manager(client.api.inspect_swarm)


def of_manager(ask: Callable[[], Answer], *, within: float = 60) -> Answer | None:
    """What a manager of a swarm answers; None where the host is none (406, 503 in Docker's API).

    It may cease to be one between two questions, because somebody else dissolves the swarm. While it does, Docker
    answers 500 ("the client connection is closing"): it is asked again then.
    """
    from docker.errors import APIError

    answers: list[Answer] = []
    refused: APIError | None = None

    def answered() -> bool:
        nonlocal refused
        try:
            answers[:] = [ask()]
        except APIError as error:
            if error.status_code == 500:
                refused = error
                return False
            if error.status_code not in (406, 503):
                raise
        return True

    try:
        until(answered, "Docker tells of its swarm", within=within)
    except ScenarioFailed as error:
        raise refused or error from error
    return answers[0] if answers else None


def sweep(hosts: Sequence[DockerHost], *, kept: bool = False, unknown: bool = False) -> list[str]:
    """Removes what dead runs left; with `kept` also what --keep was to leave, with `unknown` other machines' too."""

    def theirs(run: str) -> bool:
        state = fate(run)
        return state == "dead" or (unknown and state == "unknown")

    def which(found: dict[str, str]) -> bool:
        return theirs(found.get(RUN, "")) and (kept or KEEP not in found)

    return remove(hosts, which) + remove_folders(theirs)


def _dissolve_swarms(hosts: Sequence[DockerHost], which: Callable[[dict[str, str]], bool]) -> list[str]:
    """Swarms whose own label says that capnet made them: the other hosts leave, then the manager."""
    managers, members = [], set()
    for host in hosts:
        if (swarm := manages(host.client)) is not None:
            found = swarm["Spec"].get("Labels") or {}
            if MADE in found and which(found):
                managers.append(host)
                members |= {node.id for node in of_manager(host.client.nodes.list) or ()}
    others = [host for host in hosts if host not in managers] if managers else []
    workers = [host for host in others if host.client.info()["Swarm"].get("NodeID") in members]
    for host in [*workers, *managers]:
        leave_swarm(host.client)
    return [f"swarm membership of {host.name}" for host in [*workers, *managers]]


def _made() -> dict[str, str]:
    return {"label": f"{MADE}=1"}

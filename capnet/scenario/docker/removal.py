"""Removing containers, networks, images and swarm memberships, also while another process removes the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from capnet.errors import ScenarioFailed
from capnet.scenario.docker.execute import execute
from capnet.scenario.wait import wait_until

UNDO = "capnet.undo"  # label of a container that stands for a change of its host's network: the command that undoes it

Answer = TypeVar("Answer")

_REFUSED = (400, 403, 409, 500, 503)  # what Docker answers as long as something is in use or being removed


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

    What another process removes, or what is still in use, Docker refuses with several answers: 409, but also 500
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
        wait_until(gone, f"{what} is removed", within=within)
    except ScenarioFailed as error:
        raise ScenarioFailed(f"{error}{refused}") from error


def leave_swarm(client: Any) -> None:
    """Gives up the host's membership; that it is in no swarm, or no more, is no error.

    Docker refuses while another process does the same, and then it has been done.
    """
    from docker.errors import APIError

    def attempt() -> None:
        try:
            client.swarm.leave(force=True)
        except APIError:
            if client.info()["Swarm"]["LocalNodeState"] != "inactive":
                raise

    until_gone(attempt, "the membership of a swarm")


def managed_swarm(client: Any) -> dict[str, Any] | None:
    """The swarm that the host is a manager of, as Docker describes it, else None.

    Not asked of /info, for which dockerd runs other programs.
    """
    return of_manager(client.api.inspect_swarm)


def of_manager(ask: Callable[[], Answer], *, within: float = 60) -> Answer | None:
    """What a manager of a swarm answers; None where the host is none (406, 503 in Docker's API).

    It may cease to be one between two questions, because another process dissolves the swarm. Meanwhile Docker
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
        wait_until(answered, "Docker tells of its swarm", within=within)
    except ScenarioFailed as error:
        raise refused or error from error
    return answers[0] if answers else None

"""What Docker's API tells of a host: containers, networks, services. Needs membership in group docker, not root."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from capnet.record.find.capture_points import shown_name
from capnet.record.find.host_facts import Entry, HostFacts
from capnet.record.find.services import belonging
from capnet.record.remote.docker_host import DockerHost
from capnet.record.run_id import MADE
from capnet.topology import PublishedPort, StoppedContainer

STOPPED = ("created", "exited", "dead")  # Docker's words
_NEVER = "0001-01-01"  # Go's zero time: it has not run yet
MAX_STOPPED = 50  # that are inspected: a build machine has thousands


def ask_docker(host: DockerHost, facts: HostFacts) -> None:
    """Fills in what the daemon tells. Raises EnvironmentLacks if it stops answering."""
    import docker
    import requests

    from capnet.errors import EnvironmentLacks

    try:
        facts.containers = inspected_containers(host.client.api)
        facts.stopped = stopped_containers(host.client.api)
        facts.networks = inspected_networks(host.client.api)
        facts.services = _services(host.client.api)
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise EnvironmentLacks(f"host {host.name}: Docker stopped answering ({error})") from error


def inspected_containers(api: Any) -> list[Entry]:
    """Every running container as `docker inspect` prints it, but those by which capnet looks and captures.

    One that ends meanwhile is left out.
    """
    from docker.errors import NotFound

    containers = []
    for listed in api.containers():
        with suppress(NotFound):
            attributes = api.inspect_container(listed["Id"])
            if attributes["State"]["Running"] and not is_capnets_own(attributes):
                containers.append(attributes)
    return containers


def stopped_containers(api: Any) -> list[Entry]:
    """The MAX_STOPPED newest containers that do not run, as `docker inspect` prints them."""
    from docker.errors import NotFound

    containers = []
    listed = [entry for entry in api.containers(all=True) if entry.get("State") in STOPPED]
    for entry in listed[:MAX_STOPPED]:
        with suppress(NotFound):
            attributes = api.inspect_container(entry["Id"])
            if not attributes["State"]["Running"] and not is_capnets_own(attributes):
                containers.append(attributes)
    return containers


def stopped_container(host: str, attributes: Entry) -> StoppedContainer:
    """A container that does not run, with the names that Docker's name server has for it when it runs."""
    state, belongs = attributes["State"], belonging(attributes["Config"].get("Labels") or {})
    ended = state.get("FinishedAt") or _NEVER
    has_run = not ended.startswith(_NEVER)
    attached = attributes["NetworkSettings"].get("Networks") or {}
    names = {name for each in attached.values() for key in ("Aliases", "DNSNames") for name in each.get(key) or []}
    return StoppedContainer(
        host=host,
        name=shown_name(attributes),
        id=attributes["Id"],
        state=state["Status"],
        exit_code=state.get("ExitCode") if has_run else None,
        ended=f"{ended[:19]}Z" if has_run else None,
        project=belongs.project,
        compose_service=belongs.compose_service,
        networks=sorted(attached),
        names=sorted({*names, shown_name(attributes)} - {attributes["Id"][:12]}),
    )


def published_ports(published: dict[str, list[Entry] | None]) -> list[PublishedPort]:
    """The ports of `NetworkSettings.Ports` and of `HostConfig.PortBindings`, but those that Docker chooses."""
    return [
        PublishedPort(
            proto=inner.partition("/")[2] or "tcp",
            host_ip=outer.get("HostIp") or "0.0.0.0",  # podman: "" for all addresses
            host_port=int(outer["HostPort"]),
            container_port=int(inner.partition("/")[0]),
        )
        for inner, outers in sorted(published.items())
        for outer in outers or []
        if str(outer.get("HostPort")).isdecimal()
    ]


def unpublished_ports(attributes: Entry) -> list[PublishedPort]:
    """The ports that a running container was made with, and that lead nowhere."""
    published = attributes["NetworkSettings"].get("Ports") or {}
    bindings = attributes["HostConfig"].get("PortBindings") or {}
    return published_ports({inner: outers for inner, outers in bindings.items() if not published.get(inner)})


def is_capnets_own(attributes: Entry) -> bool:
    """Whether it is a capture container, or a task that leads to a node of a swarm. Scenarios make others."""
    from capnet.record.remote.capture_container import NAME as CAPTURES
    from capnet.record.remote.swarm_service import NAME as LEADS_TO_NODE

    name = attributes["Name"].removeprefix("/")
    return MADE in (attributes["Config"].get("Labels") or {}) and name.startswith((CAPTURES, LEADS_TO_NODE))


def inspected_networks(api: Any) -> list[Entry]:
    """Every network as `docker network inspect -v` prints it; one that goes meanwhile is left out.

    Verbosely, Docker lists an overlay network's services and nodes, on workers too. A worker forgets a network of the
    swarm some time after its last container has gone, and refuses the verbose question for one that it does not use.
    """
    from docker.errors import APIError, NotFound

    networks = []
    for listed in api.networks():
        with suppress(NotFound):
            try:
                networks.append(api.inspect_network(listed["Id"], verbose=listed["Scope"] == "swarm"))
            except NotFound:
                raise
            except APIError:
                networks.append(api.inspect_network(listed["Id"]))
    return networks


def _services(api: Any) -> list[Entry] | None:
    """The services of the swarm, if this is one of its managers. dockerd answers 503 else, podman 404."""
    from docker.errors import APIError

    try:
        services: list[Entry] = api.services()
    except APIError as error:
        if error.status_code in (404, 503):
            return None
        raise
    return services

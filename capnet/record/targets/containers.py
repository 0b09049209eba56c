"""Which containers the words of a command mean.

Names first: a container's name, `HOST/NAME` where hosts share one, the beginning of its id, its address, MAC or veth.
Of Kubernetes: a pod's name, `NAMESPACE/POD`, and as long as they mean one pod the names of containers in it.
A name that is none of these may be a network's, a Compose project's or a service's. What is ambiguous or unknown is an
error that says how to choose, with the nearest names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from capnet.errors import UsageError
from capnet.quick_dataclass import mutable
from capnet.record.targets.idle_containers import stopped_beside
from capnet.topology import Container, StoppedContainer, Topology
from capnet.topology.stopped import state_of, stopped_names

_MAX_NEAREST = 5  # names that an error lists
_MIN_LIKENESS = 0.6  # of difflib's ratio: two letters exchanged in a short name
_ID = re.compile(r"[0-9a-f]{3,64}")


@mutable
class Selection:
    """The targets of a command. Services are looked for in the given projects only, if there are any."""

    targets: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    everything: bool = False


def selected(topology: Topology, selection: Selection) -> list[Container]:
    """The containers that are meant, each once. UsageError for a name that means nothing, or more than one thing."""
    running = [container for container in topology.containers if container.balances is None]
    stopped = topology.stopped
    containers: list[Container] = []
    for target in selection.targets:
        containers += _meant(topology, running, target)
    for name in selection.networks:
        idle = [each for each in stopped if name in each.networks]
        containers += _only(_on_network(topology, running, name), idle, "network", name, topology.network_names())
    in_projects: list[Container] = []
    for name in selection.projects:
        idle = [each for each in stopped if each.project == name]
        in_projects += _only(_in_project(running, name), idle, "Compose project", name, _projects(running))
    for name in selection.services:
        among = in_projects if selection.projects else running
        idle = [each for each in stopped if each.compose_service == name]
        containers += _only(_of_service(among, name), idle, "service", name, _services(running))
    if not selection.services:
        containers += in_projects
    if selection.everything:
        if not running and stopped:
            raise UsageError(f"--all: no container is running; not running: {stopped_names(stopped)}")
        if not running:
            raise UsageError("--all: no container is running")
        containers += running
    return list({(container.host, container.id): container for container in containers}.values())


def without_bystanders(topology: Topology, chosen: Sequence[Container]) -> Topology:
    """The topology without containers that have no address of their own, unless they or their namespace are chosen.

    Packets cannot show whether one in host mode takes part, and no packet of one without a network can be captured.
    Of those that do not run, the ones beside the chosen ones stay.
    """
    namespaces = {(container.host, container.netns) for container in chosen}
    topology.containers = [
        container
        for container in topology.containers
        if container.endpoints or container in chosen or (container.host, container.netns) in namespaces
    ]
    topology.stopped = stopped_beside(topology, chosen)
    return topology


def is_container(topology: Topology, word: str) -> bool:
    """Whether this is the name of a container, so that it begins no filter."""
    return bool(_named(topology.containers, word))


def _meant(topology: Topology, running: Sequence[Container], target: str) -> list[Container]:
    containers = _named(running, target) or _with_id(running, target) or _with_end(running, target)
    groups = {
        "network": _on_network(topology, running, target),
        "project": _in_project(running, target),
        "service": _of_service(running, target),
    }
    groups = {kind: group for kind, group in groups.items() if group}
    if len(containers) > 1:
        choice = ", ".join(_full_target(container, containers) for container in containers)
        raise UsageError(f"{target} is more than one container: write one of {choice}")
    if containers:
        differing = [kind for kind, group in groups.items() if _ids(group) != _ids(containers)]
        if differing:
            choice = ", ".join(f"--{kind} {target}" for kind in differing)
            name = f"{containers[0].host}/{containers[0].name}"
            raise UsageError(
                f"{target} is a container and a {' and a '.join(differing)}: write {name} for the container, {choice}"
            )
        return containers
    if not groups:
        raise _unknown(topology, running, target)
    if len({frozenset(_ids(group)) for group in groups.values()}) > 1:
        choice = " or ".join(f"--{kind} {target}" for kind in groups)
        raise UsageError(f"{target} is a {' and a '.join(groups)}: write {choice}")
    return next(iter(groups.values()))


def _unknown(topology: Topology, running: Sequence[Container], target: str) -> UsageError:
    """The error for a name that means nothing."""
    if any(target == interface.name for host in topology.hosts for interface in host.interfaces):
        return UsageError(f"{target} is an interface of the host: write -i {target}")
    for each in topology.stopped:
        if target in (each.name, f"{each.host}/{each.name}") or (_ID.fullmatch(target) and each.id.startswith(target)):
            return UsageError(f"container {each.name} does not run ({state_of(each)}): `docker start {each.name}`")
    idle = [each for each in topology.stopped if target in (*each.names, each.compose_service, each.project)]
    if idle:
        return UsageError(f"{target} has no running container here; not running: {stopped_names(idle)}")
    kinds = {"network": topology.network_names(), "project": _projects(running), "service": _services(running)}
    names = [container.name for container in running]
    others = [f"{name} ({kind})" for kind, named in kinds.items() for name in named if _is_near(target, name)]
    if not running and topology.stopped:
        names_of_stopped = stopped_names(topology.stopped)
        return UsageError(
            f"no running container is called {target}; no container is running; not running: {names_of_stopped}"
        )
    if not running:
        return UsageError(f"no running container is called {target}; no container is running")
    return UsageError(f"no running container is called {target}{_nearest(target, [*names, *others])}")


def _named(containers: Iterable[Container], target: str) -> list[Container]:
    """The containers of that name; a pod stands for those in it that are called as it is."""
    named = [
        container
        for container in containers
        if target in container.called or target in {f"{container.host}/{name}" for name in container.called}
    ]
    pods = {(each.host, each.pod) for each in named if each.is_pod}
    return [each for each in named if each.is_pod or (each.host, each.pod) not in pods]


def _with_id(containers: Iterable[Container], target: str) -> list[Container]:
    return [each for each in containers if each.id.startswith(target)] if _ID.fullmatch(target) else []


def _with_end(containers: Iterable[Container], target: str) -> list[Container]:
    """The container with this address, MAC or host end of a veth."""
    return [
        container
        for container in containers
        if any(target in (end.mac, end.veth, *end.ips) for end in container.endpoints)
    ]


def _on_network(topology: Topology, running: Iterable[Container], name: str) -> list[Container]:
    """The containers on a network of that name, or whose id begins so."""
    names = {network.name for network in topology.networks if len(name) >= 12 and network.id.startswith(name)} | {name}
    return [
        container
        for container in running
        if names & {endpoint.network for endpoint in container.endpoints}
        or (container.network_mode in names and not container.endpoints)  # host and none
    ]


def _in_project(running: Iterable[Container], name: str) -> list[Container]:
    return [container for container in running if container.project == name]


def _of_service(running: Iterable[Container], name: str) -> list[Container]:
    """A service's name, `PROJECT_NAME` of a stack, or `PROJECT/NAME` of Compose."""
    return [
        container
        for container in running
        if name in (container.swarm_service, container.compose_service)
        or (container.compose_service and name == f"{container.project}/{container.compose_service}")
    ]


def _only(
    group: list[Container], idle: Sequence[StoppedContainer], kind: str, name: str, names: Iterable[str]
) -> list[Container]:
    """The containers of a group. UsageError if there are none; `idle`: those of it that do not run."""
    if not group:
        names = list(names)
        if idle:
            raise UsageError(f"{kind} {name} has no running container here; not running: {stopped_names(idle)}")
        if name in names:
            raise UsageError(f"{kind} {name} has no running container here")
        raise UsageError(f"no {kind} is called {name}{_nearest(name, names)}")
    projects = sorted({container.project or "" for container in group if container.compose_service == name})
    if kind == "service" and len(projects) > 1:
        raise UsageError(f"service {name} is in the projects {', '.join(projects)}: add --project with one of them")
    return group


def _projects(running: Iterable[Container]) -> list[str]:
    return [container.project for container in running if container.project]


def _services(running: Iterable[Container]) -> list[str]:
    return [name for each in running for name in (each.swarm_service, each.compose_service) if name]


def _is_near(asked: str, name: str) -> bool:
    return _likeness(asked, name) >= _MIN_LIKENESS or asked in name or name in asked


def _likeness(asked: str, name: str) -> float:
    return SequenceMatcher(None, asked, name.partition(" ")[0]).ratio()


def _nearest(name: str, names: Iterable[str]) -> str:
    """`; nearest: web, shop (network) (3 more: …)`, the most similar first."""
    distinct = list(dict.fromkeys(names))
    if not distinct:
        return "; no container is running"
    near = sorted(distinct, key=lambda each: -_likeness(name, each))
    rest = len(distinct) - _MAX_NEAREST
    return f"; nearest: {', '.join(near[:_MAX_NEAREST])}" + (f" ({rest} more: see capnet ps)" if rest > 0 else "")


def _ids(containers: Iterable[Container]) -> set[str]:
    return {container.id for container in containers}


def _full_target(container: Container, among: Sequence[Container]) -> str:
    hosts = {each.host for each in among}
    if len(hosts) == len(among):
        return f"{container.host}/{container.name}"
    full_names = [each.full_name or each.name for each in among]
    full_name = container.full_name or container.name
    return full_name if full_names.count(full_name) == 1 else container.id[:12]

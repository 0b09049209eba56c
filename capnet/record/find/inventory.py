"""Who owns which address, asked of Docker and of `ip`: a `Topology` of hosts, whole or of a scenario's containers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.find.docker_facts import ask_docker
from capnet.record.find.host_facts import HostFacts
from capnet.record.find.host_topology import build_topology
from capnet.record.find.netns_facts import ask_namespaces
from capnet.record.find.runtimes import kube_services
from capnet.record.find.runtimes.bundles import list_bundles
from capnet.record.find.runtimes.pods import add_bundles
from capnet.record.find.unprivileged import ask_without_root
from capnet.record.remote.docker_host import DockerHost
from capnet.record.remote.nodes.node_host import NodeHost
from capnet.record.remote.nodes.reached_host import ReachedHost
from capnet.record.remote.shell import Shell
from capnet.topology import Network, Service, Topology


def survey_host(host: ReachedHost) -> Topology:
    """Everything that runs on a host: containers, pods, load balancers, networks, namespaces and services.

    Where namespaces cannot be entered, it has what Docker's API tells, and `hosts[0].unseen` says what is missing and
    why. Raises EnvironmentLacks if Docker stops answering.
    """
    facts = host_facts(host)
    topology = build_topology(facts)
    add_bundles(topology, facts)
    return topology


def survey_hosts(hosts: Sequence[ReachedHost]) -> Topology:
    """Everything that runs on several hosts; networks and services of a swarm once. Raises as `survey_host`."""
    return merged([survey_host(host) for host in hosts])


def host_facts(host: ReachedHost) -> HostFacts:
    """What Docker, files of other runtimes and `ip` say of a host now.

    Raises EnvironmentLacks if Docker stops answering, or if nothing can be asked of a host without it.
    """
    facts = HostFacts(
        name=host.name,
        kernel=host.kernel,
        surveyed=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    if not isinstance(host, DockerHost):
        if host.shell is None:
            raise EnvironmentLacks(host.no_capture_reason or "")
        _ask_shell(host, host.shell, facts)
        return facts
    facts.docker = host.version
    ask_docker(host, facts)
    reason: object = host.no_capture_reason
    if host.shell is not None:
        try:
            _ask_shell(host, host.shell, facts)
        except EnvironmentLacks as error:
            reason = error
        else:
            return facts
    _without_root(host, facts, reason)
    return facts


def _ask_shell(host: ReachedHost, shell: Shell, facts: HostFacts) -> None:
    listing = list_bundles(shell)
    facts.bundles, facts.attachments = listing.containers, listing.attachments
    if listing.dockers and isinstance(host, NodeHost):
        facts.not_seen("containers of Docker", host.no_docker)
    ask_namespaces(shell, facts)
    try:
        rules = shell.run(["sh", "-c", kube_services.LIST], netns=shell.host_netns, title="list rules of kube-proxy")
    except EnvironmentLacks as error:  # what was found so far stays
        facts.not_seen("services of Kubernetes", error)
    else:
        facts.kube_services = kube_services.kube_services(rules.splitlines())


def _without_root(host: DockerHost, facts: HostFacts, reason: object) -> None:
    """Fills in what needs no root, and notes what is missing."""
    if host.url.startswith("unix:") and ask_without_root(facts):
        facts.not_seen(
            "interfaces inside containers, namespaces of overlay networks, host ends of veth pairs without a packet "
            "in the last minutes",
            reason,
        )
    else:
        facts.not_seen("all interfaces; only what Docker says of networks and containers is known", reason)


def survey(
    scenario: str | None,
    hosts: Sequence[DockerHost],
    containers: Sequence[tuple[DockerHost, str]],
    points: Sequence[CapturePoint],
) -> Topology:
    """Describes the given containers, the load balancers with a capture point, their networks and their hosts."""
    topologies = []
    for host in hosts:
        names = {name for owner, name in containers if owner is host}
        balancers = {point.balancer for point in points if point.balancer and point.host == host.name}
        topologies.append(_limited(survey_host(host), names, balancers))
    topology = merged(topologies)
    topology.scenario = scenario
    topology.points = [point.listening_point() for point in points]
    return topology


def merged(topologies: Sequence[Topology]) -> Topology:
    """Topologies of several hosts as one. Of a swarm's network or service, the first host's view stays."""
    topology = Topology()
    services: dict[str, Service] = {}
    networks: dict[str, Network] = {}
    for of_host in topologies:
        topology = topology.joined(of_host)
        for network in of_host.networks:
            networks.setdefault(network.id, network)
        for service in of_host.services:  # a manager knows more than a worker: the id tells which it was
            if service.name not in services or not services[service.name].id:
                services[service.name] = service
    topology.networks, topology.services = list(networks.values()), list(services.values())
    return topology


def _limited(topology: Topology, names: set[str], balancers: set[str]) -> Topology:
    """A host's topology with these containers and load balancers only, and the networks that they are on."""
    containers = [
        container
        for container in topology.containers
        if (container.name in balancers if container.balances else (container.full_name or container.name) in names)
    ]
    used = {endpoint.network for container in containers for endpoint in container.endpoints}
    return Topology(
        hosts=topology.hosts,
        networks=[network for network in topology.networks if network.name in used],
        containers=containers,
        namespaces=[namespace for namespace in topology.namespaces if namespace.network in used],
        services=[
            service
            for service in topology.services
            if service.namespace or any(each.swarm_service == service.name for each in containers)
        ],
    )

"""Services of a swarm: as a manager lists them, else as the networks of a worker show them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from capnet.quick_tuple import NamedTuple
from capnet.record.find.host_facts import Entry, HostFacts
from capnet.topology import Service, ServicePort, VirtualAddress

_COMPOSE_PROJECT = "com.docker.compose.project"
_COMPOSE_SERVICE = "com.docker.compose.service"
_STACK = "com.docker.stack.namespace"
_SWARM_SERVICE = "com.docker.swarm.service.name"
_NO_VIP = "<nil>"  # what Docker prints for a service with endpoint mode dnsrr
_PORT = re.compile(r"Target: (\d+), Publish: (\d+)")  # libnetwork, agent.go: PortConfig of ServiceInfo


class Belonging(NamedTuple):
    """What a container or network is a part of, by its labels."""

    project: str | None
    compose_service: str | None
    swarm_service: str | None


def belonging(labels: Mapping[str, str]) -> Belonging:
    """The Compose project or stack, and the services, that these labels name."""
    project = labels.get(_COMPOSE_PROJECT) or labels.get(_STACK)
    return Belonging(project, labels.get(_COMPOSE_SERVICE), labels.get(_SWARM_SERVICE))


def services_of(facts: HostFacts) -> list[Service]:
    """Every service that the host knows, sorted by name."""
    if facts.services is not None:
        services = [_by_manager(facts, entry) for entry in facts.services]
    else:
        services = _by_networks(facts)
    return sorted([*services, *facts.kube_services], key=lambda service: service.name)


def _by_manager(facts: HostFacts, entry: Entry) -> Service:
    spec, endpoint = entry["Spec"], entry.get("Endpoint") or {}
    names = {network["Id"]: network["Name"] for network in facts.networks}
    return Service(
        name=spec["Name"],
        id=entry["ID"],
        endpoint_mode=(spec.get("EndpointSpec") or {}).get("Mode", "vip"),
        vips=[
            VirtualAddress(names.get(vip["NetworkID"], vip["NetworkID"]), vip["Addr"].split("/")[0])
            for vip in endpoint.get("VirtualIPs") or []
            if vip.get("Addr")
        ],
        ports=[
            ServicePort(
                proto=port.get("Protocol", "tcp"),
                published_port=port["PublishedPort"],
                target_port=port["TargetPort"],
                mode=port.get("PublishMode", "ingress"),
            )
            for port in endpoint.get("Ports") or []
            if port.get("PublishedPort")
        ],
        project=(spec.get("Labels") or {}).get(_STACK),
    )


def _by_networks(facts: HostFacts) -> list[Service]:
    """What a worker knows: a network's services, without id, and ports without protocol (so tcp is assumed)."""
    services: dict[str, Service] = {}
    for network in facts.networks:
        for name, entry in (network.get("Services") or {}).items():
            if not name:  # containers that belong to no service
                continue
            service = services.setdefault(name, Service(name=name, id=None, endpoint_mode="dnsrr"))
            if entry["VIP"] not in ("", _NO_VIP):
                service.endpoint_mode = "vip"
                service.vips.append(VirtualAddress(network["Name"], entry["VIP"]))
            for target, published in _PORT.findall(" ".join(entry.get("Ports") or [])):
                service.ports.append(ServicePort("tcp", int(published), int(target), "ingress"))
    return list(services.values())

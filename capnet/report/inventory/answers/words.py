"""Words that several answers have: a network with its model, names one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from capnet.language import items, pick
from capnet.report.inventory.rows import model_of
from capnet.topology import Container, Endpoint, Network, Topology
from capnet.topology.lookup import endpoints, network_of

_MAX_LISTED = 8  # containers that a sentence names; the table below it has all


def listed(texts: Iterable[str]) -> str:
    """Names, and how many more there are."""
    texts = list(dict.fromkeys(texts))
    rest = len(texts) - _MAX_LISTED
    return items(texts[:_MAX_LISTED]) + (pick(f" and {rest} more", f" 等 {len(texts)} 个") if rest > 0 else "")


def called(container: Container) -> str:
    """`container web`, `pod web-7d4b`, `load balancer lb-shop`."""
    if container.balances:
        return pick("load balancer ", "负载均衡 ") + container.name
    return (pick("pod ", "Pod ") if container.is_pod else pick("container ", "容器 ")) + container.name


def network_words(topology: Topology, container: Container, endpoint: Endpoint) -> str:
    """`network shop (bridge)`: name and model of an endpoint's network; its VNI too."""
    network = network_of(topology, container, endpoint)
    if network is None and not endpoint.network:
        unnamed = pick("a network without a name", "没有名称的网络")
        return unnamed if container.runtime else pick("a network that Docker does not know", " Docker 没有的网络")
    if network is None:
        return _network(endpoint.network)
    vni = f", VNI {network.vni}" if network.vni is not None else ""
    model = model_of(network)
    return _network(f"{network.name} ({model}{vni})" if vni or model != network.name else network.name)


def _network(name: str) -> str:
    return pick(f"network {name}", f"网络 {name} ")


def members(topology: Topology, network: Network) -> str:
    """The containers on a network."""
    attached = [
        container.name
        for container, endpoint in endpoints(topology)
        if network_of(topology, container, endpoint) == network
    ]
    unattached = [
        container.name
        for container in topology.containers
        if container.host == network.host and container.network_mode == network.name and not container.endpoints
    ]
    return listed(attached or unattached) or pick("no container", "没有容器")

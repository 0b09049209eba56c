"""What a name, address or interface is, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import ip_address

from capnet.report.inventory.groups import without_link_local
from capnet.report.inventory.rows import host_end, model_of, published
from capnet.report.text import count
from capnet.topology import Container, Endpoint, Interface, Network, Topology
from capnet.topology.lookup import Match, endpoints, names, network_of, subnets_with

_MAX_LISTED = 8  # containers that a sentence names; the table below it has all
_MAX_NEAREST = 4


def answer(topology: Topology, asked: str, match: Match) -> str:
    """One meaning of `asked`, as a sentence."""
    on_host = f" on host {match.host}" if match.host and len(topology.hosts) > 1 else ""
    return f"{asked}{_ANSWERS[match.kind](topology, asked, match, on_host)}."


def unknown(topology: Topology, asked: str) -> str:
    """That nothing is called so, and what comes nearest."""
    hosts = " or ".join(host.name for host in topology.hosts)
    for network, subnet in subnets_with(topology, asked):
        in_use = sorted(
            {text.split("/")[0] for _, endpoint in endpoints(topology) if endpoint.network == network.name
             for text in endpoint.addresses if (":" in text) == (":" in asked)},
            key=ip_address,
        )  # fmt: skip
        return (
            f"nothing on {hosts} has {asked}, an address of network {network.name} ({subnet}); "
            f"in use there: {_listed(in_use) or 'none'}"
        )
    near = nearest(asked, names(topology), topology)
    verb = "has" if _is_address(asked) else "is called"
    return f"nothing on {hosts} {verb} {asked}" + (f"; nearest: {', '.join(near)}" if near else "")


def nearest(asked: str, candidates: list[str], topology: Topology) -> list[str]:
    """The names, or for an address or a MAC address the addresses, that are most like what was asked."""
    if _is_address(asked):
        owned = {
            text
            for _, endpoint in endpoints(topology)
            for text in (*(address.split("/")[0] for address in endpoint.addresses), endpoint.mac or "")
        }
        alike = {text: _common_length(text, asked.lower()) for text in owned}
        near = [text for text in alike if alike[text] * 2 > len(asked)]
        return sorted(near, key=lambda text: (-alike[text], text))[:_MAX_NEAREST]
    lowered = {name.lower(): name for name in reversed(candidates)}
    return [lowered[name] for name in get_close_matches(asked.lower(), lowered, n=_MAX_NEAREST, cutoff=0.5)]


def _common_length(first: str, second: str) -> int:
    """With how many characters both begin."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((number for number, pair in pairs if pair[0] != pair[1]), min(len(first), len(second)))


def _is_address(asked: str) -> bool:
    """Does it look like an IP or MAC address?"""
    return ":" in asked.lstrip(":") or (asked.count(".") > 1 and asked.replace(".", "").replace("/", "").isdecimal())


def _container(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    container = match.container
    assert container
    if container.balances:
        return f" is the load balancer of network {container.balances}{on_host}"
    members = f"service {container.project}/{container.compose_service}, " if container.compose_service else ""
    members += f"service {container.swarm_service}, " if container.swarm_service else ""
    if container.shares_network_with:
        where = f"it uses the network namespace of container {container.shares_network_with}"
    elif container.network_mode == "host":
        where = "it uses the host's own interfaces"
    elif not container.endpoints:
        where = "it has loopback only"
    else:
        where = "; ".join(_attachment(topology, container, endpoint) for endpoint in container.endpoints)
    name = "a container" if asked == container.name else f"container {container.name}"
    return f" is {name} ({members}image {container.image}){on_host}: {where}"


def _attachment(topology: Topology, container: Container, endpoint: Endpoint) -> str:
    return f"{endpoint.interface or 'an interface'} on network {_network_words(topology, container, endpoint)}"


def _inside(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    container, endpoint = match.container, match.endpoint
    assert container and endpoint
    owner = f"container {container.name}" if not container.balances else f"load balancer {container.name}"
    interface = endpoint.interface or "an interface"
    sentence = f" in {owner}{on_host} is on" if asked == interface else f" is {interface} in {owner}{on_host}, on"
    ends = host_end(endpoint)
    network = network_of(topology, container, endpoint)
    parent = endpoint.parent or (network.parent if network else None)
    tail = f"; its host end is {ends}" if ends else f"; its parent is {parent}" if parent else ""
    shared = [each.name for each in topology.containers if each.shares_network_with == container.name]
    tail += f"; shared with {_listed(shared)}" if shared else ""
    return f"{sentence} network {_network_words(topology, container, endpoint)}{tail}"


def _host_end(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    container, endpoint = match.container, match.endpoint
    assert container and endpoint
    inside = f"{endpoint.interface} in container {container.name}"
    details = ", ".join(filter(None, [*without_link_local(endpoint.addresses), endpoint.mac]))
    where = f" in the namespace of overlay network {endpoint.network}" if match.namespace else on_host
    bridge = f"; it is a port of bridge {endpoint.bridge}" if endpoint.bridge else ""
    network = _network_words(topology, container, endpoint)
    return f"{where} is the host end of {inside} ({details}), network {network}{bridge}"


def _interface(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    interface, network = match.interface, match.network
    assert interface
    own = without_link_local(interface.addresses)
    name = "" if asked == interface.name else f" is {interface.name},"
    if match.namespace:
        device = f"the VXLAN device (VNI {interface.vni})" if interface.vni is not None else "an interface"
        device = "the bridge" if interface.kind == "bridge" else device
        return f"{name or ' is'} {device} in the namespace of overlay network {match.namespace.network}{on_host}"
    place = f" on host {match.host}"
    if network and interface.name == network.bridge:
        gateway = f", gateway {', '.join(own[:2])}" if own else ""
        return (
            f"{name or ' is'} the Linux bridge of network {network.name} ({', '.join(network.subnets)}{gateway})"
            f"{place}; on it: {_members(topology, network) or 'no container'}"
        )
    of_parent = [each for each in topology.networks if each.host == match.host and each.parent == interface.name]
    sentence = f"{name or ' is'} an interface of host {match.host} ({_described(interface)})"
    for each in of_parent:
        sentence += f"; parent of {model_of(each)} network {each.name}: {_members(topology, each) or 'no container'}"
    return sentence


def _described(interface: Interface) -> str:
    kind = interface.kind or ("loopback" if interface.name == "lo" else "NIC")
    if interface.vni is not None:
        kind = f"VXLAN device, VNI {interface.vni}"
    addresses = ", ".join(interface.addresses) or "no address"
    return f"{kind}, {interface.mac}, {addresses}" + (f", a port of {interface.master}" if interface.master else "")


def _network(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    network = match.network
    if network is None:
        return f" is the namespace of an overlay network{on_host}"
    details = [subnet for subnet in network.subnets if subnet != asked]
    details += [f"bridge {network.bridge}"] if network.bridge else []
    details += [f"parent {network.parent}"] if network.parent else []
    details += [f"VNI {network.vni}"] if network.vni is not None and asked != str(network.vni) else []
    shown = f" ({', '.join(details)})" if details else ""
    model = model_of(network)
    if asked == network.name:
        sentence = f" is {'an' if model[0] in 'aeio' else 'a'} {model} network"
    elif asked in network.subnets or asked == str(network.vni):
        sentence = f" is the {'subnet' if asked in network.subnets else 'VNI'} of {model} network {network.name}"
    else:
        sentence = f" is {model} network {network.name}"
    return f"{sentence}{shown}{on_host}; on it: {_members(topology, network) or 'no container'}"


def _peer(_: Topology, __: str, match: Match, ___: str) -> str:
    return f" is a node of the swarm that uses {match.text}"


def _gateway(_: Topology, __: str, match: Match, on_host: str) -> str:
    assert match.network
    return f" is the gateway of {model_of(match.network)} network {match.network.name}{on_host}"


def _vip(topology: Topology, _: str, match: Match, __: str) -> str:
    assert match.service and match.network
    tasks = [each.name for each in topology.containers if each.swarm_service == match.service.name]
    return (
        f" is the virtual IP of service {match.service.name} on network {match.network.name}; "
        f"its tasks here: {_listed(tasks) or 'none'}"
    )


def _service(topology: Topology, asked: str, match: Match, __: str) -> str:
    service = match.service
    assert service
    vips = ", ".join(f"{vip.address} on {vip.network}" for vip in service.vips)
    ports = ", ".join(f"{port.published_port}->{port.target_port}/{port.proto}" for port in service.ports)
    tasks = [each.name for each in topology.containers if each.swarm_service == service.name]
    details = "; ".join(
        filter(None, [f"virtual IP {vips}" if vips else "no virtual IP (dnsrr)", f"published {ports}" if ports else ""])
    )
    name = "a service" if asked == service.name else f"service {service.name}"
    return f" is {name} of the swarm: {details}; its tasks here: {_listed(tasks) or 'none'}"


def _project(topology: Topology, asked: str, match: Match, __: str) -> str:
    members = [each.name for each in topology.containers if each.project == match.text]
    return f" is a Compose project or stack of {count(len(members), 'container')}: {_listed(members)}"


def _port(_: Topology, asked: str, match: Match, on_host: str) -> str:
    if match.service:
        port = next(port for port in match.service.ports if str(port.published_port) == match.text)
        return (
            f" is published by service {match.service.name}: {port.published_port}->{port.target_port}/{port.proto} "
            f"on every node"
        )
    assert match.container
    ports = [published(port) for port in match.container.ports if str(port.host_port) == match.text]
    return f" is published by container {match.container.name}{on_host}: {', '.join(ports)}"


_ANSWERS = {
    "container": _container,
    "inside": _inside,
    "host-end": _host_end,
    "interface": _interface,
    "network": _network,
    "gateway": _gateway,
    "peer": _peer,
    "vip": _vip,
    "service": _service,
    "project": _project,
    "port": _port,
}


def _network_words(topology: Topology, container: Container, endpoint: Endpoint) -> str:
    """Name and model of an endpoint's network; its VNI too."""
    network = network_of(topology, container, endpoint)
    if network is None:
        return endpoint.network or "that Docker does not know"
    vni = f", VNI {network.vni}" if network.vni is not None else ""
    model = model_of(network)
    return f"{network.name} ({model}{vni})" if vni or model != network.name else network.name


def _members(topology: Topology, network: Network) -> str:
    return _listed(
        [
            container.name
            for container, endpoint in endpoints(topology)
            if network_of(topology, container, endpoint) == network
        ]
        or [
            container.name
            for container in topology.containers
            if container.host == network.host and container.network_mode == network.name and not container.endpoints
        ]
    )


def _listed(texts: Iterable[str]) -> str:
    texts = list(dict.fromkeys(texts))
    rest = len(texts) - _MAX_LISTED
    return ", ".join(texts[:_MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")

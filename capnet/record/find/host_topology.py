"""The topology of one host, built from what Docker and `ip` say of it.

Method: an interface inside a container is on the network that Docker gives its MAC or one of its addresses, else on
the network of the bridge that the host end of its veth is a port of (docker_gwbridge, of which `docker inspect` of a
container says nothing). Both ends of a veth name each other by index.
Where only Docker was asked, endpoints have addresses and MACs, but no interfaces.
"""

from __future__ import annotations

from capnet.record.find.capture_points import peer_of, shown_name
from capnet.record.find.docker_facts import published_ports, stopped_container, unpublished_ports
from capnet.record.find.host_facts import Entry, HostFacts
from capnet.record.find.interfaces import addresses_of, interface_of
from capnet.record.find.services import belonging, services_of
from capnet.topology import Container, Endpoint, Host, Namespace, Network, Topology
from capnet.topology.stopped import resolve_owners
from capnet.topology.user_mode import PROCESSES

_VNI_OPTION = "com.docker.network.driver.overlay.vxlanid_list"
_BRIDGE_OPTION = "com.docker.network.bridge.name"


def build_topology(facts: HostFacts) -> Topology:
    """The topology of the host: all its containers and load balancers, networks, namespaces and services."""
    containers = [_container(facts, attributes) for attributes in facts.containers]
    stopped = [stopped_container(facts.name, attributes) for attributes in facts.stopped]
    resolve_owners(containers, stopped)
    return Topology(
        hosts=[
            Host(
                name=facts.name,
                docker=facts.docker,
                kernel=facts.kernel,
                interfaces=[interface_of(entry, facts.host_interfaces) for entry in facts.host_interfaces],
                conntrack=facts.conntrack,
                surveyed=facts.surveyed,
                netns=facts.host_netns,
                unseen=facts.unseen,
            )
        ],
        networks=[_network(facts, attributes) for attributes in facts.networks],
        containers=[*containers, *_balancers(facts)],
        namespaces=[
            Namespace(
                host=facts.name,
                netns=netns,
                network=next((network["Name"] for network in facts.networks if network["Id"] == network_id), None),
                interfaces=[
                    interface_of(entry, facts.interfaces[netns])
                    for entry in facts.interfaces.get(netns, [])
                    if entry["ifname"] != "lo"
                ],
            )
            for network_id, netns in facts.overlay_netns.items()
        ],
        services=services_of(facts),
        stopped=stopped,
    )


def bridge_name(attributes: Entry) -> str | None:
    """Name of a bridge network's Linux bridge: an option, else `br-` and twelve characters of the id (libnetwork)."""
    if attributes["Driver"] != "bridge":
        return None
    name: str = (attributes.get("Options") or {}).get(_BRIDGE_OPTION) or f"br-{attributes['Id'][:12]}"
    return name


def _bridge_of(facts: HostFacts, attributes: Entry) -> str | None:
    """Name of a bridge network's Linux bridge on the host. podman calls bridges otherwise: the gateway is on it."""
    name = bridge_name(attributes)
    if name is None or any(entry["ifname"] == name for entry in facts.host_interfaces):
        return name
    gateways = set(_gateways(attributes))
    with_gateway = (
        entry["ifname"]
        for entry in facts.host_interfaces
        if gateways & {address.split("/")[0] for address in addresses_of(entry)}
    )
    return next(with_gateway, name)


def _gateways(attributes: Entry) -> list[str]:
    ipam = (attributes.get("IPAM") or {}).get("Config") or []
    return [entry["Gateway"].split("/")[0] for entry in ipam if entry.get("Gateway")]


def _network(facts: HostFacts, attributes: Entry) -> Network:
    options = attributes.get("Options") or {}
    ipam = (attributes.get("IPAM") or {}).get("Config") or []
    gateways = _gateways(attributes)
    vnis = options.get(_VNI_OPTION, "")
    labels = attributes.get("Labels") or {}
    return Network(
        name=attributes["Name"],
        id=attributes["Id"],
        driver=attributes["Driver"],
        host=None if attributes.get("Scope") == "swarm" else facts.name,
        subnets=[entry["Subnet"] for entry in ipam if entry.get("Subnet")],
        gateway=next(iter(gateways), None),
        vni=int(vnis.split(",")[0]) if vnis else None,
        bridge=_bridge_of(facts, attributes),
        parent=options.get("parent"),
        options=dict(options),
        gateways=gateways if len(gateways) > 1 else [],
        internal=attributes.get("Internal") or None,
        ingress=attributes.get("Ingress") or None,
        project=belonging(labels).project,
        peers=[peer["IP"] for peer in attributes.get("Peers") or []],
    )


def _container(facts: HostFacts, attributes: Entry) -> Container:
    belongs = belonging(attributes["Config"].get("Labels") or {})
    full_name, name = attributes["Name"].removeprefix("/"), shown_name(attributes)
    mode = attributes["HostConfig"]["NetworkMode"]
    container = Container(
        host=facts.name,
        name=name,
        id=attributes["Id"],
        image=attributes["Config"]["Image"],
        network_mode=mode,
        ports=published_ports(attributes["NetworkSettings"].get("Ports") or {}),
        full_name=full_name if full_name != name else None,
        pid=attributes["State"]["Pid"] or None,
        netns=facts.container_netns.get(attributes["Id"]),
        project=belongs.project,
        compose_service=belongs.compose_service,
        swarm_service=belongs.swarm_service,
        unpublished=unpublished_ports(attributes),
        state=next((word.lower() for word in ("Paused", "Restarting") if attributes["State"].get(word)), None),
    )
    if mode != "host" and not mode.startswith("container:"):  # else no interface is its own
        entries = facts.interfaces.get(container.netns or "")
        container.endpoints = (
            _endpoints_by_docker(facts, attributes)
            if entries is None
            else [_endpoint(facts, entry, _attached(attributes)) for entry in entries if entry["ifname"] != "lo"]
        )
        for endpoint in container.endpoints:
            if not endpoint.network and mode.partition(":")[0] in PROCESSES:
                endpoint.network = mode.partition(":")[0]
    return container


def _balancers(facts: HostFacts) -> list[Container]:
    """The load balancers of swarm networks, as Docker lists them among the containers of a network."""
    balancers = []
    for name, netns in sorted(facts.balancer_netns.items()):
        balanced = "ingress" if name == "ingress-sbox" else name.removeprefix("lb-")
        attached = {
            network["Name"]: {**entry, "NetworkID": network["Id"]}
            for network in facts.networks
            if (entry := (network.get("Containers") or {}).get(name))
        }
        balancers.append(
            Container(
                host=facts.name,
                name=name,
                id=netns.rpartition("/")[2],
                image="",
                network_mode=balanced,
                endpoints=[
                    _endpoint(facts, entry, attached)
                    for entry in facts.interfaces.get(netns, [])
                    if entry["ifname"] != "lo"
                ],
                netns=netns,
                balances=balanced,
            )
        )
    return balancers


def _attached(attributes: Entry) -> dict[str, Entry]:
    """Name of each network that Docker says a container is on → its endpoint."""
    attached: dict[str, Entry] = attributes["NetworkSettings"].get("Networks") or {}
    return attached


def _endpoint(facts: HostFacts, entry: Entry, attached: dict[str, Entry]) -> Endpoint:
    """An endpoint from an interface inside, as `ip` lists it, and the networks that Docker attached."""
    addresses = addresses_of(entry)
    network = _network_of(entry, addresses, attached)
    attributes = _attributes(facts, attached[network].get("NetworkID")) if network else None
    endpoint = Endpoint(
        network=network or "",
        interface=entry["ifname"],
        mac=entry.get("address"),
        addresses=addresses,
        network_id=attributes["Id"] if attributes else None,
        kind=entry.get("linkinfo", {}).get("info_kind"),
        ifindex=entry["ifindex"],
        mtu=entry.get("mtu"),
    )
    if endpoint.kind in ("macvlan", "ipvlan", "macvtap", "ipvtap"):
        endpoint.parent = _parent(facts, entry, attributes)
        return endpoint
    netns = facts.overlay_netns.get(attributes["Id"]) if attributes and attributes["Driver"] == "overlay" else None
    peer = peer_of(entry, facts.interfaces.get(netns, []) if netns else facts.host_interfaces) or {}
    endpoint.veth = peer.get("ifname")
    endpoint.veth_netns = netns if peer else None
    endpoint.bridge = peer.get("master")
    if not network and endpoint.bridge:
        by_bridge = next((each for each in facts.networks if _bridge_of(facts, each) == endpoint.bridge), None)
        endpoint.network, endpoint.network_id = (by_bridge["Name"], by_bridge["Id"]) if by_bridge else ("", None)
    return endpoint


def _network_of(entry: Entry, addresses: list[str], attached: dict[str, Entry]) -> str | None:
    """The network of an interface: by address, since all interfaces on one ipvlan parent have its MAC; else by MAC.

    A tun or WireGuard interface, as of a VPN in a container, has no MAC.
    """
    bare = {address.split("/")[0] for address in addresses}
    for name, endpoint in attached.items():
        if bare & set(bare_addresses(endpoint)):
            return name
    mac = entry.get("address")
    return next((name for name, endpoint in attached.items() if mac and endpoint.get("MacAddress") == mac), None)


def bare_addresses(endpoint: Entry) -> list[str]:
    """IPv4 and IPv6 of an endpoint, in a container's (IPAddress) or a network's spelling (IPv4Address)."""
    keys = ("IPAddress", "GlobalIPv6Address", "IPv4Address", "IPv6Address")
    return [endpoint[key].split("/")[0] for key in keys if endpoint.get(key)]


def _parent(facts: HostFacts, entry: Entry, attributes: Entry | None) -> str | None:
    """The parent of a macvlan or ipvlan interface: the host's interface of that number, else what Docker was told."""
    driver = attributes["Driver"] if attributes else None
    if driver in ("macvlan", "ipvlan"):
        for parent in facts.host_interfaces:
            if parent["ifindex"] == entry.get("link_index"):
                name: str = parent["ifname"]
                return name
    return ((attributes or {}).get("Options") or {}).get("parent")


def _endpoints_by_docker(facts: HostFacts, attributes: Entry) -> list[Endpoint]:
    """What Docker alone tells. Only the network itself lists an endpoint on docker_gwbridge."""
    attached = dict(_attached(attributes))
    for network in facts.networks:
        entry = (network.get("Containers") or {}).get(attributes["Id"])
        if entry and network["Name"] not in attached:
            attached[network["Name"]] = {**entry, "NetworkID": network["Id"]}
    endpoints = []
    for name, entry in sorted(attached.items()):
        network_attributes = _attributes(facts, entry.get("NetworkID"))
        driver = (network_attributes or {}).get("Driver")
        if driver == "null":
            continue
        options = (network_attributes or {}).get("Options") or {}
        mac = entry.get("MacAddress") or None
        endpoints.append(
            Endpoint(
                network=name,
                interface="",
                mac=mac,
                addresses=_docker_addresses(entry),
                veth=facts.forwarding.get(mac or "") if driver == "bridge" else None,
                network_id=entry.get("NetworkID") or None,
                bridge=_bridge_of(facts, network_attributes) if network_attributes else None,
                parent=options.get("parent") if driver in ("macvlan", "ipvlan") else None,
            )
        )
    return endpoints


def _docker_addresses(endpoint: Entry) -> list[str]:
    """IPv4 and IPv6 with prefix length, in either of Docker's spellings."""
    spelled = [
        f"{endpoint[key]}/{endpoint[length]}"
        for key, length in (("IPAddress", "IPPrefixLen"), ("GlobalIPv6Address", "GlobalIPv6PrefixLen"))
        if endpoint.get(key)
    ]
    return spelled or [endpoint[key] for key in ("IPv4Address", "IPv6Address") if endpoint.get(key)]


def _attributes(facts: HostFacts, network_id: str | None) -> Entry | None:
    return next((network for network in facts.networks if network["Id"] == network_id), None)

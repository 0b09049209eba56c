"""What shows that stations are containers, whatever network joins them: how MACs are made, how points are called.

Docker up to 27 makes a container's MAC of 02:42 and the four octets of its IPv4 address (libnetwork, netutils); of an
IPv6 address it may make the last six octets of that MAC. Kubernetes' bridge and OVN plugins do so with 0a:58. No other
maker of MACs does, and 32 bits do not agree by chance.
Docker gives its own bridges 02:42 and four random octets.
Limits: newer versions of Docker take random MACs, and then only names and the topology show containers. 02:42 alone, a
locally administered MAC, or an address in 172.16.0.0/12 shows none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_private
from capnet.analysis.core.schema import ARP_OPERATION, ARP_SENDER_LO, ARP_SENDER_MAC, FLOW_DMAC, FLOW_SMAC
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.fate.speakers import Speaker, speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import MAPPED, address_text, address_value
from capnet.wire.numbers import ARP_REPLY

DOCKER_PREFIX = 0x0242  # the first 16 bits of a MAC
CNI_PREFIX = 0x0A58
MAX_CONTAINERS = 256  # that are looked at for a gateway: those of one network have the same
MAX_BRIDGES = 64  # that Docker made: a host has a few
SWARM_BRIDGE = "docker_gwbridge"  # the way out of containers that have an overlay network

# Names that container engines give their bridges. `br0`, `br-lan` and `virbr0` are bridges of anything.
_BRIDGE_NAME = re.compile(
    r"docker\d+|br-[0-9a-f]{12}|docker_gwbridge|cni(-podman)?\d+|podman\d+|nerdctl\d+|kube-bridge|"
    r"(lxc|lxd|incus)br\d+"
)
# What network plugins of Kubernetes, its kube-proxy and its local DNS cache call interfaces of a node.
_NODE_NAME = re.compile(
    r"flannel(\.\d+|-wg|-v6\.\d+)|cali[0-9a-f]{11}|vxlan\.calico|wireguard\.cali|lxc[0-9a-f]{12}|cilium_\w+|"
    r"kube-(bridge|ipvs0|dummy-if)|vethwe(pl\w+|-bridge|-datapath)|antrea-\w+|ovn-k8s-mp\d+|nodelocaldns"
)
# What Calico, Cilium, Amazon's VPC CNI and Azure's CNI call the host's end of a pod's veth, which is on no bridge.
_ROUTED_VETH = re.compile(r"cali[0-9a-f]{11}|lxc[0-9a-f]{12}|eni[0-9a-f]{11}|azv[0-9a-f]{7,11}")
_CNI_BRIDGE = re.compile(r"cni\d+|kube-bridge")  # not those of Podman, which has no pods of Kubernetes
_CALICO_GATEWAY, CALICO_MAC = MAPPED | 0xA9FE0101, 0xEEEEEEEEEEEE
_SERVICE_DOMAIN = ".svc."  # NAME.NAMESPACE.svc.DOMAIN: "DNS for Services and Pods" of Kubernetes
MAX_NAMES = 10_000  # of DNS that are looked at


class ContainerMac(NamedTuple):
    """A station whose MAC is made of its own address."""

    mac: int
    ip: str
    is_docker: bool  # else of a plugin of Kubernetes


@derived
def container_macs(context: Context) -> dict[int, ContainerMac]:
    """MAC → container. A MAC that claims other IPv4 addresses in ARP is none: it may be forged, or stand for many."""
    containers = {}
    for mac, speaker in speakers(context).items():
        ip = _address_in_mac(speaker)
        if ip and (not speaker.claimed or all(":" in claimed or claimed == ip for claimed in speaker.claimed)):
            containers[mac] = ContainerMac(mac, ip, mac >> 32 == DOCKER_PREFIX)
    return containers


def _address_in_mac(speaker: Speaker) -> str | None:
    """The private address of its own that a MAC is made of."""
    if speaker.mac >> 32 not in (DOCKER_PREFIX, CNI_PREFIX):
        return None
    ip = _last_octets(speaker.mac)
    if ip in speaker.own and is_private(ip):
        return ip
    return next((ip for ip in speaker.own if ":" in ip and _ends_in(ip, speaker.mac)), None)


def _last_octets(mac: int) -> str:
    """The last four octets of a MAC as an IPv4 address."""
    return address_text(0, MAPPED | mac & 0xFFFFFFFF)


def _ends_in(ip: str, mac: int) -> bool:
    """Are the last six octets of an IPv6 address this MAC? Addresses of SLAAC have ff:fe in the middle of it."""
    return address_value(ip)[1] & 0xFFFFFFFFFFFF == mac


@derived
def bridge_gateways(context: Context) -> dict[int, list[ContainerMac]]:
    """MAC of a bridge made by Docker → the containers that it is the gateway of.

    It has Docker's prefix and is made of no private address. It forwards at a container's point, or has the first
    address of a container's network.
    """
    gateways: dict[int, list[ContainerMac]] = {}
    stations, by_mac = speakers(context), container_macs(context)
    containers = list(islice((container for container in by_mac.values() if container.is_docker), MAX_CONTAINERS))
    may_be = (mac for mac in stations if (mac not in by_mac or ":" in by_mac[mac].ip) and may_be_docker_bridge(mac))
    for mac in islice(may_be, MAX_BRIDGES) if containers else ():
        bridge = stations[mac]
        behind = [
            container
            for container in containers
            if ":" not in container.ip
            and stations[container.mac].sending_points & bridge.sending_points
            and (_is_first_address(bridge, container) or bridge.forwarded_ips)
        ]
        if behind:
            gateways[mac] = behind
    return gateways


def may_be_docker_bridge(mac: int) -> bool:
    """Has a MAC Docker's prefix, and is made of no private address, as a container's or a load balancer's would be?"""
    return mac >> 32 == DOCKER_PREFIX and not is_private(_last_octets(mac))


def _is_first_address(speaker: Speaker, container: ContainerMac) -> bool:
    return any(ip.endswith(".1") and same_network([ip, container.ip]) for ip in speaker.own_ips)


def is_container_bridge(name: str) -> bool:
    """Does a point have the name of a bridge that Docker, Podman, nerdctl, kube-router or a CNI plugin made?"""
    return _BRIDGE_NAME.fullmatch(name.rpartition("/")[2]) is not None


def is_routed_veth(name: str) -> bool:
    """Does a point have the name of a pod's veth that is on no bridge, as plugins of Kubernetes call it?"""
    return _ROUTED_VETH.fullmatch(name.rpartition("/")[2]) is not None


def calico_gateway(context: Context) -> Speaker | None:
    """What sends with ee:ee:ee:ee:ee:ee, which Calico gives the host's end of each pod's veth, if it is a gateway."""
    speaker = speakers(context).get(CALICO_MAC)
    return speaker if speaker and (speaker.forwarded or speaker.claimed) else None


@derived
def calico_pods(context: Context) -> frozenset[int]:
    """MACs that send to this gateway."""
    flows = context.flows
    if calico_gateway(context) is None:
        return frozenset()
    return frozenset(flows[flows[:, FLOW_DMAC] == CALICO_MAC, FLOW_SMAC].tolist()) - {-1}


@derived
def shows_containers(context: Context) -> bool:
    """Does anything show that there are containers: the topology, names of points, or MACs?"""
    if context.topology is not None and context.topology.containers:
        return True
    by_name = any(point.packets and is_engine_point(point.name, point.role) for point in context.points)
    return by_name or bool(container_macs(context)) or bool(calico_pods(context))


@derived
def shows_cni(context: Context) -> bool:
    """Does anything show that plugins of CNI join the containers: names of points, or MACs?"""
    names = [point.name.rpartition("/")[2] for point in context.points if point.packets]
    is_plugin = any(_CNI_BRIDGE.fullmatch(name) for name in names)
    is_plugin |= any(not container.is_docker for container in container_macs(context).values())
    return is_plugin or shows_kubernetes(context)


@derived
def shows_kubernetes(context: Context) -> bool:
    """Does anything show a cluster of Kubernetes: pods, names of nodes' interfaces or of services, Calico's gateway?"""
    if context.topology is not None and any(container.pod for container in context.topology.containers):
        return True
    by_name = any(point.packets and _NODE_NAME.fullmatch(point.name.rpartition("/")[2]) for point in context.points)
    return by_name or asks_for_services(context.dns.names[:MAX_NAMES]) or _has_calico_gateway(context)


def _has_calico_gateway(context: Context) -> bool:
    """Does ARP answer for 169.254.1.1 with ee:ee:ee:ee:ee:ee, as Calico's nodes do for each of their pods?"""
    arps = context.arps
    is_gateway = (arps[:, ARP_SENDER_LO] == _CALICO_GATEWAY) & (arps[:, ARP_SENDER_MAC] == CALICO_MAC)
    return bool((is_gateway & (arps[:, ARP_OPERATION] == ARP_REPLY)).any())


def asks_for_services(names: Iterable[str]) -> bool:
    """Is one of these names in the service domain of a cluster of Kubernetes?"""
    return any(_SERVICE_DOMAIN in name for name in names)


def is_engine_point(name: str, role: str) -> bool:
    """Is a point, by its name, the interface of a container, a pod's veth, or the bridge of a container engine?"""
    return role == "container" or is_container_bridge(name) or is_routed_veth(name)

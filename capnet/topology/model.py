"""What a topology consists of: plain data, in the words of Docker and iproute2.

Fields after `KW_ONLY` came later: they are left out of the file while they are empty.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, field

from capnet.quick_dataclass import mutable
from capnet.topology.addressed import Addressed


@mutable
class Interface(Addressed):
    """An interface of a network namespace, as `ip -j -d address` prints it.

    Source: `ip -j -d address`.
    """

    name: str  # as `ip` calls it
    ifindex: int  # its number in its namespace
    mac: str | None  # its MAC address
    addresses: list[str]  # with prefix length: 192.168.111.128/24
    kind: str | None = None  # ip's linkinfo.info_kind: veth, bridge, vxlan, macvlan …; null for a NIC
    master: str | None = None  # the bridge or bond that it is a port of
    mtu: int | None = None  # largest packet that it sends [bytes]
    _: KW_ONLY
    peer_ifindex: int | None = None  # ip's link_index: the other end of a veth, the parent of a macvlan, ipvlan or VLAN
    parent: str | None = None  # name of the parent in the same namespace, of a VLAN, a macvlan or a VXLAN device
    vni: int | None = None  # of a VXLAN device
    vtep: str | None = None  # the address that a VXLAN device sends from
    udp_port: int | None = None  # of a VXLAN device
    xdp: str | None = None  # name of the XDP program there, which sees what comes in before any capture does


@mutable
class Unseen:
    """What a survey of a host could not see, and why."""

    what: str  # in words: interfaces of container web
    why: str  # what was missing, and what to do


@mutable
class Route:
    """A route of a network namespace, as `ip -j route` prints it.

    Source: `ip -j route`, saved; no running host is asked for them.
    """

    destination: str  # default, or an address with prefix length
    via: str | None = None  # the next hop; null if the destination is on the link
    interface: str | None = None  # that it leads out of; null if there are several next hops
    source: str | None = None  # the preferred source address
    kind: str | None = None  # blackhole, unreachable, prohibit …; null for a usual one


@mutable
class NeighbourEntry:
    """An entry of the neighbour table, ARP or Neighbor Discovery, as `ip -j neigh` prints it.

    Source: `ip -j neigh`, saved; no running host is asked for them.
    """

    address: str  # IPv4 or IPv6
    interface: str | None  # that it is behind
    mac: str | None  # null if it was asked for without an answer
    state: str  # of NUD: REACHABLE, STALE, FAILED …


@mutable
class ClockReading:
    """How far a host's clock was ahead of that of the machine that recorded, when it was asked over the network.

    Source: `date +%s%N` on the host; half the round trip is how exactly it is known (as NTP, RFC 5905).
    """

    time_ns: int  # when, by the clock of the machine that recorded; since 1970
    ahead_ns: int  # the host's clock minus that clock
    uncertainty_ns: int  # it was off by no more


@mutable
class Host:
    """A machine that runs Docker.

    Source: Docker's /info, and `ip -j -d address` in its own network namespace.
    """

    name: str  # what Docker calls it, or what it was called on the command line
    docker: str  # version of Docker Engine
    kernel: str  # version of the kernel
    interfaces: list[Interface] = field(default_factory=list)  # of its own network namespace
    conntrack: list[str] = field(default_factory=list)  # lines of `conntrack -L -o extended`
    _: KW_ONLY
    surveyed: str | None = None  # when: ISO 8601 in UTC, whole seconds
    netns: str | None = None  # file of its own network namespace
    unseen: list[Unseen] = field(default_factory=list)  # what the survey could not see
    routes: list[Route] = field(default_factory=list)  # of its own network namespace
    neighbours: list[NeighbourEntry] = field(default_factory=list)  # of its own network namespace
    clock: list[ClockReading] = field(default_factory=list)  # measured while packets of several hosts were captured
    outputs: dict[str, str] = field(default_factory=dict)  # command, `iptables-save -c` for example → what it printed

    @property
    def ips(self) -> list[str]:
        """The addresses of its own interfaces, without prefix length."""
        return [ip for interface in self.interfaces for ip in interface.ips]


@mutable
class Namespace:
    """A network namespace besides the host's own: an overlay network's, with its bridge and VXLAN device.

    That of a container or load balancer is here only if routes, neighbours or outputs of it are known.

    Source: the mounts of dockerd (nsfs), and `ip -j -d address` in each.
    """

    host: str  # the host that keeps it
    netns: str  # its file on that host
    network: str | None = None  # the overlay network that it carries
    interfaces: list[Interface] = field(default_factory=list)  # without loopback; of a container, see its endpoints
    container: str | None = None  # the container or load balancer that it belongs to
    routes: list[Route] = field(default_factory=list)  # in it
    neighbours: list[NeighbourEntry] = field(default_factory=list)  # in it
    outputs: dict[str, str] = field(default_factory=dict)  # command → what it printed there


@mutable
class Network:
    """A Docker network.

    Source: `docker network inspect -v`.
    """

    name: str  # as `docker network ls` prints it
    id: str  # all of it
    driver: str  # bridge, overlay, macvlan, ipvlan, host or null
    host: str | None  # the host that has it; null: swarm scope, the same on every host
    subnets: list[str] = field(default_factory=list)  # IPv4 and IPv6, with prefix length
    gateway: str | None = None  # the first of the gateways
    vni: int | None = None  # of an overlay network
    bridge: str | None = None  # name of the Linux bridge, for driver bridge
    parent: str | None = None  # parent NIC, for macvlan and ipvlan
    options: dict[str, str] = field(default_factory=dict)  # of the driver
    _: KW_ONLY
    gateways: list[str] = field(default_factory=list)  # IPv4 and IPv6, as far as Docker chose or was told them
    internal: bool | None = None  # made with --internal
    ingress: bool | None = None  # the swarm's network of published ports
    project: str | None = None  # Compose project or stack that made it
    peers: list[str] = field(default_factory=list)  # of an overlay network: underlay addresses of the nodes that use it


@mutable
class Endpoint(Addressed):
    """A container's interface on one network.

    Source: `ip -j -d address` in the container's namespace and at the other end; without root, `docker inspect`.
    """

    network: str  # name of the network; empty if Docker does not know the interface
    interface: str  # its name inside the container; empty if only Docker was asked
    mac: str | None  # its MAC address
    addresses: list[str]  # IPv4 and IPv6, with prefix length
    veth: str | None = None  # host end of the pair, found by ifindex
    _: KW_ONLY
    network_id: str | None = None  # id of the network
    kind: str | None = None  # as of an Interface: veth, macvlan, ipvlan …
    ifindex: int | None = None  # number of the interface inside
    mtu: int | None = None  # of the interface inside [bytes]
    veth_netns: str | None = None  # file of the namespace of the host end, if that is an overlay network's
    bridge: str | None = None  # the Linux bridge that the host end is a port of
    parent: str | None = None  # the host's interface that a macvlan or ipvlan interface lies on


@mutable
class PublishedPort:
    """A port of the host that leads to a container's (`docker run --publish`).

    Source: `docker inspect`, NetworkSettings.Ports.
    """

    proto: str  # tcp, udp or sctp
    host_ip: str  # the host's address that it is bound to: 0.0.0.0 and :: are all
    host_port: int  # port of the host
    container_port: int  # port in the container


@mutable
class Container:
    """A running container, a pod of Kubernetes, or the load balancer of a swarm's network.

    Source: `docker inspect`; of a load balancer, its namespace and `docker network inspect -v`; with containerd and
    CRI-O, its OCI bundle, what CNI plugins answered, and `ip -j -d address`.
    """

    host: str  # the host it runs on
    name: str  # its name; of a swarm's task without the task's id; NAMESPACE/NAME of pods that share a name
    id: str  # all of it; of a load balancer the name of its namespace, of a pod that of its sandbox
    image: str  # as it was named at `docker run`; empty for a load balancer and a pod
    network_mode: str  # as Docker has it: bridge, host, none, container:<id>, <network name>; pod:<id> of one in a pod
    endpoints: list[Endpoint] = field(default_factory=list)  # its interfaces, without loopback
    ports: list[PublishedPort] = field(default_factory=list)  # ports of the host that lead to it
    shares_network_with: str | None = None  # name of the container whose namespace it uses
    _: KW_ONLY
    full_name: str | None = None  # Docker's name of it, NAMESPACE/POD or NAMESPACE/POD/CONTAINER, if `name` is shorter
    pid: int | None = None  # its first process, on its host
    netns: str | None = None  # file of its network namespace, on its host
    project: str | None = None  # Compose project, or the stack of a swarm
    compose_service: str | None = None  # service of the Compose project
    swarm_service: str | None = None  # service of the swarm that it is a task of
    balances: str | None = None  # of a load balancer: the network whose services it balances
    state: str | None = None  # paused or restarting, by Docker; null: it runs
    unpublished: list[PublishedPort] = field(default_factory=list)  # that it was made with, and that lead nowhere
    lost_network_of: str | None = None  # the container whose namespace it joined, which has ended or restarted since
    runtime: str | None = None  # containerd or CRI-O; null: Docker
    pod: str | None = None  # NAMESPACE/NAME of the Kubernetes pod that it is, or that it is in

    @property
    def is_pod(self) -> bool:
        """Whether it is a pod, and no container in one."""
        return self.pod is not None and self.shares_network_with is None

    @property
    def called(self) -> set[str]:
        """All its names, without that of its host: a pod is also called without its namespace."""
        short = {self.pod.rpartition("/")[2]} if self.pod and self.is_pod else set()
        return {self.name, self.full_name or self.name, *short}


@mutable
class StoppedContainer:
    """A container that does not run: it has no interface, no address and no capture point.

    Source: `docker inspect`.
    """

    host: str  # the host that has it
    name: str  # its name
    id: str  # all of it
    state: str  # Docker's word: created, exited, dead
    exit_code: int | None = None  # of one that ran
    ended: str | None = None  # when: ISO 8601 in UTC, whole seconds
    project: str | None = None  # Compose project
    compose_service: str | None = None  # service of the Compose project
    networks: list[str] = field(default_factory=list)  # that it is on when it runs
    names: list[str] = field(default_factory=list)  # that Docker's name server has for it there when it runs


@mutable
class VirtualAddress:
    """The address of a service on one network."""

    network: str  # name of the network; `services` in Kubernetes, whose virtual addresses are on no network
    address: str  # the VIP, without prefix length


@mutable
class ServicePort:
    """A published port of a swarm's service, or a node port of Kubernetes."""

    proto: str  # tcp, udp or sctp
    published_port: int  # port of the nodes
    target_port: int  # port of the tasks; of Kubernetes, the port of the service
    mode: str  # ingress: every node, through the routing mesh; host: nodes with a task only


@mutable
class Service:
    """A service of a swarm, or of Kubernetes.

    Source: `docker service inspect` on a manager, else `docker network inspect -v`, which has no ids and protocols. Of
    Kubernetes: kube-proxy's rules, in modes iptables and nftables.
    """

    name: str  # as `docker service ls` prints it; of Kubernetes NAME.NAMESPACE
    id: str | None  # null if asked on a worker, which does not know it, and in Kubernetes
    endpoint_mode: str  # vip or dnsrr
    vips: list[VirtualAddress] = field(default_factory=list)  # none with dnsrr
    ports: list[ServicePort] = field(default_factory=list)  # what it publishes
    project: str | None = None  # the stack that it belongs to
    _: KW_ONLY
    namespace: str | None = None  # of Kubernetes; null: a swarm's


@mutable
class ListeningPoint:
    """A capture point; `name` is the if_name of its interface block."""

    name: str  # HOST/IFACE, HOST/CONTAINER/IFACE or HOST/overlay:NETWORK/IFACE
    role: str  # container, veth, bridge, parent, underlay, overlay or loopback
    host: str  # the host it is on
    interface: str  # the interface captured at
    describes: str  # in words
    container: str | None = None  # the container whose traffic it shows, if one's only
    network: str | None = None  # the network whose traffic it shows, if one's only

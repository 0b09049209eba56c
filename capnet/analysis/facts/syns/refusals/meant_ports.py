"""Which port or container was meant where a port refuses: what the topology knows of ports with that number.

Method: a container refuses the number under which its host publishes another port of it; a container's loopback refuses
a port that one container beside it serves; a host refuses a port that a container was made with and that leads nowhere.
Silence: several containers may be meant.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, endpoint_text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.outcomes.refused_connections import is_loopback_address
from capnet.analysis.facts.syns.refusals import listening_instead
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts
from capnet.topology import Container, PublishedPort, Topology
from capnet.topology.lookup import network_of

PUBLISHED_AS = Text(
    en="; {port} is the port of the host by which {container} publishes its port {inside}",
    zh="；{port} 是主机上的端口，{container} 用它发布自己的端口 {inside}",
)
FIX_PUBLISHED_AS = Text(
    en="between containers, ask for the container's own port: {container}:{inside}. `-p {port}:{inside}` counts at the "
    "host's addresses only",
    zh="容器之间请访问容器自己的端口：{container}:{inside}。`-p {port}:{inside}` 只在主机的地址上有效",
)
BESIDE = Text(
    en="; that is the loopback of {namespace} alone, and {container} beside it publishes its port {inside}",
    zh="；那只是 {namespace} 自己的 loopback，而旁边的 {container} 发布了自己的端口 {inside}",
)
FIX_BESIDE = Text(
    en="ask for {container}:{inside} in place of localhost: in a container, localhost is the container itself",
    zh="用 {container}:{inside} 代替 localhost：在容器中，localhost 就是容器自己",
)
FIX_LOOPBACK = Text(
    en="in a container, localhost is the container itself: ask for another container by its name, and for a program of "
    "the host at `host.docker.internal` (`--add-host host.docker.internal:host-gateway`); else start the server in "
    "{namespace}",
    zh="在容器中，localhost 就是容器自己：用名称访问其他容器，用 `host.docker.internal` 访问主机上的程序（`--add-host "
    "host.docker.internal:host-gateway`）；否则启动 {namespace} 中的服务器",
)
IGNORED = Text(
    en="; {container} was made with `-p {port}:{inside}`, which Docker does not publish on {network}",
    zh="；{container} 创建时用了 `-p {port}:{inside}`，而 Docker 在 {network} 上不发布端口",
)
OF_DRIVER = Text(en="a network of driver {driver}", zh="驱动为 {driver} 的网络")
OF_HOST_MODE = Text(en="the host's own network", zh="主机自己的网络")
OF_INTERNAL = Text(en="an internal network", zh="内部网络")
FIX_OWN_ADDRESS = Text(
    en="ask for {address}, the container's own address and port, from another machine than its host; or put "
    "{container} on a bridge network too",
    zh="从其主机以外的机器访问 {address}，即容器自己的地址和端口；或把 {container} 也接入网桥网络",
)
FIX_HOST_MODE = Text(
    en="ask for port {inside} of the host, which the program in {container} listens on; or take `--network host` away",
    zh="访问主机的端口 {inside}，{container} 中的程序监听的就是它；或去掉 `--network host`",
)
FIX_BRIDGE = Text(
    en="connect {container} to a usual bridge network too: `docker network connect NETWORK {container}`",
    zh="把 {container} 也接入普通的网桥网络：`docker network connect NETWORK {container}`",
)


OF_SERVICE = Text(
    en="; service {service} publishes it on every node of the swarm, and {host} does not serve it",
    zh="；服务 {service} 在 swarm 的每个节点上发布它，而 {host} 没有提供",
)
FIX_OF_SERVICE = Text(
    en="look in dockerd's log on {host} for why its ingress network fails: a kernel without IPVS (`modprobe ip_vs`), a "
    "port that another program had taken; `docker node ls` must show {host} as Ready",
    zh="在 {host} 的 dockerd 日志中查找 ingress 网络为何失败：内核没有 IPVS（`modprobe ip_vs`），或端口已被占用；"
    "`docker node ls` 中 {host} 应为 Ready",
)


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """What was probably meant, if nothing is translated to the port, and no program listens that would be meant."""
    if context.topology is None or refused.port is None or refused.services:
        return None
    if listening_instead.is_server_found(context, refused):
        return None
    topology, address, port, points = context.topology, refused.address, refused.port, refused.points(context)
    if is_loopback_address(address):
        return _beside(topology, port, points)
    return (
        _published_as(topology, address, port, points) or _ignored(topology, address, port, points)
        or _of_service(topology, address, port)
    )  # fmt: skip


def _beside(topology: Topology, port: int, points: set[str]) -> Clue | None:
    """Of a container's loopback: the one container on one of its networks that has the port, or is published by it."""
    namespaces = {name.rpartition("/")[0] for name in points}
    own = [each for each in topology.containers if {f"{each.host}/{each.name}"} == namespaces]
    if len(own) != 1 or own[0].network_mode == "host":
        return None
    namespace, networks = namespaces.pop(), {end.network for end in own[0].endpoints if end.network}
    serving = {
        (other.name, each.container_port)
        for other in topology.containers
        for each in other.ports
        if other.host == own[0].host and other is not own[0] and each.proto == "tcp"
        and port in (each.container_port, each.host_port) and networks & {end.network for end in other.endpoints}
    }  # fmt: skip
    if len(serving) != 1:
        return Clue(FIX_LOOPBACK.fill(namespace=namespace))
    container, inside = serving.pop()
    return Clue(
        FIX_BESIDE.fill(container=container, inside=inside),
        BESIDE.fill(namespace=namespace, container=container, inside=inside),
        {"meant": f"{container}:{inside}"},
    )


def _published_as(topology: Topology, address: str, port: int, points: set[str]) -> Clue | None:
    """Of a container's own address: its other port, which the host publishes by this number."""
    published = {
        (container.name, each.container_port)
        for container in _on_hosts(topology, points)
        if any(address in end.ips for end in container.endpoints)
        for each in container.ports
        if (each.proto, each.host_port) == ("tcp", port) and each.container_port != port
    }
    if len(published) != 1:
        return None
    container, inside = published.pop()
    return Clue(
        FIX_PUBLISHED_AS.fill(port=port, container=container, inside=inside),
        PUBLISHED_AS.fill(port=port, container=container, inside=inside),
        {"meant": f"{container}:{inside}"},
    )


def _ignored(topology: Topology, address: str, port: int, points: set[str]) -> Clue | None:
    """Of a host's address: a container that was to be published by this port, and is not."""
    hosts = {host for host, own, _ in topology.addresses() if own == address}
    ignored = [
        (container, each)
        for container in _on_hosts(topology, points)
        for each in container.unpublished
        if container.host in hosts and (each.proto, each.host_port) == ("tcp", port)
    ]
    if len(ignored) != 1:
        return None
    container, published = ignored[0]
    why = _why(topology, container, published)
    if why is None:
        return None
    network, fix = why
    says = IGNORED.fill(container=container.name, port=port, inside=published.container_port, network=network)
    return Clue(fix, says, {"container": container.name})


def _of_service(topology: Topology, address: str, port: int) -> Clue | None:
    """Of a node's own address: the service that the swarm publishes there."""
    own = [
        host.name
        for host in topology.hosts
        for interface in host.interfaces
        if interface.kind != "bridge" and address in interface.ips
    ]
    services = [
        service.name
        for service in topology.services
        for each in service.ports
        if service.namespace is None and (each.proto, each.published_port, each.mode) == ("tcp", port, "ingress")
    ]
    if len(own) != 1 or len(services) != 1:
        return None
    says = OF_SERVICE.fill(service=services[0], host=own[0])
    return Clue(FIX_OF_SERVICE.fill(host=own[0]), says, {"service": services[0]})


def _why(topology: Topology, container: Container, published: PublishedPort) -> tuple[str, str] | None:
    """The kind of network on which Docker publishes nothing, and what to do."""
    inside = published.container_port
    if container.network_mode == "host":
        return OF_HOST_MODE.fill(), FIX_HOST_MODE.fill(inside=inside, container=container.name)
    for endpoint in container.endpoints:
        network = network_of(topology, container, endpoint)
        if network is not None and network.driver in ("macvlan", "ipvlan") and endpoint.addresses:
            own = endpoint_text(endpoint.ips[0], inside)
            return OF_DRIVER.fill(driver=network.driver), FIX_OWN_ADDRESS.fill(address=own, container=container.name)
        if network is not None and network.internal:
            return OF_INTERNAL.fill(), FIX_BRIDGE.fill(container=container.name)
    return None


def _on_hosts(topology: Topology, points: set[str]) -> Iterator[Container]:
    hosts = {name.partition("/")[0] for name in points}
    return (container for container in topology.containers if container.host in hosts)

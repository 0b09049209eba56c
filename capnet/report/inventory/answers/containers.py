"""What a container is, and an interface of one: inside, or its end on the host."""

from __future__ import annotations

from capnet.language import clauses, items, pick
from capnet.report.inventory.answers.words import called, listed, network_words
from capnet.report.inventory.groups import without_link_local
from capnet.report.inventory.rows import host_end as end_on_host
from capnet.topology import Container, Endpoint, Topology
from capnet.topology.lookup import Match, network_of
from capnet.topology.user_mode import process_behind


def container(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    """`is a container (image busybox) on host A: eth0 on network bridge`."""
    meant = match.container
    assert meant
    if meant.balances:
        return pick(
            f" is the load balancer of network {meant.balances}{on_host}",
            f" 是{on_host}网络 {meant.balances} 的负载均衡",
        )
    if meant.is_pod:
        return _pod(topology, asked, meant, on_host)
    services = [f"{meant.project}/{meant.compose_service}"] if meant.compose_service else []
    services += [meant.swarm_service] if meant.swarm_service else []
    image = [pick("image ", "镜像 ") + meant.image] if meant.image or not meant.runtime else []
    details = items([*(pick("service ", "服务 ") + name for name in services), *image, *filter(None, [meant.runtime])])
    is_asked = asked == meant.name
    name = pick("a container" if is_asked else f"container {meant.name}", "容器" if is_asked else f"容器 {meant.name}")
    where = _network_of(topology, meant)
    return pick(f" is {name} ({details}){on_host}: {where}", f" 是{on_host}{name}（{details}）：{where}")


def _pod(topology: Topology, asked: str, meant: Container, on_host: str) -> str:
    """`is a pod (namespace default, containers nginx, sidecar) on host A: eth0 on network cbr0`."""
    members = listed(_members(topology, meant)) or pick("none", "无")
    namespace = (meant.pod or "").partition("/")[0]
    details = items([pick("namespace ", "命名空间 ") + namespace, pick("containers ", "容器 ") + members])
    name = pick("a pod", " Pod") if asked == meant.name else pick("pod ", " Pod ") + meant.name
    where = _network_of(topology, meant)
    return pick(f" is {name} ({details}){on_host}: {where}", f" 是{on_host}{name}（{details}）：{where}")


def _members(topology: Topology, pod: Container) -> list[str]:
    return [each.name for each in topology.containers if each.host == pod.host and each.shares_network_with == pod.name]


def _network_of(topology: Topology, meant: Container) -> str:
    if meant.shares_network_with and meant.pod:
        owner = meant.shares_network_with
        return pick(f"it is in pod {owner}", f"它在 Pod {owner} 中")
    if meant.shares_network_with:
        owner = meant.shares_network_with
        return pick(f"it uses the network namespace of container {owner}", f"它使用容器 {owner} 的网络命名空间")
    if lost := meant.lost_network_of:
        return pick(
            f"it has no network: it joined that of container {lost}, which has ended or restarted since; while {lost} "
            f"runs, `docker restart {meant.name}` joins it again",
            f"它没有网络：它加入了容器 {lost} 的网络命名空间，而 {lost} 此后已停止或重启；{lost} 运行时，"
            f"`docker restart {meant.name}` 会重新加入",
        )
    if meant.network_mode == "host":
        return pick("it uses the host's own interfaces", "它使用主机自己的接口")
    if not meant.endpoints:
        return pick("it has loopback only", "它只有 loopback")
    return clauses([_attachment(topology, meant, endpoint) for endpoint in meant.endpoints])


def _attachment(topology: Topology, meant: Container, endpoint: Endpoint) -> str:
    words = network_words(topology, meant, endpoint)
    interface = endpoint.interface or pick("an interface", "一个接口")
    if process := process_behind(endpoint):
        return pick(
            f"{interface}, whose packets end in the process {process}; on the wire are connections of the host",
            f"{interface}，它的包终止于进程 {process}；链路上是主机的连接",
        )
    return pick(f"{interface} on {words}", f"{interface} 在{words}上")


def inside(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    """`is eth0 in container web on host A, on network bridge; its host end is veth1`."""
    meant, endpoint = match.container, match.endpoint
    assert meant and endpoint
    owner = called(meant)
    interface = endpoint.interface or pick("an interface", "一个接口")
    begin = (
        pick(f" in {owner}{on_host} is on", f" 属于{on_host}{owner}，在")
        if asked == interface
        else pick(f" is {interface} in {owner}{on_host}, on", f" 是{on_host}{owner} 的 {interface}，在")
    )
    ends = end_on_host(endpoint)
    network = network_of(topology, meant, endpoint)
    parent = endpoint.parent or (network.parent if network else None)
    details = [pick(f"its host end is {ends}", f"主机端是 {ends}")] if ends else []
    details += [pick(f"its parent is {parent}", f"父接口是 {parent}")] if parent and not ends else []
    shared = [each.name for each in topology.containers if each.shares_network_with == meant.name]
    if meant.is_pod:
        details += [pick("containers in it: ", "其中的容器：") + listed(_members(topology, meant))] if shared else []
    else:
        details += [pick("shared with ", "共享者：") + listed(shared)] if shared else []
    words = network_words(topology, meant, endpoint)
    return begin + clauses([pick(f" {words}", f"{words}上"), *details])


def host_end(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    """`on host A is the host end of eth0 in container web (172.17.0.2, …), network bridge`."""
    meant, endpoint = match.container, match.endpoint
    assert meant and endpoint
    owned = items(filter(None, [*without_link_local(endpoint.addresses), endpoint.mac]))
    words = network_words(topology, meant, endpoint)
    if match.namespace:
        on_host = pick(
            f" in the namespace of overlay network {endpoint.network}", f"overlay 网络 {endpoint.network} 的命名空间中"
        )
    sentence = pick(
        f"{on_host} is the host end of {endpoint.interface} in {called(meant)} ({owned}), {words}",
        f" 是{on_host}{called(meant)} 的 {endpoint.interface}（{owned}）的主机端，{words}",
    )
    details = []
    if endpoint.bridge:
        details.append(pick(f"it is a port of bridge {endpoint.bridge}", f"是网桥 {endpoint.bridge} 的端口"))
    if match.interface and match.interface.xdp:
        details.append(pick(f"XDP program {match.interface.xdp} is there", f"有 XDP 程序 {match.interface.xdp}"))
    return clauses([sentence, *details])

"""What a service, its virtual IP and a project are."""

from __future__ import annotations

from capnet.language import clauses, items, pick
from capnet.report.inventory.answers.words import listed
from capnet.report.text import count
from capnet.topology import Service, Topology
from capnet.topology.lookup import Match


def _tasks(topology: Topology, name: str) -> str:
    tasks = [each.name for each in topology.containers if each.swarm_service == name]
    return pick("its tasks here: ", "它在这里的任务：") + (listed(tasks) or pick("none", "无"))


def peer(_: Topology, __: str, match: Match, ___: str) -> str:
    """`is a node of the swarm that uses 192.168.111.129`."""
    return pick(f" is a node of the swarm that uses {match.text}", f" 是使用 {match.text} 的 swarm 节点")


def vip(topology: Topology, _: str, match: Match, __: str) -> str:
    """`is the virtual IP of service web on network shop; its tasks here: web.1`."""
    assert match.service
    if match.service.namespace:
        return pick(
            f" is the ClusterIP of service {match.service.name} of Kubernetes",
            f" 是 Kubernetes 服务 {match.service.name} 的 ClusterIP",
        )
    assert match.network
    service, network = match.service.name, match.network.name
    sentence = pick(
        f" is the virtual IP of service {service} on network {network}",
        f" 是服务 {service} 在网络 {network} 上的虚拟地址",
    )
    return clauses([sentence, _tasks(topology, service)])


def service(topology: Topology, asked: str, match: Match, __: str) -> str:
    """`is a service of the swarm: virtual IP 10.0.1.2 on shop; published 8080->80/tcp; its tasks here: web.1`."""
    meant = match.service
    assert meant
    is_asked = asked == meant.name
    name = pick("a service" if is_asked else f"service {meant.name}", "服务" if is_asked else f"服务 {meant.name}")
    if meant.namespace:
        return pick(f" is {name} of Kubernetes: ", f" 是 Kubernetes 的{name}：") + clauses(_of_kubernetes(meant))
    vips = items(pick(f"{vip.address} on {vip.network}", f"{vip.address}（{vip.network}）") for vip in meant.vips)
    ports = items(f"{port.published_port}->{port.target_port}/{port.proto}" for port in meant.ports)
    virtual = (
        pick("virtual IP ", "虚拟地址 ") + vips if vips else pick("no virtual IP (dnsrr)", "没有虚拟地址（dnsrr）")
    )
    details = [virtual, *([pick("published ", "端口映射 ") + ports] if ports else []), _tasks(topology, meant.name)]
    return pick(f" is {name} of the swarm: ", f" 是 swarm 的{name}：") + clauses(details)


def _of_kubernetes(service: Service) -> list[str]:
    """`ClusterIP 10.96.0.10` and `NodePort 30080 -> 80/tcp`."""
    addresses = items(vip.address for vip in service.vips)
    ports = items(f"{port.published_port} -> {port.target_port}/{port.proto}" for port in service.ports)
    return [*([f"ClusterIP {addresses}"] if addresses else []), *([f"NodePort {ports}"] if ports else [])]


def project(topology: Topology, asked: str, match: Match, __: str) -> str:
    """`is a Compose project or stack of 2 containers: db, web`."""
    members = [each.name for each in topology.containers if each.project == match.text]
    total = count(len(members), "container")
    return pick(f" is a Compose project or stack of {total}: ", f" 是 Compose 项目或 stack，有 {total}：") + listed(
        members
    )

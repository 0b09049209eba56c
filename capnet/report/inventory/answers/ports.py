"""What a published port is, a container's own port, and the address of Docker's name server."""

from __future__ import annotations

from capnet.language import items, pick
from capnet.report.inventory.answers.words import called, listed
from capnet.report.inventory.rows import published
from capnet.topology import Container, PublishedPort, ServicePort, Topology
from capnet.topology.lookup import Match, has_name_server


def port(_: Topology, __: str, match: Match, on_host: str) -> str:
    """`is published by container web on host A: 0.0.0.0:8080->80/tcp`."""
    if match.service:
        mappings = items(
            f"{each.published_port}->{each.target_port}/{each.proto}"
            for each in match.ports
            if isinstance(each, ServicePort)
        )
        return pick(
            f" is published by service {match.service.name}: {mappings} on every node",
            f" 是服务 {match.service.name} 映射的端口：{mappings}，每个节点上都有",
        )
    name, mappings = called(_container(match)), _mappings(match)
    return pick(f" is published by {name}{on_host}: {mappings}", f" 是{on_host}{name} 映射的端口：{mappings}")


def port_elsewhere(_: Topology, __: str, match: Match, on_host: str) -> str:
    """`is not published: container db on host A publishes 127.0.0.1:5353->53/udp, and not this address`."""
    name, mappings = called(_container(match)), _mappings(match)
    return pick(
        f" is not published: {name}{on_host} publishes {mappings}, and not this address",
        f" 没有映射：{on_host}{name} 映射的是 {mappings}，不是这个地址",
    )


def port_inside(_: Topology, __: str, match: Match, on_host: str) -> str:
    """`is a port of container web on host A, published as 0.0.0.0:8080->80/tcp`."""
    name, mappings = called(_container(match)), _mappings(match)
    return pick(
        f" is a port inside {name}{on_host}, published as {mappings}",
        f" 是{on_host}{name} 内的端口，映射为 {mappings}",
    )


def name_server(topology: Topology, _: str, __: Match, ___: str) -> str:
    """`is Docker's name server: on lo of web, db`."""
    names = listed(each.name for each in topology.containers if has_name_server(topology, each))
    return pick(
        " is Docker's name server. Each container on a network with names has it, on its own lo, "
        f"and captures show it at the point lo: {names}",
        f" 是 Docker 的 DNS 服务器。凡是在有名称解析的网络上的容器，自己的 lo 上都有它，在抓包点 lo 可见：{names}",
    )


def _container(match: Match) -> Container:
    assert match.container
    return match.container


def _mappings(match: Match) -> str:
    return items(published(each) for each in match.ports if isinstance(each, PublishedPort))

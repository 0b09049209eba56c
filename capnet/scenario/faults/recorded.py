"""The topology of a fault's network, from `ip -j`: hosts with their interfaces, containers, points."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from capnet.record.find.capture_points import CapturePoint
from capnet.scenario.faults.node import Node
from capnet.topology import Container, Endpoint, Host, Interface, ListeningPoint, Topology


def topology(fault: str, nodes: Iterable[Node], points: Sequence[CapturePoint]) -> Topology:
    """Who has which address now. A node that is only a switch has none and is left out."""
    described = Topology(scenario=f"fault {fault}")
    for node in nodes:
        if node.container_name:
            described.containers.append(_container(node))
        else:
            host = _host(node)
            if any(interface.addresses for interface in host.interfaces if interface.name != "lo"):
                described.hosts.append(host)
    described.points = [
        ListeningPoint(point.name, point.role, point.host, point.interface, point.describes, point.container)
        for point in points
    ]
    return described


def _host(node: Node) -> Host:
    return Host(
        name=node.name,
        docker="",
        kernel=os.uname().release,
        interfaces=[
            Interface(
                name=entry["ifname"],
                ifindex=entry["ifindex"],
                mac=entry.get("address"),
                addresses=_addresses(entry),
                kind=entry.get("linkinfo", {}).get("info_kind"),
                master=entry.get("master"),
                mtu=entry.get("mtu"),
            )
            for entry in node.interfaces()
        ],
    )


def _container(node: Node) -> Container:
    return Container(
        host=node.host,
        name=node.container_name,
        id="",
        image="",
        network_mode="bridge",
        endpoints=[
            Endpoint("bridge", entry["ifname"], entry.get("address"), _addresses(entry))
            for entry in node.interfaces()
            if entry["ifname"] != "lo"
        ],
        ports=node.ports,
    )


def _addresses(entry: dict[str, Any]) -> list[str]:
    return [f"{each['local']}/{each['prefixlen']}" for each in entry["addr_info"] if "local" in each]

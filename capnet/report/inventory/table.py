"""An inventory for a terminal: containers, networks and services, a line for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Literal

from capnet import language
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.drawing.text_table import GAP, INDENT, MAX_WHOLE_NAME, table_lines
from capnet.report.escape import visible
from capnet.report.inventory.rows import InventoryRow, model_of, node_interfaces
from capnet.report.text import columns, fill
from capnet.topology import Network, Service, Topology
from capnet.topology.stopped import stopped_names

Wrap = Literal["never", "last", "words", "anywhere"]


class _Heading(NamedTuple):
    """A column of a table."""

    title: str
    wrap: Wrap = "never"
    align: Literal["left", "right"] = "left"


class _Choice(NamedTuple):
    """A column of which it depends on the width whether it is shown: those with a small rank come first."""

    rank: int
    title: str
    content: Callable[[InventoryRow], str]
    wrap: Wrap = "never"


_PORTS = "published ports"
_PORT = re.compile(r"(.*:)?(\d+)->(\d+)/(\w+)")
_CHOICES = (
    _Choice(0, "host", lambda row: row.host),
    _Choice(1, "container", lambda row: row.container, "anywhere"),
    _Choice(2, "state", lambda row: row.state or ""),
    _Choice(10, "service", lambda row: "/".join(filter(None, (row.project, row.service))), "anywhere"),
    _Choice(2, "network", lambda row: row.network, "anywhere"),
    _Choice(8, "model", lambda row: row.model or ""),
    _Choice(9, "VNI", lambda row: "" if row.vni is None else str(row.vni)),
    _Choice(4, "inside", lambda row: row.interface or ""),
    _Choice(3, "address", lambda row: "\n".join(_shown_addresses(row.addresses))),
    _Choice(6, "MAC", lambda row: row.mac or ""),
    _Choice(5, "host end", lambda row: row.host_end or (_of_parent(row.parent) if row.parent else "")),
    _Choice(7, "bridge", lambda row: row.bridge or ""),
    _Choice(7, _PORTS, lambda row: "\n".join(_shown_ports(row.ports))),
    _Choice(11, "namespace", lambda row: row.namespace or ""),
)


def _title(title: str) -> str:
    """The title of a column; an interface is inside a container, not inside a tunnel as in reports."""
    chinese = {"inside": "接口", "state": "状态"}
    return language.pick(title, chinese[title]) if title in chinese else language.term(title)


def _of_parent(name: str) -> str:
    return language.pick(f"{name} (parent)", f"{name}（父接口）")


def stopped_lines(topology: Topology, width: int) -> list[str]:
    """A sentence that names the containers that do not run."""
    if not topology.stopped:
        return []
    names = visible(stopped_names(topology.stopped))
    return fill(language.pick(f"Not running: {names}.", f"没有运行：{names}。"), width, INDENT, INDENT)


def container_lines(rows: Sequence[InventoryRow], width: int, several_hosts: bool) -> list[str]:
    """The table of containers, with as many columns as the width has room for."""
    if not rows:
        return []
    choices = [choice for choice in _CHOICES if several_hosts or choice.title != "host"]
    cells = {choice.title: [visible(choice.content(row), "\n") for row in rows] for choice in choices}
    choices = [choice for choice in choices if any(cells[choice.title])]
    shown, room = set(), width - len(INDENT) + GAP
    for choice in sorted(choices, key=lambda choice: choice.rank):
        needed = max(
            columns(line) for cell in [_title(choice.title), *cells[choice.title]] for line in cell.split("\n")
        )
        room -= (min(needed, MAX_WHOLE_NAME) if choice.wrap == "anywhere" else needed) + GAP
        if room < 0:
            break
        shown.add(choice.title)
    kept = [choice for choice in choices if choice.title in shown]
    headings = [_Heading(_title(choice.title), choice.wrap) for choice in kept]
    lines = table_lines(
        headings, [[cells[choice.title][number] for choice in kept] for number in range(len(rows))], width
    )
    if any(cells[_PORTS]) and _PORTS not in shown:  # they are what others see of a container
        lines += ["", *port_lines(rows, width, several_hosts)]
    hidden = [choice.title for choice in choices if choice.title not in shown | {_PORTS}]
    if hidden:
        text = Text(
            en="not shown: {columns} (for a wider terminal, or --format json)",
            zh="未显示：{columns}（需要更宽的终端，或 --format json）",
        ).fill(columns=language.pick(", ", "、").join(map(_title, hidden)))
        lines += fill(text, width, INDENT, INDENT)
    return lines


def port_lines(rows: Sequence[InventoryRow], width: int, several_hosts: bool) -> list[str]:
    """The table of published ports."""
    headings = [_Heading(language.term(title)) for title in ("host", "container", _PORTS)]
    cells = [
        [row.host if several_hosts else "", row.container, "\n".join(_shown_ports(row.ports))]
        for row in rows
        if row.ports
    ]
    return table_lines(headings, _visible(cells), width)


def network_lines(topology: Topology, rows: Sequence[InventoryRow], width: int) -> list[str]:
    """The table of the networks that the rows are on."""
    used = {(row.network, row.host) for row in rows}
    networks = [
        network
        for network in topology.networks
        if network.driver not in ("host", "null")
        and any(name == network.name and network.host in (None, host) for name, host in used)
    ]
    headings = [
        _Heading(language.term("network"), "anywhere"),
        *(_Heading(language.term(title)) for title in ("host", "model", "VNI", "subnet", "gateway", "bridge, parent")),
    ]
    several_hosts = len(topology.hosts) > 1
    cells = [
        [
            network.name,
            (network.host or "all") if several_hosts else "",
            model_of(network),
            "" if network.vni is None else str(network.vni),
            "\n".join(network.subnets),
            "\n".join(_gateways(topology, network)),
            network.bridge or network.parent or "",
        ]
        for network in networks
    ]
    return table_lines(headings, _visible(cells), width)


def interface_lines(topology: Topology, width: int) -> list[str]:
    """The table of the nodes' own interfaces."""
    titles = ("host", "interface", "kind", "VNI", "address", "MAC")
    cells = [
        [
            host.name if len(topology.hosts) > 1 else "",
            each.name,
            each.kind or "",
            "" if each.vni is None else str(each.vni),
            "\n".join(_shown_addresses(each.addresses)),
            each.mac or "",
        ]
        for host, each in node_interfaces(topology)
    ]
    return table_lines([_Heading(language.term(title)) for title in titles], _visible(cells), width)


def service_lines(services: Iterable[Service], width: int) -> list[str]:
    """The table of the services of a swarm, or of Kubernetes."""
    headings = [_Heading(language.term(title)) for title in ("service", "mode", "virtual IP", "published ports")]
    cells = [
        [
            service.name,
            service.endpoint_mode,
            "\n".join(vip.address if service.namespace else f"{vip.address} on {vip.network}" for vip in service.vips),
            "\n".join(
                f"{port.published_port}->{port.target_port}/{port.proto} ({port.mode})" for port in service.ports
            ),
        ]
        for service in services
    ]
    return table_lines(headings, _visible(cells), width)


def _visible(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[visible(cell, "\n") for cell in row] for row in cells]


def _gateways(topology: Topology, network: Network) -> list[str]:
    """What Docker says, else the addresses of the network's Linux bridge, which Docker chose itself."""
    if network.gateway:
        return network.gateways or [network.gateway]
    own = (each for host in topology.hosts if host.name == network.host for each in host.interfaces)
    return [
        address.split("/")[0]
        for interface in own
        if interface.name == network.bridge
        for address in interface.addresses
        if not ip_address(address.split("/")[0]).is_link_local
    ]


def _shown_addresses(addresses: Iterable[str]) -> list[str]:
    """Without prefix length, which is the network's; link-local ones are in JSON only."""
    bare = [address.split("/")[0] for address in addresses]
    return [address for address in bare if not ip_address(address).is_link_local] or bare


def _shown_ports(ports: Iterable[str]) -> list[str]:
    """Without the address where it is all of them, `8080->80/tcp`; neighbours are a range, `9000-9003->80-83/tcp`."""
    bare = {port.removeprefix("0.0.0.0:").removeprefix("[::]:") for port in ports}
    matches = [match for match in map(_PORT.fullmatch, bare) if match]
    parts = sorted((match[1] or "", match[4], int(match[2]), int(match[3])) for match in matches)
    runs: list[tuple[str, str, int, int, int]] = []  # address, protocol, ports of host and container, how many
    for address, proto, host, container in parts:
        count = runs[-1][4] if runs else 0
        if runs and runs[-1][:4] == (address, proto, host - count, container - count):
            runs[-1] = (*runs[-1][:4], count + 1)
        else:
            runs.append((address, proto, host, container, 1))
    return [
        f"{address}{_span(host, count)}->{_span(container, count)}/{proto}"
        for address, proto, host, container, count in runs
    ]


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"

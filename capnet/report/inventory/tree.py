"""A topology as a tree of text: host, bridge or parent, host end, container with its addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from capnet import language
from capnet.report.escape import visible
from capnet.report.inventory.groups import InventoryGroup, host_groups, host_title, label, underlay
from capnet.report.inventory.rows import model_of
from capnet.report.text import columns, fill, padded
from capnet.topology import Host, Network, Topology

_BRANCH = re.compile("[│├└─ ]*")
MAX_LABEL = 40  # columns up to which the addresses behind containers are aligned: a name with many ports moves none


def tree_text(topology: Topology, width: int | None = None) -> str:
    """The tree, in lines of `width` columns; without a width they are as long as names and addresses are."""
    lines = [line for host in topology.hosts for line in _host_lines(topology, host)]
    services = [
        language.pick(f"{each.name} {vip.address} on {vip.network}", f"{each.name} {vip.address}（{vip.network}）")
        for each in topology.services
        for vip in each.vips
    ]
    if services:
        lines += [language.term("virtual IPs of services"), *_branches([[service] for service in services])]
    lines = [visible(line) for line in lines or [language.term("no host")]]
    if width is not None:
        lines = [part for line in lines for part in _folded(line, width)]
    return "".join(line + "\n" for line in lines)


def _host_lines(topology: Topology, host: Host) -> Iterator[str]:
    yield host_title(host)
    blocks = [[text] for text in underlay(topology, host)]
    groups = host_groups(topology, host)
    blocks += [_group_lines(topology, group) for group in groups]
    blocks += _unused_lines(topology, host, groups)
    yield from _branches(blocks)


def _group_lines(topology: Topology, group: InventoryGroup) -> list[str]:
    width = max((columns(leaf.link) for leaf in group.leaves), default=0)
    labels = [
        f"{padded(leaf.link, width)} {'──' if leaf.link else '  '} {label(topology, leaf)}"
        if width
        else label(topology, leaf)
        for leaf in group.leaves
    ]
    leaves = _aligned([labels, *zip_longest(*(leaf.details for leaf in group.leaves), fillvalue="")])
    return [_title_line(group.title, group.details), *_branches([[leaf] for leaf in leaves])]


def _unused_lines(topology: Topology, host: Host, groups: Sequence[InventoryGroup]) -> list[list[str]]:
    """Docker's networks on this host that no container is on: their subnets are taken all the same."""
    used = {(each.host, end.network) for each in topology.containers for end in each.endpoints}
    unused = [
        network
        for network in topology.networks
        if network.host == host.name and network.driver not in ("host", "null")
        if (host.name, network.name) not in used
    ]
    blocks = [] if groups or not host.docker else [[language.term("no container")]]
    if unused:
        lines = _aligned([list(column) for column in zip(*map(_network_cells, unused), strict=True)])
        blocks.append([language.term("networks without a container"), *_branches([[line] for line in lines])])
    return blocks


def _network_cells(network: Network) -> tuple[str, str, str]:
    return network.name, model_of(network), "  ".join(network.subnets)


def _title_line(title: str, details: Sequence[str]) -> str:
    return f"{title}  {'  '.join(details)}".rstrip()


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns side by side; an empty column is left out, one above MAX_LABEL moves its own line alone."""
    shown = [column for column in cells if any(column)]
    widths = [max((width for cell in column if (width := columns(cell)) <= MAX_LABEL), default=0) for column in shown]
    return [
        "  ".join(padded(cell, max(width, columns(cell))) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*shown, strict=True)
    ]


def _branches(blocks: list[list[str]]) -> Iterator[str]:
    """Blocks of lines as branches: the first line of each behind a corner, the others below it."""
    for number, (first, *others) in enumerate(blocks, start=1):
        last = number == len(blocks)
        yield f"{'└─' if last else '├─'} {first}"
        for line in others:
            yield f"{'  ' if last else '│ '} {line}"


def _folded(line: str, width: int) -> list[str]:
    """A line of the tree in lines of `width` columns: what goes on is indented, beside the lines of later branches."""
    if columns(line) <= width:
        return [line]
    branch = _BRANCH.match(line)
    begin = branch.group() if branch else ""
    hanging = begin.replace("├─", "│ ").replace("└─", "  ") + "  "
    first, *others = fill(line[len(begin) :], width - columns(begin), "", "  ")
    return [(begin + first).rstrip(), *((hanging + other.strip()) for other in others)]

"""A topology as a tree of text: host, bridge or parent, host end, container with its addresses."""

from __future__ import annotations

from collections.abc import Iterator

from capnet import language
from capnet.report.escape import visible
from capnet.report.inventory.groups import InventoryGroup, host_groups, host_title, label, underlay
from capnet.topology import Host, Topology


def tree_text(topology: Topology) -> str:
    """The tree; lines are as long as names and addresses are."""
    lines = [line for host in topology.hosts for line in _host_lines(topology, host)]
    services = [
        language.pick(f"{each.name} {vip.address} on {vip.network}", f"{each.name} {vip.address}（{vip.network}）")
        for each in topology.services
        for vip in each.vips
    ]
    if services:
        lines += [language.term("virtual IPs of services"), *_branches([[service] for service in services])]
    return "".join(visible(line) + "\n" for line in lines or [language.term("no host")])


def _host_lines(topology: Topology, host: Host) -> Iterator[str]:
    yield host_title(host)
    blocks = [[text] for text in underlay(topology, host)]
    blocks += [_group_lines(topology, group) for group in host_groups(topology, host)]
    yield from _branches(blocks)


def _group_lines(topology: Topology, group: InventoryGroup) -> list[str]:
    leaves = []
    width = max((len(leaf.link) for leaf in group.leaves), default=0)
    for leaf in group.leaves:
        link = f"{leaf.link.ljust(width)} ── " if leaf.link else ""
        leaves.append([f"{link}{label(topology, leaf)}  {'  '.join(leaf.details)}".rstrip()])
    return [f"{group.title}  {'  '.join(group.details)}".rstrip(), *_branches(leaves)]


def _branches(blocks: list[list[str]]) -> Iterator[str]:
    """Blocks of lines as branches: the first line of each behind a corner, the others below it."""
    for number, (first, *others) in enumerate(blocks, start=1):
        last = number == len(blocks)
        yield f"{'└─' if last else '├─'} {first}"
        for line in others:
            yield f"{'  ' if last else '│ '} {line}"

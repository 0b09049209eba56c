"""A topology in the language of Graphviz: `capnet topology --format dot | dot -Tsvg`."""

from __future__ import annotations

from collections.abc import Iterator

from capnet.report.escape import visible
from capnet.report.inventory.groups import InventoryGroup, host_groups, host_title, label, underlay
from capnet.topology import Topology

_SHAPES = {"bridge": "box", "unknown": "box", "parent": "component", "overlay": "hexagon"}
_SHAPES |= dict.fromkeys(("host", "none", "routed"), "plaintext")


def dot_text(topology: Topology) -> str:
    """A graph with a cluster for each host; overlay networks connect the hosts."""
    lines = ["graph topology {", "  rankdir=LR; node [fontname=sans, fontsize=11]; edge [fontname=sans, fontsize=9];"]
    overlays: dict[str, list[str]] = {}
    for number, host in enumerate(topology.hosts):
        title = "\n".join([host_title(host), *underlay(topology, host)])
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(title)}; style=rounded;"]
        containers: dict[str, str] = {}  # id → node
        for index, group in enumerate(host_groups(topology, host)):
            node = f"h{number}_n{index}"
            lines += [f"    {line}" for line in _group_lines(topology, group, node, containers)]
            if group.network_id:
                overlays.setdefault(group.network_id, []).append(node)
        lines.append("  }")
    for network in topology.networks:
        for node in (nodes := overlays.get(network.id, []))[1:]:
            vni = f"VXLAN, VNI {network.vni}" if network.vni is not None else "VXLAN"
            lines.append(f"  {nodes[0]} -- {node} [style=dashed, label={_quoted(vni)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _group_lines(topology: Topology, group: InventoryGroup, node: str, containers: dict[str, str]) -> Iterator[str]:
    """The node of a group, those of containers that have none yet, and the edges between them."""
    title = "\n".join([group.title, *group.details])
    yield f"{node} [shape={_SHAPES[group.kind]}, label={_quoted(title)}];"
    for leaf in group.leaves:
        if leaf.container.id not in containers:
            containers[leaf.container.id] = f"{node.partition('_')[0]}_c{len(containers)}"
            shown = _quoted(label(topology, leaf))
            yield f"{containers[leaf.container.id]} [shape=box, style=rounded, label={shown}];"
        edge = "\n".join(filter(None, [leaf.link, *leaf.details]))
        yield f"{node} -- {containers[leaf.container.id]} [label={_quoted(edge)}];"


def _quoted(text: str) -> str:
    r"""A string of DOT. It knows one escape for quotes, and reads `\n` as the end of a line."""
    lines = [visible(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n")]
    return '"' + "\\n".join(lines) + '"'

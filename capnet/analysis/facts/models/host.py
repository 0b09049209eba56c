"""host: a process on the host's own network stack.

Told apart by: traffic of one interface's own address with its own MAC, as it was sent (TTL initial); nothing
rewritten, nothing encapsulated, no other stations behind the interface, and nothing on the bridges that were captured.
Looks alike: every process that runs on a host without Docker; packets cannot tell. So the confidence stays below one
half unless a bridge, known by its name, was captured without packets, or Docker says so.
"""

from __future__ import annotations

from typing import NamedTuple

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Model
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.topology import Container
from capnet.wire.addresses import address_value, mac_text

MAX_EVIDENCE = 4  # frames: all of them look the same
_ROLES_INSIDE = ("container", "veth", "overlay")


class _Interface(NamedTuple):
    """A host's own interface: the point at which it was captured, its MAC and its address."""

    point: int
    mac: int
    ip: str


def judge(context: Context) -> list[Model]:
    """At most one model: of the first interface."""
    if nat_facts(context) or tunnel_facts(context):
        return []
    containers = _containers_on_the_host(context)
    interface = _interface(context, {container.host for container in containers})
    if interface is None:
        return []
    name = context.points[interface.point].name
    own = f"{interface.ip} with MAC {mac_text(interface.mac)}"
    because = [f"all that passes {name} is from or to the card's own address, {own}, unchanged"]
    confidence = 0.3
    silent = [context.points[point] for point in sorted(layer2_segments(context).silent_points)]
    if silent:
        because.append(f"{', '.join(point.name for point in silent[:3])} heard nothing of it")
        # Only its name says that a silent point is a bridge.
        confidence += 0.2 if any(point.role == "bridge" for point in silent) else 0.1
    if any(name in {hop.point for hop in path.hops} for path in path_facts(context)):
        because.append("the far end sees the same packets: no address, port or TTL was changed on the way")
        confidence += 0.05
    if containers:
        names = ", ".join(sorted(container.name for container in containers))
        because.append(f"Docker runs {names} on the host's network")
        confidence = 0.95
    else:
        because.append("a process outside of any container looks the same")
    return [Model("host", round(confidence, 2), because, _evidence(context, interface))]


def _containers_on_the_host(context: Context) -> list[Container]:
    """Containers with network mode `host`, by the topology."""
    containers = context.topology.containers if context.topology else []
    return [container for container in containers if container.network_mode == "host"]


def _interface(context: Context, hosts: set[str]) -> _Interface | None:
    """The first interface with one address; one of these hosts if there is any."""
    segments = layer2_segments(context)
    interfaces = []
    for mac, points in sorted(segments.interface_points.items()):
        for point in points:
            speaker = segments.speakers.get(point, {}).get(mac)
            is_outside = context.points[point].role not in _ROLES_INSIDE
            if is_outside and speaker is not None and len(speaker.own_ips) == 1:
                interfaces.append(_Interface(point, mac, speaker.own_ips[0]))
    of_hosts = [own for own in interfaces if context.points[own.point].name.split("/")[0] in hosts]
    return min(of_hosts or interfaces, default=None)


def _evidence(context: Context, interface: _Interface) -> list[Evidence]:
    flows = context.flows
    is_from_it = (flows[:, schema.FLOW_POINT] == interface.point) & (flows[:, schema.FLOW_SMAC] == interface.mac)
    is_from_it &= flows[:, schema.FLOW_SRC_LO] == address_value(interface.ip)[1]
    frames = sorted(flows[is_from_it, schema.FLOW_FIRST_FRAME].tolist())
    return [context.evidence(interface.point, frame) for frame in frames[:MAX_EVIDENCE]]

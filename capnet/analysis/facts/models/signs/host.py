"""host: a process on the host's own network stack.

Told apart by: traffic of one interface's own address with its own MAC, as it was sent (TTL initial); nothing
rewritten, nothing encapsulated, no other stations behind the interface, and nothing on the bridges that were captured.
Looks alike: every process that runs on a host without Docker; packets cannot tell. Only the topology can.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.models.signs.sign import MAX_SIGN_FRAMES, Sign
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_text

if TYPE_CHECKING:
    from capnet.topology import Container

_ROLES_INSIDE = ("container", "veth", "overlay", "bridge")


class HostInterface(NamedTuple):
    """A host's own interface: the point at which it was captured, its MAC and its address."""

    point: int
    mac: int
    ip: str


def own_address(context: Context) -> Iterator[Sign]:
    """All that passes an interface is from or to its own address, with its own MAC: nothing is translated or wrapped.

    Wrong when: it is any computer's interface.
    """
    interface = own_interface(context)
    if interface:
        name = context.points[interface.point].name
        own = Text(en="{ip} with MAC {mac}", zh="{ip}，MAC {mac}").fill(ip=interface.ip, mac=mac_text(interface.mac))
        says = Text(
            en="all that passes {name} is from or to the interface's own address, {own}: no NAT",
            zh="经过 {name} 的包都来自或发往该接口自己的地址（{own}）：没有地址转换",
        ).fill(name=name, own=own)
        yield Sign(says, interface_frames(context, interface))


def silent_points(context: Context) -> Iterator[Sign]:
    """Other points that were captured have no unicast packets meanwhile."""
    silent = [context.points[point].name for point in sorted(layer2_segments(context).silent_points)]
    if own_interface(context) and silent:
        yield Sign(
            Text(en="no packets of it on {points}", zh="{points} 上没有它的包").fill(points=", ".join(silent[:3]))
        )


def unchanged_at_far_end(context: Context) -> Iterator[Sign]:
    """Another point sees the same packets."""
    interface = own_interface(context)
    if interface:
        name = context.points[interface.point].name
        if any(name in {hop.point for hop in path.hops} for path in path_facts(context)):
            yield Sign(
                Text(
                    en="the far end sees the same packets: no address, port or TTL was changed on the way",
                    zh="对端看到同样的包：途中没有改变地址、端口或 TTL",
                ).fill()
            )


def containers_on_the_host(context: Context) -> list[Container]:
    """Containers with network mode `host`, by the topology."""
    containers = context.topology.containers if context.topology else []
    return [container for container in containers if container.network_mode == "host"]


@derived
def own_interface(context: Context) -> HostInterface | None:
    """The first interface with one address, of a host with such containers if any; None beside NAT and tunnels."""
    if nat_facts(context) or tunnel_facts(context):
        return None
    hosts = {container.host for container in containers_on_the_host(context)}
    segments = layer2_segments(context)
    interfaces = []
    for mac, points in sorted(segments.interface_points.items()):
        for point in points:
            speaker = segments.speakers.get(point, {}).get(mac)
            is_outside = context.points[point].role not in _ROLES_INSIDE
            if is_outside and speaker is not None and len(speaker.own_ips) == 1:
                interfaces.append(HostInterface(point, mac, speaker.own_ips[0]))
    of_hosts = [own for own in interfaces if context.points[own.point].name.split("/")[0] in hosts]
    return min(of_hosts or interfaces, default=None)


def interface_frames(context: Context, interface: HostInterface) -> list[Evidence]:
    """Frames from the interface's own address."""
    flows = context.flows
    is_from_it = (flows[:, schema.FLOW_POINT] == interface.point) & (flows[:, schema.FLOW_SMAC] == interface.mac)
    is_from_it &= flows[:, schema.FLOW_SRC_LO] == address_value(interface.ip)[1]
    frames = sorted(flows[is_from_it, schema.FLOW_FIRST_FRAME].tolist())
    return [context.evidence(interface.point, frame) for frame in frames[:MAX_SIGN_FRAMES]]

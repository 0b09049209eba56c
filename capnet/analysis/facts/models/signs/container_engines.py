"""What container engines leave in a capture: MACs that they make of addresses, and how they name their interfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_private
from capnet.analysis.core.results import Point
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.models.container_signs import SWARM_BRIDGE, container_macs, is_container_bridge
from capnet.analysis.facts.models.signs.sign import Sign, station_frames
from capnet.analysis.fate.speakers import Speaker, speakers
from capnet.wire.addresses import mac_text


# -- MACs -------------------------------------------------------------------------------------------
def container_mac(context: Context) -> Iterator[Sign]:
    """A MAC is 02:42 and the four bytes of its own private address, as Docker made it until version 27.

    Wrong when: it was set by hand. A MAC that claims other addresses as well is not counted: it may be forged.
    """
    for container in container_macs(context).values():
        if container.is_docker:
            says = Text(
                en="{mac} is made of {ip}, as Docker makes the MACs of containers",
                zh="{mac} 由 {ip} 推算而来，与 Docker 生成容器 MAC 的方式一样",
            ).fill(mac=mac_text(container.mac), ip=container.ip)
            yield Sign(says, station_frames(context, [container.mac]))


def pod_mac(context: Context) -> Iterator[Sign]:
    """A MAC is 0a:58 and the four bytes of its own private address, as plugins of Kubernetes make it.

    Wrong when: the network is one of OVN, which has no Linux bridge: it shows pods, and not which network.
    """
    for container in container_macs(context).values():
        if not container.is_docker:
            says = Text(
                en="{mac} is made of {ip}, as plugins of Kubernetes make the MACs of pods",
                zh="{mac} 由 {ip} 推算而来，与 Kubernetes 插件生成 pod MAC 的方式一样",
            ).fill(mac=mac_text(container.mac), ip=container.ip)
            yield Sign(says, station_frames(context, [container.mac]))


# -- names ------------------------------------------------------------------------------------------
def container_bridge(context: Context) -> Iterator[Sign]:
    """A point is called docker0, br- and 12 hexadecimal digits, cni0, podman1, kube-bridge, lxcbr0, lxdbr0 or incusbr0.

    Addresses there are private.
    Wrong when: an administrator gave a bridge of virtual machines such a name, or LXD or Incus has some on its own.
    """
    for point in _points_called(context, _is_engine_bridge):
        says = Text(en="{point} has the name of a container engine's bridge", zh="{point} 的名称是容器引擎的网桥").fill(
            point=context.points[point].name
        )
        yield _sign(context, point, says)


def swarm_bridge(context: Context) -> Iterator[Sign]:
    """A point is called docker_gwbridge: the way out of containers that have an overlay network."""
    for point in _points_called(context, _is_swarm_bridge):
        yield _sign(
            context,
            point,
            Text(
                en="{point} is the bridge of a swarm's node, by its name", zh="从名称看，{point} 是 swarm 节点的网桥"
            ).fill(point=context.points[point].name),
        )


def overlay_namespace(context: Context) -> Iterator[Sign]:
    """A point is called as capnet calls interfaces in the namespace of an overlay network: `A/overlay:shop/vxlan0`."""
    for point in _points_called(context, _is_in_overlay_namespace):
        says = Text(
            en="{point} is in the namespace of an overlay network, by its name",
            zh="从名称看，{point} 在 overlay 网络的命名空间中",
        ).fill(point=context.points[point].name)
        yield _sign(context, point, says)


def container_interface(context: Context) -> Iterator[Sign]:
    """A point is called as the interface of a container: `A/web/eth0`, or a file `container-web__eth0.pcap`."""
    for point in _points_called(context, _is_container):
        yield _sign(
            context,
            point,
            Text(en="{point} is the interface of a container, by its name", zh="从名称看，{point} 是容器的接口").fill(
                point=context.points[point].name
            ),
        )


def _points_called(context: Context, is_called_so: Callable[[Point], bool]) -> Iterator[int]:
    """Points with such a name at which an address speaks that a container may have."""
    for number, point in enumerate(context.points):
        if is_called_so(point) and any(map(_inner_ip, speakers(context, number).values())):
            yield number


def _sign(context: Context, point: int, says: str) -> Sign:
    station = next(filter(_inner_ip, speakers(context, point).values()))
    return Sign(
        Text(en="{says}, with {ip} at it", zh="{says}，其上有 {ip}").fill(says=says, ip=_inner_ip(station)),
        station_frames(context, [station.mac], point),
    )


def _inner_ip(speaker: Speaker) -> str | None:
    """A private IPv4 address of the station's own, or an IPv6 address that is not of one link only."""
    inner = (ip for ip in speaker.own if (not ip_address(ip).is_link_local if ":" in ip else is_private(ip)))
    return next(inner, None)


def _is_engine_bridge(point: Point) -> bool:
    return is_container_bridge(point.name) and not _is_swarm_bridge(point)


def _is_swarm_bridge(point: Point) -> bool:
    return point.name.rpartition("/")[2] == SWARM_BRIDGE


def _is_in_overlay_namespace(point: Point) -> bool:
    return any(part.startswith("overlay:") for part in point.name.split("/")[:-1])


def _is_container(point: Point) -> bool:
    return point.role == "container"

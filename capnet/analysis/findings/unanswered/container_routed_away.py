"""container-routed-away: a host sends packets for a container of its own out by another interface, not to its bridge.

Looks at: flows without an answer, of two packets or more, to an address of a container on a bridge network, that its
host forwards to an interface of its own, by the topology. It may be the interface that they came in by, where the
bridge has lost its address: the host's MAC, which received them, sends them on. Answers to the container count too.
Says: which container, by which interface its packets leave, and which network the routes of the host cover; or that
the bridge has lost its address, and with it the host its route to the network.
Wrong when: the topology is of another time, and the container has left the address.
Fix: a VPN has routes for addresses of a Docker network. Give the network other ones, or keep that route out. A bridge
without its address: a network manager or `netplan apply` took it away; give it back.
Verify: `ip route get ADDRESS` and `ip rule` on the host name the interface; it should be the bridge.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import groupby

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, host_of, is_at_roles, replies
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.topology import Network
from capnet.topology.bridged import Bridged, bridged_containers
from capnet.wire.numbers import TCP_CWR, TCP_ECE, TCP_SYN

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = None  # it needs a VPN on a host with Docker: recorded in tests/analysis/facts/kernel/recorded
WITNESS = "pcaps/bridge.pcapng"  # packets for containers, which go to the bridge
EXPLAINS = (
    "asymmetric-path", "connection-unanswered", "echo-unanswered", "handshake-unfinished", "published-port-blocked",
    "request-unanswered", "retransmissions", "stops-between", "udp-unanswered",
)  # fmt: skip

PAGE_ZH = """主机把发给自己容器的包从另一个接口发了出去，而不是交给网桥。

检查：没有应答、两个包以上、发往网桥网络上某容器地址的流，而按拓扑该容器所在的主机把它们转发到了自己的某个接口。网桥失去
地址时，也可能就是它们进来的接口：收到它们的主机 MAC 又把它们发出。发给容器的应答也算。
结论：哪个容器，它的包从哪个接口离开，主机的路由覆盖了哪个网络；或者网桥失去了地址，主机因此失去了到该网络的路由。
误判：拓扑属于另一时间，容器已不再使用该地址。
处理：VPN 的路由包含了 Docker 网络的地址。给该网络换网段，或不接受那条路由。网桥没有地址：网络管理程序或 `netplan apply`
去掉了它；重新加上。
验证：在主机上 `ip route get ADDRESS` 和 `ip rule` 显示的是该接口，而应是网桥。
"""

SAYS = Text(
    en="{packets:packet} for {container} ({address}) left {host} by {point}, not by {bridge}, where {container} is: "
    "routes of {host} lead addresses of {network} to {interface}",
    zh="发给 {container}（{address}）的 {packets} 个包从 {point} 离开了 {host}，而不是经 {container} 所在的 {bridge}："
    "{host} 的路由把 {network} 的地址引向 {interface}",
)
FIX = Text(
    en="`ip route get {address}` and `ip rule` on {host} show the route, often a VPN's: keep it out (WireGuard's "
    "AllowedIPs, `route-nopull` of OpenVPN), or give {network} a subnet that is used nowhere else (`docker network "
    'create --subnet`, "default-address-pools" in daemon.json)',
    zh="在 {host} 上 `ip route get {address}` 和 `ip rule` 显示这条路由，常来自 VPN：不接受它（WireGuard 的 "
    "AllowedIPs、OpenVPN 的 `route-nopull`），或给 {network} 换一个别处不用的网段（"
    '`docker network create --subnet`、daemon.json 中的 "default-address-pools"）',
)

SAYS_WITHOUT_ADDRESS = Text(
    en="{packets:packet} for {container} ({address}) left {host} by {point}, not by {bridge}, where {container} is: "
    "{bridge} has no address of {subnet} ({gateway} is missing), so {host} has no route to {network}",
    zh="发给 {container}（{address}）的 {packets} 个包从 {point} 离开了 {host}，而不是经 {container} 所在的 {bridge}："
    "{bridge} 没有 {subnet} 的地址（缺少 {gateway}），因此 {host} 没有到 {network} 的路由",
)
FIX_WITHOUT_ADDRESS = Text(
    en="`ip address add {gateway}/{length} dev {bridge}` on {host}, or restart Docker; and look for what took the "
    "address away: a network manager (NetworkManager and systemd-networkd should leave Docker's bridges unmanaged), "
    "`netplan apply`, a script",
    zh="在 {host} 上 `ip address add {gateway}/{length} dev {bridge}`，或重启 Docker；并查找是什么去掉了该地址："
    "网络管理程序（NetworkManager 和 systemd-networkd 不应管理 Docker 的网桥）、`netplan apply` 或脚本",
)

MIN_PACKETS = 2  # of one flow: a single one may be answered after the capture
MAX_FLOWS = 1000


def diagnose(context: Context) -> list[Finding]:
    places = bridged_containers(context.topology)
    if not places:
        return []
    flows, links = context.flows, flow_links(context)
    is_candidate = (links.before >= 0) & (links.after < 0) & (flows[:, schema.FLOW_VIA] == 0)
    is_candidate &= ~is_answered(context) | _are_vain_answers(context)
    is_candidate &= (packets_without_duplicates(context) >= MIN_PACKETS) & is_at_roles(context, ("parent", "underlay"))
    away: list[tuple[int, str, int]] = []
    for row in np.flatnonzero(is_candidate)[:MAX_FLOWS].tolist():
        point = int(flows[row, schema.FLOW_POINT])
        source = links.source[links.before[row]]
        before = int(flows[source, schema.FLOW_POINT])
        host = host_of(context.points[point].name) or ""
        place = places.get((host, destination(flows[row])))
        if place is None or host_of(context.points[before].name) != host:
            continue
        # Without a route to the bridge, the default route often leads back to where the packets came from.
        is_sent_back = before == point and flows[row, schema.FLOW_SMAC] == flows[source, schema.FLOW_DMAC] > 0
        if before != point or (
            is_sent_back and _missing_address(context, host, place.network, destination(flows[row]))
        ):
            away.append((point, destination(flows[row]), row))
    grouped = groupby(sorted(away), key=lambda each: each[:2])
    return [
        _finding(context, places, point, address, [row for *_, row in group]) for (point, address), group in grouped
    ]


def _are_vain_answers(context: Context) -> FlowMask:
    """Per flow: SYN-ACKs, of which the hop before shows that who asked sent SYNs alone."""
    flows, before = context.flows, flow_links(context).before
    mask: FlowMask = (flows[:, schema.FLOW_SYNACK_TIME] >= 0) & (before >= 0)
    hops = flow_links(context).source[before[mask]]
    asked = replies(context)[hops]
    flags = flows[asked, schema.FLOW_TCP_FLAGS] & ~(TCP_SYN | TCP_ECE | TCP_CWR)
    mask[mask] = (asked >= 0) & (flags == 0) & (flows[asked, schema.FLOW_SYNS] >= MIN_PACKETS)
    return mask


def _finding(
    context: Context, places: dict[tuple[str, str], Bridged], point: int, address: str, rows: list[int]
) -> Finding:
    name = context.points[point].name
    host, _, interface = name.partition("/")
    container, network = places[host, address]
    packets = int(packets_without_duplicates(context)[rows].sum())
    before = [int(flow_links(context).source[flow_links(context).before[row]]) for row in rows]
    missing = _missing_address(context, host, network, address)
    values = {
        "packets": packets, "container": container.name, "address": address, "host": host, "point": name,
        "bridge": network.bridge, "network": network.name,
    }  # fmt: skip
    if missing is None:
        says, fix = SAYS.fill(**values, interface=interface), FIX.fill(address=address, host=host, network=network.name)
    else:
        lost = {"gateway": missing.gateway, "subnet": missing.subnet}
        says = SAYS_WITHOUT_ADDRESS.fill(**values, **lost)
        length = missing.subnet.partition("/")[2]
        fix = FIX_WITHOUT_ADDRESS.fill(gateway=missing.gateway, length=length, bridge=network.bridge, host=host)
    return Finding(
        NAME,
        "error",
        says,
        fix,
        {
            "container": container.name, "address": address, "host": host, "point": name, "bridge": network.bridge,
            "network": network.name, "packets": packets,
            **({} if missing is None else {"missing_address": missing.gateway}),
        },
        sorted({*context.first_frames(rows), *context.first_frames(before)}),
    )  # fmt: skip


class _MissingAddress(NamedTuple):
    """The gateway that the bridge of a subnet should have, and does not."""

    gateway: str
    subnet: str


def _missing_address(context: Context, host: str, network: Network, address: str) -> _MissingAddress | None:
    """The gateway of the container's subnet, if the topology has the bridge without any address of that subnet."""
    subnet = next((each for each in network.subnets if _is_in(address, each)), None)
    gateways = [*network.gateways, *([network.gateway] if network.gateway else [])]
    gateway = next((each for each in gateways if subnet and _is_in(each, subnet)), None)
    interfaces = [each for at in (context.topology.hosts if context.topology else ()) if at.name == host
                  for each in at.interfaces if each.name == network.bridge]  # fmt: skip
    if subnet is None or gateway is None or not interfaces:
        return None
    has_address = any(_is_in(ip, subnet) for of in interfaces for ip in of.ips)
    return None if has_address else _MissingAddress(gateway, subnet)


def _is_in(address: str, subnet: str) -> bool:
    return ip_address(address) in ip_network(subnet, strict=False)

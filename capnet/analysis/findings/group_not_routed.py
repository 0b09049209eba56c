"""group-not-routed: multicast and broadcast between a container on a bridge network and the network of its host.

Looks at: three datagrams or more that a container sends to a multicast group, to 255.255.255.255 or to the broadcast
address of another network of its host. Its bridge shows them, and no interface by which the host reaches others does.
Also such datagrams of others to a UDP port that a container publishes: they come to the host, and not to the
container's bridge. The topology says which bridge and which ports are whose.
Says: who sends to whom, and at which point it ends. A warning about questions, which come from a port of their own and
have no answer, and about published ports. Else an info, as about announcements.
Wrong when: the program looks for others on its own bridge only.
Fix: give the container the network itself: `--network host`, or a macvlan network; or run a relay.
Verify: `tcpdump -ni CARD udp port PORT` on the host shows none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_to_groups, destination, host_of, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.fate.listening import listening
from capnet.topology import Network
from capnet.topology.bridged import Bridged, bridged_containers
from capnet.topology.port_lookup import is_on_all_addresses
from capnet.wire.addresses import address_value
from capnet.wire.numbers import UDP

NAME = finding_name(__name__)
LEVELS = ("warning", "info")
SCENARIO = None  # it needs a topology of Docker's networks: stories in tests/analysis/findings/test_group_not_routed.py
WITNESS = "pcaps/bridge.pcapng"  # containers that send no group anything
EXPLAINS = ("multicast-not-carried", "retransmissions", "stops-between", "udp-unanswered")

PAGE_ZH = """网桥网络上的容器与主机所在网络之间的组播和广播。

检查：容器发往组播组、255.255.255.255 或其主机另一个网络的广播地址的三个以上数据报：它的网桥上看得到，而主机通往外部的
接口上都没有。还有其他站点发往某个容器所映射的 UDP 端口的这类数据报：它们到达主机，却没有到达该容器的网桥。哪个网桥、
哪些端口属于谁，由拓扑得知。
结论：谁发给谁，止于哪个抓包点。对有自己的源端口且没有应答的询问，以及映射的端口，为警告；否则（例如通告）为提示。
误判：该程序只想找自己网桥上的其他站点。
处理：让容器直接使用该网络：`--network host` 或 macvlan 网络；或运行一个中继。
验证：在主机上 `tcpdump -ni CARD udp port PORT` 一个也看不到。
"""

SAYS = Text(
    en="{packets:datagram} of {container} to {group} end at {point}: a host does not route groups, so they do not "
    "leave by {cards}",
    zh="{container} 发往 {group} 的 {packets} 个数据报止于 {point}：主机不路由组播和广播，所以它们不会从 {cards} 离开",
)
PUBLISHED = Text(
    en="{packets:datagram} of {sender} to {group} come to {card}, and not to {container}, which publishes UDP port "
    "{port}: a published port takes what is sent to the host's own address only",
    zh="{sender} 发往 {group} 的 {packets} 个数据报到达 {card}，但没有到达发布了 UDP 端口 {port} 的 {container}：映射的"
    "端口只接受发往主机自己地址的包",
)
FIX = Text(
    en="to find others there, and be found, let {container} use that network itself: `--network host`, or a macvlan "
    "network on {card}; or run a relay on the host (for mDNS `enable-reflector=yes` of avahi-daemon)",
    zh="要在那里发现别人并被发现，让 {container} 直接使用该网络：`--network host`，或 {card} 上的 macvlan 网络；或在"
    "主机上运行中继（mDNS 用 avahi-daemon 的 `enable-reflector=yes`）",
)

MIN_PACKETS = 3  # datagrams are lost at times, and one may be a chance
MAX_FLOWS = 200  # each is looked for among all
_DHCP = (67, 68)
_CONTROL = 0xE000_00  # 224.0.0.0/24 without its last octet
_MDNS, _LLMNR = 0xE000_00FB, 0xE000_00FC
_FIRST_GROUP, _BEHIND_GROUPS = 0xE000_0000, 0xF000_0000  # docker-proxy takes broadcasts, and has joined no group


def diagnose(context: Context) -> list[Finding]:
    places = bridged_containers(context.topology)
    if not places:
        return []
    flows = context.flows
    is_wanted = (flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_VIA] == 0)
    is_wanted &= packets_without_duplicates(context) >= MIN_PACKETS
    rows = np.flatnonzero(is_wanted)[:MAX_FLOWS]
    return [*_outward(context, places, rows), *_inward(context, places, rows)]


def _outward(context: Context, places: dict[tuple[str, str], Bridged], rows: FlowRows) -> Iterator[Finding]:
    flows, is_group = context.flows, dict(zip(rows.tolist(), are_to_groups(context, rows).tolist(), strict=True))
    for row in rows.tolist():
        point = context.points[int(flows[row, schema.FLOW_POINT])]
        host, group = host_of(point.name) or "", destination(flows[row])
        place = places.get((host, source(flows[row])))
        if point.role != "bridge" or place is None or not _is_discovery(flows[row].tolist()):
            continue
        if not is_group[row] and group not in _broadcasts(context, host, place.network):
            continue
        cards = [card for card in _cards(context, host) if _has_recorded(context, card, row)]
        if not cards or _is_seen(context, cards, row):
            continue
        names = [context.points[card].name for card in cards]
        sport, dport = flows[row, [schema.FLOW_SPORT, schema.FLOW_DPORT]].tolist()
        is_question = sport != dport and not _is_answered(context, row)
        yield Finding(
            NAME,
            "warning" if is_question else "info",
            SAYS.fill(
                packets=int(packets_without_duplicates(context)[row]), container=place.container.name,
                group=endpoint_text(group, dport), point=point.name, cards=names[0],
            ),
            FIX.fill(container=place.container.name, card=names[0].rpartition("/")[2]),
            {"container": place.container.name, "group": group, "port": dport, "point": point.name, "cards": names},
            [context.first_frame(row)],
        )  # fmt: skip


def _inward(context: Context, places: dict[tuple[str, str], Bridged], rows: FlowRows) -> Iterator[Finding]:
    flows = context.flows
    for row in rows[are_to_groups(context, rows)].tolist():
        point, port = context.points[int(flows[row, schema.FLOW_POINT])], int(flows[row, schema.FLOW_DPORT])
        host = host_of(point.name) or ""
        is_multicast = _FIRST_GROUP <= int(flows[row, schema.FLOW_DST_LO]) & 0xFFFF_FFFF < _BEHIND_GROUPS
        if point.role not in ("parent", "underlay") or not is_multicast or not _is_discovery(flows[row].tolist()):
            continue
        publishing = {
            place.container.id: place
            for (owner, _), place in places.items()
            for each in place.container.ports
            if owner == host and (each.proto, each.host_port) == ("udp", port) and is_on_all_addresses(each)
        }
        for place in publishing.values():
            bridge = f"{host}/{place.network.bridge}"
            inside = [
                n for n, each in enumerate(context.points) if each.name == bridge and _has_recorded(context, n, row)
            ]
            sent = flows[np.isin(flows[:, schema.FLOW_POINT], inside)]
            is_from = (sent[:, schema.FLOW_SRC_LO] == flows[row, schema.FLOW_SRC_LO]) & (
                sent[:, schema.FLOW_SPORT] == flows[row, schema.FLOW_SPORT]
            )
            if inside and not is_from.any():
                yield _published(context, row, place, port)


def _published(context: Context, row: int, place: Bridged, port: int) -> Finding:
    flow, card = context.flows[row], context.points[int(context.flows[row, schema.FLOW_POINT])].name
    group = destination(flow)
    return Finding(
        NAME,
        "warning",
        PUBLISHED.fill(
            packets=int(packets_without_duplicates(context)[row]), sender=source(flow), card=card, port=port,
            group=endpoint_text(group, port), container=place.container.name,
        ),
        FIX.fill(container=place.container.name, card=card.rpartition("/")[2]),
        {"container": place.container.name, "group": group, "port": port, "point": card},
        [context.first_frame(row)],
    )  # fmt: skip


def _is_discovery(flow: list[int]) -> bool:
    """Not DHCP, which a relay carries, nor groups of routing protocols; mDNS and LLMNR are."""
    if flow[schema.FLOW_SPORT] in _DHCP or flow[schema.FLOW_DPORT] in _DHCP:
        return False
    address = flow[schema.FLOW_DST_LO] & 0xFFFF_FFFF
    return flow[schema.FLOW_DST_HI] == 0 and (address >> 8 != _CONTROL or address in (_MDNS, _LLMNR))


def _broadcasts(context: Context, host: str, own: Network) -> set[str]:
    """The broadcast addresses of a host's other networks."""
    topology = context.topology
    addresses = (
        ip_interface(address)
        for machine in (topology.hosts if topology else ())
        for interface in machine.interfaces
        for address in interface.addresses
        if machine.name == host and interface.name != own.bridge and ":" not in address
    )
    return {str(each.network.broadcast_address) for each in addresses if each.network.prefixlen < 31}


def _cards(context: Context, host: str) -> list[int]:
    """Points by which the host reaches others, as far as they do not drop packets."""
    return [
        number
        for number, point in enumerate(context.points)
        if point.role in ("parent", "underlay") and host_of(point.name) == host
        and not listening(context).is_dropping[number]
    ]  # fmt: skip


def _has_recorded(context: Context, point: int, row: int) -> bool:
    """Is a point shown to record when datagrams were sent?"""
    times, (first, last) = listening(context), flow_spans(context)
    return bool(first[row] <= times.heard_to[point] and last[row] >= times.since[point])


def _is_seen(context: Context, points: list[int], row: int) -> bool:
    """Does one of the points show datagrams to the same group and port, translated or not?"""
    flows = context.flows
    is_it = np.isin(flows[:, schema.FLOW_POINT], points) & (flows[:, schema.FLOW_PROTO] == UDP)
    for column in schema.FLOW_DST_END:
        is_it &= flows[:, column] == flows[row, column]
    return bool(is_it.any())


def _is_answered(context: Context, row: int) -> bool:
    """Does anything come to the address and port that the datagrams are from?"""
    flows, (high, low) = context.flows, address_value(source(context.flows[row]))
    is_to = (flows[:, schema.FLOW_DST_HI] == high) & (flows[:, schema.FLOW_DST_LO] == low)
    is_to &= (flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_DPORT] == flows[row, schema.FLOW_SPORT])
    return bool(is_to.any())

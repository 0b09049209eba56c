"""duplicate-mac: two stations send with one MAC, and the switch or the bridge delivers to either of them.

Looks at: MACs whose own interface, in a container, is a point of two hosts; both send at the same time, each in
conversations that the other one does not. Packets of such a conversation arrive at the other one. Or two containers of
one host, each with addresses of its own: SYNs for one arrive at the other. By the topology, containers on one bridge
that have one MAC, and SYNs to it that are sent again without an answer. At a bridge alone, a MAC that answers by ARP
for two addresses, of which one leaves SYNs unanswered that it accepts at other times.
Says: which MAC, at which two points or of which containers, how many conversations were torn apart or SYNs in vain. A
warning at a bridge alone.
Wrong when: one station has two cards with one MAC, and its points are named as those of two hosts; at a bridge alone,
one container has two addresses, and a server that is overloaded.
Fix: give one of them another MAC. Docker derives it from the address, so give each host its own range of addresses. On
one host, make the container anew without the MAC that a tool copied (moby#48082).
Verify: `bridge fdb show | grep MAC`, or the switch's table, names one port and then another one.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast_macs, destination, host_of, is_private
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.syns.unanswered_services import UnansweredService, unanswered_services
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.topology.lookup import endpoints
from capnet.wire.addresses import address_value, mac_text, mac_value
from capnet.wire.numbers import TCP, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # Docker gives the containers of the lab's hosts different addresses
WITNESS = "pcaps/bridge-clash.pcapng"  # containers of two hosts with the same address and MAC, on bridges of their own
EXPLAINS = (
    "connection-cut", "connection-unanswered", "duplicate-ip", "handshake-unfinished", "published-port-blocked",
    "retransmissions", "stops-between",
)  # fmt: skip

PAGE_ZH = """不同主机上的两个站点用同一个 MAC 发送，交换机有时送给这个，有时送给那个。

检查：MAC 自己的接口（在容器中）是两台主机上的抓包点；两者同时发送，各有对方没有的会话。这种会话的包到了另一个站点。
或同一主机的两个容器，各有自己的地址：发往一个的 SYN 到了另一个。按拓扑，同一网桥上 MAC 相同的容器，而发往该 MAC 的 SYN
重发而没有应答。只有网桥时：一个 MAC 用 ARP 为两个地址应答，其中一个地址的 SYN 时而被接受，时而没有应答。
结论：哪个 MAC，在哪两个抓包点或属于哪些容器，多少个会话被打断，或多少个 SYN 没有应答。只有网桥时为警告。
误判：一个站点有两块 MAC 相同的网卡，其抓包点被命名为两台主机的；只有网桥时：一个容器有两个地址，而其服务器过载。
处理：给其中一个换 MAC。Docker 由地址推算 MAC，因此给每台主机各自的地址段。在同一主机上，不带工具所复制的 MAC 重新创建
容器（moby#48082）。
验证：`bridge fdb show | grep MAC` 或交换机的表先后显示不同的端口。
"""

SAYS = Text(
    en="{mac} belongs to {first} and to {second}: packets of {torn:conversation} of one arrived at the other",
    zh="{mac} 既属于 {first} 又属于 {second}：一方的 {torn} 个会话的包到了另一方",
)
FIX = Text(
    en="give one of them another MAC (`--mac-address`); Docker derives it from the address, so reserve another range "
    "on each host (`docker network create --ip-range`)",
    zh="给其中一个换 MAC（`--mac-address`）；Docker 由地址推算 MAC，因此在每台主机上保留不同的地址段（`docker "
    "network create --ip-range`）",
)

ON_BRIDGE = Text(
    en="{mac} answers for {addresses} at {point}, and SYNs to {silent} are now accepted, now not: two containers seem "
    "to have this MAC",
    zh="{mac} 在 {point} 为 {addresses} 应答，而到 {silent} 的 SYN 时而被接受，时而没有应答：似乎有两个容器使用该 MAC",
)
FIX_ON_HOST = Text(
    en="compare the MACs of the network's containers (`docker network inspect NETWORK | grep -i mac`), and make one of "
    "two equal ones anew without `--mac-address` or `mac_address:`; tools that copy a container keep its MAC",
    zh="比较该网络中各容器的 MAC（`docker network inspect NETWORK | grep -i mac`），对相同的两个之一，不带 "
    "`--mac-address` 或 `mac_address:` 重新创建；复制容器的工具会保留 MAC",
)

OF_CONTAINERS = Text(
    en="{containers} have one MAC, {mac}, on {bridge} of {host}: {syns:SYN} to {addresses} got no answer, as a bridge "
    "delivers to the port that the MAC sent from last",
    zh="{containers} 在 {host} 的 {bridge} 上用同一个 MAC {mac}：到 {addresses} 的 {syns} 个 SYN 没有应答，因为网桥把帧"
    "送到该 MAC 最近发送过的端口",
)
FIX_OF_CONTAINERS = Text(
    en="make all but one of {containers} anew without `--mac-address` or `mac_address:`; tools that copy a container "
    "keep its MAC",
    zh="在 {containers} 中只留一个，其余不带 `--mac-address` 或 `mac_address:` 重新创建；复制容器的工具会保留 MAC",
)

MIN_PACKETS = 2  # that went astray
MIN_SYNS = 2  # of a connection: its client sends again because no answer reached it
MAX_MACS = 256
MAX_SHOWN = 100  # conversations that went astray, whose symptoms are left out

_FROM = schema.FLOW_SRC_END
_TO = schema.FLOW_DST_END


class _Torn(NamedTuple):
    """Flows of a MAC at one point, and packets to it in those flows that arrived at another point."""

    rows: FlowRows
    astray: FlowRows


def diagnose(context: Context) -> list[Finding]:
    findings = []
    shared = [(mac, points) for mac, points in interface_points(context).items() if len(points) > 1 and mac > 0]
    for mac, points in sorted(shared)[:MAX_MACS]:
        for pair in combinations(points, 2):
            are_two_hosts = _are_two_hosts(context, *pair)
            if are_two_hosts and _send_at_once(context, mac, *pair):
                torn = [_torn(context, mac, *pair), _torn(context, mac, *pair[::-1])]
            elif not are_two_hosts and all(context.points[point].role == "container" for point in pair):
                torn = [_misled(context, mac, *pair), _misled(context, mac, *pair[::-1])]
            else:
                continue
            astray = [row for of in torn for row in of.astray.tolist()]
            if int(packets_without_duplicates(context)[astray].sum()) >= MIN_PACKETS:
                findings.append(_finding(context, mac, pair, torn, (FIX if are_two_hosts else FIX_ON_HOST).fill()))
                break
    of_containers = _of_containers(context)
    macs = {finding.facts["mac"] for finding in of_containers}
    return of_containers + [finding for finding in findings or _on_bridges(context) if finding.facts["mac"] not in macs]


def _of_containers(context: Context) -> list[Finding]:
    """MACs that several containers on one bridge have by the topology, and that leave SYNs unanswered."""
    flows, owners = context.flows, _owners(context)
    if not any(len(of) > 1 for of in owners.values()):
        return []
    is_silent = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] >= MIN_SYNS) & ~is_answered(context)
    findings = []
    for (host, bridge, mac), containers in sorted(owners.items())[:MAX_MACS]:
        if len(containers) < 2:
            continue
        addresses = {address for of in containers.values() for address in of}
        rows = [
            row
            for row in np.flatnonzero(is_silent & (flows[:, schema.FLOW_DMAC] == mac_value(mac))).tolist()
            if destination(flows[row]) in addresses and _host_of_row(context, row) == host
        ]
        first_hops = sorted({flow_links(context).first_hop(row) for row in rows})
        syns = int(flows[first_hops, schema.FLOW_SYNS].sum())
        if syns >= MIN_PACKETS:
            silent = sorted({destination(flows[row]) for row in rows}, key=address_value)
            values = {"containers": several(sorted(containers)), "bridge": bridge, "host": host}
            says = OF_CONTAINERS.fill(**values, mac=mac, syns=syns, addresses=several(silent))
            facts = {"mac": mac, "containers": sorted(containers), "bridge": bridge, "host": host, "attempts": syns}
            frames = sorted({*context.first_frames(rows[:MAX_SHOWN]), *context.first_frames(first_hops[:MAX_SHOWN])})
            findings.append(Finding(NAME, "error", says, FIX_OF_CONTAINERS.fill(**values), facts, frames))
    return findings


def _host_of_row(context: Context, row: int) -> str | None:
    return host_of(context.points[int(context.flows[row, schema.FLOW_POINT])].name)


def _owners(context: Context) -> dict[tuple[str, str, str], dict[str, list[str]]]:
    """Host, bridge and MAC → the containers that have it there, with their addresses."""
    owners: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for container, end in endpoints(context.topology) if context.topology else ():
        if end.mac and end.bridge and end.veth_netns is None:
            of_mac = owners.setdefault((container.host, end.bridge, end.mac), {})
            of_mac.setdefault(container.name, []).extend(end.ips)
    return owners


def _misled(context: Context, mac: int, own: int, other: int) -> _Torn:
    """SYNs for an address that the MAC has at one container only, and that arrive at another one, unanswered."""
    flows = context.flows
    at_own, at_other = (_addresses(context, mac, point) for point in (own, other))
    is_syn = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0) & ~is_answered(context)
    rows = np.flatnonzero(is_syn & (flows[:, schema.FLOW_DMAC] == mac) & (flows[:, schema.FLOW_VIA] == 0))
    at_point = flows[rows, schema.FLOW_POINT]
    keys = hash_of(flows, [schema.FLOW_PROTO, *_FROM, *_TO], rows)
    arrived, astray = rows[at_point == own], rows[(at_point == other) & ~is_among(keys, keys[at_point == own])]
    is_misled = [destination(flow) in at_own - at_other for flow in flows[astray]]
    return _Torn(arrived, astray[np.array(is_misled, dtype=bool)])


def _addresses(context: Context, mac: int, point: int) -> set[str]:
    """What a MAC has at one point."""
    speaker = speakers(context, point).get(mac)
    return set() if speaker is None else {*speaker.own, *speaker.claimed}


def _on_bridges(context: Context) -> list[Finding]:
    """MACs of two addresses at a bridge, of which one answers some SYNs and others not."""
    silent: dict[tuple[int, int], list[UnansweredService]] = {}
    for service in unanswered_services(context):
        flow = context.flows[service.last_rows[0]]
        mac, point = int(flow[schema.FLOW_DMAC]), int(flow[schema.FLOW_POINT])
        is_at_bridge = context.points[point].role == "bridge" and service.other_answer.kind in ("meanwhile", "before")
        if is_at_bridge and service.address in _claimed_alone(context, mac, point):
            silent.setdefault((mac, point), []).append(service)
    return [_on_bridge(context, *key, services) for key, services in sorted(silent.items())]


def _claimed_alone(context: Context, mac: int, point: int) -> list[str]:
    """The private addresses of a MAC that passes nothing on, if they are several."""
    speaker = speakers(context, point).get(mac)
    if speaker is None or speaker.forwarded_ips:
        return []
    addresses = sorted(filter(is_private, speaker.claimed & speaker.own.keys()), key=address_value)
    return addresses if len(addresses) > 1 else []


def _on_bridge(context: Context, mac: int, point: int, services: list[UnansweredService]) -> Finding:
    addresses, name = _claimed_alone(context, mac, point), context.points[point].name
    silent = sorted({service.address for service in services}, key=address_value)
    return Finding(
        NAME,
        "warning",
        ON_BRIDGE.fill(mac=mac_text(mac), addresses=several(addresses), point=name, silent=several(silent)),
        FIX_ON_HOST.fill(),
        {
            "mac": mac_text(mac), "points": [name], "addresses": addresses,
            "attempts": sum(service.syns for service in services),
        },
        hop_evidence(context, [row for service in services for row in service.last_rows]),
    )  # fmt: skip


def _finding(context: Context, mac: int, pair: tuple[int, int], torn: list[_Torn], fix: str) -> Finding:
    rows = [row for of in torn for row in (*of.astray.tolist()[:MAX_SHOWN], *of.rows.tolist()[:2])]
    count = sum(len(of.astray) for of in torn)
    first, second = (context.points[point].name for point in pair)
    evidence = set(context.first_frames(rows))
    return Finding(
        NAME,
        "error",
        SAYS.fill(mac=mac_text(mac), first=first, second=second, torn=count),
        fix,
        {"mac": mac_text(mac), "points": [first, second], "conversations": count},
        sorted(evidence),
    )


def _are_two_hosts(context: Context, first: int, second: int) -> bool:
    """Are two points interfaces of containers on two hosts? On a card, any MAC may be an end of all conversations."""
    points = [context.points[point] for point in (first, second)]
    hosts = [host_of(point.name) for point in points if point.role == "container"]
    return len(hosts) == 2 and None not in hosts and hosts[0] != hosts[1]


def _sent(context: Context, mac: int, point: int) -> FlowRows:
    """Flows that a MAC sends at a point, outside of tunnels, but for those of resets only: they answer a stranger."""
    flows = context.flows
    is_sent = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_SMAC] == mac)
    is_sent &= (flows[:, schema.FLOW_VIA] == 0) & ~are_multicast_macs(flows[:, schema.FLOW_DMAC])
    return np.flatnonzero(is_sent & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_RST == 0))


def _send_at_once(context: Context, mac: int, first: int, second: int) -> bool:
    """Does the MAC send at both points during the same time? Else it has moved."""
    spans = []
    for point in (first, second):
        rows = _sent(context, mac, point)
        if not len(rows):
            return False
        spans.append((context.flows[rows, schema.FLOW_FIRST].min(), context.flows[rows, schema.FLOW_LAST].max()))
    return bool(spans[0][0] <= spans[1][1] and spans[1][0] <= spans[0][1])


def _torn(context: Context, mac: int, own: int, other: int) -> _Torn:
    """Flows that the MAC sends at its own point only, whose answers arrive at the other one."""
    flows = context.flows
    sent, elsewhere = _sent(context, mac, own), _sent(context, mac, other)
    keys = hash_of(flows, [schema.FLOW_PROTO, *_FROM, *_TO], sent)
    sent, keys = (values[~is_among(keys, _keys(context, elsewhere))] for values in (sent, keys))
    is_to_mac = (flows[:, schema.FLOW_POINT] == other) & (flows[:, schema.FLOW_DMAC] == mac)
    is_to_mac &= flow_links(context).after < 0  # what goes on from there did not arrive there
    arrived = np.flatnonzero(is_to_mac & (flows[:, schema.FLOW_VIA] == 0))
    answers = hash_of(flows, [schema.FLOW_PROTO, *_TO, *_FROM], arrived)
    return _Torn(sent[is_among(keys, answers)], arrived[is_among(answers, keys)])


def _keys(context: Context, rows: FlowRows) -> np.ndarray:
    return hash_of(context.flows, [schema.FLOW_PROTO, *_FROM, *_TO], rows)

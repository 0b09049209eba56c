"""reverse-path-filter: a host serves no clients behind a router, because it has no route to them by this interface.

Looks at: IPv4 flows from behind a router that arrive at one interface of a host and stop there, where nothing goes back
to their senders, while a neighbour on the same network reaches the same service through this interface: one of a
container, or one of the host itself. If the host shows no other interface, it must leave echo requests or two ports of
its own unanswered, and no question for a MAC may wait.
Says: which clients stop where, by which router they came, and which neighbour is served. An error if another interface
of the host was captured, is in the topology, or sends to these clients; else a warning.
Wrong when: a firewall accepts the addresses of the local network only.
Fix: add a route to the clients by this interface, or loosen its filter (`rp_filter` 2).
Verify: `nstat -az TcpExtIPReversePathFilter` rises with each attempt; `sysctl net.ipv4.conf.all.rp_filter
net.ipv4.conf.IFACE.rp_filter` (the higher value counts); `ip route get CLIENT` names another interface, or none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, host_of, is_at_roles, ports, proto_name, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import Values
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import are_of_one_host, hop_evidence, stopped_flows
from capnet.analysis.facts.neighbours.unanswered_neighbours import unanswered_neighbours
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.speakers import speakers
from capnet.wire.addresses import MAPPED, address_value, mac_text
from capnet.wire.numbers import ICMP, TCP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault reverse-path-filter"
WITNESS = "pcaps/bridge.pcapng"  # clients on the host's own network only
EXPLAINS = (
    "stops-between", "published-port-blocked", "packet-loss", "retransmissions", "connection-unanswered",
    "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """主机不为路由器后面的客户端服务，因为它没有经该接口到它们的路由。

检查：从路由器后面到达主机一个接口并止于那里的 IPv4 流，那里没有包返回给发送者，而同一网络上的一个邻居通过该接口能访
问同一服务：容器的服务，或主机自己的服务（主机还有另一个接口时）。
结论：哪些客户端止于哪里，经哪个路由器而来，哪个邻居得到服务。抓到了主机的另一个接口、它在拓扑中、或它发往这些客户端
时为错误；否则为警告。
误判：防火墙只接受本地网络的地址。
处理：加一条经该接口到客户端的路由，或放宽它的过滤（`rp_filter` 2）。
验证：每次尝试时 `nstat -az TcpExtIPReversePathFilter` 增加；
`sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.IFACE.rp_filter`（取较大的值）；`ip route get CLIENT` 显示另一个接
口。
"""

SAYS = Text(
    en="{packets:packet} of {clients} (by the router {router}) to {server} end at {point}, where {neighbour} on the "
    "same network is served: the host has no route back to these senders by this interface{or_rule}",
    zh="{clients} 经路由器 {router} 发往 {server} 的 {packets} 个包止于 {point}，而同一网络上的 {neighbour} 在那里得"
    "到服务：主机没有经该接口返回这些发送者的路由{or_rule}",
)
OR_RULE = Text(en=", or a rule accepts its own network only", zh="，或有规则只接受它自己的网络")
FIX = Text(
    en="give that host a route to {client} by {interface}, a default route if it has none (`ip route get {client}` "
    "there); if its route leaves by another interface on purpose, `sysctl -w net.ipv4.conf.{interface}.rp_filter=2` "
    "(`nstat -az TcpExtIPReversePathFilter` counts the drops). Else look for a rule that accepts the local network "
    "only",
    zh="给那台主机加一条经 {interface} 到 {client} 的路由，没有默认路由时加默认路由（在那里执行 `ip route get "
    "{client}`）；如果它的路由有意走另一个接口，`sysctl -w net.ipv4.conf.{interface}.rp_filter=2`（`nstat -az "
    "TcpExtIPReversePathFilter` 显示丢弃数）。否则查找只接受本地网络的规则",
)

MAX_FLOWS = 10_000  # that are looked at one by one
MIN_PACKETS = 2  # of one client: a single one may be the last of the capture
_CARDS = ("parent", "underlay", "unknown")  # roles of interfaces to other hosts


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[int, int], list[int]] = {}
    for row in _from_behind_routers(context):
        point, router = context.flows[row, [schema.FLOW_POINT, schema.FLOW_SMAC]].tolist()
        groups.setdefault((point, router), []).append(row)
    findings = []
    for (point, router), rows in sorted(groups.items()):
        if not _has_another_way(context, point, [source(context.flows[row]) for row in rows]):
            rows = rows if _asks_for_all(context, rows) else [row for row in rows if not _is_for_the_host(context, row)]
        neighbour = _served_neighbour(context, rows) if rows and not _waits_for_mac(context, point, rows) else ""
        if neighbour and not _lets_others_pass(context, point, router):
            findings.append(_finding(context, point, router, rows, neighbour))
    return findings


def _from_behind_routers(context: Context) -> Iterator[int]:
    """Rows of IPv4 flows outside of tunnels that stop inside a host, and to whose senders no packet passes there."""
    flows = context.flows
    is_candidate = (flows[:, schema.FLOW_SRC_HI] == 0) & (flows[:, schema.FLOW_SRC_LO] >> 32 == MAPPED >> 32)
    is_candidate &= (flows[:, schema.FLOW_VIA] == 0) & (packets_without_duplicates(context) >= MIN_PACKETS)
    is_candidate &= is_at_roles(context, _CARDS)  # no container comes from behind a router
    is_candidate &= (flow_links(context).after < 0) & ~is_answered(context)
    rows = np.flatnonzero(is_candidate)
    rows = rows[is_among(flows[:, schema.FLOW_SMAC][rows], _routers(context))]
    if not len(rows):
        return
    place, sender, receiver = [schema.FLOW_POINT], schema.FLOW_SRC, schema.FLOW_DST
    back = hash_of(flows, place + receiver)
    rows = rows[~is_among(hash_of(flows, place + sender, rows), back)]
    if not len(rows):
        return
    answers = hash_of(flows, [schema.FLOW_PROTO, *schema.FLOW_ENDS])  # that may leave by another interface
    rows = rows[~is_among(hash_of(flows, [schema.FLOW_PROTO, *schema.FLOW_OPPOSITE_ENDS], rows), answers)]
    stops = {
        flow.row
        for flow in stopped_flows(context)
        if are_of_one_host(context, flow.point, flow.due) and not flow.is_assumed
    }
    for row in rows[:MAX_FLOWS].tolist():
        speaker = speakers(context, int(flows[row, schema.FLOW_POINT])).get(int(flows[row, schema.FLOW_SMAC]))
        if speaker and source(flows[row]) in speaker.forwarded and (row in stops or _is_for_the_host(context, row)):
            yield row


def _routers(context: Context) -> Values:
    """MACs that forward at any point."""
    macs = [
        mac
        for point in range(len(context.points))
        for mac, speaker in speakers(context, point).items()
        if speaker.forwarded
    ]
    return np.array(macs, dtype=np.int64)


def _is_for_the_host(context: Context, row: int) -> bool:
    """Does a flow ask the host itself?"""
    flow = context.flows[row]
    speaker = speakers(context, int(flow[schema.FLOW_POINT])).get(int(flow[schema.FLOW_DMAC]))
    return bool(speaker is not None and destination(flow) in speaker.own and flow[schema.FLOW_SYNACK_TIME] < 0)


def _asks_for_all(context: Context, rows: list[int]) -> bool:
    """Are echo requests among these, or two ports? A filter may drop one."""
    asked = context.flows[rows]
    ports = distinct(asked[asked[:, schema.FLOW_PROTO] == TCP, schema.FLOW_DPORT])
    return bool((asked[:, schema.FLOW_PROTO] == ICMP).any() or len(ports) > 1)


def _waits_for_mac(context: Context, point: int, rows: list[int]) -> bool:
    """Does the host that gets these ask for a MAC in vain there? Then it has a route."""
    macs = set(context.flows[rows, schema.FLOW_DMAC].tolist())
    return any((point, mac) in _waiting(context) for mac in macs)


@derived
def _waiting(context: Context) -> set[tuple[int, int]]:
    """Points, and the MACs that ask for another one in vain there."""
    questions = (of for question in unanswered_neighbours(context) for of in question.exchanges)
    return {(of.point, of.asker_mac) for of in questions}


def _served_neighbour(context: Context, rows: list[int]) -> str:
    """An address on the point's own network whose packets to the same service were answered; empty if there is none."""
    flows, first = context.flows, context.flows[rows[0]]
    service = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_DST_END]
    is_served = is_answered(context) & (flows[:, schema.FLOW_VIA] == 0)
    is_served &= (flows[:, [*service, schema.FLOW_DMAC]] == first[[*service, schema.FLOW_DMAC]]).all(axis=1)
    by_mac = speakers(context, int(first[schema.FLOW_POINT]))
    for row in np.flatnonzero(is_served).tolist():
        speaker = by_mac.get(int(flows[row, schema.FLOW_SMAC]))
        if speaker and source(flows[row]) in speaker.own:
            return source(flows[row])
    return ""


def _lets_others_pass(context: Context, point: int, router: int) -> bool:
    """Was a packet that came by this router to this point answered?"""
    flows = context.flows
    came = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_SMAC] == router)
    rows = np.flatnonzero(came & is_answered(context))
    forwarded = speakers(context, point)[router].forwarded
    return any(source(flows[row]) in forwarded for row in rows.tolist())


def _has_another_way(context: Context, point: int, clients: list[str]) -> bool:
    """Does the host have another interface to other hosts, as captured or in the topology, or send to the clients?

    What other hosts send to them, as seen at theirs, shows nothing of this one.
    """
    flows, host = context.flows, host_of(context.points[point].name)
    cards = {
        number
        for number, other in enumerate(context.points)
        if number != point and other.role in _CARDS and host is not None and host_of(other.name) == host
    }
    is_back = is_one_of(flows[:, schema.FLOW_DST_LO], [address_value(client)[1] for client in clients[:MAX_EVIDENCE]])
    own = [number for number, other in enumerate(context.points) if host_of(other.name) == host]
    if cards or (is_back & is_one_of(flows[:, schema.FLOW_POINT], own)).any():
        return True
    hosts = context.topology.hosts if context.topology else []
    return any(
        sum(any("." in address for address in interface.addresses) for interface in of_host.interfaces) > 1
        for of_host in hosts
        if of_host.name == host
    )


def _finding(context: Context, point: int, router: int, rows: list[int], neighbour: str) -> Finding:
    flows = context.flows
    clients = sorted({source(flows[row]) for row in rows}, key=address_value)
    first, name = flows[rows[0]], context.points[point].name
    port = ports(first)[1]
    server = endpoint_text(destination(first), port)
    packets = int(packets_without_duplicates(context)[rows].sum())
    interface = name.rpartition("/")[2]
    has_another_way = _has_another_way(context, point, clients)
    return Finding(
        NAME,
        "error" if has_another_way else "warning",
        SAYS.fill(
            packets=packets, clients=several(clients), router=mac_text(router), server=server, point=name,
            neighbour=neighbour, or_rule="" if has_another_way else OR_RULE.fill(),
        ),
        FIX.fill(interface=interface, client=clients[0]),
        {
            "point": name, "router": mac_text(router), "clients": clients[:MAX_EVIDENCE], "server": destination(first),
            "port": port, "proto": proto_name(int(first[schema.FLOW_PROTO])), "neighbour": neighbour,
            "packets": packets,
        },
        hop_evidence(context, rows),
    )  # fmt: skip

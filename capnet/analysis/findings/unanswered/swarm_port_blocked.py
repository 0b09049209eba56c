"""swarm-port-blocked: nodes of a Swarm reach each other, but not by all the ports that it needs.

Looks at: packets to port 7946 (gossip), 2377 (management) or a tunnel's port that stop between the interfaces of two
nodes, at gossip over UDP that one point shows in one direction only, and at SYNs to 7946 and 2377 that nothing answers;
while TCP to the Swarm's ports is answered between the same nodes. Not where shorter packets to the same port arrive and
all that is lost is longer: that is no filter of ports (`mtu-blackhole`).
Says: which port is blocked from whom to whom, and that TCP passes.
Wrong when: the other node left the Swarm while TCP was still open.
Fix: open 7946 over TCP and UDP, the data path port (4789 over UDP, or `--data-path-port`), 2377 over TCP to managers,
and IP protocol 50 for encrypted overlays, both ways between all nodes.
Verify: the Docker daemon's log says "able to reach via TCP but not UDP"; `nc -zvu NODE 7946` from both sides, with
`tcpdump -ni CARD udp port 7946` on the other one.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowTable
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.losses.wire_losses import LostService, WireLoss, wire_losses
from capnet.analysis.facts.swarm_traffic import swarm_flows
from capnet.analysis.facts.syns.unanswered_services import UnansweredService, unanswered_services
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.numbers import PORT_SWARM_GOSSIP, PORT_SWARM_MANAGEMENT, TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault swarm-port-blocked"
WITNESS = "pcaps/overlay.pcapng"  # gossip in both directions
EXPLAINS = ("connection-unanswered", "lost-on-the-wire", "stops-between", "packet-loss", "tunnel-one-way")
IS_OF_TUNNEL = True

PAGE_ZH = """Swarm 的节点互相可达，但所需的端口没有全部放行。

检查：发往端口 7946（gossip）、2377（管理）或隧道端口、停在两个节点的接口之间的包，一个抓包点上只有一个方向的 UDP
gossip，以及到 7946 和 2377 而无应答的 SYN；而同样两个节点之间到 Swarm 端口的 TCP 有应答。如果到同一端口较短的包
能到，而丢失的都更长，则不算：那不是对端口的过滤（`mtu-blackhole`）。
结论：哪个端口从谁到谁被拦，而 TCP 能通过。
误判：另一个节点在 TCP 仍开着时离开了 Swarm。
处理：在所有节点之间双向开放 7946 的 TCP 和 UDP、数据端口（UDP 4789 或 `--data-path-port`）、到管理节点的 2377/tcp，
加密 overlay 还需要 IP 协议 50。
验证：dockerd 的日志有 “able to reach via TCP but not UDP”；从两侧 `nc -zvu NODE 7946`，同时在另一侧
`tcpdump -ni CARD udp port 7946`。
"""

STOPPED = Text(
    en="{packets:packet} from {src} to {dst} ({services}) left {point} and none reached {next}, where TCP between the "
    "two nodes passes: Swarm's traffic is filtered",
    zh="从 {src} 到 {dst} 的 {packets} 个包（{services}）离开了 {point}，没有一个到达 {next}，而两个节点之间的 TCP "
    "能通过：Swarm 的流量被过滤",
)
ONE_WAY = Text(
    en="{packets:datagram} of Swarm's gossip (udp port {port}) from {src} to {dst} at {point}, and none back, while "
    "TCP between the two nodes passes: UDP is filtered",
    zh="在 {point}，从 {src} 到 {dst} 有 {packets} 个 Swarm gossip 数据报（udp 端口 {port}），没有返回的，而两个节点"
    "之间的 TCP 能通过：UDP 被过滤",
)
SYNS = Text(
    en="{syns:SYN} of node {src} to Swarm's port {port} of node {dst} got no answer at {point}, while TCP the other "
    "way passes: a filter of {dst} or before it; names and addresses of containers that start do not get through",
    zh="节点 {src} 发往节点 {dst} 的 Swarm 端口 {port} 的 {syns} 个 SYN 在 {point} 没有应答，而反方向的 TCP 能通过："
    "{dst} 或它之前有过滤；新启动的容器的名称和地址传不过来",
)
FIX = Text(
    en="open UDP and TCP {port}, the data path port (4789/udp), 2377/tcp and IP protocol 50 both ways between all "
    "nodes",
    zh="在所有节点之间双向开放 UDP 和 TCP {port}、数据端口（4789/udp）、2377/tcp 和 IP 协议 50",
)

MIN_PACKETS = 2  # that stop: a single one may be the last of the capture
MAX_FLOWS = 10_000  # of Swarm's TCP that are looked at
MIN_ONE_WAY = 10  # datagrams: nodes probe each other every second, so as many would come back in ten seconds
MIN_ONE_WAY_NS = 5_000_000_000  # that they last: memberlist's longest probe interval


def diagnose(context: Context) -> list[Finding]:
    nodes, (first, _) = _nodes(context), flow_spans(context)
    findings, pairs = [], set()
    for loss in wire_losses(context):
        rows = context.flows[[flow.row for flow in loss.flows]]
        blocked = [service for service in loss.services if _is_of_swarm(service, rows)]
        pair = frozenset((source(rows[0]), loss.destination))
        passes = nodes.get(pair, -1) >= first[[flow.row for flow in loss.flows]].min()
        if blocked and passes and loss.packets >= MIN_PACKETS and not loss.shorter_pass:
            pairs.add(pair)
            findings.append(_stopped(context, loss, blocked))
    if not nodes:
        return findings
    for row in _one_way_rows(context, nodes):
        pair = frozenset((source(context.flows[row]), destination(context.flows[row])))
        if pair not in pairs:
            pairs.add(pair)
            findings.append(_one_way(context, row))
    return findings + _unanswered(context, nodes)


def _unanswered(context: Context, nodes: dict[frozenset[str], int]) -> list[Finding]:
    """SYNs to Swarm's ports in vain, while the node that is asked reaches the asking one by TCP."""
    (first, _), findings = flow_spans(context), []
    for service in unanswered_services(context) if nodes else ():
        clients = {source(context.flows[row]) for row in service.rows}
        of_nodes = [client for client in clients if frozenset((client, service.address)) in nodes]
        if service.port not in (PORT_SWARM_GOSSIP, PORT_SWARM_MANAGEMENT) or len(clients) != 1 or not of_nodes:
            continue
        (client,) = clients
        if nodes[frozenset((client, service.address))] >= first[service.rows].min():
            findings.append(_in_vain(context, service, client))
    return findings


def _nodes(context: Context) -> dict[frozenset[str], int]:
    """Pairs of nodes between which the Swarm's TCP was answered → until when [ns]."""
    flows, (_, last) = context.flows, flow_spans(context)
    is_tcp = swarm_flows(context) & (flows[:, schema.FLOW_PROTO] == TCP) & is_answered(context)
    nodes: dict[frozenset[str], int] = {}
    for row in np.flatnonzero(is_tcp)[:MAX_FLOWS].tolist():
        pair = frozenset((source(flows[row]), destination(flows[row])))
        nodes[pair] = max(nodes.get(pair, 0), int(last[row]))
    return nodes


def _is_of_swarm(service: LostService, rows: FlowTable) -> bool:
    """Is it one of Swarm's ports, or does it carry a tunnel?"""
    if service.port in (PORT_SWARM_GOSSIP, PORT_SWARM_MANAGEMENT):
        return True
    carries = rows[:, schema.FLOW_CARRIES] > 0
    return service.proto == "udp" and bool((carries & (rows[:, schema.FLOW_DPORT] == service.port)).any())


def _one_way_rows(context: Context, nodes: dict[frozenset[str], int]) -> list[int]:
    """Flows of gossip whose other direction passed no point, while TCP between the nodes went on."""
    flows, (first, last) = context.flows, flow_spans(context)
    gossip = np.flatnonzero(swarm_flows(context) & (flows[:, schema.FLOW_PROTO] == UDP))
    ends = hash_of(flows, schema.FLOW_ADDRESSES, gossip)
    is_one_way = ~is_among(hash_of(flows, schema.FLOW_OPPOSITE_ADDRESSES, gossip), ends)
    is_one_way &= packets_without_duplicates(context)[gossip] >= MIN_ONE_WAY
    is_one_way &= last[gossip] - first[gossip] >= MIN_ONE_WAY_NS
    rows = gossip[is_one_way].tolist()
    return [
        row for row in rows
        if nodes.get(frozenset((source(flows[row]), destination(flows[row]))), -1) >= first[row]
    ]  # fmt: skip


def _in_vain(context: Context, service: UnansweredService, client: str) -> Finding:
    point = context.points[int(context.flows[service.last_rows[0], schema.FLOW_POINT])].name
    return Finding(
        NAME,
        "error",
        SYNS.fill(syns=service.syns, src=client, dst=service.address, port=service.port, point=point),
        FIX.fill(port=PORT_SWARM_GOSSIP),
        {
            "nodes": [client, service.address], "point": point, "services": [f"tcp port {service.port}"],
            "packets": service.syns,
        },
        sorted(context.first_frames(service.rows)),
    )  # fmt: skip


def _stopped(context: Context, loss: WireLoss, blocked: list[LostService]) -> Finding:
    rows = [flow.row for flow in loss.flows]
    src = source(context.flows[rows[0]])
    point, next_point = context.points[loss.point].name, context.points[loss.due].name
    services = [str(service) for service in blocked]
    return Finding(
        NAME,
        "error" if loss.is_heard else "warning",
        STOPPED.fill(
            packets=loss.packets, src=src, dst=loss.destination, services=several(services), point=point,
            next=next_point,
        ),
        FIX.fill(port=PORT_SWARM_GOSSIP),
        {
            "nodes": [src, loss.destination], "point": point, "next": next_point, "services": services,
            "packets": loss.packets,
        },
        hop_evidence(context, rows),
    )  # fmt: skip


def _one_way(context: Context, row: int) -> Finding:
    flow = context.flows[row]
    packets, point = int(flow[schema.FLOW_PACKETS]), context.points[int(flow[schema.FLOW_POINT])].name
    src, dst = source(flow), destination(flow)
    return Finding(
        NAME,
        "error",
        ONE_WAY.fill(packets=packets, port=PORT_SWARM_GOSSIP, src=src, dst=dst, point=point),
        FIX.fill(port=PORT_SWARM_GOSSIP),
        {"nodes": [src, dst], "point": point, "services": [f"udp port {PORT_SWARM_GOSSIP}"], "packets": packets},
        [context.first_frame(row)],
    )

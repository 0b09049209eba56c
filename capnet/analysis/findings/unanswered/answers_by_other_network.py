"""answers-by-other-network: a container of two networks is asked on one, and answers by the other one, in vain.

Looks at: SYNs that reach a container on one bridge of a host and get no answer there, while on another bridge of the
host SYN-ACKs of these connections appear, or ARP requests that the container sends from the address that was asked,
without an answer.
Says: which address is asked on which bridge, on which other bridge the container answers or looks for its gateway.
Wrong when: an answer takes another way on purpose, and a capture does not show where it arrives.
Fix: let the container's default route lead to the network on which it is asked, or let the host take answers by either.
Verify: `nsenter -t PID -n ip route`; `sysctl net.ipv4.conf.all.rp_filter`; `nstat -az TcpExtIPReversePathFilter`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.losses.stopped_flows import are_of_one_host, hop_evidence
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.analysis.facts.syns.unanswered_services import (
    services_answered_another_way,
    unanswered_services,
)
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault answers-by-other-network"
WITNESS = "pcaps/faults/different-networks.pcapng"  # two bridges, of which one is asked from the other
EXPLAINS = (
    "arp-unanswered", "connection-unanswered", "handshake-unfinished", "published-port-blocked", "retransmissions",
)  # fmt: skip

PAGE_ZH = """有两个网络的容器在一个网络上被访问，却从另一个网络应答，而应答到不了。

检查：到达主机一个网桥上的容器、在那里没有应答的 SYN，而在该主机的另一个网桥上出现这些连接的 SYN-ACK，或容器以被访问的
地址发出的、没有应答的 ARP 询问。
结论：哪个地址在哪个网桥上被访问，容器在哪个另外的网桥上应答或查找网关。
误判：应答有意走另一条路，而抓包没有显示它到达哪里。
处理：让容器的默认路由指向被访问的网络，或让主机从任一网络接收应答。
验证：`nsenter -t PID -n ip route`；`sysctl net.ipv4.conf.all.rp_filter`；`nstat -az TcpExtIPReversePathFilter`。
"""

SAYS = Text(
    en="{syns:SYN} of {clients} reach {server} at {point}, and the container {does} at {other}: its default route "
    "leads to that network, and the host drops what comes from there with an address of the other one",
    zh="{clients} 的 {syns} 个 SYN 在 {point} 到达 {server}，而容器在 {other} {does}：它的默认路由指向那个网络，主机"
    "丢弃从那里来、却带有另一个网络地址的包",
)
ANSWERS = Text(en="answers", zh="应答")
LOOKS = Text(en="looks in vain for the gateway {gateway}", zh="查找网关 {gateway} 而得不到应答")
FIX = Text(
    en="let the container's default route lead to the network on which it is asked: `docker network connect "
    "--gw-priority 1` (compose: `gw_priority`) for that network, or make the other one `--internal`; or `sysctl -w "
    "net.ipv4.conf.{bridge}.rp_filter=2` on the host",
    zh="让容器的默认路由指向被访问的网络：对该网络使用 `docker network connect --gw-priority 1`（compose：`gw_priority"
    "`），或把另一个网络设为 `--internal`；或在主机上 `sysctl -w net.ipv4.conf.{bridge}.rp_filter=2`",
)

MIN_ATTEMPTS = 2
_INSIDE = ("bridge", "veth")
_ASKED_AT = (*_INSIDE, "container")  # the last point of the SYNs


def diagnose(context: Context) -> list[Finding]:
    if sum(point.role in _INSIDE for point in context.points) < 2:
        return []
    findings = (_finding(context, asked) for asked in _asked(context))
    return [finding for finding in findings if finding is not None]


class _Asked(NamedTuple):
    """A container that is asked in vain at a point, whatever its ports: its route is one cause."""

    point: int
    rows: list[int]  # last hops of the flows
    syns: int
    ports: list[int]


def _asked(context: Context) -> list[_Asked]:
    """The containers that are asked, in the order of their first services."""
    flows = context.flows
    asked: dict[tuple[int, str], _Asked] = {}
    for service in (*services_answered_another_way(context), *unanswered_services(context)):
        rows = [row for row in service.last_rows if _role(context, int(flows[row, schema.FLOW_POINT])) in _ASKED_AT]
        points = {int(flows[row, schema.FLOW_POINT]) for row in rows}
        if len(points) == 1:
            key = points.pop(), destination(flows[rows[0]])
            before = asked.get(key, _Asked(key[0], [], 0, []))
            ports = sorted({*before.ports, *flows[rows, schema.FLOW_DPORT].tolist()})
            asked[key] = _Asked(key[0], [*before.rows, *rows], before.syns + service.syns, ports)
    return list(asked.values())


def _finding(context: Context, asked: _Asked) -> Finding | None:
    flows, point, rows = context.flows, asked.point, asked.rows
    flow = flows[rows[0]]
    mac = int(flow[schema.FLOW_DMAC])
    address = destination(flow)
    answers = [
        row for row in _syn_acks(context, rows) if _is_beside(context, point, int(flows[row, schema.FLOW_POINT]))
    ]
    answers = [row for row in answers if int(flows[row, schema.FLOW_SMAC]) != mac]
    answers.sort(key=lambda row: _role(context, int(flows[row, schema.FLOW_POINT])) != "bridge")  # which the fix names
    lookups = [
        of
        for of in neighbours(context)
        if of.asker == address and of.asker_mac != mac and not of.replies and of.requests >= MIN_ATTEMPTS
        and _is_beside(context, point, of.point)
        and of.first_request >= flows[rows, schema.FLOW_FIRST].min()
    ]  # fmt: skip
    if not answers and not lookups:
        return None
    other = int(flows[answers[0], schema.FLOW_POINT]) if answers else lookups[0].point
    does = ANSWERS.fill() if answers else LOOKS.fill(gateway=lookups[0].target)
    clients = sorted({source(flows[row]) for row in rows}, key=address_value)
    seen: list[Evidence] = context.first_frames(answers)
    seen += [context.evidence(of.point, of.request_frame) for of in lookups]
    names = context.points[point].name, context.points[other].name
    server = several([endpoint_text(address, port) for port in asked.ports])
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            syns=asked.syns, clients=several(clients), server=server, point=names[0], does=does, other=names[1],
        ),
        FIX.fill(bridge=names[1].rpartition("/")[2]),
        {
            "server": address, "port": asked.ports[0], "clients": clients[:MAX_EVIDENCE],
            "point": names[0], "other": names[1], "attempts": asked.syns,
            **({"ports": asked.ports[:MAX_EVIDENCE]} if len(asked.ports) > 1 else {}),
        },
        sorted({*hop_evidence(context, rows), *seen}),
    )  # fmt: skip


def _is_beside(context: Context, point: int, other: int) -> bool:
    """Is another point a bridge or a veth of the same host?"""
    return other != point and _role(context, other) in _INSIDE and are_of_one_host(context, point, other)


def _syn_acks(context: Context, rows: list[int]) -> list[int]:
    """Flows of SYN-ACKs of these connections, at all points."""
    flows = context.flows
    answering: list[int] = []
    for row in rows[:MAX_EVIDENCE]:
        flow = flows[row]
        is_answer = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNACK_TIME] >= 0)
        for of_answer, of_question in zip(schema.FLOW_ENDS, schema.FLOW_OPPOSITE_ENDS, strict=True):
            is_answer &= flows[:, of_answer] == flow[of_question]
        answering += np.flatnonzero(is_answer).tolist()
    return answering


def _role(context: Context, point: int) -> str:
    return context.points[point].role

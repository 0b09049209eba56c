"""connection-unanswered: SYNs to a server are sent again and again, and nothing answers.

Looks at: TCP flows of SYNs alone, sent again after a second or more, that no SYN-ACK, RST, ICMP error or other address
answers at any point (`facts.syns.unanswered_services`). Not where the captures show the next point on their way
(`stops-between`), nor published ports (`published-port-blocked`), nor floods (`syn-flood`), nor clients that scan.
Says: who asks which server in vain, to which backend DNAT sends the SYNs, where they were last seen, and at `any`
whether its host received or sent them. What of the server does answer: other connections to the same port, another
port, an echo request, or nothing; that it is down, if it sent nothing since and questions for its MAC stay unanswered.
Whether those were sent to another MAC, by another gateway, or left the host by another interface; whether the client
then connects by IPv4; which other nodes accept it on the same NodePort; whether the TCP timestamps of those accepted
are ahead of these; by which point other packets of the client leave its host, if these do not. An error if the SYNs are
at the server's own interface and the server answers others meanwhile; else a warning: what lies behind the point is not
known.
Wrong when: the answers took a way that was not captured. A capture filter may hide what a host that received the SYNs
sent on under other addresses.
Fix: a port where nothing listens is refused. Silence is a filter, a missing route, or a server that is down.
Verify: capture at the server: `capnet capture HOST/IFACE`; `iptables -vnL` and `nft list ruleset` there count drops.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.syns.exits import exit_of_others
from capnet.analysis.facts.syns.floods import syn_floods
from capnet.analysis.facts.syns.host_directions import Direction, host_direction
from capnet.analysis.facts.syns.unanswered_services import UnansweredService, unanswered_services
from capnet.analysis.facts.syns.wording import (
    AT_HOST,
    AT_SERVER,
    FIX_ALL,
    FIX_AT_SERVER,
    FIX_BACKEND,
    FIX_EXIT,
    FIX_FILTER,
    FIX_GATEWAY,
    FIX_GONE,
    FIX_IPV6,
    FIX_NODE_PORT,
    FIX_NOTHING,
    FIX_OTHER_EXIT,
    FIX_OTHERS,
    FIX_TIMESTAMPS,
    INSTEAD,
    NOT_AT_EXIT,
    ONE_DIRECTION,
    OTHER_EXIT,
    OTHER_MAC,
    OTHER_NODES,
    PORTS,
    SAYS,
    SHOWN,
    TIMESTAMPS,
    TRANSLATED,
)
from capnet.analysis.fate.listening import records_one_direction
from capnet.wire.addresses import address_value, mac_text

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault connection-unanswered"
WITNESS = "pcaps/bridge.pcapng"  # every SYN is answered
EXPLAINS = ("retransmissions",)

PAGE_ZH = """到服务器的 SYN 一再重发，没有任何应答。

检查：只有 SYN、一秒以上之后重发的 TCP 流，在任何抓包点上都没有 SYN-ACK、RST、ICMP 错误或别的地址应答
（`facts.syns.unanswered_services`）。不包括抓包显示了其下一个抓包点的流（`stops-between`）、端口映射
（`published-port-blocked`）、洪泛（`syn-flood`）和扫描的客户端。
结论：谁访问哪个服务器而无应答，DNAT 把 SYN 送往哪个后端，SYN 最后见于哪里；在 `any` 上抓包时，还有该主机是收到还是
发出了它们。该服务器还应答什么：到同一端口的其他连接、另一个端口、回显请求，或什么都不应答；若它此后什么也没有发送，
对其 MAC 的询问也没有应答，则它已停机。那些连接是否发往另一个 MAC，即经另一个网关，或从主机的另一个接口离开；客户端是
否随后改用 IPv4 连接；哪些别的节点在同一 NodePort 上接受它；被接受的连接的 TCP 时间戳是否在这些之前；客户端的其他包
从主机的哪个抓包点离开，如果这些包没有到那里。如果 SYN 已在服务器自己的接口上，而服务器同时应答别的，为错误；否则为
警告：抓包点后面的情况不得而知。
误判：应答走了没有抓包的路。收到 SYN 的主机以别的地址转发出去的包，可能被抓包过滤器滤掉。
处理：没有程序监听的端口会拒绝连接。不作声的是过滤规则、缺少的路由，或停机的服务器。
验证：在服务器上抓包：`capnet capture HOST/IFACE`；那里的 `iptables -vnL` 和 `nft list ruleset` 有丢弃计数。
"""

_FIXES = {
    "meanwhile": FIX_OTHERS, "others": FIX_OTHERS, "before": FIX_GONE, "refused": FIX_GONE, "gone": FIX_GONE,
    "nothing": FIX_NOTHING,
}  # fmt: skip


def diagnose(context: Context) -> list[Finding]:
    flooded = {(flood.service.address, flood.service.port) for flood in syn_floods(context)}
    services = [of for of in unanswered_services(context) if (of.address, of.port) not in flooded]
    services.sort(key=lambda service: _key(context, service))
    return [_finding(context, list(group)) for _, group in groupby(services, lambda service: _key(context, service))]


def _key(context: Context, service: UnansweredService) -> tuple[object, ...]:
    """What is one finding: a service; the ports of an address that answers otherwise; a client to whom nothing does."""
    if service.shown in ("meanwhile", "before", "others"):
        return (0, address_value(service.address), service.port, ())
    if service.shown != "nothing":
        return (1, address_value(service.address), 0, ())
    clients = {address_value(client) for client in _clients(context, service)}
    return (2 + bool(service.instead), (0, 0), 0, tuple(sorted(clients)))


def _clients(context: Context, service: UnansweredService) -> list[str]:
    return sorted({source(context.flows[row]) for row in service.rows}, key=address_value)


def _finding(context: Context, services: list[UnansweredService]) -> Finding:
    flows, first = context.flows, services[0]
    syns = sum(of.syns for of in services)
    clients = sorted({client for of in services for client in _clients(context, of)}, key=address_value)
    last_rows = [row for of in services for row in of.last_rows]
    points = sorted({context.points[int(flows[row, schema.FLOW_POINT])].name for row in last_rows})
    is_at_server = all(of.is_at_server for of in services)
    is_certain = is_at_server and first.shown not in ("before", "refused", "gone", "nothing")
    behind = sorted({backend for of in services for backend in of.backends})
    direction = host_direction(context, np.array(last_rows))
    reached_host = is_at_server or direction == "received"
    servers = {of.address for of in services}
    is_one = len(servers) < 2 or first.shown != "nothing" or any(same_network([clients[0], each]) for each in servers)
    has_own_fix = is_one or first.instead or direction == "received"
    fix = _fix(first, reached_host, bool(behind)) if has_own_fix else FIX_ALL
    mac = mac_text(int(flows[last_rows[0], schema.FLOW_DMAC]))
    others_leave_by = exit_of_others(context, last_rows) if fix is FIX_NOTHING else ""
    fix = FIX_EXIT if others_leave_by else fix
    shown = _shown(context, first, mac, is_one)
    shown += NOT_AT_EXIT.fill(exit=others_leave_by, client=several(clients)) if others_leave_by else ""
    backends = [_named(context, *backend) for backend in behind]
    return Finding(
        NAME,
        "error" if is_certain else "warning",
        SAYS.fill(
            syns=syns, clients=several(clients), servers=_servers(services),
            translated=TRANSLATED.fill(backends=several(backends)) if backends else "", point=several(points),
            place=_place(is_at_server, direction), shown=shown,
        ),
        fix.fill(
            client=clients[0], server=behind[0][0] if behind else first.address, mac=mac, point=points[0],
            other=several(first.other_nodes), count=len(servers), exit=others_leave_by,
        ),
        {
            "server": first.address, "port": first.port, "clients": clients[:MAX_EVIDENCE], "point": points[0],
            "connections": sum(len(of.rows) for of in services), "attempts": syns,
            "answers": first.shown, "is_at_server": is_at_server, **({"backends": backends} if backends else {}),
            **({"host": direction} if direction else {}),
        },
        hop_evidence(context, last_rows),
    )  # fmt: skip


def _place(is_at_server: bool, direction: Direction) -> str:
    if is_at_server:
        return AT_SERVER.fill()
    return AT_HOST[direction].fill() if direction else ""


def _fix(service: UnansweredService, reached_host: bool, has_backend: bool) -> Text:
    for holds, fix in (
        (service.other_macs, FIX_GATEWAY), (service.other_exits, FIX_OTHER_EXIT), (service.instead, FIX_IPV6),
        (service.by_timestamps, FIX_TIMESTAMPS),
        (service.other_nodes and not has_backend, FIX_NODE_PORT),
        (has_backend, FIX_AT_SERVER if reached_host else FIX_BACKEND),
        (service.shown == "nothing" and reached_host, FIX_AT_SERVER),
    ):  # fmt: skip
        if holds:
            return fix
    return _FIXES.get(service.shown, FIX_AT_SERVER if reached_host else FIX_FILTER)


def _named(context: Context, address: str, port: int) -> str:
    """`172.17.0.2:80 (web)`."""
    name = context.names.get(address)
    return endpoint_text(address, port) + (f" ({name})" if name else "")


def _shown(context: Context, service: UnansweredService, mac: str, is_one: bool) -> str:
    """What does answer, and how it is reached; `mac`: where the SYNs were sent to."""
    points = context.flows[service.last_rows, schema.FLOW_POINT]
    if service.shown == "nothing" and records_one_direction(context)[points].all():
        return ONE_DIRECTION.fill()
    shown = SHOWN[service.shown if is_one else "all"].fill(
        accepted=service.accepted, other=service.other_port, others=several(service.accepted_clients)
    )
    if service.other_macs:
        shown += OTHER_MAC.fill(macs=several([mac_text(other) for other in service.other_macs]), mac=mac)
    if service.other_exits:
        exits = [context.points[point].name for point in service.other_exits]
        shown += OTHER_EXIT.fill(exits=several(exits), point=context.points[int(points[0])].name)
    if service.by_timestamps:
        shown += TIMESTAMPS.fill()
    if service.other_nodes:
        shown += OTHER_NODES.fill(nodes=several(service.other_nodes), count=len(service.other_nodes))
    if service.instead:
        shown += INSTEAD.fill(addresses=several(service.instead))
    return shown


def _servers(services: list[UnansweredService]) -> str:
    addresses = sorted({of.address for of in services}, key=address_value)
    if len(addresses) == 1 and len(services) > 1:
        return PORTS.fill(address=addresses[0], ports=several([str(of.port) for of in services]))
    return several([endpoint_text(of.address, of.port) for of in services])

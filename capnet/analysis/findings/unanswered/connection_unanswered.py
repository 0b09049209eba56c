"""connection-unanswered: SYNs to a server are sent again and again, and nothing answers.

Looks at: TCP flows of SYNs alone, sent again after a second or more, that no SYN-ACK, RST, ICMP error or other address
answers at any point (`facts.losses.unanswered_syns`). Not where the captures show the next point on their way
(`stops-between`), nor published ports (`published-port-blocked`), nor floods (`syn-flood`), nor clients that scan.
Says: who asks which server in vain, to which backend DNAT sends the SYNs, where they were last seen, at `any` whether
its host received or sent them, and what of the
server does answer: other connections to the same port, another port, an echo request, or nothing; that it is down, if
it sent nothing since and questions for its MAC stay unanswered; whether those were
sent to another MAC, by another gateway; whether the client then connects by IPv4; which other nodes accept it on the
same NodePort; whether the TCP timestamps of those accepted are ahead of these. An error if the SYNs are at the
server's own interface and the server answers others meanwhile; else a warning: what lies behind the point is not known.
Wrong when: the answers took a way that was not captured.
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
from capnet.analysis.facts.losses.unanswered_syns import UnansweredService, unanswered_services
from capnet.analysis.facts.outcomes.host_directions import Direction, host_direction
from capnet.analysis.facts.outcomes.syn_floods import syn_floods
from capnet.analysis.fate.listening import records_one_direction
from capnet.wire.addresses import address_value, mac_text

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault connection-unanswered"
WITNESS = "pcaps/bridge.pcapng"  # every SYN is answered
EXPLAINS = ("retransmissions",)

PAGE_ZH = """到服务器的 SYN 一再重发，没有任何应答。

检查：只有 SYN、一秒以上之后重发的 TCP 流，在任何抓包点上都没有 SYN-ACK、RST、ICMP 错误或别的地址应答
（`facts.losses.unanswered_syns`）。不包括抓包显示了其下一个抓包点的流（`stops-between`）、端口映射
（`published-port-blocked`）、洪泛（`syn-flood`）和扫描的客户端。
结论：谁访问哪个服务器而无应答，DNAT 把 SYN 送往哪个后端，SYN 最后见于哪里（在 `any` 上抓包时，还有该主机是收到还是
发出了它们），以及该服务器还应答什么：到同一端口的其他
连接、另一个端口、回显请求，或什么都不应答；那些连接是否发往另一个 MAC，即经另一个网关；客户端是否随后改用 IPv4
连接；哪些别的节点在同一 NodePort 上接受它；被接受的连接的 TCP 时间戳是否在这些之前。若它此后什么也没有发送，对其 MAC
的询问也没有应答，则它已停机。
如果 SYN 已在服务器自己的接口上，而服务器同时应答别的，为错误；否则为警告：抓包点后面的情况不得而知。
误判：应答走了没有抓包的路。
处理：没有程序监听的端口会拒绝连接。不作声的是过滤规则、缺少的路由，或停机的服务器。
验证：在服务器上抓包：`capnet capture HOST/IFACE`；那里的 `iptables -vnL` 和 `nft list ruleset` 有丢弃计数。
"""

SAYS = Text(
    en="{syns:SYN} of {clients} to {servers}{translated} got no answer; {syns:it was|they were} last seen at "
    "{point}{place}; {shown}",
    zh="{clients} 到 {servers}{translated} 的 {syns} 个 SYN 没有应答；最后见于 {point}{place}；{shown}",
)
TRANSLATED = Text(en=", which DNAT sends to {backends},", zh="（DNAT 转换到 {backends}）")
AT_SERVER = Text(en=", the server's own interface", zh="，即服务器自己的接口")
AT_HOST = {
    "received": Text(en=", whose host received them", zh="，该主机收到了它们"),
    "sent": Text(en=", whose host sent them", zh="，该主机发出了它们"),
}
SHOWN = {
    "meanwhile": Text(
        en="the server accepted {accepted:other connection} before and since",
        zh="该服务器此前和此后接受了另外 {accepted} 个连接",
    ),
    "before": Text(
        en="the server accepted {accepted:connection} before, and none since",
        zh="该服务器此前接受了 {accepted} 个连接，此后没有",
    ),
    "others": Text(
        en="the server accepted {accepted:connection} of {others}", zh="该服务器接受了 {others} 的 {accepted} 个连接"
    ),
    "port": Text(en="the server accepts connections to port {other}", zh="该服务器接受到端口 {other} 的连接"),
    "refusal": Text(
        en="the server refuses connections to port {other}, so it is up",
        zh="该服务器拒绝到端口 {other} 的连接，所以它在线",
    ),
    "refused": Text(
        en="the server refused connections to this port before, and answers none since",
        zh="该服务器此前拒绝到该端口的连接，此后不再应答",
    ),
    "gone": Text(
        en="the server answered before, has sent nothing since, and questions for its MAC stay unanswered: it is down",
        zh="该服务器此前有应答，此后什么也没有发送，对其 MAC 的询问也没有应答：它已停机",
    ),
    "ping": Text(en="the server answers pings", zh="该服务器应答 ping"),
    "nothing": Text(en="the server answered nothing else either", zh="该服务器对其他请求也没有应答"),
    "all": Text(en="none of these servers answered anything else", zh="这些服务器对其他请求也都没有应答"),
}
ONE_DIRECTION = Text(en="only their direction is recorded there", zh="那里只记录了这个方向")
OTHER_MAC = Text(
    en=", which were sent to {macs}, these to {mac}: by another gateway",
    zh="，它们发往 {macs}，而这些发往 {mac}：网关不同",
)
INSTEAD = Text(
    en="; each time the client then connected to {addresses} by IPv4: IPv6 does not work",
    zh="；每次客户端随后都用 IPv4 连接到 {addresses}：IPv6 不通",
)
TIMESTAMPS = Text(
    en="; the TCP timestamps of those are ahead, and these are behind them",
    zh="；那些连接的 TCP 时间戳在前，而这些落在其后",
)
FIX_TIMESTAMPS = Text(
    en="the likely cause is PAWS for each address: several hosts behind {client}, a NAT, whose clocks differ, and a "
    "server with net.ipv4.tcp_tw_recycle=1 (Linux before 4.12): set it to 0; `netstat -s | grep -i 'because of time'` "
    "on {server} counts the drops",
    zh="可能的原因是按地址的 PAWS：NAT {client} 后面有几台时钟不同的主机，而服务器设置了 net.ipv4.tcp_tw_recycle=1"
    "（Linux 4.12 之前）：请设为 0；{server} 上 `netstat -s | grep -i 'because of time'` 显示丢弃数",
)
OTHER_NODES = Text(
    en="; {nodes} {count:accepts|accept} connections to the same port",
    zh="；{nodes}（{count} 个地址）接受到同一端口的连接",
)
FIX_NODE_PORT = Text(
    en="if this is a NodePort of Kubernetes: with externalTrafficPolicy Local, a node without a pod of the service "
    "drops what comes to it. Send to {other}, run a pod on this node, or set Cluster (`kubectl get service -A -o "
    "wide`); else look for a rule of this node that drops them (`iptables -vnL INPUT`)",
    zh="如果这是 Kubernetes 的 NodePort：externalTrafficPolicy 为 Local 时，没有该服务 Pod 的节点会丢弃到来的包。请发往"
    " {other}，或在该节点上运行 Pod，或改为 Cluster（`kubectl get service -A -o wide`）；否则查找该节点上丢弃它们的规则"
    "（`iptables -vnL INPUT`）",
)
FIX_GATEWAY = Text(
    en="compare the routes (`ip route get {server}` at {client} and at those who are accepted): {mac} does not pass "
    "these packets on, or their answers come back another way",
    zh="比较路由（在 {client} 和被接受的客户端上 `ip route get {server}`）：{mac} 没有转发这些包，或应答走了别的路",
)
FIX_IPV6 = Text(
    en="repair IPv6 between {client} and {server} (route, forwarding, ip6tables), or take its AAAA record away: "
    "clients that prefer IPv6 wait before each connection",
    zh="修复 {client} 和 {server} 之间的 IPv6（路由、转发、ip6tables），或去掉它的 AAAA 记录：优先使用 IPv6 的客户端每"
    "次连接前都要等待",
)
FIX_AT_SERVER = Text(
    en="look for what drops them on that host: a rule (`iptables -vnL` and `nft list ruleset` count: INPUT, for a "
    "container FORWARD and DOCKER-USER), or no way back (`ip route get {client}`). A port where nothing listens would "
    "be refused",
    zh="在那台主机上查找是什么丢弃了它们：规则（`iptables -vnL` 和 `nft list ruleset` 有计数：INPUT，对容器是 FORWARD "
    "和 DOCKER-USER），或没有回程路由（`ip route get {client}`）。没有程序监听的端口会拒绝连接",
)
FIX_BACKEND = Text(
    en="look at {server} itself, behind {point}: a rule in the container (`nsenter -t PID -n iptables -vnL` counts), a "
    "filter of the bridge, or no way back to {client}. A port where nothing listens would be refused",
    zh="检查 {point} 后面的 {server} 本身：容器内的规则（`nsenter -t PID -n iptables -vnL` 有计数）、网桥的过滤，或没有"
    "返回 {client} 的路由。没有程序监听的端口会拒绝连接",
)
FIX_FILTER = Text(
    en="look for a filter at the server or on the way that drops this port (`iptables -vnL`, security groups). A port "
    "where nothing listens would be refused",
    zh="在服务器上或途中查找丢弃该端口的过滤规则（`iptables -vnL`、安全组）。没有程序监听的端口会拒绝连接",
)
FIX_OTHERS = Text(
    en="look for what treats these packets unlike those that were accepted: a rule by source address, the server's "
    "route back to {client}, rp_filter, a full listen queue, or one backend of several behind this address "
    "that is down",
    zh="查找这些包与被接受的包在处理上有何不同：按源地址的规则、服务器到 {client} 的回程路由、rp_filter、"
    "满了的监听队列，或该地址后面多个后端中有一个停机",
)
FIX_GONE = Text(
    en="check that the server still runs and still has this address, and what was changed at that time",
    zh="检查服务器是否还在运行、是否还有该地址，以及当时改动了什么",
)
FIX_NOTHING = Text(
    en="check that {server} is up, and the routes both ways; capture at the server or at the next hop to see whether "
    "the SYNs arrive",
    zh="检查 {server} 是否在线，以及双向路由；在服务器上或下一跳抓包，看 SYN 是否到达",
)
FIX_ALL = Text(
    en="check the way out of {client}, which all {count} share: its gateway and firewall (`ip route get {server}`)",
    zh="检查 {client} 的出口，所有 {count} 个服务器共用它：网关和防火墙（`ip route get {server}`）",
)
PORTS = Text(en="ports {ports} of {address}", zh="{address} 的端口 {ports}")
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
    backends = [_named(context, *backend) for backend in behind]
    return Finding(
        NAME,
        "error" if is_certain else "warning",
        SAYS.fill(
            syns=syns, clients=several(clients), servers=_servers(services),
            translated=TRANSLATED.fill(backends=several(backends)) if backends else "", point=several(points),
            place=_place(is_at_server, direction), shown=_shown(context, first, mac, is_one),
        ),
        fix.fill(
            client=clients[0], server=behind[0][0] if behind else first.address, mac=mac, point=points[0],
            other=several(first.other_nodes), count=len(servers),
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
        (service.other_macs, FIX_GATEWAY), (service.instead, FIX_IPV6), (service.by_timestamps, FIX_TIMESTAMPS),
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

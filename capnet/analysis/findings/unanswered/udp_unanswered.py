"""udp-unanswered: a server answers no question by a protocol of UDP that answers each, such as NTP, SNMP and RADIUS.

Looks at: UDP to the ports of such protocols, of port 4500 messages of IKE only: three questions or more of a client to
a server, of which none is answered. Not: DNS (`dns-failure`), DHCP (`dhcp-unanswered`), QUIC (`quic-unanswered`),
WireGuard (`tunnel-one-way`); where an ICMP error refuses them; where it is known between which two points they stop
(`stops-between`).
Says: who asks which server in vain, how often, where the questions were last seen, and whether the server accepts TCP
connections of the same client, so that it is up; of IKE at port 4500, that it answers at port 500. Where nothing at all
that goes to the clients is recorded, it may be that the capture holds one direction only, and it says so. Several
servers of one protocol that are silent to the same clients are one statement: what they share is the way.
Wrong when: the capture has no answers, by its filter.
Fix: let the port pass, both ways; let the server listen, and allow this client.
Verify: `chronyc ntpdata`, `snmpget`, `radtest`; `ss -lun` and `iptables -vnL` at the server.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.outcomes.silent_requests import SilentRequests, nothing_comes_back, silent_requests
from capnet.analysis.fate.interface_points import is_at_own_interface
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import PORT_IKE, PORT_IPSEC_NAT, UDP

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the scenarios ask DNS servers only
WITNESS = "pcaps/bridge.pcapng"  # questions by UDP, to a DNS server
EXPLAINS = ()
READS = ("ike",)  # ports 500 and 4500 have more than requests

PAGE_ZH = """服务器不应答某个 UDP 协议的任何请求，而该协议本应逐个应答，例如 NTP、SNMP 和 RADIUS。

检查：发往这些协议端口的 UDP，端口 4500 只看 IKE 的消息：一个客户端对一台服务器的三个以上请求，没有一个得到应答。
不包括：DNS（`dns-failure`）、DHCP（`dhcp-unanswered`）、QUIC（`quic-unanswered`）、WireGuard（`tunnel-one-way`）；
ICMP 错误拒绝了它们；已知它们停在哪两个抓包点之间（`stops-between`）。
结论：谁询问哪个服务器而无应答，多少次，请求最后见于哪里，服务器是否接受同一客户端的 TCP 连接，即在线；对端口 4500 的
IKE，它在端口 500 有应答。
如果没有记录任何发往客户端的包，抓包可能只有一个方向，结论会说明。同一协议的多台服务器都不应答相同的客户端时合为一条：
它们共用的是途中。
误判：抓包过滤器使抓包中没有应答。
处理：双向放行该端口；让服务器监听并允许该客户端。
验证：`chronyc ntpdata`、`snmpget`、`radtest`；在服务器上 `ss -lun` 和 `iptables -vnL`。
"""

SAYS = Text(
    en="{server} did not answer {packets:question} of {clients} by {protocol} (UDP port {port}), last seen at {points}"
    "{place}; {shown}",
    zh="{server} 没有应答 {clients} 的 {packets} 个 {protocol} 请求（UDP 端口 {port}），最后见于 {points}{place}；"
    "{shown}",
)
AT_SERVER = Text(en=", the server's own interface", zh="（服务器自己的接口）")
ACCEPTS = Text(
    en="it accepts TCP connections from there to port {tcp_port}, so it is up",
    zh="它接受从那里到 TCP 端口 {tcp_port} 的连接，所以在线",
)
ONE_DIRECTION = Text(
    en="{points} has no answer to {packets:question} of {clients} to {server} by {protocol} (UDP port {port}), nor "
    "anything else that goes to {clients}",
    zh="{points} 上没有对 {clients} 发给 {server} 的 {packets} 个 {protocol} 请求（UDP 端口 {port}）的应答，也没有任何"
    "其他发往 {clients} 的包",
)
ONE_DIRECTION_FIX = Text(
    en="capture both directions first, without `-Q out` and at both halves of a tap; if answers are missing then too, ",
    zh="先抓取两个方向，不用 `-Q out`，分光时抓两路；如果仍没有应答，",
)
NOTHING = Text(en="a port where nothing listens would be refused", zh="没有程序监听的端口会拒绝")
AT_FIRST_PORT = Text(
    en="it answers the same client at UDP port 500, where IKE begins",
    zh="它在 UDP 端口 500（IKE 从这里开始）应答同一客户端",
)
FIX_NAT_PORT = Text(
    en="let UDP port {port} pass as port 500 does, {where}, both ways: after its first exchange IKE goes on there (NAT "
    "traversal, MOBIKE), and ESP in UDP has that port, too (`iptables -vnL`, `nft list ruleset`, security groups)",
    zh="像端口 500 一样在{where}双向放行 UDP 端口 {port}：第一次交换之后 IKE 在那里继续（NAT 穿越、MOBIKE），UDP 中的 "
    "ESP 也用该端口（`iptables -vnL`、`nft list ruleset`、安全组）",
)
FIX = Text(
    en="look for what drops UDP port {port} {where}, questions or answers (`iptables -vnL`, `nft list ruleset`, "
    "security groups); check that the server listens there (`ss -lun`) and allows {client} (chrony: `allow`; SNMP: "
    "community and address; RADIUS: clients.conf)",
    zh="查找{where}是什么丢弃了 UDP 端口 {port} 的请求或应答（`iptables -vnL`、`nft list ruleset`、安全组）；检查服务"
    "器是否在那里监听（`ss -lun`）并允许 {client}（chrony：`allow`；SNMP：团体名和地址；RADIUS：clients.conf）",
)
FIX_WAY = Text(
    en="look for what drops UDP port {port} on the way out of {client}, which all {count} servers share, questions or "
    "answers (`iptables -vnL`, `nft list ruleset`, security groups, the provider); where the way is closed on purpose, "
    "name a server inside",
    zh="查找 {client} 的出口上是什么丢弃了 UDP 端口 {port} 的请求或应答，所有 {count} 台服务器共用它（`iptables -vnL`、"
    "`nft list ruleset`、安全组、运营商）；如果出口是有意关闭的，请改用内部的服务器",
)
BEHIND = Text(en="behind {point} or at the server", zh=" {point} 后面或服务器上")
AT_HOST = Text(en="on that host", zh="该主机上")

MIN_QUESTIONS = 3  # one or two may be lost; clients ask again
PROTOCOLS = {
    69: "TFTP", 88: "Kerberos", 123: "NTP", 161: "SNMP", 500: "IKE", 1812: "RADIUS", 1813: "RADIUS accounting",
    3478: "STUN", PORT_IPSEC_NAT: "IKE",
}  # fmt: skip


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    is_question = (flows[:, schema.FLOW_PROTO] == UDP) & is_one_of(flows[:, schema.FLOW_DPORT], tuple(PROTOCOLS))
    is_question &= flows[:, schema.FLOW_CARRIES] == 0
    is_question &= (flows[:, schema.FLOW_DPORT] != PORT_IPSEC_NAT) | _are_ike(context)
    requests = [of for of in silent_requests(context, is_question) if of.packets >= MIN_QUESTIONS]
    merged: dict[tuple[object, ...], list[SilentRequests]] = {}
    for key, group in groupby(requests, lambda of: (of.server, of.port, of.tcp_port)):
        of_server = list(group)
        merged.setdefault(_shared_way(context, of_server) or key, []).extend(of_server)
    return [_finding(context, of_way) for of_way in merged.values()]


def _shared_way(context: Context, requests: list[SilentRequests]) -> tuple[object, ...] | None:
    """What the requests to one server share with those to others, if nothing else is seen of this server.

    Servers of one link have no way in common: each has a MAC of its own.
    """
    last_rows = [row for of in requests for row in of.last_rows]
    is_there = all(is_at_own_interface(context, row) for row in last_rows)
    if is_there or requests[0].tcp_port >= 0 or _answers_at_first_port(context, requests):
        return None
    clients, points = {of.client for of in requests}, set(context.flows[last_rows, schema.FLOW_POINT].tolist())
    macs = set(context.flows[last_rows, schema.FLOW_DMAC].tolist())
    return requests[0].port, *sorted(clients), *sorted(points), *sorted(macs), nothing_comes_back(context, last_rows)


def _are_ike(context: Context) -> FlowMask:
    """Per flow: does it have messages of IKE? Port 4500 has ESP and keep-alives as well."""
    keys = [*schema.FLOW_PLACE, *schema.FLOW_ADDRESSES, schema.FLOW_SPORT, schema.FLOW_DPORT]
    messages = np.array([message[: len(keys)] for message in context.ike], dtype=np.int64).reshape(-1, len(keys))
    rows = np.flatnonzero(context.flows[:, schema.FLOW_PROTO] == UDP)
    mask: FlowMask = np.zeros(len(context.flows), dtype=bool)
    mask[rows[is_among(hash_of(context.flows, keys, rows), row_hash(messages))]] = True
    return mask


def _answers_at_first_port(context: Context, requests: list[SilentRequests]) -> bool:
    """Of IKE at port 4500: does the server answer each of these clients at port 500?"""
    answered = {
        (address_text(of.dst_hi, of.dst_lo), address_text(of.src_hi, of.src_lo))
        for of in context.ike
        if of.sport == PORT_IKE and of.is_begun and not of.error
    }
    return requests[0].port == PORT_IPSEC_NAT and all((of.client, of.server) in answered for of in requests)


def _finding(context: Context, requests: list[SilentRequests]) -> Finding:
    last_rows = [row for of in requests for row in of.last_rows]
    clients = sorted({of.client for of in requests}, key=address_value)
    points = sorted({context.points[int(context.flows[row, schema.FLOW_POINT])].name for row in last_rows})
    arrives = all(is_at_own_interface(context, row) for row in last_rows)
    first, packets = requests[0], sum(of.packets for of in requests)
    protocol, names = PROTOCOLS[first.port], several(clients)
    servers = sorted({of.server for of in requests}, key=address_value)
    has_answers = _answers_at_first_port(context, requests)
    fix = FIX_NAT_PORT if has_answers else FIX_WAY if len(servers) > 1 else FIX
    is_one_sided = nothing_comes_back(context, last_rows)
    return Finding(
        NAME,
        "warning",
        (ONE_DIRECTION if is_one_sided else SAYS).fill(
            server=several(servers), packets=packets,
            clients=names, protocol=protocol, port=first.port, points=several(points),
            place=AT_SERVER.fill() if arrives else "",
            shown=AT_FIRST_PORT.fill() if has_answers else ACCEPTS.fill(tcp_port=first.tcp_port)
            if first.tcp_port >= 0 else NOTHING.fill(),
        ),
        (ONE_DIRECTION_FIX.fill() if is_one_sided else "")
        + fix.fill(
            port=first.port, client=clients[0], count=len(servers),
            where=(AT_HOST if arrives else BEHIND).fill(point=points[0]),
        ),
        {
            "server": first.server, "servers": servers[:MAX_EVIDENCE],
            "port": first.port, "protocol": protocol, "clients": clients[:MAX_EVIDENCE],
            "points": points, "questions": packets, "is_at_server": arrives, "accepts_tcp": first.tcp_port >= 0,
        },
        hop_evidence(context, last_rows),
    )  # fmt: skip

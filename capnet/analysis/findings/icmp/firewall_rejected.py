"""firewall-rejected: a firewall or a missing backend rejects connections with an ICMP error.

Looks at: ICMP "administratively prohibited" (IPv4 3/9, 3/10, 3/13; IPv6 1/1), and "port unreachable" (3/3; 1/4) that
quotes TCP, which a host without a server answers with RST instead. Only messages to the sender of the quoted packet:
others are forged, or part of a flood. A quoted packet that comes from the server's port is an answer: the flows say who
began, else the ports do.
Says: who rejects which connections, how many of them, and with which message; several targets of the same clients as
one; which other clients are accepted there meanwhile. Of rejected answers, an info: their client's host does not know
the connection.
Wrong when: the quoted packets were sent by a third host under a false address.
Fix: change the REJECT rule on the sender of the message, or its route of type prohibit; or start a backend of the
service if the address is a virtual one: they look the same.
Verify: `iptables -vnL` and `nft list ruleset` on the sender count the rejects; `ip route show table all type prohibit`
lists such routes; `ipvsadm -Ln` lists the backends.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, proto_name, replies, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRow
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.icmp_errors import IcmpError, Quoted, first_evidence, icmp_errors
from capnet.analysis.facts.models.container_signs import shows_cni
from capnet.analysis.fate.answers import quoting_errors
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import (
    ICMP_PORT_UNREACHABLE,
    ICMP_UNREACHABLE,
    ICMPV6_PORT_UNREACHABLE,
    ICMPV6_UNREACHABLE,
    NODE_PORTS,
    TCP,
    UDP,
)

NAME = finding_name(__name__)
LEVELS = ("error", "info")
SCENARIO = "fault firewall-rejected"
WITNESS = "pcaps/ipvlan-l3.pcapng"  # "network unreachable" of a router
EXPLAINS = ("connection-cut", "published-port-blocked", "retransmissions")

PAGE_ZH = """防火墙或缺失的后端用 ICMP 错误拒绝连接。

检查：ICMP “administratively prohibited”（IPv4 3/9、3/10、3/13；IPv6 1/1），以及引用 TCP 的 “port unreachable”
（3/3；1/4）；没有服务器的主机对 TCP 会用 RST 应答。只看发给被引用包的发送者的消息：其他的是伪造的，或是洪泛的一部分。
来自服务器端口的被引用包是应答：由流得知谁先发起，否则由端口得知。
结论：谁拒绝了哪些连接，多少个，用哪种消息；同一批客户端的多个目标合为一条；那里同时接受哪些其他客户端。被拒绝的应答为
提示：客户端的主机不认识该连接。
误判：被引用的包由第三台主机以假地址发出。
处理：修改消息发送者上的 REJECT 规则或类型为 prohibit 的路由；如果地址是虚拟地址，启动服务的后端：它们看起来一样。
验证：在发送者上 `iptables -vnL` 和 `nft list ruleset` 显示拒绝数；`ip route show table all type prohibit` 列出这样的
路由；`ipvsadm -Ln` 列出后端。
"""

SAYS = Text(
    en="{sender} rejects {proto} from {sources} to {server}: '{message}', {count:message}",
    zh="{sender} 拒绝从 {sources} 到 {server} 的 {proto}：“{message}”，{count} 条消息",
)
FIX = Text(
    en="look for the rule that rejects on {sender} (`iptables -vnL`, `nft list ruleset`), and whether {server} has a "
    "backend",
    zh="在 {sender} 上查找做出拒绝的规则（`iptables -vnL`、`nft list ruleset`），并检查 {server} 是否有后端",
)
LATE = Text(
    en="{sender} rejects what {sources} {count:sends|send} to ports of clients, source port {ports}: '{message}', "
    "{messages:message}; they are answers, of connections that {sender} does not know any more",
    zh="{sender} 拒绝 {sources}（{count} 个）从端口 {ports} 发往客户端端口的包：“{message}”，{messages} 条消息；它们是"
    "应答，所属的连接 {sender} 已不再认识",
)
FIX_LATE = Text(
    en="no server is missing: usually the client closed, and its firewall forgot the connection before these came. "
    "Only if the client still waits, look for a timeout of conntrack on {sender} (`conntrack -L`) that is too short",
    zh="没有缺少服务器：通常是客户端已关闭，它的防火墙在这些包到达之前就忘记了该连接。只有客户端仍在等待时，才检查 "
    "{sender} 上过短的 conntrack 超时（`conntrack -L`）",
)
MANY = Text(
    en="{proto} from {sources} to {server} is rejected by {sender}: '{message}', {count:message}",
    zh="从 {sources} 到 {server} 的 {proto} 被 {sender} 拒绝：“{message}”，{count} 条消息",
)
FIX_SERVICE = Text(
    en="if {server} is a service of Kubernetes, see whether it has endpoints (`kubectl get services,endpointslices -A "
    "| grep {address}`): kube-proxy rejects what is for one without them; else look for the rule that rejects on the "
    "host of {sender} (`iptables -vnL`, `nft list ruleset`), such as a network policy",
    zh="如果 {server} 是 Kubernetes 的服务，查看它是否有端点（`kubectl get services,endpointslices -A | grep "
    "{address}`）：kube-proxy 会拒绝发给没有端点的服务的包；否则在 {sender} 所在的主机上查找做出拒绝的规则"
    "（`iptables -vnL`、`nft list ruleset`），例如网络策略",
)
OTHERS = Text(en="; connections of {others} to it are accepted", zh="；来自 {others} 的连接被接受")
FIX_OTHERS = Text(
    en="look for a rule about {sources} on {sender} (`iptables -vnL`, `nft list ruleset`), such as a network policy",
    zh="在 {sender} 上查找针对 {sources} 的规则（`iptables -vnL`、`nft list ruleset`），例如网络策略",
)
FIX_MANY = Text(
    en="look for the rule that rejects on {sender} (`iptables -vnL`, `nft list ruleset`)",
    zh="在 {sender} 上查找做出拒绝的规则（`iptables -vnL`、`nft list ruleset`）",
)
FIX_PROHIBITED = Text(
    en="look for the rule that rejects on {sender} (`iptables -vnL`, `nft list ruleset`), or a route of type prohibit "
    "there (`ip route show table all type prohibit`)",
    zh="在 {sender} 上查找做出拒绝的规则（`iptables -vnL`、`nft list ruleset`），或类型为 prohibit 的路由（`ip route "
    "show table all type prohibit`）",
)

PORT = "port unreachable"
MESSAGES_V4 = {
    9: "network administratively prohibited",
    10: "host administratively prohibited",
    13: "communication administratively prohibited",
}  # codes of ICMP_UNREACHABLE (RFC 1812 section 5.2.7.1)
MESSAGE_V6 = "administratively prohibited"
BY_ROUTE = {MESSAGES_V4[13], MESSAGE_V6}  # what Linux also answers for a route of type prohibit
PROHIBITED_V6 = 1  # code of ICMPV6_UNREACHABLE (RFC 4443 section 3.1)


MAX_ACCEPTED = 1_000  # connections that are looked at
MIN_CLIENT_PORT = 32_768  # Linux takes ports of clients from here on (ip_local_port_range)

_QUOTED_ENDS = [
    schema.ICMP_QUOTED_PROTO, schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO, schema.ICMP_QUOTED_SPORT,
    schema.ICMP_QUOTED_DST_HI, schema.ICMP_QUOTED_DST_LO, schema.ICMP_QUOTED_DPORT,
]  # fmt: skip


class _Target(NamedTuple):
    """What is rejected alike: by whom, on the way to whom."""

    sender: str
    dst: str
    dport: int


def diagnose(context: Context) -> list[Finding]:
    targets: dict[tuple[_Target, int, str], list[IcmpError]] = {}
    late: dict[tuple[str, str], list[IcmpError]] = {}
    beginners = _beginners(context)
    for error in icmp_errors(context):
        message = _message(error)
        if not message or error.receiver != error.quoted.src:
            continue
        if _is_answer(error, beginners):
            late.setdefault((error.sender, message), []).append(error)
        else:
            target = _Target(error.sender, error.quoted.dst, error.quoted.dport)
            targets.setdefault((target, error.quoted.proto, message), []).append(error)
    by_clients: dict[tuple[tuple[str, ...], int, str], dict[_Target, list[IcmpError]]] = {}
    for (target, proto, message), errors in sorted(targets.items()):
        clients = tuple(sorted({error.quoted.src for error in errors}, key=address_value))
        by_clients.setdefault((clients, proto, message), {})[target] = errors
    findings = [_finding(context, *key, rejected) for key, rejected in by_clients.items()]
    return findings + [_late(*key, errors) for key, errors in sorted(late.items())]


def _is_answer(error: IcmpError, beginners: set[Quoted]) -> bool:
    """Did the receiver of the quoted packet begin the conversation? By the flows, else by the ports."""
    quoted = error.quoted
    if quoted.proto not in (TCP, UDP) or min(quoted.sport, quoted.dport) <= 0:
        return False
    if quoted in beginners:
        return False
    if Quoted(quoted.proto, quoted.dst, quoted.dport, quoted.src, quoted.sport) in beginners:
        return True
    return quoted.sport < MIN_CLIENT_PORT <= quoted.dport


def _beginners(context: Context) -> set[Quoted]:
    """Of the conversations that errors quote, the directions that began: by a SYN, of UDP by the first packet."""
    flows, table = context.flows, context.icmp_errors
    if not len(table):
        return set()
    quoted = row_hash(table[:, _QUOTED_ENDS]).view(np.int64)
    both = (schema.FLOW_ENDS, schema.FLOW_OPPOSITE_ENDS)
    forms, opposites = (hash_of(flows, [schema.FLOW_PROTO, *ends]).view(np.int64) for ends in both)
    rows = np.flatnonzero(is_among(forms, quoted) | is_among(opposites, quoted))
    answers, firsts = replies(context)[rows], flows[:, schema.FLOW_FIRST]
    is_udp = flows[rows, schema.FLOW_PROTO] == UDP
    is_first = (answers < 0) | (firsts[rows] <= firsts[answers])
    has_syn = flows[rows, schema.FLOW_SYNS] > 0
    return {_quoted(flows[row]) for row in rows[np.where(is_udp, is_first, has_syn)].tolist()}


def _quoted(flow: FlowRow) -> Quoted:
    """A flow as an error quotes its packets."""
    ends = [int(flow[column]) for column in (schema.FLOW_PROTO, schema.FLOW_SPORT, schema.FLOW_DPORT)]
    return Quoted(ends[0], source(flow), ends[1], destination(flow), ends[2])


def _message(error: IcmpError) -> str:
    """What a rejecting message says, empty for any other one."""
    if error.is_v6:
        if error.type != ICMPV6_UNREACHABLE:
            return ""
        if error.code == PROHIBITED_V6:
            return MESSAGE_V6
        return PORT if error.code == ICMPV6_PORT_UNREACHABLE and error.quoted.proto == TCP else ""
    if error.type != ICMP_UNREACHABLE:
        return ""
    if error.code == ICMP_PORT_UNREACHABLE and error.quoted.proto == TCP:
        return PORT
    return MESSAGES_V4.get(error.code, "")


def _accepted_clients(context: Context, target: _Target, rejected: tuple[str, ...]) -> list[str]:
    """Other addresses of which the target accepts connections, before and after it rejects one of these.

    Where it accepts all before or all after, a rule or a service has changed, and not with the client.
    """
    flows = context.flows
    is_to = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_DPORT] == target.dport)
    is_to &= (flows[:, schema.FLOW_DST] == np.array(address_value(target.dst))).all(axis=1)
    is_accepted = is_to & (replies(context) >= 0) & (reply_values(context, schema.FLOW_SYNACK_TIME) >= 0)
    is_accepted &= chain_of(context) == np.arange(len(flows))  # not of an address that the client is translated to
    rows = np.flatnonzero(is_accepted)[:MAX_ACCEPTED].tolist()
    others = [row for row in rows if source(flows[row]) not in rejected]
    accepted_at, rejected_at = (
        flows[of, schema.FLOW_FIRST] for of in (others, np.flatnonzero(is_to & (quoting_errors(context) >= 0)))
    )
    if not len(accepted_at) or not len(rejected_at):
        return []
    is_meanwhile = accepted_at.min() < rejected_at.max() and accepted_at.max() > rejected_at.min()
    return sorted({source(flows[row]) for row in others}, key=address_value) if is_meanwhile else []


def _may_be_service(target: _Target) -> bool:
    """May the target be a service without endpoints? At an address of the node itself, a NodePort may be one."""
    return target.sender != target.dst or target.dport in NODE_PORTS


def _finding(
    context: Context, clients: tuple[str, ...], proto: int, message: str, rejected: dict[_Target, list[IcmpError]]
) -> Finding:
    targets, errors = sorted(rejected), [error for errors in rejected.values() for error in errors]
    servers = [endpoint_text(of.dst, None if of.dport < 0 else of.dport) for of in targets]
    senders = sorted({of.sender for of in targets}, key=address_value)
    count = sum(error.packets for error in errors)
    first = targets[0]
    text, fix = (MANY, FIX_MANY) if len(targets) > 1 else (SAYS, FIX)
    fix = FIX_PROHIBITED if message in BY_ROUTE else fix
    is_service = message == PORT and len(targets) == 1 and _may_be_service(first) and shows_cni(context)
    accepted = _accepted_clients(context, first, clients) if len(targets) == 1 and proto == TCP else []
    fix = FIX_OTHERS if accepted else FIX_SERVICE if is_service else fix
    words = {"sender": several(senders), "server": several(servers), "sources": several(list(clients))}
    others = OTHERS.fill(others=several(accepted)) if accepted else ""
    return Finding(
        NAME,
        "error",
        text.fill(**words, count=count, message=message, proto=proto_name(proto)) + others,
        fix.fill(**words, address=first.dst),
        {
            "sender": first.sender, "destination": first.dst, "port": first.dport if first.dport >= 0 else None,
            "sources": list(clients[:MAX_EVIDENCE]), "message": message, "messages": count,
            **({"targets": servers[:MAX_EVIDENCE]} if len(servers) > 1 else {}),
            **({"accepts": accepted[:MAX_EVIDENCE]} if accepted else {}),
        },
        first_evidence(errors),
    )  # fmt: skip


def _late(sender: str, message: str, errors: list[IcmpError]) -> Finding:
    """The finding about rejected answers."""
    sources = sorted({error.quoted.src for error in errors}, key=address_value)
    ports = sorted({error.quoted.sport for error in errors})
    count = sum(error.packets for error in errors)
    return Finding(
        NAME,
        "info",
        LATE.fill(
            sender=sender, sources=several(sources), count=len(sources), message=message, messages=count,
            ports=several([str(port) for port in ports]),
        ),
        FIX_LATE.fill(sender=sender),
        {
            "sender": sender, "sources": sources[:MAX_EVIDENCE], "ports": ports[:MAX_EVIDENCE], "message": message,
            "messages": count,
        },
        first_evidence(errors),
    )  # fmt: skip

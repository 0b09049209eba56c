"""echo-unanswered: a server answers no ping, and accepts connections of the same client.

Looks at: ICMP and ICMPv6 echo requests of which none is answered, while the server accepts TCP connections of the same
client, 10 s apart at most. Not: where an ICMP error answers them; where it is known between which two points they stop
(`stops-between`); a traceroute; where replies come at other times, or to other sizes.
Says: who pings which server in vain, how often, where the requests were last seen, and what the server accepts.
Wrong when: the capture has no echo replies, by its filter.
Fix: test with TCP instead; or let echo requests and their replies pass.
Verify: `nc -vz SERVER PORT`; at the server `sysctl net.ipv4.icmp_echo_ignore_all` and `iptables -vnL INPUT`.
"""

from __future__ import annotations

from itertools import groupby

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.outcomes.silent_requests import SilentRequests, silent_requests
from capnet.analysis.fate.interface_points import is_at_own_interface
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, ICMPV6, ICMPV6_ECHO_REQUEST

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # all hosts of the scenarios answer pings
WITNESS = "pcaps/bridge.pcapng"  # pings and connections, all answered
EXPLAINS = ()

PAGE_ZH = """服务器不应答 ping，却接受同一客户端的连接。

检查：没有一个得到应答的 ICMP 和 ICMPv6 回显请求，而服务器接受同一客户端的 TCP 连接，相隔至多 10 秒。不包括：ICMP 错误
应答了它们；已知它们停在哪两个抓包点之间（`stops-between`）；traceroute；在别的时候或对别的大小有应答。
结论：谁 ping 哪个服务器而无应答，多少次，请求最后见于哪里，服务器接受什么。
误判：抓包过滤器使抓包中没有回显应答。
处理：改用 TCP 测试；或放行回显请求及其应答。
验证：`nc -vz SERVER PORT`；在服务器上 `sysctl net.ipv4.icmp_echo_ignore_all` 和 `iptables -vnL INPUT`。
"""

SAYS = Text(
    en="{packets:ping} of {clients} to {server} got no answer, last seen at {points}{place}, while the server accepts "
    "connections of {clients} to port {port}: it is up, and echo requests or their replies are dropped",
    zh="{clients} 对 {server} 的 {packets} 个 ping 没有应答，最后见于 {points}{place}，而服务器接受 {clients} 到端口 "
    "{port} 的连接：它在线，是回显请求或其应答被丢弃了",
)
AT_SERVER = Text(en=", the server's own interface", zh="（服务器自己的接口）")
FIX = Text(
    en="test with TCP (`nc -vz {server} {port}`), or let pings pass at {server} (`iptables -vnL INPUT`, `nft list "
    "ruleset`, `sysctl net.ipv4.icmp_echo_ignore_all`) and at what lies behind {point} (firewalls, security groups). "
    "Let ICMP errors pass in any case: path MTU discovery needs them",
    zh="改用 TCP 测试（`nc -vz {server} {port}`），或在 {server}（`iptables -vnL INPUT`、`nft list ruleset`、`sysctl "
    "net.ipv4.icmp_echo_ignore_all`）和 {point} 后面（防火墙、安全组）放行 ping。无论如何要放行 ICMP 错误：路径 MTU 发"
    "现需要它们",
)
FIX_AT_SERVER = Text(
    en="test with TCP (`nc -vz {server} {port}`), or look at that host for what drops pings (`iptables -vnL INPUT`, "
    "`nft list ruleset`, `sysctl net.ipv4.icmp_echo_ignore_all`)",
    zh="改用 TCP 测试（`nc -vz {server} {port}`），或在该主机上查找是什么丢弃了 ping（`iptables -vnL INPUT`、`nft list "
    "ruleset`、`sysctl net.ipv4.icmp_echo_ignore_all`）",
)

MIN_PINGS = 2  # a single one may have its reply behind the capture


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    kind, is_v4 = flows[:, schema.FLOW_KIND] >> 8, flows[:, schema.FLOW_PROTO] == ICMP
    is_echo = is_v4 & (kind == ICMP_ECHO_REQUEST)
    is_echo |= (flows[:, schema.FLOW_PROTO] == ICMPV6) & (kind == ICMPV6_ECHO_REQUEST)
    requests = [of for of in silent_requests(context, is_echo) if of.packets >= MIN_PINGS and of.tcp_port >= 0]
    return [_finding(context, list(group)) for _, group in groupby(requests, lambda of: (of.server, of.tcp_port))]


def _finding(context: Context, requests: list[SilentRequests]) -> Finding:
    last_rows = [row for of in requests for row in of.last_rows]
    clients = sorted({of.client for of in requests}, key=address_value)
    points = sorted({context.points[int(context.flows[row, schema.FLOW_POINT])].name for row in last_rows})
    arrives = all(is_at_own_interface(context, row) for row in last_rows)
    server, port, packets = requests[0].server, requests[0].tcp_port, sum(of.packets for of in requests)
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            packets=packets, clients=several(clients), server=server, points=several(points), port=port,
            place=AT_SERVER.fill() if arrives else "",
        ),
        (FIX_AT_SERVER if arrives else FIX).fill(server=server, port=port, point=points[0]),
        {
            "server": server, "clients": clients[:MAX_EVIDENCE], "points": points, "pings": packets, "port": port,
            "is_at_server": arrives,
        },
        hop_evidence(context, last_rows),
    )  # fmt: skip

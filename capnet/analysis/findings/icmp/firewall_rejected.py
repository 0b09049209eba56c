"""firewall-rejected: a firewall or a missing backend rejects connections with an ICMP error.

Looks at: ICMP "administratively prohibited" (IPv4 3/9, 3/10, 3/13; IPv6 1/1), and "port unreachable" (3/3; 1/4) that
quotes TCP, which a host without a server answers with RST instead.
Says: who rejects which connections, how many of them, and with which message.
Wrong when: the quoted packets were sent by a third host under a false address.
Fix: change the REJECT rule on the sender of the message, or its route of type prohibit; or start a backend of the
service if the address is a virtual one: they look the same.
Verify: `iptables -vnL` and `nft list ruleset` on the sender count the rejects; `ip route show table all type prohibit`
lists such routes; `ipvsadm -Ln` lists the backends.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import proto_name
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.icmp_errors import IcmpError, first_evidence, icmp_errors
from capnet.wire.addresses import address_value
from capnet.wire.numbers import (
    ICMP_PORT_UNREACHABLE,
    ICMP_UNREACHABLE,
    ICMPV6_PORT_UNREACHABLE,
    ICMPV6_UNREACHABLE,
    TCP,
)

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault firewall-rejected"
WITNESS = "pcaps/ipvlan-l3.pcapng"  # "network unreachable" of a router
EXPLAINS = ("connection-cut", "published-port-blocked", "retransmissions")

PAGE_ZH = """防火墙或缺失的后端用 ICMP 错误拒绝连接。

检查：ICMP “administratively prohibited”（IPv4 3/9、3/10、3/13；IPv6 1/1），以及引用 TCP 的 “port unreachable”
（3/3；1/4）；没有服务器的主机对 TCP 会用 RST 应答。
结论：谁拒绝了哪些连接，多少个，用哪种消息。
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


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[str, str, int, int, str], list[IcmpError]] = {}
    for error in icmp_errors(context):
        if message := _message(error):
            key = (error.sender, error.quoted.dst, error.quoted.dport, error.quoted.proto, message)
            groups.setdefault(key, []).append(error)
    return [_finding(*key, errors) for key, errors in sorted(groups.items())]


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


def _finding(sender: str, dst: str, dport: int, proto: int, message: str, errors: list[IcmpError]) -> Finding:
    server = dst if dport < 0 else f"{dst}:{dport}"
    sources = sorted({error.quoted.src for error in errors}, key=address_value)
    count = sum(error.packets for error in errors)
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            sender=sender,
            proto=proto_name(proto),
            sources=several(sources),
            server=server,
            message=message,
            count=count,
        ),
        FIX_PROHIBITED.fill(sender=sender) if message in BY_ROUTE else FIX.fill(sender=sender, server=server),
        {
            "sender": sender,
            "destination": dst,
            "port": dport if dport >= 0 else None,
            "sources": sources[:MAX_EVIDENCE],
            "message": message,
            "messages": count,
        },
        first_evidence(errors),
    )

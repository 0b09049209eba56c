"""published-port-blocked: connections to a published port arrive at the host and get no answer.

Looks at: SYNs to a host's address without SYN-ACK and without RST, where the topology says that the port is published,
or where the host translates other connections to it; ICMP "unreachable" about them. Not SYNs that were seen translated:
these got in; nor SYNs that stop on their way to the host.
Says: which port, how often it was tried, and at which point the SYN was last seen. Where other packets show the next
point, also this one: then `stops-between` does not tell the same flows.
Wrong when: the answer took a way that was not captured, or the port is not published any more.
Fix: remove the rule in DOCKER-USER, in FORWARD, or in the host's firewall that drops the SYNs; or publish the port.
Verify: `iptables -vnL DOCKER-USER` and `iptables -t raw -vnL PREROUTING` count the drops; `docker port CONTAINER`.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.losses.blocked_ports import BlockedPort, blocked_ports
from capnet.analysis.facts.losses.stopped_flows import known_by
from capnet.analysis.fate.answers import quoting_errors
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import ICMP_UNREACHABLE, ICMPV6_UNREACHABLE

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault published-port-blocked"
WITNESS = "pcaps/bridge.pcapng"  # a published port that answers
EXPLAINS = ("connection-unanswered", "retransmissions")

PAGE_ZH = """到端口映射的连接到达主机，没有应答。

检查：发往主机地址、没有 SYN-ACK 也没有 RST 的 SYN，拓扑说该端口已发布，或主机对到它的其他连接做了转换；以及关于它们
的 ICMP “unreachable”。不包括看到已被转换的 SYN（它们进来了），也不包括在到主机途中就停住的 SYN。
结论：哪个端口，尝试了多少次，SYN 最后见于哪个抓包点。其他包显示了下一个抓包点时也给出它：这时 `stops-between` 不再
报告同样的流。
误判：应答走了没有抓包的路，或端口映射已不存在。
处理：去掉 DOCKER-USER、FORWARD 或主机防火墙中丢弃 SYN 的规则；或发布该端口。
验证：`iptables -vnL DOCKER-USER` 和 `iptables -t raw -vnL PREROUTING` 显示丢弃数；`docker port CONTAINER`。
"""

UNREACHABLE = Text(
    en="{attempts:SYN} of {clients} to {service}{server} do not get in: {sender} answers 'unreachable'",
    zh="{clients} 到 {service}{server} 的 {attempts} 个 SYN 没有进去：{sender} 以“unreachable”应答",
)
LAST_SEEN = Text(
    en="{attempts:SYN} of {clients} to {service}{server} got no answer; {attempts:it was|they were} last "
    "seen at {point}",
    zh="{clients} 到 {service}{server} 的 {attempts} 个 SYN 无应答；最后见于 {point}",
)
STOPS = Text(
    en="{attempts:SYN} of {clients} to {service}{server} got no answer; {attempts:it reaches|they reach} "
    "{point}, none reaches {next}"
    "; {known}",
    zh="{clients} 到 {service}{server} 的 {attempts} 个 SYN 无应答；它们到达 {point}，没有一个到达 {next}；{known}",
)
FIX = Text(
    en="look for a rule in the DOCKER-USER or FORWARD chain, or the host's firewall, that drops them "
    "(`iptables -vnL DOCKER-USER` counts), and whether the port is still published (`docker port`)",
    zh="在 DOCKER-USER 或 FORWARD 链、主机防火墙中查找丢弃它们的规则（`iptables -vnL DOCKER-USER` 有计数），并检查端"
    "口映射是否还在（`docker port`）",
)
FIX_UNREACHABLE = Text(
    en="look on {sender} for a rule that rejects them (`iptables -vnL` counts), and whether the address behind the "
    "port is still there (`iptables -t nat -S DOCKER`, `docker ps`)",
    zh="在 {sender} 上查找拒绝它们的规则（`iptables -vnL` 有计数），并检查端口后面的地址是否还在（`iptables -t nat -S "
    "DOCKER`、`docker ps`）",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, blocked) for blocked in blocked_ports(context)]


def _finding(context: Context, blocked: BlockedPort) -> Finding:
    flows, stop = context.flows, blocked.stop
    point = context.points[int(flows[blocked.last_rows[0], schema.FLOW_POINT])].name
    sender = _unreachable_by(context, blocked.rows)
    clients = sorted({source(flows[row]) for row in blocked.rows}, key=address_value)
    facts: dict[str, object] = {
        "address": blocked.address, "port": blocked.port, "attempts": blocked.attempts, "last_seen": point,
    }  # fmt: skip
    text, values = LAST_SEEN, {"point": point}
    if sender:
        text, values = UNREACHABLE, {"sender": sender}
    elif stop is not None and not stop.is_assumed:
        next_point = context.points[stop.due].name
        text, values = STOPS, {"point": point, "next": next_point, "known": known_by(stop.rank, stop.siblings)}
        facts |= {"next": next_point, "siblings": stop.siblings}
    server = f" ({blocked.server})" if blocked.server else ""
    return Finding(
        NAME,
        "error",
        text.fill(
            clients=several(clients),
            attempts=blocked.attempts,
            service=endpoint_text(blocked.address, blocked.port),
            server=server,
            **values,
        ),
        FIX_UNREACHABLE.fill(sender=sender) if sender else FIX.fill(),
        facts,
        sorted(context.first_frames(blocked.rows)),
    )


def _unreachable_by(context: Context, rows: tuple[int, ...]) -> str | None:
    """Who answers one of these SYNs by ICMP "unreachable"."""
    quoting = quoting_errors(context)[list(rows)]
    for error in context.icmp_errors[quoting[quoting >= 0]].tolist():
        if error[schema.ICMP_TYPE] == (ICMPV6_UNREACHABLE if error[schema.ICMP_IS_V6] else ICMP_UNREACHABLE):
            return address_text(error[schema.ICMP_SRC_HI], error[schema.ICMP_SRC_LO])
    return None

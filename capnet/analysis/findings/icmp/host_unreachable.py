"""host-unreachable: a router says that it cannot reach a destination.

Looks at: ICMP "host unreachable" and "network unreachable" (IPv4 3/1 and 3/0; IPv6 1/3 and 1/0) about destinations that
answer nothing later (`facts.unreachable_hosts`). About an address of its own it is `dnat-to-dead-backend`.
Says: who cannot reach which destinations, why, and how many messages say so to whom. "No answer" where the message
came as late as unanswered questions for a MAC take, with the next hop that it asks for in vain, if that is seen: then
also where the destination answers others; "no route" where it says so; that it says so at once, if it cannot have asked
for a MAC. An info about one who tries more than five destinations of a router. Silent about a single message, unless it
ends a TCP connection that was tried twice, and about what a scan tries (`port-scan`).
Wrong when: the message was forged.
Fix: start the destination, correct the address, or add the route.
Verify: `ip route get DESTINATION` and `ip neigh show DESTINATION` on the sender of the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.analysis.facts.neighbours.unanswered_neighbours import unanswered_neighbours
from capnet.analysis.facts.neighbours.whereabouts.links import network_of_gateway
from capnet.analysis.facts.syns.scans.port_scans import is_of_port_scan, port_scans
from capnet.analysis.facts.unreachable_hosts import Unreachable, unreachable_for_some
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("warning", "info")
SCENARIO = None  # the routers of the scenarios reach what they are asked for
WITNESS = "pcaps/ipvlan-l3.pcapng"  # a router without a route, which it gets later
EXPLAINS = ("connection-cut", "retransmissions")

PAGE_ZH = """路由器告知它到不了某个目的地。

检查：ICMP “host unreachable” 和 “network unreachable”（IPv4 3/1 和 3/0；IPv6 1/3 和 1/0），其目的地之后也没有任何应
答（`facts.unreachable_hosts`）。关于它自己的地址见 `dnat-to-dead-backend`。
结论：谁到不了哪些目的地，为什么，有多少条消息发给谁。消息的延迟与询问 MAC 无应答所需的时间一样时说“无应答”，
如果看得到则说出它询问而无应答的下一跳，这时目的地应答其他来源也会报告；消息中写明时说“没有路由”；如果它不可能询问过
MAC，则说明它是立即告知的。一个客户端尝试路由器后面五个以上目的地时为提示。只有一条消息时不报告，除非它终止了尝试过两次的
TCP 连接；扫描（`port-scan`）所尝试的也不报告。
误判：消息是伪造的。
处理：启动目的主机，更正地址，或添加路由。
验证：在消息的发送者上 `ip route get DESTINATION` 和 `ip neigh show DESTINATION`。
"""

SAYS = Text(
    en="{sender} cannot reach {destinations}{why}: {messages:message} to {receivers}",
    zh="{sender} 到不了 {destinations}{why}：给 {receivers} 的 {messages} 条消息",
)
SAYS_OWN = Text(
    en="{sender} answers {receivers} '{error}' about packets to itself {messages:time}: it sends them on to another "
    "address, or a rule rejects them with that message",
    zh="{sender} 就发往它自己的包以“{error}”应答 {receivers} {messages} 次：它把这些包转发给另一个地址，或有规则以该消"
    "息拒绝它们",
)
FIX_OWN = Text(
    en="look for the rule on {destination}: `iptables -t nat -vnL` for a translation of it to an address that is not "
    "there, `iptables -vnL` for REJECT; capture at the bridges, too",
    zh="在 {destination} 上查找规则：`iptables -t nat -vnL` 中把它转换到不存在的地址的规则，`iptables -vnL` 中的 "
    "REJECT；同时在网桥上抓包",
)
NO_ROUTE = Text(en=", it has no route", zh="，因为没有路由")
NOBODY = Text(
    en=", as it says seconds after the packets, when no ARP or neighbor answer came",
    zh="，包发出数秒后因 ARP 或邻居查询无应答而告知",
)
NEXT_HOP = Text(
    en=", when no answer came from {hop}, to which it sends these packets",
    zh="，它把这些包发往 {hop}，而 {hop} 没有应答 ARP 或邻居查询",
)
OTHERS = Text(
    en="; {destinations} answers others: these packets alone go by {hop}",
    zh="；{destinations} 应答其他来源，所以只有这些包经过 {hop}",
)
AT_ONCE = Text(
    en=", and says so at once, without asking for a MAC: by a route of type unreachable, or a rule",
    zh="，且立即告知而没有询问 MAC：因为 unreachable 类型的路由，或某条规则",
)
FIX_AT_ONCE = Text(
    en="look on {sender} for the route (`ip route get {destination}`, `ip route show table all type unreachable`), "
    "then for a rule that rejects with icmp-host-unreachable (`iptables -vnL`, `nft list ruleset`)",
    zh="在 {sender} 上查找路由（`ip route get {destination}`、`ip route show table all type unreachable`），然后查找用 "
    "icmp-host-unreachable 拒绝的规则（`iptables -vnL`、`nft list ruleset`）",
)
FIX_NEXT_HOP = Text(
    en="check that {hop} is up, and that it is the right next hop: `ip route get {destination}` and `ip rule` on "
    "{sender}",
    zh="检查 {hop} 是否在线，它是否是正确的下一跳：在 {sender} 上 `ip route get {destination}` 和 `ip rule`",
)
FIX = Text(
    en="check that {destination} is up and that {sender} has the right route (`ip route get {destination}`, `ip neigh "
    "show {destination}`)",
    zh="检查 {destination} 是否已启动，{sender} 的路由是否正确（`ip route get {destination}`、`ip neigh show "
    "{destination}`）",
)

FIX_LOOPBACK = Text(
    en="{destination} is the host itself, so it sends these connections on to another address, which does not answer: "
    "capture at the bridges, too, and look for the rule (`iptables -t nat -vnL OUTPUT`)",
    zh="{destination} 就是主机自己，所以它把这些连接转发给另一个地址，而那个地址没有应答：同时在网桥上抓包，并查找规则"
    "（`iptables -t nat -vnL OUTPUT`）",
)
ACCEPT_RA = Text(
    en=". A host that forwards IPv6, as one with Docker does, takes no route from router advertisements unless "
    "`net.ipv6.conf.IFACE.accept_ra` is 2",
    zh="。转发 IPv6 的主机（运行 Docker 的主机就是）不从路由器通告取得路由，除非 `net.ipv6.conf.IFACE.accept_ra` 为 2",
)

MAX_AT_ONCE_NS = 100_000_000  # from the first packet to the destination: a question for a MAC waits a second and more
MAX_LOOKUP_NS = 5_000_000  # from the packet that arrives to the question for the next hop, in one kernel
MIN_MESSAGES = 2  # a single one may be about a packet that no program misses
LOOPBACK = "127."
MAX_DESTINATIONS = 5  # of one receiver: a receiver that tries more scans the network


def diagnose(context: Context) -> list[Finding]:
    reports = [of for of in unreachable_for_some(context) if not of.answers_others or _goes_by_other_hop(context, of)]
    reports = [of for of in reports if not (of.is_own and of.is_unresolved) or _is_port_cut(of)]
    reports = [of for of in reports if not _asks_for_itself(context, of) and not _is_scanned(context, of)]
    reports.sort(key=_group)
    groups = [list(group) for _, group in groupby(reports, key=_group)]
    return [
        _finding(context, group)
        for group in groups
        if sum(of.messages for of in group) >= MIN_MESSAGES or any(_ends_attempts(context, of) for of in group)
    ]


def _is_port_cut(report: Unreachable) -> bool:
    """Did the capture cut the quoted packet before its ports, so that nothing names the translated one?"""
    return report.port < 0 and report.proto in (TCP, UDP)


def _asks_for_itself(context: Context, report: Unreachable) -> bool:
    """Does a host tell its own programs so, as its questions for the MAC have no answer? They are a finding already.

    The MAC of the destination, or of its network's gateway.
    """
    if report.receivers != [report.sender]:
        return False
    lost = (of.target for of in neighbours(context) if of.asker == report.sender and not of.replies)
    return any(
        target == report.destination or network_of_gateway(context, report.sender, target) is not None
        for target in lost
    )  # fmt: skip


def _is_scanned(context: Context, report: Unreachable) -> bool:
    """Are all packets to this port of the destination of a scan, which finds addresses that no host has?"""
    if not port_scans(context):
        return False
    flows = context.flows
    is_to_port = _are_to(context, report) & (flows[:, schema.FLOW_PROTO] == report.proto)
    rows = np.flatnonzero(is_to_port & (flows[:, schema.FLOW_DPORT] == report.port))
    return bool(len(rows)) and bool(is_of_port_scan(context)[rows].all())


def _ends_attempts(context: Context, report: Unreachable) -> bool:
    """Is the message about a TCP connection that was tried more than once? A program waits for it."""
    flows = context.flows
    is_attempt = _are_to(context, report) & (flows[:, schema.FLOW_DPORT] == report.port)
    is_attempt &= (flows[:, schema.FLOW_PROTO] == TCP) & (syns_without_duplicates(context) >= MIN_MESSAGES)
    rows = np.flatnonzero(is_attempt)[:MAX_EVIDENCE].tolist()
    return any((source(flows[row]), int(flows[row, schema.FLOW_SPORT])) in report.quoted for row in rows)


def _are_to(context: Context, report: Unreachable) -> FlowMask:
    flows, (high, low) = context.flows, address_value(report.destination)
    mask: FlowMask = (flows[:, schema.FLOW_DST_HI] == high) & (flows[:, schema.FLOW_DST_LO] == low)
    return mask


def _is_at_once(context: Context, report: Unreachable) -> bool:
    """Does the message come sooner after the first packet to the destination than any question for a MAC ends?

    Where the capture lacks what messages are about, it began after the question.
    """
    if report.is_network or report.is_own or report.asked < 0 or not report.shows_quoted:
        return False
    asked = {question.target for question in unanswered_neighbours(context)}
    first = int(context.flows[_are_to(context, report), schema.FLOW_FIRST].min(initial=report.asked))
    return report.destination not in asked and 0 <= report.first - first <= MAX_AT_ONCE_NS


def _group(report: Unreachable) -> tuple[tuple[int, int], str, bool, list[str]]:
    """Messages that are one finding: of one sender, for one reason, to the same receivers."""
    return address_value(report.sender), _why(report), report.is_network, report.receivers


def _why(report: Unreachable) -> str:
    if report.is_network:
        return NO_ROUTE.fill()
    return NOBODY.fill() if report.is_unresolved else ""


def _finding(context: Context, group: list[Unreachable]) -> Finding:
    first = group[0]
    destinations = sorted({of.destination for of in group}, key=address_value)
    messages = sum(of.messages for of in group)
    is_scan = len(destinations) > MAX_DESTINATIONS
    hop = None if is_scan else _next_hop(context, first, destinations)
    is_at_once = not is_scan and all(_is_at_once(context, of) for of in group)
    receivers = several(first.receivers)
    error = "network unreachable" if first.is_network else "host unreachable"
    says = SAYS_OWN.fill(sender=first.sender, error=error, receivers=receivers, messages=messages)
    if destinations != [first.sender]:
        why = NEXT_HOP.fill(hop=hop) if hop else AT_ONCE.fill() if is_at_once else _why(first)
        says = SAYS.fill(
            sender=first.sender, destinations=several(destinations), why=why, messages=messages, receivers=receivers
        )
    if hop and any(of.answers_others for of in group):
        says += OTHERS.fill(destinations=several(destinations), hop=hop)
    fix = _fix(first, destinations[0], hop)
    if is_at_once:
        fix = FIX_AT_ONCE.fill(sender=first.sender, destination=destinations[0])
    return Finding(
        NAME,
        "info" if is_scan else "warning",
        says,
        None if is_scan else fix,
        {
            "sender": first.sender, "destinations": destinations[:MAX_EVIDENCE], "addresses": len(destinations),
            "receivers": first.receivers[:MAX_EVIDENCE], "messages": messages, "no_route": first.is_network,
            "unresolved": first.is_unresolved,
        },
        sorted(frame for of in group for frame in of.evidence),
    )  # fmt: skip


def _next_hop(context: Context, report: Unreachable, destinations: Sequence[str] = ()) -> str | None:
    """The only address that the sender asks for in vain, if it is none of those that it cannot reach."""
    if not report.is_unresolved:
        return None
    hops = {question.target for question in unanswered_neighbours(context) if question.asker == report.sender}
    return min(hops) if len(hops) == 1 and not hops & {report.destination, *destinations} else None


def _goes_by_other_hop(context: Context, report: Unreachable) -> bool:
    """Does the sender begin to ask for a next hop in vain as soon as the first of these packets has come?"""
    hop = _next_hop(context, report)
    times = [
        exchange.first_request
        for question in unanswered_neighbours(context)
        if (question.asker, question.target) == (report.sender, hop)
        for exchange in question.exchanges
    ]
    return any(0 <= time - report.asked <= MAX_LOOKUP_NS for time in times)


def _fix(report: Unreachable, destination: str, hop: str | None) -> str:
    if hop:
        return FIX_NEXT_HOP.fill(hop=hop, destination=destination, sender=report.sender)
    if report.is_own and report.sender.startswith(LOOPBACK):
        return FIX_LOOPBACK.fill(destination=destination)
    if report.sender == report.destination:
        return FIX_OWN.fill(destination=destination)
    fix = FIX.fill(sender=report.sender, destination=destination)
    return fix + ACCEPT_RA.fill() if report.is_network and ":" in destination else fix

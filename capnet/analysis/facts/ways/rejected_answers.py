"""SYN-ACKs about which a router or a firewall says, by an ICMP error to the server, that it does not pass them on.

Input: ICMP errors with the packets that they quote, flow chains. Output: who says what, how often, and what to look
for there. Only "destination unreachable" about a hop of these answers, sent to the address that they come from: other
messages are forged.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, ports, source
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.icmp_errors import IcmpError, Quoted, first_evidence, icmp_errors
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE, ICMPV6_UNREACHABLE, TCP

SAYS = Text(
    en="{server} answers the SYNs of {clients}, and {sender} rejects the answers: '{message}', {messages:message}; "
    "both sides repeat",
    zh="{server} 应答了 {clients} 的 SYN，但 {sender} 拒绝这些应答：“{message}”，{messages} 条消息；双方都在重发",
)
FIX_ROUTE = Text(
    en="give {sender} a route to {client} (`ip route get {client}`), or let the host that forwards the packets "
    "of {client} translate them to an address of its own (`iptables -t nat -S POSTROUTING` shows MASQUERADE rules)",
    zh="给 {sender} 加一条到 {client} 的路由（`ip route get {client}`），或让转发 {client} 的包的主机把它们转换"
    "成自己的地址（`iptables -t nat -S POSTROUTING` 显示 MASQUERADE 规则）",
)
FIX_HOST = Text(
    en="see on {sender} where {client} is: `ip route get {client}`, `ip neigh show {client}`; it "
    "sends SYNs, so it is up",
    zh="在 {sender} 上查看 {client} 在哪里：`ip route get {client}`、`ip neigh show {client}`；它在发送"
    " SYN，所以它在线",
)
FIX_CLIENT = Text(
    en="if {sender} translates (masquerades) for containers, see which one asked (`conntrack -L`, `ip neigh`), and "
    "capture at its bridges; else look for the rule there that rejects answers from port {port} (`iptables -vnL`, `nft "
    "list ruleset`)",
    zh="如果 {sender} 为容器做转换（MASQUERADE），查看发起请求的容器（`conntrack -L`、`ip neigh`），并在其网桥上抓包；"
    "否则在该主机上查找拒绝来自端口 {port} 的应答的规则（`iptables -vnL`、`nft list ruleset`）",
)
FIX_RULE = Text(
    en="look on {sender} for the rule that rejects what comes from port {port} to {client}: `iptables -vnL`, `nft list "
    "ruleset`; a rule that lets the SYNs pass must let answers pass too (`-m conntrack --ctstate ESTABLISHED`)",
    zh="在 {sender} 上查找拒绝从端口 {port} 发往 {client} 的包的规则：`iptables -vnL`、`nft list ruleset`；放行 SYN "
    "的规则也必须放行应答（`-m conntrack --ctstate ESTABLISHED`）",
)

NETWORK_CODES, HOST_CODES = {(False, 0), (False, 6), (True, 0)}, {(False, 1), (False, 7), (True, 3)}  # IPv6, code


class RejectedAnswers(NamedTuple):
    """What one host says about SYN-ACKs."""

    sender: str
    message: str
    messages: int
    fix: Text
    port: int  # source port of the SYN-ACKs where they are rejected
    evidence: list[Evidence]

    @property
    def is_unresolved(self) -> bool:
        """Does the host know a route, and no MAC?"""
        return self.fix is FIX_HOST

    def fix_of(self, clients: list[str]) -> Text:
        """The next step; a client that rejects the answers may have sent the SYNs for another one."""
        return FIX_CLIENT if self.sender in clients else self.fix

    @property
    def words(self) -> dict[str, object]:
        """What the sentence and the next step are filled with."""
        return {"sender": self.sender, "message": self.message, "messages": self.messages, "port": self.port}


def rejected_answers(context: Context, answers: list[int]) -> RejectedAnswers | None:
    """The host that sent most messages about these SYN-ACKs (flow rows), None if there is none."""
    chains = chain_of(context)
    if not len(context.icmp_errors):
        return None
    hops = np.flatnonzero(np.isin(chains, chains[answers]))
    quoted = {_quoted(context, row) for row in hops.tolist()}
    by_sender: dict[tuple[str, str], list[IcmpError]] = {}
    for error in icmp_errors(context):
        if error.quoted in quoted and error.receiver == error.quoted.src and _is_unreachable(error):
            by_sender.setdefault((error.sender, error.name), []).append(error)
    if not by_sender:
        return None
    (sender, message), errors = max(by_sender.items(), key=lambda item: sum(error.packets for error in item[1]))
    kind = errors[0].is_v6, errors[0].code
    fix = FIX_ROUTE if kind in NETWORK_CODES else FIX_HOST if kind in HOST_CODES else FIX_RULE
    messages = sum(error.packets for error in errors)
    return RejectedAnswers(sender, message, messages, fix, errors[0].quoted.sport, first_evidence(errors))


def _is_unreachable(error: IcmpError) -> bool:
    if error.is_v6:
        return error.type == ICMPV6_UNREACHABLE
    return error.type == ICMP_UNREACHABLE and error.code != ICMP_FRAGMENTATION_NEEDED


def _quoted(context: Context, row: int) -> Quoted:
    flow = context.flows[row]
    sport, dport = ports(flow)
    return Quoted(TCP, source(flow), sport or 0, destination(flow), dport or 0)

"""answer-not-translated: a server answers the client itself, though the client asked another address.

Looks at: SYNs to one address, and SYN-ACKs for the same client and sequence number from another address or port, at one
point, which the client answers with RST only. The request was translated, and the answer went past the translation.
Likewise datagrams that the client refuses with ICMP, such as the answers of a cluster's name server
(`facts.nat.refused_answers`).
Says: which service was asked, which server answered instead, for which clients, how often.
Wrong when: a load balancer with direct server return lost its address on the server.
Fix: let answers pass the host that translated the request. On one bridge: `net.bridge.bridge-nf-call-iptables` = 1.
In one LAN: masquerade the translated connections, so that the server answers the host.
Verify: `sysctl net.bridge.bridge-nf-call-iptables`; `conntrack -L -d SERVICE` shows UNREPLIED entries.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import (
    awaited_acknowledgment,
    destination,
    first_acknowledgment,
    replies,
    reply_values,
    source,
)
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import FlowMask, FlowRow
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.icmp_errors import first_evidence
from capnet.analysis.facts.nat.refused_answers import RefusedAnswer, refused_answers
from capnet.analysis.fate.next_points import chain_of
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, TCP_ACK, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = None  # answers pass the translation in all scenarios
WITNESS = "pcaps/bridge-hairpin.pcapng"  # a published port called from the server's own bridge, translated both ways
EXPLAINS = (
    "retransmissions", "published-port-blocked", "packet-loss", "connection-refused", "reset-in-session",
    "connection-unanswered", "handshake-unfinished", "dns-failure",
)  # fmt: skip

PAGE_ZH = """客户端请求的是另一个地址，服务器却直接应答客户端。

检查：在一个抓包点上，发往一个地址的 SYN，以及对同一客户端、同一序列号、来自另一个地址或端口的 SYN-ACK，客户端对它只
回 RST。请求经过了地址转换，应答绕过了转换。同样，客户端用 ICMP 拒绝的数据报，例如集群名称服务器的应答
（`facts.nat.refused_answers`）。
结论：请求了哪个服务，由哪台服务器应答，涉及哪些客户端，多少次。
误判：采用 direct server return 的负载均衡在服务器上丢了它的地址。
处理：让应答经过转换请求的主机。同一网桥上：`net.bridge.bridge-nf-call-iptables` = 1。同一局域网中：对转换的连接做
MASQUERADE，使服务器应答该主机。
验证：`sysctl net.bridge.bridge-nf-call-iptables`；`conntrack -L -d SERVICE` 显示 UNREPLIED 表项。
"""

SAYS = Text(
    en="{clients} asked {service}, and {server} answered them itself, {answers:time}: the request was translated, the "
    "answer was not, and the clients refuse it with RST",
    zh="{clients} 请求 {service}，而 {server} 直接以自己的地址应答了 {answers} 次：请求经过了地址转换，应答没有，客"
    "户端用 RST 拒绝",
)
REFUSED_DATAGRAMS = Text(
    en="{clients} asked {service}, and {server} answered from its own address, {answers:time}: the request was "
    "translated, the answer was not, and the clients refuse it ('port unreachable')",
    zh="{clients} 请求 {service}，而 {server} 直接以自己的地址应答了 {answers} 次：请求经过了地址转换，应答没有，客"
    "户端拒绝它（“port unreachable”）",
)
BRIDGED_FIX = Text(
    en="client and server are neighbours, so answers go past the host that translates: on a bridge of the host "
    "`modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1`; in a LAN masquerade these connections "
    "(`iptables -t nat -A POSTROUTING -d {address} -j MASQUERADE` on the host)",
    zh="客户端和服务器在同一网段，应答绕过了做转换的主机：如果在主机的网桥上，执行 `modprobe br_netfilter; sysctl "
    "-w net.bridge.bridge-nf-call-iptables=1`；如果在局域网中，对这些连接做 MASQUERADE（在该主机上执行 `iptables "
    "-t nat -A POSTROUTING -d {address} -j MASQUERADE`）",
)
ROUTED_FIX = Text(
    en="let answers of {address} pass the host that translated the request: by its route to the clients, or by "
    "masquerading these connections on that host",
    zh="让 {address} 的应答经过转换请求的主机：修改它到客户端的路由，或在该主机上对这些连接做 MASQUERADE",
)

MAX_ANSWERS = 10_000  # that are looked at one by one


class _Answer(NamedTuple):
    """Flow rows at one point: SYNs to a service, the SYN-ACK of another server, the client's RST."""

    asked: int
    answer: int
    reset: int


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[str, str], list[_Answer]] = {}
    for refused in _answers(context):
        asked, answer = context.flows[refused.asked], context.flows[refused.answer]
        service = endpoint_text(destination(asked), int(asked[schema.FLOW_DPORT]))
        groups.setdefault((service, endpoint_text(source(answer), int(answer[schema.FLOW_SPORT]))), []).append(refused)
    connections = [_finding(context, *key, groups[key]) for key in sorted(groups)]
    return connections + [_of_datagrams(refused) for refused in refused_answers(context) if refused.is_translated]


def _of_datagrams(of: RefusedAnswer) -> Finding:
    text = BRIDGED_FIX if of.are_neighbours else ROUTED_FIX
    service, server = endpoint_text(of.asked, of.port), endpoint_text(of.answered, of.port)
    evidence = first_evidence(of.errors)
    return Finding(
        NAME,
        "error",
        REFUSED_DATAGRAMS.fill(clients=several(of.clients), service=service, server=server, answers=of.refusals),
        text.fill(address=of.answered),
        {
            "service": service, "server": server, "clients": of.clients[:MAX_EVIDENCE],
            "points": sorted({frame.point for frame in evidence}), "answers": of.refusals,
        },
        evidence,
    )  # fmt: skip


def _answers(context: Context) -> list[_Answer]:
    """SYN-ACKs that belong to a SYN to somewhere else, and that the client refuses."""
    flows, answers, chain = context.flows, replies(context), chain_of(context)
    is_tcp = flows[:, schema.FLOW_PROTO] == TCP
    asked = np.flatnonzero(is_tcp & (flows[:, schema.FLOW_SYN_TIME] >= 0) & ~_has_syn_ack(context))
    # No client asks itself by a wire: a host that translates made this of its SYN to a service.
    hosts = (schema.FLOW_SRC, schema.FLOW_DST)
    asked = asked[(flows[asked[:, None], hosts[0]] != flows[asked[:, None], hosts[1]]).any(axis=1)]
    answering = np.flatnonzero(is_tcp & (flows[:, schema.FLOW_SYNACK_TIME] >= 0) & (answers >= 0))
    flags = flows[:, schema.FLOW_TCP_FLAGS][answers[answering]]
    answering = answering[(flags & TCP_RST > 0) & (flags & TCP_ACK == 0)][:MAX_ANSWERS]
    if not len(asked) or not len(answering):
        return []
    place = schema.FLOW_PLACE
    client = schema.FLOW_SRC_END
    receiver = schema.FLOW_DST_END
    following = awaited_acknowledgment(flows[asked, schema.FLOW_FIRST_SEQ])
    acknowledged = first_acknowledgment(flows[answering, schema.FLOW_FIRST_SEQ])
    keys = row_hash(np.column_stack((flows[asked[:, None], place + client], following)))
    wanted = row_hash(np.column_stack((flows[answering[:, None], place + receiver], acknowledged)))
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    pairs = zip(asked[order][at].tolist(), answering.tolist(), (keys[order][at] == wanted).tolist(), strict=True)
    return [
        _Answer(question, answer, int(answers[answer]))
        for question, answer, is_its in pairs
        if is_its
        and (flows[question][receiver] != flows[answer][client]).any()
        # A port scanner sends the same SYN to many ports: then the answer belongs to one of these.
        and (flows[answers[answer], schema.FLOW_SYNS] == 0 or chain[answers[answer]] == chain[question])
    ]


def _has_syn_ack(context: Context) -> FlowMask:
    """Per flow: does the other direction have a SYN-ACK?"""
    answers = replies(context)
    mask: FlowMask = (answers >= 0) & (reply_values(context, schema.FLOW_SYNACK_TIME) >= 0)
    return mask


def _finding(context: Context, service: str, server: str, refused: list[_Answer]) -> Finding:
    flows = context.flows
    clients = sorted({source(flows[answer.asked]) for answer in refused}, key=address_value)
    points = sorted({context.points[flows[answer.answer, schema.FLOW_POINT]].name for answer in refused})
    by_point = np.bincount(
        [flows[answer.answer, schema.FLOW_POINT] for answer in refused],
        [packets_without_duplicates(context)[answer.answer] for answer in refused],
    )
    address = source(flows[refused[0].answer])
    text = BRIDGED_FIX if any(_are_neighbours(context, flows[answer.answer]) for answer in refused) else ROUTED_FIX
    return Finding(
        NAME,
        "error",
        SAYS.fill(clients=several(clients), service=service, server=server, answers=int(by_point.max())),
        text.fill(address=address),
        {
            "service": service, "server": server, "clients": clients[:MAX_EVIDENCE], "points": points,
            "answers": int(by_point.max()),
        },
        _evidence(context, refused),
    )  # fmt: skip


def _are_neighbours(context: Context, answer: FlowRow) -> bool:
    """Did the answer come from the server's own MAC to the client's own one?"""
    by_mac = speakers(context, int(answer[schema.FLOW_POINT]))
    server, client = (by_mac.get(int(answer[column])) for column in (schema.FLOW_SMAC, schema.FLOW_DMAC))
    return bool(server and client and source(answer) in server.own and destination(answer) in client.own)


def _evidence(context: Context, refused: list[_Answer]) -> list[Evidence]:
    frames = {context.first_frame(row) for rows in refused for row in rows}
    return sorted(frames)

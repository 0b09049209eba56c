"""kernel-resets-userspace: a host resets connections that a program on it holds with a TCP of its own.

Looks at: TCP handshakes that one host both resets and goes on with. A client's RST comes at once after the SYN-ACK, as
a kernel without a socket sends it (RFC 9293 section 3.10.7.1: without ACK), and after it segments that acknowledge this
SYN-ACK. Or a server's RST and its SYN-ACK answer one and the same SYN. RST and segments have one TTL: they have one
sender, where a forged RST has another TTL. No TCP goes on with a connection that it has reset itself.
Says: which host reset how many connections, with whom. Programs with a TCP of their own are scapy and others with raw
sockets, and userspace network stacks.
Wrong when: a firewall beside the host sends the RST in its name, with the same TTL.
Fix: keep the kernel from answering: drop its RSTs, or give the program an address or a network namespace of its own.
Verify: `nstat -az TcpOutRsts` on the host rises by one for each connection.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, destination, replies, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import MAX_CONNECTIONS, Segment, ahead, is_tcp_with, segments
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, TCP_SYN_ACK

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault kernel-resets-userspace"
WITNESS = "pcaps/faults/kernel-resets-userspace.healthy.pcapng"  # the same client, with the kernel's RSTs dropped
EXPLAINS = ("connection-cut", "connection-refused", "handshake-unfinished", "reset-in-session", "retransmissions")

PAGE_ZH = """主机重置了其上某个程序用自己的 TCP 建立的连接。

检查：同一主机既重置又继续的 TCP 握手。客户端的 RST 紧跟在 SYN-ACK 之后，正如没有套接字的内核所发（RFC 9293 第
3.10.7.1 节：没有 ACK 标志），此后又有确认该 SYN-ACK 的段；或服务器的 RST 和 SYN-ACK 应答同一个 SYN。RST 与这些段的 TTL
相同，即来自同一个发送者，而伪造的 RST 有另一个 TTL。没有哪个 TCP 会继续它自己重置的连接。
结论：哪台主机重置了多少个连接，与谁的连接。自带 TCP 的程序有 scapy 等使用原始套接字的程序和用户态网络栈。
误判：主机旁边的防火墙以它的名义、用同样的 TTL 发送 RST。
处理：不让内核应答：丢弃它的 RST，或给该程序一个自己的地址或网络命名空间。
验证：该主机上 `nstat -az TcpOutRsts` 随每个连接加一。
"""

SAYS_CLIENT = Text(
    en="the kernel of {host}{behind} resets {connections:connection} to {peers} that a program there opens and goes on "
    "with: the program has a TCP of its own",
    zh="{host}{behind}的内核重置了到 {peers} 的 {connections} 个连接，而那里的程序打开了它们并仍在继续：该程序自带 TCP",
)
SAYS_SERVER = Text(
    en="the kernel of {host}{behind} refuses {connections:connection} of {peers} to port {port} that a program there "
    "accepts: the program has a TCP of its own",
    zh="{host}{behind}的内核拒绝了 {peers} 到端口 {port} 的 {connections} 个连接，而那里的程序接受了它们："
    "该程序自带 TCP",
)
BEHIND = Text(en=", or of a host behind it,", zh="（或其后面某台主机）")
FIX = Text(
    en="scapy, raw sockets and userspace stacks hold connections that the kernel does not know: where the program runs "
    "`iptables -A OUTPUT -p tcp {match} --tcp-flags RST RST -j DROP`, or give it an address that the kernel has not",
    zh="scapy、原始套接字和用户态网络栈的连接是内核不知道的：在该程序运行的地方执行 `iptables -A OUTPUT -p tcp {match} "
    "--tcp-flags RST RST -j DROP`，或给它一个内核没有的地址",
)

MAX_RST_DELAY_NS = 5_000_000  # a stack answers within microseconds; a busy host may take milliseconds
MAX_ANSWERS_APART_NS = 1_000_000_000  # of a server: later, its SYN-ACK may answer a SYN that was sent again


class _Reset(NamedTuple):
    """A connection that its host resets and goes on with: flow row of the client, and three frames."""

    row: int
    is_by_client: bool
    ttl: int
    frames: list[int]


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    is_client = is_tcp_with(context, TCP_SYN) & (replies(context) >= 0) & (flow_links(context).before < 0)
    is_client &= (flows[:, schema.FLOW_SYN_TIME] >= 0) & (flows[:, schema.FLOW_STRAYS] == 0)  # copies are reset, too
    flags = reply_values(context, schema.FLOW_TCP_FLAGS)
    is_client &= (flags & TCP_SYN_ACK == TCP_SYN_ACK) & ((flags | flows[:, schema.FLOW_TCP_FLAGS]) & TCP_RST > 0)
    groups: dict[tuple[tuple[int, int], int, bool], list[_Reset]] = {}
    for row in np.flatnonzero(is_client).tolist()[:MAX_CONNECTIONS]:
        passed = segments(context, row)
        reset = _by_client(row, passed) or _by_server(row, passed)
        if reset:
            host = source(flows[row]) if reset.is_by_client else destination(flows[row])
            key = address_value(host), int(flows[row, schema.FLOW_DPORT]), reset.is_by_client
            groups.setdefault(key, []).append(reset)
    return [_finding(context, groups[key]) for key in sorted(groups)]


def _by_client(row: int, passed: list[Segment]) -> _Reset | None:
    """A RST for the SYN-ACK, and segments of the same client behind it that acknowledge it."""
    accepted = next((s for s in passed if s.is_reply and s.is_syn_ack), None)
    if accepted is None:
        return None
    own = [s for s in passed if not s.is_reply and not s.is_syn and s.time >= accepted.time]
    if not own or not own[0].is_reset or own[0].flags & TCP_ACK or own[0].seq != accepted.ack:
        return None
    reset = own[0]
    goes_on = [s for s in own[1:] if not s.is_reset and s.flags & TCP_ACK and ahead(s.ack, accepted.end) >= 0]
    goes_on = [s for s in goes_on if s.seq == accepted.ack and s.ttl == reset.ttl]
    if not goes_on or reset.time - accepted.time > MAX_RST_DELAY_NS:
        return None
    return _Reset(row, True, reset.ttl, [accepted.frame, reset.frame, goes_on[0].frame])


def _by_server(row: int, passed: list[Segment]) -> _Reset | None:
    """A RST and a SYN-ACK that answer one SYN."""
    asked = next((s for s in passed if s.is_syn and not s.is_reply), None)
    if asked is None:
        return None
    answers = [s for s in passed if s.is_reply and s.ack == asked.end and s.time >= asked.time]
    refused = next((s for s in answers if s.is_reset and s.flags & TCP_ACK and not s.seq), None)
    accepted = next((s for s in answers if s.is_syn_ack), None)
    if refused is None or accepted is None or refused.ttl != accepted.ttl:
        return None
    if abs(refused.time - accepted.time) > MAX_ANSWERS_APART_NS or refused.time - asked.time > MAX_RST_DELAY_NS:
        return None
    if any(s.flags & (TCP_FIN | TCP_ACK) and not s.is_reply and s.time < refused.time for s in passed):
        return None  # the client had gone on: the connection existed
    return _Reset(row, False, refused.ttl, [asked.frame, *sorted((refused.frame, accepted.frame))])


def _finding(context: Context, resets: list[_Reset]) -> Finding:
    flows, first = context.flows, context.flows[resets[0].row]
    is_by_client, port = resets[0].is_by_client, int(first[schema.FLOW_DPORT])
    host = source(first) if is_by_client else destination(first)
    others = {destination(flows[of.row]) if is_by_client else source(flows[of.row]) for of in resets}
    peers = sorted(others, key=address_value)
    names = [endpoint_text(peer, port) for peer in peers] if is_by_client else peers
    is_born = all(of.ttl in INITIAL_TTLS for of in resets)  # else a router, which may translate, has passed them on
    return Finding(
        NAME,
        "error",
        (SAYS_CLIENT if is_by_client else SAYS_SERVER).fill(
            host=host, behind="" if is_born else BEHIND.fill(), connections=len(resets), peers=several(names), port=port
        ),
        FIX.fill(match=f"--dport {port}" if is_by_client else f"--sport {port}"),
        {
            "host": host, "port": port, "by": "client" if is_by_client else "server", "peers": peers[:MAX_EVIDENCE],
            "connections": len(resets),
        },
        sorted(context.flow_evidence(of.row, frame) for of in resets for frame in of.frames),
    )  # fmt: skip

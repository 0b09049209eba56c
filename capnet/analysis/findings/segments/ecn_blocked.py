"""ecn-blocked: SYNs that ask for ECN get no answer, and a SYN that does not is accepted.

Looks at: TCP connections whose first SYNs have ECE and CWR set (RFC 3168 section 6.1.1) and no answer, and whose next
SYN has neither and is accepted: Linux tries so again. Two such connections to a server are needed, and none that asked
for ECN and was accepted at once.
Says: which client and server, how many connections, and after how long they were accepted.
Wrong when: these SYNs were lost by chance; the more connections, the less likely.
Fix: let the firewall, or the balancer, on the way ignore ECE and CWR; or turn ECN off at the client.
Verify: `nsenter -t PID -n sysctl net.ipv4.tcp_ecn`: 1 asks for ECN, 2 only answers. Capture behind the firewall: SYNs
with ECE and CWR are missing.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import MIN_SYN_RETRY_NS, destination, is_syn_retried, replies, source
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import MAX_CONNECTIONS, is_tcp_with, segments
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_CWR, TCP_ECE, TCP_SYN

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault ecn-blocked"
WITNESS = "pcaps/bridge.pcapng"  # SYNs that are all accepted at once
EXPLAINS = ("connection-unanswered", "listen-queue-full", "packet-loss", "retransmissions")

PAGE_ZH = """请求 ECN 的 SYN 没有应答，而不请求的 SYN 被接受。

检查：TCP 连接，其最初的 SYN 带 ECE 和 CWR 标志（RFC 3168 6.1.1 节）而没有应答，下一个 SYN 两者都不带而被接受：Linux
就是这样重试的。到一个服务器需要两个这样的连接，且没有请求 ECN 而立即被接受的连接。
结论：哪个客户端和服务器，多少个连接，多久之后才被接受。
误判：这些 SYN 碰巧丢失；连接越多越不可能。
处理：让途中的防火墙或负载均衡忽略 ECE 和 CWR；或在客户端关闭 ECN。
验证：`nsenter -t PID -n sysctl net.ipv4.tcp_ecn`：1 表示请求 ECN，2 表示只应答。在防火墙后面抓包：没有带 ECE 和 CWR 的
SYN。
"""

SAYS = Text(
    en="{connections:connection} of {client} to {server} were accepted {seconds} s late, and only without ECN: SYNs "
    "with ECE and CWR get no answer",
    zh="{client} 到 {server} 的 {connections} 个连接晚了 {seconds} 秒才被接受，而且只在不请求 ECN 时：带 ECE 和 CWR 的 "
    "SYN 没有应答",
)
FIX = Text(
    en="look for a firewall or balancer on the way to {server} that drops SYNs with ECE and CWR, or turn ECN off at "
    "the client (`sysctl net.ipv4.tcp_ecn=2` in its namespace)",
    zh="查找到 {server} 途中丢弃带 ECE 和 CWR 的 SYN 的防火墙或负载均衡，或在客户端关闭 ECN（在其命名空间中 `sysctl "
    "net.ipv4.tcp_ecn=2`）",
)

MIN_CONNECTIONS = 2
MAX_SHOWN = 2  # connections whose frames at all hops are evidence
_ECN = TCP_ECE | TCP_CWR


class _Fallback(NamedTuple):
    """A connection that was accepted without ECN."""

    row: int
    delay: int  # ns, from the first SYN to the answer
    evidence: list[Evidence]


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    is_asking = is_tcp_with(context, TCP_SYN | _ECN) & (replies(context) >= 0) & (flow_links(context).before < 0)
    is_retried = is_asking & is_syn_retried(flows)
    fallbacks: dict[tuple[str, str, int], list[_Fallback]] = {}
    for row in np.flatnonzero(is_retried).tolist()[:MAX_CONNECTIONS]:
        if fallback := _fallback(context, row):
            fallbacks.setdefault(_ends(context, row), []).append(fallback)
    if not fallbacks:
        return []
    at_once = is_asking & ~is_retried & (flows[replies(context), schema.FLOW_SYNACK_TIME] >= 0)
    accepted = {_ends(context, row) for row in np.flatnonzero(at_once).tolist()[:MAX_CONNECTIONS]}
    return [
        _finding(*ends, of_ends)
        for ends, of_ends in sorted(fallbacks.items())
        if len(of_ends) >= MIN_CONNECTIONS and ends not in accepted
    ]


def _ends(context: Context, row: int) -> tuple[str, str, int]:
    """Client, server and its port."""
    flow = context.flows[row]
    return source(flow), destination(flow), int(flow[schema.FLOW_DPORT])


def _fallback(context: Context, row: int) -> _Fallback | None:
    """What the segments of a connection show, if its SYNs with ECN got no answer and the one without got it."""
    passed = segments(context, row)
    answer = next((number for number, segment in enumerate(passed) if segment.is_syn_ack), len(passed))
    syns = [segment for segment in passed[:answer] if segment.is_syn and not segment.is_reply]
    if answer == len(passed) or len(syns) < 2 or syns[-1].flags & _ECN or any(s.is_reply for s in passed[:answer]):
        return None
    if (
        not all(segment.flags & _ECN == _ECN for segment in syns[:-1])
        or passed[answer].time - syns[-1].time > MIN_SYN_RETRY_NS
    ):
        return None
    point = int(context.flows[row, schema.FLOW_POINT])
    frames = [context.evidence(point, segment.frame) for segment in (syns[0], syns[-1], passed[answer])]
    hops = np.flatnonzero(chain_of(context) == row).tolist()
    frames += context.first_frames(hops)
    return _Fallback(row, passed[answer].time - syns[0].time, frames)


def _finding(client: str, server: str, port: int, fallbacks: list[_Fallback]) -> Finding:
    address = endpoint_text(server, port)
    delay = max(fallback.delay for fallback in fallbacks)
    return Finding(
        NAME,
        "warning",
        SAYS.fill(connections=len(fallbacks), client=client, server=address, seconds=f"{delay / 1e9:.1f}"),
        FIX.fill(server=address),
        {"client": client, "server": server, "port": port, "connections": len(fallbacks), "delay_ns": delay},
        sorted({frame for fallback in fallbacks for frame in fallback.evidence}),
    )

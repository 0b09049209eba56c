"""port-reused: a server still has an older connection from the same address and port.

Looks at: a SYN that is answered by an ACK with other numbers, a challenge ACK (RFC 5961 section 4.2). The client
refuses it by RST with just that number, and sends its SYN again; or, where a firewall drops the RST, the server answers
the next SYN in the same way.
Says: which client, port and server, and whether the connection came about in the end.
Wrong when: a middlebox answers SYNs with ACKs of its own on purpose.
Fix: keep the translator's entries as long as the server keeps its connections, or give it more source ports.
Verify: `ss -tan` on the server shows the old connection; `conntrack -L` no longer does on the translator.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import MAX_CONNECTIONS, Segment, ahead, is_tcp_with, segments
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_SYN

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault port-reused"
WITNESS = "pcaps/bridge.pcapng"  # connections one after the other, each from a new port
EXPLAINS = ("connection-unanswered", "handshake-unfinished", "retransmissions", "packet-loss")

PAGE_ZH = """服务器上还有来自同一地址和端口的旧连接。

检查：得到 ACK 应答、而序号对不上的 SYN，即 challenge ACK（RFC 5961 4.2 节）。客户端用正好带该序号的 RST 拒绝，并重
发 SYN；如果防火墙丢弃 RST，服务器以同样方式应答下一个 SYN。
结论：哪个客户端、端口和服务器，连接最后是否建立。
误判：中间设备有意用自己的 ACK 应答 SYN。
处理：让转换的表项保留得与服务器的连接一样久，或给它更多源端口。
验证：服务器上 `ss -tan` 显示旧连接；做转换的主机上 `conntrack -L` 已经没有它。
"""

SAYS = Text(
    en="the SYN of {client} to {server} was answered by an ACK of an older connection (challenge ACK): the server "
    "still has one from the same port{outcome}{more}",
    zh="{client} 发往 {server} 的 SYN 得到的应答是旧连接的 ACK（challenge ACK）：服务器上还有来自同一端口的连接"
    "{outcome}{more}",
)
ACCEPTED = Text(
    en="; the next SYN was accepted after {milliseconds} ms", zh="；{milliseconds} 毫秒后的下一个 SYN 被接受"
)
NOT_ACCEPTED = Text(en="; no SYN was accepted after it", zh="；此后没有 SYN 被接受")
MORE = Text(en=", and so were SYNs from {ports:other port}", zh="，另外 {ports} 个端口的 SYN 也是如此")
FIX = Text(
    en="source ports return too soon: keep NAT entries as long as the server keeps its connections "
    "(net.netfilter.nf_conntrack_tcp_timeout_time_wait), or let NAT use more source ports or addresses",
    zh="源端口重用得太快：让 NAT 表项保留得与服务器的连接一样久（net.netfilter.nf_conntrack_tcp_timeout_time_wait）"
    "，或让 NAT 使用更多源端口或地址",
)

MAX_FINDINGS = 20


class _Reuse(NamedTuple):
    """A SYN that met an older connection."""

    row: int  # flow of the client
    evidence: list[Evidence]
    delay: int | None  # ns until the connection was accepted, None if it was not


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    is_candidate = is_tcp_with(context, TCP_SYN) & (syns_without_duplicates(context) > 1) & (replies(context) >= 0)
    is_candidate &= flow_links(context).after < 0  # the point nearest to the server
    by_ends: dict[tuple[str, str, int], list[_Reuse]] = {}
    for row in np.flatnonzero(is_candidate).tolist()[:MAX_CONNECTIONS]:
        reuse = _reuse(context, row)
        if reuse:
            ends = source(flows[row]), destination(flows[row]), int(flows[row, schema.FLOW_DPORT])
            by_ends.setdefault(ends, []).append(reuse)
    return [_finding(context, ends, reuses) for ends, reuses in sorted(by_ends.items())][:MAX_FINDINGS]


def _reuse(context: Context, row: int) -> _Reuse | None:
    passed = segments(context, row)
    later = _Later(passed)
    for number, syn in enumerate(passed):
        if not syn.is_syn or syn.is_reply:
            continue
        challenge = later.challenge(number)
        if challenge is None:
            continue
        repeated = later.repetition(challenge, syn)
        refusal = later.reset(challenge)
        if repeated is not None and refusal is None:
            refusal = later.challenge(repeated)
        if repeated is not None and refusal is not None:
            accepted = later.acceptance(challenge, syn)
            shown = (number, challenge, refusal, repeated, accepted)
            frames = [passed[index].frame for index in shown if index is not None]
            delay = None if accepted is None else passed[accepted].time - syn.time
            return _Reuse(row, [context.flow_evidence(row, frame) for frame in frames], delay)
    return None


class _Later:
    """Finds segments behind others, by their indexes in `passed`. A port may be used thousands of times."""

    def __init__(self, passed: list[Segment]) -> None:
        self._passed = passed
        self._replies: list[int] = []
        self._syns: dict[int, list[int]] = {}  # by sequence number
        self._resets: dict[int, list[int]] = {}  # of the client, by sequence number
        self._acceptances: dict[int, list[int]] = {}  # by acknowledgment number
        for number, segment in enumerate(passed):
            if segment.is_reply:
                self._replies.append(number)
                if segment.is_syn_ack:
                    self._acceptances.setdefault(segment.ack, []).append(number)
            elif segment.is_reset:
                self._resets.setdefault(segment.seq, []).append(number)
            if segment.is_syn:
                self._syns.setdefault(segment.seq, []).append(number)

    def challenge(self, syn: int) -> int | None:
        """The first reply behind a SYN, if it is an ACK of other numbers."""
        number = _first_behind(self._replies, syn)
        if number is None:
            return None
        reply = self._passed[number]
        return number if reply.is_pure_ack and ahead(reply.ack, self._passed[syn].end) != 0 else None

    def repetition(self, behind: int, syn: Segment) -> int | None:
        """A SYN of the same number."""
        return _first_behind(self._syns.get(syn.seq, []), behind)

    def reset(self, challenge: int) -> int | None:
        """The client's RST in answer to a challenge."""
        return _first_behind(self._resets.get(self._passed[challenge].ack, []), challenge)

    def acceptance(self, behind: int, syn: Segment) -> int | None:
        """A SYN-ACK in answer to a SYN."""
        return _first_behind(self._acceptances.get(syn.end, []), behind)


def _first_behind(numbers: list[int], number: int) -> int | None:
    """The first of sorted numbers that is larger than a number."""
    at = bisect_right(numbers, number)
    return numbers[at] if at < len(numbers) else None


def _finding(context: Context, ends: tuple[str, str, int], reuses: list[_Reuse]) -> Finding:
    client, server, port = ends
    first, ports = reuses[0], sorted({int(context.flows[reuse.row, schema.FLOW_SPORT]) for reuse in reuses})
    sport = int(context.flows[first.row, schema.FLOW_SPORT])
    outcome = NOT_ACCEPTED.fill() if first.delay is None else ACCEPTED.fill(milliseconds=round(first.delay / 1e6))
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            client=endpoint_text(client, sport), server=endpoint_text(server, port), outcome=outcome,
            more=MORE.fill(ports=len(ports) - 1) if len(ports) > 1 else "",
        ),
        FIX.fill(),
        {"client": client, "server": server, "port": port, "ports": ports[:MAX_EVIDENCE], "connections": len(reuses)},
        sorted({frame for reuse in reuses for frame in reuse.evidence}),
    )  # fmt: skip

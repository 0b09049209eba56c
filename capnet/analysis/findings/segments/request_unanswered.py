"""request-unanswered: a server acknowledges a request and says nothing, as when a TLS handshake hangs.

Looks at: the first request of TCP connections. It is acknowledged, the client sends nothing more and waits for 5 s or
longer, until it gives up or the capture ends, and no byte of an answer comes, at any point. Two connections are needed,
or one where the service answered another, or one to a port of TLS, whose server answers at once. Programs that only
collect (syslog) keep getting more, and do not count.
Says: which server, how many requests, and for how long the clients waited.
Wrong when: the program has nothing to say for so long, as a subscription without news.
Fix: look into the program; or its answers are lost because they are too large for the path, which only a capture near
the server shows (`mtu-blackhole`).
Verify: `curl -v` on the server itself; from the client `ping -M do -s 1372 SERVER` for a path MTU of 1400.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.transport.exchanges import exchanges
from capnet.analysis.facts.transport.full_segments import lost_full_segments
from capnet.analysis.facts.transport.tcp_connections import ahead, segments, spoken
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_FIN, TCP_RST, TLS_PORTS

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the servers of the scenarios answer
WITNESS = "pcaps/overlay-service.pcapng"  # requests that are answered
EXPLAINS = ()

PAGE_ZH = """服务器确认了请求而不应答，例如 TLS 握手挂起。

检查：TCP 连接的第一个请求。它被确认，客户端不再发送并等待 5 秒以上，直到放弃或抓包结束，而没有一个字节的应答。需要
两个连接；如果该服务应答过另一个，或是 TLS 端口（其服务器应立即应答），一个即可。只收集的程序（syslog）会不断收到更
多内容，不算。
结论：哪台服务器，多少个请求，客户端等了多久。
误判：程序确实这么久没有内容可发，例如没有新消息的订阅。
处理：检查程序；或它的应答因超过路径所允许的大小而丢失，只有在服务器附近抓包才能看到（`mtu-blackhole`）。
验证：在服务器上 `curl -v`；从客户端 `ping -M do -s 1372 SERVER`，对应路径 MTU 1400。
"""

SAYS = Text(
    en="{server} acknowledged {requests:request} of {clients} and never answered: {asking:the client|the clients} "
    "waited up to {longest} s{tls}{others}",
    zh="{server} 确认了 {clients} 的 {requests} 个请求，始终没有应答：{asking} 个客户端最长等了 {longest} "
    "秒{tls}{others}",
)
TLS = Text(en=" in the TLS handshake", zh="（在 TLS 握手中）")
OTHERS = Text(en="; it answered {answered:other connection}", zh="；它应答了另外 {answered} 个连接")
FIX = Text(
    en="look into the program that accepts; if it did answer, its segments are lost on the way, likely because they "
    "are too large for the path: capture near the server, and try a smaller MTU",
    zh="检查接受连接的程序；如果它应答过，那么它的段在途中丢失了，很可能超过了路径 MTU：在服务器附近抓包，并尝试较小"
    "的 MTU",
)

MIN_WAIT_NS = 5_000_000_000  # a slow answer comes sooner, or it is slow in another sense (`server-slow`)
MIN_REQUESTS = 2  # of a service that answers nothing
MAX_REQUESTS = 500  # examined one by one


class _Unanswered(NamedTuple):
    """A request without an answer: the client's flow row, how long the client waited, frames of both."""

    row: int
    wait: int  # ns
    frames: list[int]


def diagnose(context: Context) -> list[Finding]:
    turns, flows = exchanges(context), context.flows
    lost = {of_flow.flow for of_flow in lost_full_segments(context)}
    is_last = np.append(turns.client[1:] != turns.client[:-1], True)[: len(turns.client)]
    is_only = is_last & np.append(True, turns.client[1:] != turns.client[:-1])[: len(turns.client)]
    last_ns = np.array([point.last or 0 for point in context.points] or [0])
    answers, chain = replies(context), chain_of(context)
    carries_answer = np.zeros(len(flows), dtype=bool)  # of each flow chain: at any of its points
    carries_answer[chain[flows[:, schema.FLOW_PAYLOAD] > 0]] = True
    asked_ns = context.observations[turns.request, schema.OBS_TIME]
    is_old = last_ns[flows[turns.client, schema.FLOW_POINT]] - asked_ns >= MIN_WAIT_NS
    unanswered: dict[tuple[str, int], list[_Unanswered]] = {}
    for row in turns.client[is_only & is_old & (turns.answer < 0)].tolist()[:MAX_REQUESTS]:
        is_answered = answers[row] >= 0 and carries_answer[chain[answers[row]]]
        waiting = None if row in lost or is_answered else _unanswered(context, row)
        if waiting:
            unanswered.setdefault((destination(flows[row]), int(flows[row, schema.FLOW_DPORT])), []).append(waiting)
    findings = []
    for (server, port), requests in sorted(unanswered.items()):
        rows = turns.client[(turns.answer >= 0) & (flows[turns.client, schema.FLOW_DPORT] == port)]
        answered = len({row for row in rows.tolist() if destination(flows[row]) == server})
        if answered or len(requests) >= MIN_REQUESTS or port in TLS_PORTS:
            findings.append(_finding(context, server, port, requests, answered))
    return findings


def _unanswered(context: Context, row: int) -> _Unanswered | None:
    passed = segments(context, row)
    asked = [s for s in spoken(passed) if not s.is_reply]
    if not asked or not any(s.is_syn for s in passed):
        return None
    first, request = asked[0], asked[-1]
    acked = next((s for s in passed if s.is_reply and not s.is_reset and ahead(s.ack, request.end) >= 0), None)
    if acked is None or any(s.is_reply and (s.payload or s.is_reset) for s in passed):
        return None
    ending = next((s for s in passed if s.flags & (TCP_FIN | TCP_RST) and s.frame > request.frame), None)
    if ending is not None and ending.is_reply:
        return None  # the server closed: `accepted-then-closed`
    last_ns = context.points[int(context.flows[row, schema.FLOW_POINT])].last or 0
    wait = (ending.time if ending else last_ns) - request.time
    is_one_request = request.time - first.time < MIN_WAIT_NS
    frames = [request.frame, acked.frame, *([ending.frame] if ending else [])]
    return _Unanswered(row, wait, frames) if wait >= MIN_WAIT_NS and is_one_request else None


def _finding(context: Context, server: str, port: int, requests: list[_Unanswered], answered: int) -> Finding:
    clients = sorted({source(context.flows[each.row]) for each in requests})
    longest = round(max(each.wait for each in requests) / 1e9, 1)
    evidence = {context.flow_evidence(each.row, frame) for each in requests for frame in each.frames}
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            server=endpoint_text(server, port), requests=len(requests), clients=several(clients), asking=len(clients),
            longest=longest,
            tls=TLS.fill() if port in TLS_PORTS else "", others=OTHERS.fill(answered=answered) if answered else "",
        ),
        FIX.fill(),
        {
            "server": server, "port": port, "requests": len(requests), "longest_s": longest, "answered": answered,
            "clients": clients[:MAX_EVIDENCE],
        },
        sorted(evidence)[:MAX_EVIDENCE],
    )  # fmt: skip

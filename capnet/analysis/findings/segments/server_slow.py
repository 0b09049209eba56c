"""server-slow: a server acknowledges requests at once and takes its time to answer.

Looks at: requests over TCP whose last byte is acknowledged within 200 ms, and whose answer begins after 1 s or later
and 20 times as late as the acknowledgment. Two such answers are needed, and a third of all answers of the service.
Longer than 20 s is a client that waits for news on purpose (long polling), as is a server that speaks first.
Says: how many answers of which server were slow, and how slow.
Wrong when: the program waits on purpose for less than 20 s.
Fix: look into the program: its log, the servers that it asks in turn, its CPU limit.
Verify: `curl -w '%{time_connect} %{time_starttransfer}'` on the server itself; `docker stats`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.transport.exchanges import exchanges
from capnet.analysis.facts.transport.tcp_connections import Segment, ahead, segments
from capnet.quick_tuple import NamedTuple

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault server-slow"
WITNESS = "pcaps/overlay-service.pcapng"  # requests that are answered within milliseconds
EXPLAINS = ()

PAGE_ZH = """服务器立即确认请求，而应答很慢。

检查：最后一个字节在 200 毫秒内被确认、应答在 1 秒以后才开始且比确认晚 20 倍的 TCP 请求。需要两个这样的应答，并占该
服务全部应答的三分之一。超过 20 秒是客户端有意等待消息（long polling），先发言的服务器也是如此。
结论：哪台服务器有多少个应答慢，有多慢。
误判：程序有意等待不到 20 秒。
处理：检查程序：日志、它所依赖的服务器、CPU 限制。
验证：在服务器上 `curl -w '%{time_connect} %{time_starttransfer}'`；`docker stats`。
"""

SAYS = Text(
    en="{server} acknowledged the requests of {clients} at once, and took more than 1 s for {slow} of "
    "{answers:answer}: median {median} s, longest {worst} s",
    zh="{server} 立即确认 {clients} 的请求，但 {answers} 个应答中有 {slow} 个用了 1 秒以上：中位数 {median} 秒，最长"
    " {worst} 秒",
)
FIX = Text(
    en="the network is not the cause: look into the program (its log, the servers and databases that it asks in turn, "
    "its CPU limit)",
    zh="原因不在网络：检查程序（日志、它所依赖的服务器和数据库、CPU 限制）",
)

MIN_WAIT_NS, MAX_WAIT_NS = 1_000_000_000, 20_000_000_000
MAX_ACK_NS = 200_000_000  # delayed acknowledgments come within 40 ms on Linux, 200 ms on Windows
MIN_FACTOR = 20  # of the time to the acknowledgment: the way there and back is no part of it
MIN_SLOW = 2  # answers: one alone may have been lost and repeated
MIN_SHARE = 1 / 3  # of the service's answers
MAX_SLOW = 1000  # examined one by one


class _Slow(NamedTuple):
    """A slow answer: of the client's flow row, how long it took, frames of request, acknowledgment and answer."""

    row: int
    wait: int  # ns
    frames: list[int]


def diagnose(context: Context) -> list[Finding]:
    turns, observations, flows = exchanges(context), context.observations, context.flows
    is_answered = turns.answer >= 0
    rows, requests, answers = (values[is_answered] for values in turns)
    waits = observations[answers, schema.OBS_TIME] - observations[requests, schema.OBS_TIME]
    slow: dict[tuple[str, int], list[_Slow]] = {}
    for number in np.flatnonzero((waits >= MIN_WAIT_NS) & (waits <= MAX_WAIT_NS)).tolist()[:MAX_SLOW]:
        row = int(rows[number])
        frames = [int(observations[index, schema.OBS_FRAME]) for index in (requests[number], answers[number])]
        acked = _acknowledgment(segments(context, row), *frames)
        if acked:
            service = destination(flows[row]), int(flows[row, schema.FLOW_DPORT])
            slow.setdefault(service, []).append(_Slow(row, int(waits[number]), [frames[0], acked.frame, frames[1]]))
    findings = []
    for (server, port), of_service in sorted(slow.items()):
        of_port = np.flatnonzero(flows[rows, schema.FLOW_DPORT] == port)
        answered = sum(destination(flows[row]) == server for row in rows[of_port].tolist())
        if len(of_service) >= max(MIN_SLOW, MIN_SHARE * answered):
            findings.append(_finding(context, server, port, of_service, answered))
    return findings


def _acknowledgment(passed: list[Segment], request_frame: int, answer_frame: int) -> Segment | None:
    """The segment without payload that acknowledges a request soon, if there is one before the answer."""
    between = [segment for segment in passed if request_frame <= segment.frame <= answer_frame]
    if not between or between[-1].frame != answer_frame:
        return None
    request, answer = between[0], between[-1]
    for segment in between:
        if segment.is_reply and not segment.payload and ahead(segment.ack, request.end) >= 0:
            delay = segment.time - request.time
            is_soon = delay <= MAX_ACK_NS and answer.time - request.time >= MIN_FACTOR * delay
            return segment if is_soon else None
    return None


def _finding(context: Context, server: str, port: int, slow: list[_Slow], answers: int) -> Finding:
    waits = sorted(each.wait for each in slow)
    median, worst = (round(wait / 1e9, 1) for wait in (waits[len(waits) // 2], waits[-1]))
    clients = sorted({source(context.flows[each.row]) for each in slow})
    evidence = {context.flow_evidence(each.row, frame) for each in slow for frame in each.frames}
    firsts = context.first_frames([each.row for each in slow])
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            server=f"{server}:{port}", slow=len(slow), answers=answers, clients=several(clients), median=median,
            worst=worst,
        ),
        FIX.fill(),
        {
            "server": server, "port": port, "answers": answers, "slow": len(slow), "median_s": median,
            "worst_s": worst, "clients": clients[:MAX_EVIDENCE],
        },
        [*sorted(evidence), *sorted(firsts)],
    )  # fmt: skip

"""server-slow: a server acknowledges requests at once and takes its time to answer.

Looks at: requests over TCP whose last byte is acknowledged within 200 ms, and whose answer begins after 1 s or later
and 20 times as late as the acknowledgment. Two such answers are needed, and a third of all answers of the service. Not:
- answers after more than 20 s: a client that waits for news on purpose (long polling), as a server that speaks first;
- connections whose ends do not wait for each other: a quarter of the messages follow, after a second, one of the same
  end; or the server speaks at even intervals, and what the client sends are answers at once, or as short as heartbeats;
- protocols that know no requests (BGP, LDP, MSDP: each router announces by timers of its own);
- Redis and beanstalkd by their ports, whose clients wait for an item on purpose (`BLPOP`, `reserve`), unless several
  connections get their late answers in one moment: these servers do one thing at a time, and what is slow holds up all;
- a single connection with short messages alone, all of them late: it may be two people who type.
Says: how many answers of which server were slow, and how slow; for which other server it waited meanwhile, if the
capture shows that (`facts.streams.upstreams`). Where that one is slow itself, it is told instead, with those that
wait for it.
Wrong when: the program waits on purpose for less than 20 s.
Fix: look into the program: its log, the servers that it asks in turn, its CPU limit.
Verify: `curl -w '%{time_connect} %{time_starttransfer}'` on the server itself; `docker stats`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.streams.upstreams import Upstream, Wait, clue_of, upstream_of
from capnet.analysis.facts.transport.exchanges import Exchanges, exchanges, unprompted_messages
from capnet.analysis.facts.transport.tcp_connections import Segment, ahead, segments
from capnet.quick_tuple import NamedTuple

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault server-slow"
WITNESS = "pcaps/overlay-service.pcapng"  # requests that are answered within milliseconds
EXPLAINS = ()

PAGE_ZH = """服务器立即确认请求，而应答很慢。

检查：最后一个字节在 200 毫秒内被确认、应答在 1 秒以后才开始且比确认晚 20 倍的 TCP 请求。需要两个这样的应答，并占该服
务全部应答的三分之一。不包括：
- 超过 20 秒的应答：客户端有意等待消息（long polling），先发言的服务器也是如此；
- 两端并不互相等待的连接：四分之一的消息在一秒之后紧跟同一端的上一条消息；或服务器按固定间隔发言，而客户端发送的是立即
  的应答，或短如心跳；
- 没有请求的协议（BGP、LDP、MSDP：每台路由器按自己的定时器通告）；
- Redis 和 beanstalkd（按端口），其客户端有意等待新项（`BLPOP`、`reserve`），除非几个连接在同一时刻得到迟到的应答：这些
  服务器一次只做一件事，慢的请求会耽误所有连接；
- 只有短消息、且全都很晚的单个连接：可能是两个人在打字。
结论：哪台服务器有多少个应答慢，有多慢；如果抓包能显示，还有它期间在等待哪台服务器（`facts.streams.upstreams`）。如果那
台服务器自己也慢，则改为报告它，并列出在等待它的服务器。
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
    en="the network up to {server} is not the cause: look into the program (its log, the servers and databases that it "
    "asks in turn, its CPU limit)",
    zh="原因不在到 {server} 的网络：检查程序（日志、它所依赖的服务器和数据库、CPU 限制）",
)
WAITING = Text(
    en="; {services} {count:waits|wait} for it, and {count:answers|answer} as late",
    zh="；{services}（{count} 个）在等待它，应答同样慢",
)

MIN_WAIT_NS, MAX_WAIT_NS = 1_000_000_000, 20_000_000_000
MAX_ACK_NS = 200_000_000  # delayed acknowledgments come within 40 ms on Linux, 200 ms on Windows
MIN_FACTOR = 20  # of the time to the acknowledgment: the way there and back is no part of it
MIN_SLOW = 2  # answers: one alone may have been lost and repeated
MIN_SHARE = 1 / 3  # of the service's answers
MAX_SLOW = 1000  # examined one by one
MIN_UNPROMPTED = 1 / 4  # of a connection's requests; else one message may be a goodbye after an idle time
MIN_EVEN, MIN_EVEN_SHARE, EVEN = 4, 2 / 3, 0.03  # intervals between answers; of them; how far from their median
MAX_THINKING_NS = 200_000_000  # of a client that answers: programs that ask again take their time
MAX_HEARTBEAT, MAX_TYPED = 64, 200  # octets of a message
PEER_PORTS = (179, 639, 646)  # BGP, MSDP, LDP
QUEUE_PORTS = (6379, 11300)  # Redis, beanstalkd
MAX_UPSTREAM_FRAMES = 2  # as evidence: it is about the late answers first
MAX_TOGETHER_NS = 100_000_000  # between answers to those that a server with one thread held up

_Service = tuple[str, int]  # address and port


class _Slow(NamedTuple):
    """A slow answer: of the client's flow row, how long it took, frames of request, acknowledgment and answer."""

    row: int
    wait: int  # ns
    answered: int  # ns, when the answer began
    octets: int  # of the longer one of the last segment of the request and the first one of the answer
    frames: list[int]


def diagnose(context: Context) -> list[Finding]:
    turns, observations, flows = exchanges(context), context.observations, context.flows
    is_answered = turns.answer >= 0
    rows, requests, answers = (values[is_answered] for values in turns)
    waits = observations[answers, schema.OBS_TIME] - observations[requests, schema.OBS_TIME]
    is_slow = (waits >= MIN_WAIT_NS) & (waits <= MAX_WAIT_NS)
    is_slow &= ~np.isin(flows[rows, schema.FLOW_DPORT], PEER_PORTS)
    is_left_out = np.zeros(len(flows), dtype=bool)
    is_left_out[_without_waiting(context, turns, distinct(rows[np.flatnonzero(is_slow)[:MAX_SLOW]]))] = True
    slow: dict[_Service, list[_Slow]] = {}
    row, passed, positions = -1, list[Segment](), dict[int, int]()
    for number in np.flatnonzero(is_slow & ~is_left_out[rows]).tolist()[:MAX_SLOW]:
        if rows[number] != row:  # its requests follow each other, and a connection may have thousands
            row = int(rows[number])
            passed = segments(context, row)
            positions = {segment.frame: position for position, segment in enumerate(passed)}
        frames = [int(observations[index, schema.OBS_FRAME]) for index in (requests[number], answers[number])]
        begin, last = (positions.get(frame, -1) for frame in frames)
        acked = _acknowledgment(passed[begin : last + 1]) if 0 <= begin < last else None
        if acked:
            service = destination(flows[row]), int(flows[row, schema.FLOW_DPORT])
            octets = int(observations[[requests[number], answers[number]], schema.OBS_BYTES].max())
            answered_ns = int(observations[answers[number], schema.OBS_TIME])
            each = _Slow(row, int(waits[number]), answered_ns, octets, [frames[0], acked.frame, frames[1]])
            slow.setdefault(service, []).append(each)
    services: dict[_Service, tuple[list[_Slow], int]] = {}
    for (server, port), of_service in sorted(slow.items()):
        of_port = np.flatnonzero((flows[rows, schema.FLOW_DPORT] == port) & ~is_left_out[rows])
        answered = sum(destination(flows[row]) == server for row in rows[of_port].tolist())
        is_typed = len(of_service) == answered and len({each.row for each in of_service}) == 1
        is_typed = is_typed and all(each.octets <= MAX_TYPED for each in of_service)
        if port in QUEUE_PORTS:
            of_service = _held_up_together(of_service)
        if len(of_service) >= max(MIN_SLOW, MIN_SHARE * answered) and not is_typed:
            services[server, port] = of_service, answered
    upstreams = {service: upstream_of(context, _waits(of_service)) for service, (of_service, _) in services.items()}
    causes = {service: _cause(upstreams, service) for service in services}
    return [
        _finding(context, service, *services[service], upstreams[service], [*_waiting(causes, service)])
        for service in services
        if causes[service] == service
    ]


def _waits(slow: list[_Slow]) -> list[Wait]:
    return [Wait(each.row, each.answered - each.wait, each.answered) for each in slow]


def _cause(upstreams: dict[_Service, Upstream | None], service: _Service) -> _Service:
    """The slow service at the end of those that wait for each other; the service itself if it waits for none."""
    passed = {service}
    while (upstream := upstreams[service]) is not None and upstream.port is not None:
        following = (upstream.address, upstream.port)
        if following not in upstreams or following in passed:
            break
        passed.add(service := following)
    return service


def _waiting(causes: dict[_Service, _Service], service: _Service) -> Iterator[str]:
    """The other services that wait for this one."""
    return (endpoint_text(*other) for other, cause in causes.items() if cause == service and other != service)


def _held_up_together(slow: list[_Slow]) -> list[_Slow]:
    """Those whose answer comes in one moment with that of another connection."""
    return [
        each
        for each in slow
        if any(other.row != each.row and abs(other.answered - each.answered) <= MAX_TOGETHER_NS for other in slow)
    ]


def _without_waiting(context: Context, turns: Exchanges, rows: FlowRows) -> list[int]:
    """Which of these connections are of ends that do not wait for each other's answers: timers, or people."""
    if not len(rows):
        return []
    begin, end = (np.searchsorted(turns.client, rows, side) for side in ("left", "right"))
    is_unprompted = unprompted_messages(context, rows) >= np.maximum(1, MIN_UNPROMPTED * (end - begin))
    return [
        row
        for row, is_by_itself, first, last in zip(rows.tolist(), is_unprompted, begin, end, strict=True)
        if is_by_itself or _is_paced(context, Exchanges(*(values[first:last] for values in turns)))
    ]


def _is_paced(context: Context, turns: Exchanges) -> bool:
    """Does the server of one connection speak at even intervals by itself, and the client answer it?"""
    turns = Exchanges(*(values[turns.answer >= 0] for values in turns))
    asked, answered = (context.observations[indexes] for indexes in (turns.request, turns.answer))
    intervals = np.diff(answered[:, schema.OBS_TIME])
    is_late = intervals >= MIN_WAIT_NS
    if np.count_nonzero(is_late) < MIN_EVEN:
        return False
    middle = np.median(intervals[is_late])
    if np.mean(np.abs(intervals[is_late] - middle) <= EVEN * middle) < MIN_EVEN_SHARE:
        return False
    thinking = (asked[1:, schema.OBS_TIME] - answered[:-1, schema.OBS_TIME])[is_late]
    octets = np.maximum(asked[1:, schema.OBS_BYTES], answered[1:, schema.OBS_BYTES])[is_late]
    return bool(np.median(thinking) <= MAX_THINKING_NS or np.median(octets) <= MAX_HEARTBEAT)


def _acknowledgment(between: list[Segment]) -> Segment | None:
    """The segment without payload that acknowledges a request soon, if there is one before the answer, the last one."""
    request, answer = between[0], between[-1]
    for segment in between:
        if segment.is_reply and not segment.payload and ahead(segment.ack, request.end) >= 0:
            delay = segment.time - request.time
            is_soon = delay <= MAX_ACK_NS and answer.time - request.time >= MIN_FACTOR * delay
            return segment if is_soon else None
    return None


def _finding(
    context: Context,
    service: _Service,
    slow: list[_Slow],
    answers: int,
    upstream: Upstream | None,
    waiting: list[str],
) -> Finding:
    server, port = service
    waits = sorted(each.wait for each in slow)
    median, worst = (round(wait / 1e9, 1) for wait in (waits[len(waits) // 2], waits[-1]))
    clients = sorted({source(context.flows[each.row]) for each in slow})
    evidence = {context.flow_evidence(each.row, frame) for each in slow for frame in each.frames}
    firsts = context.first_frames([each.row for each in slow])
    says = SAYS.fill(
        server=endpoint_text(server, port), slow=len(slow), answers=answers, clients=several(clients), median=median,
        worst=worst,
    )  # fmt: skip
    facts: dict[str, object] = {
        "server": server, "port": port, "answers": answers, "slow": len(slow), "median_s": median, "worst_s": worst,
        "clients": clients[:MAX_EVIDENCE],
    }  # fmt: skip
    fix = FIX.fill(server=endpoint_text(server, port))
    if upstream:
        clue = clue_of(upstream, endpoint_text(server, port))
        says, fix, facts = says + clue.says, clue.fix, {**facts, **clue.facts}
        evidence |= set(context.first_frames(upstream.rows[:MAX_UPSTREAM_FRAMES]))
    if waiting:
        says += WAITING.fill(services=several(waiting), count=len(waiting))
    return Finding(NAME, "warning", says, fix, facts, [*sorted(evidence), *sorted(firsts)])

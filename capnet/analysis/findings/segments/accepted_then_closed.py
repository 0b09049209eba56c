"""accepted-then-closed: connections are accepted and closed again without a single byte.

Looks at: TCP connections that are accepted, and that the accepting side closes or resets within 5 s before it sends
anything; so do all its connections on this port. Two are needed, or one during which the accepting host is itself
refused a connection: docker-proxy accepts before it asks the container, and passes its refusal on in this way. A reset
with a TTL that the host cannot have is not its own (`reset-in-session`). Where the request was sent again, and the end
acknowledges nothing of it, it did not arrive.
Says: how many connections, and which one was refused at that time.
Wrong when: the program closes on purpose, as one that refuses by the client's address.
Fix: let the program in the container listen on the published port, and on 0.0.0.0 instead of 127.0.0.1. At a port of
TLS, plain HTTP is closed like this, too: ask https://.
Verify: `nsenter -t PID -n ss -ltn` in the container; `docker port NAME`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import (
    INITIAL_TTLS,
    destination,
    is_loopback,
    is_private,
    replies,
    reply_values,
)
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows, FlowTable, Mask
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.transport.tcp_connections import (
    MAX_CONNECTIONS,
    Segment,
    ahead,
    has_segments,
    is_foreign_ttl,
    is_tcp_with,
    segments,
    server_ttls,
    spoken,
)
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, TCP_SYN_ACK, TLS_PORTS

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault accepted-then-closed"
WITNESS = "pcaps/bridge-hairpin.pcapng"  # connections through docker-proxy that carry data
EXPLAINS = ("reset-in-session", "connection-refused")

PAGE_ZH = """连接被接受，随后一个字节也没有发送就关闭。

检查：被接受的 TCP 连接，接受方在发送任何数据之前 5 秒内关闭或重置它；该端口上的所有连接都是如此。需要两个这样的连
接，或者一个，且其间接受方主机自己的一个连接被拒绝：docker-proxy 先接受再询问容器，并以这种方式转达容器的拒绝。TTL 不
可能属于该主机的 reset 不是它发的（`reset-in-session`）。请求被重发，而结束的段没有确认其中任何字节时，请求没有到达。
结论：有多少个连接，当时是哪一个被拒绝。
误判：程序有意关闭，例如按客户端地址拒绝。
处理：让容器中的程序在所发布的端口上监听，地址用 0.0.0.0，而不是 127.0.0.1。在使用 TLS 的端口上，明文 HTTP 也会这样被关
闭：改用 https://。
验证：在容器中 `nsenter -t PID -n ss -ltn`；`docker port NAME`。
"""

SAYS = Text(
    en="{server} accepted {connections:connection} and closed each without a single byte ({how}){refused}",
    zh="{server} 接受了 {connections} 个连接，一个字节也没有发送就关闭了（{how}）{refused}",
)
RESET = Text(en="RST after the request", zh="请求之后 RST")
OR = Text(en=" or ", zh=" 或 ")
CLOSED = Text(en="FIN", zh="FIN")
REFUSED = Text(
    en="; meanwhile {address} refused a connection to port {port}", zh="；同时 {address} 拒绝了到端口 {port} 的一个连接"
)
FIX = Text(
    en="look at the log of what accepts; if that is docker-proxy or a balancer, nothing listens behind it: let the "
    "program listen on the port that is published, on 0.0.0.0 instead of 127.0.0.1",
    zh="查看接受连接的程序的日志；如果它是 docker-proxy 或负载均衡，它后面没有程序在监听：让程序在所发布的端口上监听"
    " 0.0.0.0，而不是 127.0.0.1",
)
BACKEND_FIX = Text(
    en="let the program in {address} listen on port {port}, on 0.0.0.0 instead of 127.0.0.1, or publish the port it "
    "really listens on: what accepts here (docker-proxy, a balancer) only passes connections on",
    zh="让 {address} 中的程序在端口 {port} 上监听 0.0.0.0（而不是 127.0.0.1），或发布它实际监听的端口：这里接受连接的"
    "（docker-proxy、负载均衡）只是转交连接",
)
ELSEWHERE_FIX = Text(
    en="look at the log of what accepts: it refuses these clients or requests, or nothing listens behind it",
    zh="查看接受连接的程序的日志：它拒绝这些客户端或请求，或者它后面没有程序在监听",
)
HTTP_FIX = Text(
    en="; the requests are plain HTTP, and TLS is usual at port {port}: try https://, since many servers that speak "
    "TLS close plain connections without an answer",
    zh="；这些请求是明文 HTTP，而端口 {port} 通常使用 TLS：请试 https://，因为许多使用 TLS 的服务器会不应答就关闭明文"
    "连接",
)

MAX_DELAY_NS = 5_000_000_000  # a connect to a dead container fails after 3 s (three ARP requests); time-outs are longer
MIN_CONNECTIONS = 2


class _Closed(NamedTuple):
    """A connection that the accepting side ended without bytes. Times in ns."""

    row: int
    accepted: int
    closed: int
    is_reset: bool
    is_foreign: bool  # something on the way sent the reset
    frames: list[int]


def diagnose(context: Context) -> list[Finding]:
    if not has_segments(context):
        return []
    flows, answers = context.flows, replies(context)
    is_accepted = is_tcp_with(context, TCP_SYN) & (answers >= 0) & (flow_links(context).after < 0)
    is_accepted &= (flows[:, schema.FLOW_SYNS] > 0) & (reply_values(context, schema.FLOW_SYNACK_TIME) >= 0)
    rows = np.flatnonzero(is_accepted)
    has_octets = flows[answers[rows], schema.FLOW_PAYLOAD] > 0
    is_ended = flows[answers[rows], schema.FLOW_TCP_FLAGS] & (TCP_FIN | TCP_RST) != 0
    if not (is_ended & ~has_octets).any():
        return []
    services = hash_of(flows, _SERVICE, rows)
    rows = rows[~is_among(services, services[has_octets | ~is_ended])]  # all connections of these services ended so
    by_service: dict[tuple[int, str, int], list[int]] = {}
    for row in rows.tolist()[:MAX_CONNECTIONS]:
        key = int(flows[row, schema.FLOW_POINT]), destination(flows[row]), int(flows[row, schema.FLOW_DPORT])
        by_service.setdefault(key, []).append(row)
    findings = []
    for (_, server, port), of_service in sorted(by_service.items()):
        closed = [_closed(context, row) for row in of_service]
        ended = [each for each in closed if each]
        refusals = _refusals_meanwhile(context, ended)
        if any(each.is_foreign for each in ended):
            continue  # a middlebox resets: `reset-in-session`
        if len(ended) == len(closed) and (len(ended) >= MIN_CONNECTIONS or refusals):
            findings.append(_finding(context, server, port, ended, refusals))
    return findings


_FROM = schema.FLOW_SRC
_TO = schema.FLOW_DST
_SERVER = schema.FLOW_DST_END
_SERVICE = [schema.FLOW_POINT, *_SERVER]


def _closed(context: Context, row: int) -> _Closed | None:
    passed = segments(context, row)
    accepted = next((s for s in passed if s.is_reply and s.flags & TCP_SYN_ACK == TCP_SYN_ACK), None)
    ending = next((s for s in passed if s.flags & (TCP_FIN | TCP_RST)), None)
    if accepted is None or ending is None or not ending.is_reply or ahead(ending.seq, accepted.end) > 0:
        return None  # by its number it follows octets that were not recorded
    requests = [s for s in spoken(passed) if not s.is_reply and s.frame < ending.frame]
    start = requests[-1] if requests else accepted
    if ending.time - start.time > MAX_DELAY_NS or not _is_completed(passed, accepted):
        return None
    if _lacks_request(requests, ending):
        return None  # it has waited in vain
    frames = [accepted.frame, *(s.frame for s in requests[:1]), ending.frame]
    own = [s.ttl for s in passed if s.is_reply and not s.is_reset]
    is_foreign = ending.is_reset and ending.ttl not in own
    is_foreign = is_foreign and is_foreign_ttl(ending.ttl, server_ttls(context, int(replies(context)[row]), own))
    return _Closed(row, accepted.time, ending.time, ending.is_reset, is_foreign, frames)


def _lacks_request(requests: list[Segment], ending: Segment) -> bool:
    """Does the last segment of the accepting side acknowledge nothing of a request that was sent again?"""
    is_repeated = len(requests) > 1 and requests[1].seq == requests[0].seq
    return is_repeated and bool(ending.flags & TCP_ACK) and ahead(ending.ack, requests[0].seq) <= 0


def _is_completed(passed: list[Segment], accepted: Segment) -> bool:
    """Did the client complete the handshake?"""
    return any(not s.is_reply and not s.is_reset and s.ack == accepted.end for s in passed)


def _refusals_meanwhile(context: Context, closed: list[_Closed]) -> list[int]:
    """Flow rows of the host's own connections to one service that were refused, each while one of these was open."""
    flows, answers = context.flows, replies(context)
    is_refused = is_tcp_with(context, TCP_SYN) & (answers >= 0) & (flows[:, schema.FLOW_SYNS] > 0)
    is_refused &= (reply_values(context, schema.FLOW_TCP_FLAGS) & TCP_RST != 0) & (
        reply_values(context, schema.FLOW_SYNACK_TIME) < 0
    )
    rows = np.flatnonzero(is_refused)[:MAX_CONNECTIONS]
    meanwhile = rows[_are_meanwhile(flows, rows, closed)]
    return meanwhile[(flows[meanwhile[:, None], _SERVER] == flows[meanwhile[:1, None], _SERVER]).all(axis=1)].tolist()


def _are_meanwhile(flows: FlowTable, rows: FlowRows, closed: list[_Closed]) -> Mask:
    """For each flow: did the accepting host open it to another one while one of these connections was open?"""
    result = np.zeros(len(rows), dtype=bool)
    first = flows[rows, schema.FLOW_FIRST]
    is_inside = _are_inside(flows, rows)
    for each in closed:
        is_meanwhile = (each.accepted <= first) & (first <= each.closed)
        for end in (_FROM, _TO):
            is_meanwhile &= (flows[rows[:, None], end] != flows[each.row, end]).any(axis=1)
        # From the accepted address; or from another interface of the host, as docker-proxy's from its bridge.
        is_own = (flows[rows[:, None], _FROM] == flows[each.row, _TO]).all(axis=1)
        is_elsewhere = flows[rows, schema.FLOW_POINT] != flows[each.row, schema.FLOW_POINT]
        is_same_card = flows[rows, schema.FLOW_SMAC] == flows[each.row, schema.FLOW_DMAC]
        result |= is_meanwhile & (is_own | (is_inside & (is_elsewhere | is_same_card)))
    return result


def _are_inside(flows: FlowTable, rows: FlowRows) -> Mask:
    """For each flow: does it begin at its point, and go to a private or loopback address?"""
    mask: Mask = is_one_of(flows[rows, schema.FLOW_TTL], INITIAL_TTLS)
    to = flows[rows]
    is_local = is_loopback(to[:, schema.FLOW_DST_HI], to[:, schema.FLOW_DST_LO])
    return mask & (is_local | np.array([is_private(destination(row)) for row in to], dtype=bool))


def _may_await_tls(context: Context, port: int, closed: list[_Closed]) -> bool:
    """Are all requests plain HTTP, to a port at which servers usually speak TLS?"""
    if port not in TLS_PORTS:
        return False
    from capnet.analysis.facts.streams.openings import is_http_request, stream_starts  # most ports are others

    starts = [stream_starts(context).get(of.row) for of in closed]
    return all(start is not None and is_http_request(start.octets) for start in starts)


def _finding(context: Context, server: str, port: int, closed: list[_Closed], refusals: list[int]) -> Finding:
    flows = context.flows
    evidence = [context.flow_evidence(each.row, frame) for each in closed for frame in each.frames]
    shown = evidence[: MAX_EVIDENCE - 1]
    refused = ""
    facts: dict[str, object] = {"server": server, "port": port, "connections": len(closed)}
    if refusals:
        address, refused_port = destination(flows[refusals[0]]), int(flows[refusals[0], schema.FLOW_DPORT])
        refused = REFUSED.fill(address=address, port=refused_port)
        facts |= {"refused_by": address, "refused_port": refused_port}
        refused_frames = context.first_frames(refusals)
        shown, evidence = [*shown, refused_frames[0]], [*evidence, *refused_frames]
    resets = sum(each.is_reset for each in closed)
    how = OR.fill().join(words.fill() for words, count in ((RESET, resets), (CLOSED, len(closed) - resets)) if count)
    says = SAYS.fill(server=endpoint_text(server, port), connections=len(closed), how=how, refused=refused)
    fix = (FIX if shows_containers(context) else ELSEWHERE_FIX).fill()
    if _may_await_tls(context, port, closed):
        fix += HTTP_FIX.fill(port=port)
    if refusals:
        fix = BACKEND_FIX.fill(address=address, port=refused_port)
    return Finding(NAME, "warning", says, fix, facts, [*sorted(shown), *evidence])

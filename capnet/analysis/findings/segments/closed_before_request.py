"""closed-before-request: a server closed an idle connection, and the next request came too late.

Looks at: TCP connections that carried an answered request and were quiet then. The server sends FIN; a request of the
client that it had not got by then meets a reset. A proxy answers 502 to its own client in that case. No request is a
short message that the client closes after (an alert of TLS), nor a keep-alive probe.
Says: which server, after how long a pause, how many requests of whom. Information where it is a single one.
Wrong when: the client means to go on sending after the server closed its side, which HTTP does not.
Fix: the side that asks must give up idle connections before the side that answers does.
Verify: compare the keep-alive timeouts of both programs.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, reply_values, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.tcp_connections import (
    MAX_CONNECTIONS,
    Segment,
    ahead,
    is_tcp_with,
    segments,
    spoken,
)
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP_FIN, TCP_RST, TCP_SYN

NAME = finding_name(__name__)
LEVELS = ("warning", "info")  # info: a single request, which programs send again
SCENARIO = None  # the clients of the scenarios close their connections themselves
WITNESS = "pcaps/bridge.pcapng"  # connections that are closed after their answers
EXPLAINS = ("reset-in-session", "retransmissions")

PAGE_ZH = """服务器关闭了空闲连接，下一个请求来得太晚。

检查：有过带应答的请求、随后安静下来的 TCP 连接。服务器发送 FIN；它此时还没有收到的一个请求得到 reset。这种情况下代理会
给它自己的客户端返回 502。客户端发送后随即关闭的短消息（TLS 警报）和 keep-alive 探测都不算请求。
结论：哪台服务器，停顿多久之后，谁的多少个请求。只有一个请求时仅供参考。
误判：客户端有意在服务器关闭它那一侧之后继续发送，HTTP 不会这样。
处理：发出请求的一侧必须比应答的一侧更早放弃空闲连接。
验证：比较两个程序的 keep-alive 超时。
"""

SAYS = Text(
    en="{server} closed {requests:connection} of {clients} after {pause} s without a request, and the next request "
    "came too late: it was reset",
    zh="{server} 在 {pause} 秒没有请求之后关闭了 {clients} 的 {requests} 个连接，下一个请求来得太晚，被 reset",
)
FIX = Text(
    en="let {client} give up idle connections sooner than the server does, or let the server keep them longer: the "
    "keep-alive timeout of the server must exceed that of the proxy or pool in front of it",
    zh="让 {client} 比服务器更早放弃空闲连接，或让服务器保留得更久：服务器的 keep-alive "
    "超时必须大于它前面的代理或连接池的超时",
)

MIN_PAUSE_NS = 500_000_000  # a server that closes at once after each answer keeps nothing alive
MAX_FAREWELL = 100  # octets: an alert "close notify" of TLS (RFC 8446 section 6.1) has 24 to 40
MAX_FAREWELL_NS = 20_000_000  # before the FIN
MAX_FINDINGS = 20


class _Late(NamedTuple):
    """A request that met the closing of its connection."""

    row: int
    pause: int  # ns, from the last octets to the FIN
    frames: list[int]  # of the FIN, the request and the reset


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    is_candidate = is_tcp_with(context, TCP_SYN) & (replies(context) >= 0) & (flow_links(context).before < 0)
    # A SYN-ACK has SYN, too: the row is to be that of the end that asked for the connection.
    is_candidate &= (flows[:, schema.FLOW_SYNS] > 0) & (flows[:, schema.FLOW_PAYLOAD] > 0)
    flags = reply_values(context, schema.FLOW_TCP_FLAGS)
    is_candidate &= (flags & TCP_FIN > 0) & (flags & TCP_RST > 0)
    groups: dict[tuple[tuple[int, int], int], list[_Late]] = {}
    for row in np.flatnonzero(is_candidate).tolist()[:MAX_CONNECTIONS]:
        late = _late_request(row, segments(context, row))
        if late:
            key = address_value(destination(flows[row])), int(flows[row, schema.FLOW_DPORT])
            groups.setdefault(key, []).append(late)
    return [_finding(context, groups[key]) for key in sorted(groups)][:MAX_FINDINGS]


def _late_request(row: int, passed: list[Segment]) -> _Late | None:
    """The request that the server had not got when it closed, if it was reset."""
    fin = next((segment for segment in passed if segment.is_reply and segment.flags & TCP_FIN), None)
    if fin is None or fin.payload > MAX_FAREWELL:
        return None
    messages = spoken(passed)
    carried = [segment for segment in messages if segment.time < fin.time and not _is_farewell(segment, fin)]
    was_answered = any(segment.is_reply for segment in carried) and any(not segment.is_reply for segment in carried)
    request = next((s for s in messages if not s.is_reply and ahead(s.seq, fin.ack) == 0), None)
    answers = [segment for segment in carried if segment.is_reply]
    if request is None or not was_answered or fin.time - answers[-1].time < MIN_PAUSE_NS:
        return None
    reset = next((s for s in passed if s.is_reply and s.is_reset and s.time >= max(request.time, fin.time)), None)
    closing = next((s for s in passed if not s.is_reply and s.flags & (TCP_FIN | TCP_RST)), None)
    if reset is None or (closing and (closing.time < max(request.time, fin.time) or _is_farewell(request, closing))):
        return None
    return _Late(row, fin.time - answers[-1].time, [fin.frame, request.frame, reset.frame])


def _is_farewell(segment: Segment, fin: Segment) -> bool:
    """Does the sender of a FIN (or reset) say with this segment that it closes, as by an alert of TLS?"""
    return (
        segment.is_reply == fin.is_reply
        and segment.payload <= MAX_FAREWELL
        and 0 <= fin.time - segment.time <= MAX_FAREWELL_NS
    )


def _finding(context: Context, late: list[_Late]) -> Finding:
    flows, first = context.flows, context.flows[late[0].row]
    clients = sorted({source(flows[request.row]) for request in late}, key=address_value)
    server, pause = endpoint_text(destination(first), int(first[schema.FLOW_DPORT])), min(r.pause for r in late) / 1e9
    return Finding(
        NAME,
        "warning" if len(late) > 1 else "info",
        SAYS.fill(server=server, requests=len(late), clients=several(clients), pause=f"{pause:.1f}"),
        FIX.fill(client=clients[0]),
        {
            "server": destination(first), "port": int(first[schema.FLOW_DPORT]), "clients": clients[:MAX_EVIDENCE],
            "requests": len(late), "pause_s": round(pause, 1),
        },
        sorted(context.flow_evidence(request.row, frame) for request in late for frame in request.frames),
    )  # fmt: skip

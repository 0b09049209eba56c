"""tls-mismatch: one end of connections speaks TLS, and the other one plain text.

Looks at: the first octets of both ends of TCP connections (`facts.streams.openings`). Plain text meets TLS: the client
sends no record of TLS, and the server answers with an alert of TLS, or with "400 Bad Request" that names HTTPS; or it
closes, and its sequence numbers show that it sent nothing, as with all plain requests, and answers others with TLS. TLS
meets plain text: the client sends a ClientHello, and what the server sends is no record of TLS. Not where the server
speaks first and may turn to TLS then (NATS), nor a client that tries the other way within 5 s, as Docker does with
registries.
Says: which client sends what to which server, in how many connections, and what it gets.
Wrong when: a proxy on the way answers in the server's place, as one that blocks pages.
Fix: ask for the protocol that the port speaks, https:// or http://; a proxy has a setting for its backend.
Verify: `openssl s_client -connect SERVER:PORT` and `curl -v http://SERVER:PORT/` show which of them is answered.
"""

from __future__ import annotations

from bisect import bisect_left

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.streams.openings import (
    GREETINGS,
    HTTPS_HINTS,
    Opening,
    http_status,
    is_client_hello,
    is_http_request,
    is_server_hello,
    is_tls,
    is_tls_alert,
    openings,
)
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the servers of the scenarios speak plain text, and so do their clients
WITNESS = "pcaps/bridge.pcapng"  # plain text at both ends
EXPLAINS = ("accepted-then-closed", "closed-before-request", "reset-in-session", "request-unanswered")
READS = ("stream_starts",)

PAGE_ZH = """连接的一端使用 TLS，另一端使用明文。

检查：TCP 连接两端最先发送的字节（`facts.streams.openings`）。明文遇到 TLS：客户端发送的不是 TLS 记录，服务器以 TLS 警报
应答，或以提到 HTTPS 的 “400 Bad Request” 应答；或者服务器像对待所有明文请求那样关闭，序列号表明它什么也没有发送，而以
TLS 应答其他连接。TLS 遇到明文：客户端发送 ClientHello，而服务器发送的不是 TLS 记录。不包括服务器先发送、随后可能转为
TLS 的协议（NATS），也不包括 5 秒内改用另一种方式的客户端，Docker 对镜像仓库就是这样。
结论：哪个客户端向哪台服务器发送什么，在多少个连接中，得到了什么。
误判：途中的代理代替服务器应答，例如拦截网页的代理。
处理：使用该端口的协议：https:// 或 http://；代理有针对其后端的设置。
验证：`openssl s_client -connect SERVER:PORT` 和 `curl -v http://SERVER:PORT/` 显示哪一个得到应答。
"""

PLAIN = Text(
    en="{clients} sent {plain} to {server}, where TLS is spoken: {connections:connection} got {answer}",
    zh="{clients} 向使用 TLS 的 {server} 发送了{plain}：{connections} 个连接得到{answer}",
)
TLS = Text(
    en="{clients} began TLS with {server}, where plain text is spoken: {connections:ClientHello} got {answer}",
    zh="{clients} 向使用明文的 {server} 发起 TLS：{connections} 个 ClientHello 得到{answer}",
)
HTTP = Text(en="plain HTTP", zh="明文 HTTP 请求")
NO_TLS = Text(en="what is not TLS", zh="不是 TLS 的内容")
ALERT = Text(en="an alert of TLS", zh=" TLS 警报")
ASKS_FOR_HTTPS = Text(en="HTTP 400, which asks for HTTPS", zh=" HTTP 400，其中要求使用 HTTPS")
CLOSED = Text(
    en="no answer before the server closed, while {others:connection} with TLS {others:is|are} answered",
    zh="的不是应答，而是被服务器关闭，而 {others} 个 TLS 连接得到了应答",
)
STATUS = Text(en="HTTP {status} in plain text", zh="明文的 HTTP {status}")
GREETING = Text(en="a greeting in plain text ({protocol})", zh="明文的问候（{protocol}）")
TEXT = Text(en="what is not TLS", zh="不是 TLS 的内容")
FIX_PLAIN = Text(
    en="let {client} use TLS: https:// in its URL; a proxy or ingress needs it for its backend (`proxy_pass https://`, "
    "`backend-protocol: HTTPS`), a health check as well (`scheme: HTTPS`)",
    zh="让 {client} 使用 TLS：URL 用 https://；代理或 ingress 需要为其后端设置（`proxy_pass https://`、"
    "`backend-protocol: HTTPS`），健康检查也一样（`scheme: HTTPS`）",
)
FIX_TLS = Text(
    en="let {client} use plain text (http://, sslmode=disable, STARTTLS), or ask another port of the server; TLS may "
    "end at a proxy in front of it; else give the server a certificate and TLS on this port",
    zh="让 {client} 使用明文（http://、sslmode=disable、STARTTLS），或使用服务器的另一个端口；TLS 可能在它前面的代理处"
    "终止；否则在服务器的该端口上配置证书并启用 TLS",
)

MAX_RETRY_NS = 5_000_000_000  # a client that goes on in the other way, does so at once
MAX_FINDINGS = 20


def diagnose(context: Context) -> list[Finding]:
    by_service: dict[tuple[tuple[int, int], int], list[Opening]] = {}
    for opening in openings(context):
        flow = context.flows[opening.row]
        key = address_value(destination(flow)), int(flow[schema.FLOW_DPORT])
        by_service.setdefault(key, []).append(opening)
    findings = []
    for _, of_service in sorted(by_service.items()):
        for mismatches, is_right in ((_plain_at_tls(of_service), _is_tls), (_tls_at_plain(of_service), _is_plain)):
            right = [opening for opening in of_service if is_right(opening)]
            served = _begins(context, right)
            lasting = [opening for opening in mismatches if not _goes_on_otherwise(context, opening, served)]
            if lasting:
                findings.append(_finding(context, lasting, len(right)))
    return findings[:MAX_FINDINGS]


def _is_tls(opening: Opening) -> bool:
    return is_client_hello(opening.client) and is_server_hello(opening.server)


def _is_plain(opening: Opening) -> bool:
    is_either = is_tls(opening.client) or is_tls(opening.server)
    return bool(opening.client and opening.server) and not is_either and not _asks_for_https(opening)


def _asks_for_https(opening: Opening) -> bool:
    return http_status(opening.server) == 400 and any(words in opening.server for words in HTTPS_HINTS)


def _plain_at_tls(openings: list[Opening]) -> list[Opening]:
    """Connections to one service whose client does not speak TLS, and whose server does."""
    plain = [opening for opening in openings if opening.is_client_first and opening.client]
    plain = [opening for opening in plain if not is_tls(opening.client) and not _is_old_hello(opening.client)]
    answered = [
        opening
        for opening in plain
        if is_tls_alert(opening.server) or (is_http_request(opening.client) and _asks_for_https(opening))
    ]
    requests = [opening for opening in plain if is_http_request(opening.client)]
    are_all_closed = all(opening.is_ended_without_octets for opening in requests)
    return requests if are_all_closed and any(map(_is_tls, openings)) else answered


def _is_old_hello(octets: bytes) -> bool:
    """Is it a ClientHello in the form of SSL 2.0 (RFC 5246 appendix E.2)?"""
    return len(octets) > 2 and octets[0] & 0x80 != 0 and octets[2] == 1


def _tls_at_plain(openings: list[Opening]) -> list[Opening]:
    """Connections to one service whose client speaks TLS, and whose server does not."""
    return [
        opening
        for opening in openings
        if is_client_hello(opening.client)
        and opening.server
        and not is_tls(opening.server)
        and (opening.is_client_first or _greeting(opening))
    ]


def _greeting(opening: Opening) -> str | None:
    return next((name for start, name in GREETINGS.items() if opening.server.startswith(start)), None)


def _begins(context: Context, right: list[Opening]) -> dict[str, list[int]]:
    """Client → when its connections began that speak as the server does, in order [ns]."""
    begins: dict[str, list[int]] = {}
    for opening in right:
        flow = context.flows[opening.row]
        begins.setdefault(source(flow), []).append(int(flow[schema.FLOW_FIRST]))
    return {client: sorted(of_client) for client, of_client in begins.items()}


def _goes_on_otherwise(context: Context, opening: Opening, served: dict[str, list[int]]) -> bool:
    """Does the client connect again soon, and get on then?"""
    flow = context.flows[opening.row]
    begins, began = served.get(source(flow), []), int(flow[schema.FLOW_FIRST])
    following = bisect_left(begins, began)
    return following < len(begins) and begins[following] - began <= MAX_RETRY_NS


def _finding(context: Context, mismatches: list[Opening], right: int) -> Finding:
    first, flows = mismatches[0], context.flows
    flow, is_of_tls = flows[first.row], is_client_hello(first.client)
    clients = sorted({source(flows[opening.row]) for opening in mismatches}, key=address_value)
    server, port = destination(flow), int(flow[schema.FLOW_DPORT])
    is_http = all(is_http_request(opening.client) for opening in mismatches)
    says = (TLS if is_of_tls else PLAIN).fill(
        clients=several(clients), server=endpoint_text(server, port), connections=len(mismatches),
        plain=(HTTP if is_http else NO_TLS).fill(), answer=_answer(first, right),
    )  # fmt: skip
    return Finding(
        NAME,
        "warning",
        says,
        (FIX_TLS if is_of_tls else FIX_PLAIN).fill(client=clients[0]),
        {
            "server": server, "port": port, "clients": clients[:MAX_EVIDENCE], "connections": len(mismatches),
            "client_speaks": "tls" if is_of_tls else "http" if is_http else "other",
            "server_speaks": "plain text" if is_of_tls else "tls", "status": http_status(first.server),
        },
        [context.flow_evidence(opening.row, frame) for opening in mismatches for frame in opening.frames],
    )  # fmt: skip


def _answer(opening: Opening, right: int) -> str:
    """What the client gets."""
    if not opening.server:
        return CLOSED.fill(others=right)
    if is_tls_alert(opening.server):
        return ALERT.fill()
    if _asks_for_https(opening):
        return ASKS_FOR_HTTPS.fill()
    if greeting := _greeting(opening):
        return GREETING.fill(protocol=greeting)
    status = http_status(opening.server)
    return STATUS.fill(status=status) if status else TEXT.fill()

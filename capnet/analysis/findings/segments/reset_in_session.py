"""reset-in-session: connections are reset while something is still to be said.

Looks at: TCP connections that carried bytes and that neither side closed, when a reset comes: from the server that was
asked and has not answered; in the middle of an answer; or with a TTL that its sender's packets cannot have, so that
something between the hosts sent it: another initial TTL, or 2 hops from all of several that agree. No request is a
keep-alive probe, nor what a client sends that closes at once. Information where a short last message, on a connection
that was answered before, may have been a goodbye.
Says: which side reset how many connections of which service, after how many bytes, and where the reset appears first.
A RST without ACK is that of a host that has no such connection: the server was restarted, or is another one. A server
that answers a request before it has all of it, and closes, resets the rest.
Wrong when: the program breaks off on purpose.
Fix: read the log of the program that resets; if another host sends the reset, look at firewalls and balancers there.
Verify: `nstat -az TcpExtTCPAbortOnData TcpExtTCPAbortOnClose` on the host that resets.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.transport.resets import (
    FOREIGN,
    PARTING,
    UNANSWERED,
    UNFINISHED,
    UNKNOWN,
    Reset,
    session_resets,
)

NAME = finding_name(__name__)
LEVELS = ("warning", "info")  # info: the last message may have been a goodbye
SCENARIO = "fault reset-in-session"
WITNESS = "pcaps/bridge-hairpin.pcapng"  # connections that end by FIN
EXPLAINS = ("packet-loss", "retransmissions")

PAGE_ZH = """连接在还有内容要传时被重置。

检查：传过数据、双方都没有关闭、然后出现 reset 的 TCP 连接：来自已被请求而尚未应答的服务器；在应答中途；或 TTL 是其
发送者的包不可能有的，即由两台主机之间的设备发出：另一个初始 TTL，或与多个一致的值都相差 2 跳以上。keep-alive 探测
不算请求，随即关闭的客户端所发的内容也不算。在此前有过应答的连接上，最后一条短消息可能是告别，此时仅供参考。
结论：哪一方重置了哪个服务的多少个连接，在多少字节之后，reset 最先出现在哪里。没有 ACK 标志的 RST 来自没有这个连接的
主机：服务器重启过，或换了一个。服务器没有收完请求就应答并关闭时，会重置其余部分。
误判：程序有意中断。
处理：查看发出 reset 的程序的日志；如果由另一台主机发出，检查那里的防火墙和负载均衡。
验证：在发出 reset 的主机上 `nstat -az TcpExtTCPAbortOnData TcpExtTCPAbortOnClose`。
"""

_PARTLY = "partly"  # unanswered, of a server that had answered in the connection
SAYS = Text(
    en="{connections:connection} to {server} ended by a reset {why}, after {octets:byte}{birth}",
    zh="到 {server} 的 {connections} 个连接在 {octets} 字节之后以 reset 结束：{why}{birth}",
)
WHY = {
    UNANSWERED: Text(en="of the server before it answered", zh="服务器在应答之前发出"),
    _PARTLY: Text(
        en="of the server, which had answered before, but not the last {since:byte} of the client",
        zh="服务器发出，它此前有过应答，但没有应答客户端最后的 {since} 字节",
    ),
    UNKNOWN: Text(
        en="of the server's host before it answered: the RST has no ACK flag, so the host has no such connection",
        zh="服务器所在主机在应答之前发出：RST 没有 ACK 标志，即该主机没有这个连接",
    ),
    PARTING: Text(
        en="of the server at once after a short message of the client, a goodbye (QUIT, unbind) or a request",
        zh="服务器在客户端的一条短消息之后立即发出，该消息是告别（QUIT、unbind）或一个请求",
    ),
    UNFINISHED: Text(en="of {side} in the middle of an answer", zh="{side}在应答中途发出"),
    FOREIGN: Text(
        en="that {side} did not send itself (TTL {ttl}, its packets have {usual})",
        zh="不是{side}自己发出的（TTL {ttl}，而它的包是 {usual}）",
    ),
}
SERVER = Text(en="the server", zh="服务器")
CLIENT = Text(en="the client", zh="客户端")
BIRTH = Text(
    en="; it appears first at {after}, {before} does not show it", zh="；它最先出现在 {after}，{before} 上没有"
)
FIX = Text(
    en="read the log of the program on {host} at that time: it aborted, was killed, or hit a limit",
    zh="查看 {host} 上的程序当时的日志：它中止了、被杀死了，或达到了限制",
)
FIX_PARTING = Text(
    en="nothing, if clients say goodbye and close; if they miss an answer, read the log of the program on {host}",
    zh="如果客户端是告别后关闭，无需处理；如果它们缺少应答，查看 {host} 上的程序的日志",
)
FIX_EARLY = Text(
    en="look at what {host} answered, perhaps before it had the whole request (413, 401): let it read the rest before "
    "it closes (nginx: lingering_close), or allow so much (client_max_body_size); else read the log of that program",
    zh="查看 {host} 应答了什么，可能没有收完请求就已应答（413、401）：让它读完其余内容再关闭（nginx："
    "lingering_close），或允许这么大的请求（client_max_body_size）；否则查看那里的程序的日志",
)
MIN_UPLOAD = 10_000  # octets that the server did not answer: more than the head of a request
FIX_UNKNOWN = Text(
    en="check whether the server or its container was restarted, its address went to another one, or the connection "
    "was reset on its side; let clients connect again. A rule with REJECT --reject-with tcp-reset looks the same",
    zh="检查服务器或其容器是否重启过，地址是否给了别的容器，或连接在它那一侧是否已被重置；让客户端重新连接。带 REJECT "
    "--reject-with tcp-reset 的规则看起来一样",
)
FIX_FOREIGN = Text(
    en="look for what resets between the hosts: REJECT --reject-with tcp-reset, a firewall's session table, a "
    "balancer, or a host that translates and has lost the connection's entry (`conntrack -L`; a flush, a timeout)",
    zh="查找两台主机之间是什么在重置连接：REJECT --reject-with tcp-reset、防火墙的会话表、负载均衡，或做转换的主机"
    "丢失了该连接的表项（`conntrack -L`；被清空或超时）",
)


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[str, int, str, bool, bool], list[Reset]] = {}
    for reset in session_resets(context):
        flow = context.flows[reset.flow]
        server, column = (
            (source(flow), schema.FLOW_SPORT) if reset.is_by_server else (destination(flow), schema.FLOW_DPORT)
        )
        key = server, int(flow[column]), reset.why, reset.is_by_server, reset.since_answer > 0
        groups.setdefault(key, []).append(reset)
    return [_finding(context, *key[:3], resets) for key, resets in sorted(groups.items())]


def _finding(context: Context, server: str, port: int, why: str, resets: list[Reset]) -> Finding:
    first = resets[0]
    kind = _PARTLY if why == UNANSWERED and first.since_answer else why
    flow, side = context.flows[first.flow], SERVER if first.is_by_server else CLIENT
    usual = several([str(ttl) for ttl in first.usual_ttls])
    words = WHY[kind].fill(side=side.fill(), ttl=first.ttl, usual=usual, since=first.since_answer)
    names = [context.points[int(context.flows[row, schema.FLOW_POINT])].name for row in first.hops or ()]
    birth = BIRTH.fill(before=names[0], after=names[1]) if names else ""
    facts: dict[str, object] = {
        "server": server, "port": port, "by": source(flow), "why": why, "connections": len(resets),
        "octets": first.octets, "ttl": first.ttl,
    }  # fmt: skip
    if names:
        facts["first_at"], facts["not_at"] = names[1], names[0]
    evidence = {context.flow_evidence(reset.flow, frame) for reset in resets for frame in reset.frames}
    asked = [int(replies(context)[reset.flow]) if reset.is_by_server else reset.flow for reset in resets]
    firsts = context.first_frames(asked)
    fixes = {FOREIGN: FIX_FOREIGN, UNKNOWN: FIX_UNKNOWN, PARTING: FIX_PARTING}
    is_upload = kind == _PARTLY and first.since_answer >= MIN_UPLOAD
    fix = (FIX_EARLY if is_upload else fixes.get(why, FIX)).fill(host=source(flow))
    says = SAYS.fill(
        connections=len(resets), server=endpoint_text(server, port), why=words, octets=first.octets, birth=birth
    )
    return Finding(NAME, "info" if why == PARTING else "warning", says, fix, facts, [*sorted(evidence), *firsts])

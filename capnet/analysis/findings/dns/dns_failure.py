"""dns-failure: a name was not resolved.

Looks at: result codes in answers from UDP port 53 (RFC 1035 section 4.1.1); questions to a server that answers no
question, sent twice, a second or more before the capture ended; or questions that the server's host refuses by ICMP. An
answer counts from whichever address it comes, if it goes to the client's port. Not what is no DNS by its fields, nor a
server that a router cannot reach: `host-unreachable`.
Says: which name, and what the name server answered; or which server does not answer, and the container that the
questions reach. Names that only a search list tried count with the name behind them (`dns-search-storm`). Of a server
that does not answer by UDP, whether it does by TCP. Whether nothing at all that goes to the clients is recorded: the
capture may hold one direction only.
Wrong when: the answer took a way that was not captured, or the question was repeated over TCP.
Fix: correct the name; put containers that use each other's names on a user-defined network; or repair the name server
and the servers that it asks. A resolver at 127.0.0.53 of the host (systemd-resolved) is not in the container: give it
one by `--dns`.
Verify: `nsenter -t PID -n dig @SERVER NAME`.
"""

from __future__ import annotations

import numpy as np

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_multicast, replies, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.icmp_errors import icmp_errors
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.outcomes.silent_requests import nothing_comes_back
from capnet.analysis.facts.transport.dns_lookups import NO_SUCH_NAME, FailedAnswer, dns_lookups, failed_answers
from capnet.analysis.facts.transport.dns_search import searched_names
from capnet.analysis.facts.unreachable_hosts import unreachable_hosts
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import PORT_DNS, TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("info", "warning")
SCENARIO = "bridge"  # containers on Docker's default bridge have no names
WITNESS = "pcaps/bridge-user-defined.pcapng"  # Docker's DNS server answers
EXPLAINS = ()

PAGE_ZH = """一个名称没有解析成功。

检查：来自 UDP 端口 53 的应答中的结果码（RFC 1035 4.1.1 节）；发给一台不应答任何查询的服务器、在抓包结束一秒以前就已
发送两次的查询；或被服务器所在主机用 ICMP 拒绝的查询。应答无论来自哪个地址，只要发到客户端的端口就算。
从字段看不是 DNS 的，以及路由器到不了的服务器（`host-unreachable`），不算。
结论：哪个名称，名称服务器应答了什么；或哪台服务器不应答，以及查询到达了哪个容器。只由搜索域产生的名称计入其后的名称
（`dns-search-storm`）。不用 UDP 应答的服务器是否用 TCP 应答。是否没有记录任何发往客户端的包：抓包可能只有一个方向。
误判：应答走了没有抓包的路，或查询改用 TCP 重发。
处理：更正名称；把互相用名称访问的容器放到自定义网络上；或修复名称服务器及其上游。主机的 127.0.0.53（systemd-resolved）
不在容器中：用 `--dns` 给容器指定一个。
验证：`nsenter -t PID -n dig @SERVER NAME`。
"""

ANSWERED = Text(en="{servers} answered {code} about {query}", zh="{servers} 对 {query} 的应答是 {code}")
NO_SUCH_NAME_FIX = Text(
    en="check the name; on Docker's default bridge containers have no names: put them on a network of their own",
    zh="检查名称；在 Docker 默认网桥上容器没有名称：把它们放到自定义网络上",
)
NO_SUCH_NAME_ELSEWHERE_FIX = Text(
    en="check the name, and the search list of who asks", zh="检查名称，以及查询者的搜索域"
)
ANSWERED_FIX = Text(en="check the name server, and whom it asks in turn", zh="检查名称服务器，以及它向谁转发查询")
SILENT = Text(
    en="the name server {server} did not answer {queries:DNS question} of {clients}",
    zh="名称服务器 {server} 没有应答 {clients} 的 {queries} 个 DNS 查询",
)
REFUSED = Text(
    en="{server} has no name server: it refused {queries:question} of {clients} (ICMP port unreachable)",
    zh="{server} 上没有名称服务器：它拒绝了 {clients} 的 {queries} 个查询（ICMP port unreachable）",
)
SILENT_FIX = Text(
    en="check that the name server is up and that UDP port 53 is open both ways",
    zh="检查名称服务器是否已启动，UDP 端口 53 是否双向开放",
)
BY_TCP = Text(en=" by UDP; it does answer by TCP", zh="（UDP）；但它用 TCP 应答")
ONE_DIRECTION = Text(
    en="the capture has no answer to {queries:DNS question} of {clients} to {server}, nor anything else that goes to "
    "{clients}",
    zh="抓包中没有对 {clients} 发给 {server} 的 {queries} 个 DNS 查询的应答，也没有任何其他发往 {clients} 的包",
)
ONE_DIRECTION_FIX = Text(
    en="capture both directions first, without `-Q out` and at both halves of a tap; if answers are missing then too, ",
    zh="先抓取两个方向，不用 `-Q out`，分光时抓两路；如果仍没有应答，",
)
BY_TCP_FIX = Text(
    en="the name server is up: look for what drops UDP port 53 on the way (`iptables -vnL`, a network policy that "
    "allows TCP only), or its answers",
    zh="名称服务器在线：查找途中是什么丢弃了 UDP 53 端口（`iptables -vnL`、只允许 TCP 的网络策略）或其应答",
)
REACHED = Text(
    en="; they reach it at {point}, where nothing answers and nothing refuses them",
    zh="；这些查询到达了 {point}，那里既没有应答也没有拒绝",
)
REACHED_FIX = Text(
    en='the way there works: look at the server in {container}. It may answer its own networks only (Pi-hole: "Permit '
    'all origins", unbound: access-control), wait for a server that it asks in turn, or be filtered there (`nsenter -t '
    "PID -n iptables -vnL INPUT`)",
    zh='路径没有问题：检查 {container} 中的服务器。它可能只应答自己的网络（Pi-hole 的 "Permit all origins"、unbound 的 '
    "access-control），在等待它的上游，或那里有过滤（`nsenter -t PID -n iptables -vnL INPUT`）",
)
LOOPBACK_FIX = Text(
    en="{server} is the asker's own loopback, not the host's: give the container a name server that it reaches "
    '(`--dns`, or "dns" in daemon.json)',
    zh="{server} 是查询者自己的环回地址，不是主机的：给容器一个它能到达的名称服务器（`--dns`，或 daemon.json 中的 "
    '"dns"）',
)

NO_NAME = Text(en="a name", zh="一个名称")
TIMES = Text(en=" ({count} times)", zh="（{count} 次）")
_CODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
MIN_WAIT_NS = 1_000_000_000  # the capture must go on so long after a question
MIN_RETRY_NS = 900_000_000  # between questions: resolvers wait 1 s or longer; two at once are A and AAAA
MIN_MESSAGES = 2  # of ICMP "unreachable": as many as make a finding of their own
MAX_OPCODE, _RESERVED = 6, 0x0040  # DNS Stateful Operations is the last one (RFC 8490); Z must be 0 (RFC 1035)
MAX_NAMES = 20  # that have a finding of their own
MAX_FRAMES_AT_POINT = 3  # of one name and code
MAX_CLIENTS = 3  # that the sentence lists
LOOPBACK = "127."  # RFC 1122 section 3.2.1.3


def diagnose(context: Context) -> list[Finding]:
    return [*_failed_names(context), *_silent_servers(context)]


def _failed_names(context: Context) -> list[Finding]:
    wanted = {
        lookup.name: name for name, is_found, _, tried in searched_names(context) for lookup in tried if not is_found
    }
    tried = {lookup.name for searched in searched_names(context) for lookup in searched.tried}
    failures: dict[tuple[int, str], list[FailedAnswer]] = {}
    for answer in failed_answers(context):
        name = wanted.get(answer.name, answer.name)
        if answer.code != NO_SUCH_NAME or answer.name not in tried or answer.name in wanted:
            failures.setdefault((answer.code, name), []).append(answer)
    return [_failed_name(context, code, name, failures[code, name]) for code, name in sorted(failures)[:MAX_NAMES]]


def _failed_name(context: Context, code: int, name: str, answers: list[FailedAnswer]) -> Finding:
    """`answers`: those with this code about this name, at all points."""
    frames: dict[int, list[int]] = {}
    for answer in answers:
        frames.setdefault(answer.point, []).append(answer.frame)
    count = max(len(at_point) for at_point in frames.values())  # every point shows the same answers
    servers = sorted({answer.server for answer in answers})
    words = _CODES.get(code, f"result code {code}")
    query = (name or NO_NAME.fill()) + (TIMES.fill(count=count) if count > 1 else "")
    no_such_name_fix = NO_SUCH_NAME_FIX if shows_containers(context) else NO_SUCH_NAME_ELSEWHERE_FIX
    evidence = sorted(
        context.evidence(point, frame) for point, at_point in frames.items() for frame in at_point[:MAX_FRAMES_AT_POINT]
    )
    return Finding(
        NAME,
        "info" if code == NO_SUCH_NAME else "warning",
        ANSWERED.fill(servers=several(servers[:2]), code=words, query=query),
        (no_such_name_fix if code == NO_SUCH_NAME else ANSWERED_FIX).fill(),
        {"name": name, "code": code, "said": words, "answers": count, "servers": servers},
        evidence,
    )


def _silent_servers(context: Context) -> list[Finding]:
    """Servers with questions that no hop shows an answer to."""
    flows = context.flows
    refusing = {
        error.sender for error in icmp_errors(context) if error.is_refused_datagram and error.quoted.dport == PORT_DNS
    }
    without_dns, out_of_reach = _asked_without_dns(context), _out_of_reach(context)
    findings = []
    for server, rows in sorted(_unanswered_questions(context, refusing).items()):
        if server not in refusing and not _is_repeated(context, server):
            continue
        if server in without_dns or server in out_of_reach:
            continue
        questions = int(packets_without_duplicates(context)[rows].sum())
        clients = sorted({source(flows[row]) for row in rows})
        evidence = sorted(context.first_frames(rows))
        is_by_tcp = server not in refusing and _answers_by_tcp(context, server)
        fix = LOOPBACK_FIX if server in refusing and server.startswith(LOOPBACK) else SILENT_FIX
        fix = BY_TCP_FIX if is_by_tcp else fix
        names = language.items(clients[:MAX_CLIENTS])
        is_one_sided = server not in refusing and nothing_comes_back(context, rows)
        text = REFUSED if server in refusing else ONE_DIRECTION if is_one_sided else SILENT
        reached = _reached(context, rows) if fix is SILENT_FIX else None
        fix = REACHED_FIX if reached else fix
        findings.append(
            Finding(
                NAME,
                "warning",
                text.fill(server=server, queries=questions, clients=names)
                + (BY_TCP.fill() if is_by_tcp else REACHED.fill(point=reached) if reached else ""),
                (ONE_DIRECTION_FIX.fill() if is_one_sided else "")
                + fix.fill(server=server, container=reached and reached.rpartition("/")[0]),
                {
                    "server": server, "questions": questions, "code": None, "refused": server in refusing,
                    **({"by_tcp": True} if is_by_tcp else {"reached": reached} if reached else {}),
                },
                evidence,
            )
        )  # fmt: skip
    return findings


def _reached(context: Context, rows: list[int]) -> str | None:
    """The container's interface that all of the questions come to, none of which begins there; or None."""
    flows, links = context.flows, flow_links(context)
    points = set()
    for row in rows:
        last = row
        while links.after[last] >= 0:
            last = int(links.target[links.after[last]])
        points.add(int(flows[last, schema.FLOW_POINT]) if last != row else -1)
    point = context.points[points.pop()] if len(points) == 1 and -1 not in points else None
    return point.name if point is not None and point.role == "container" else None


def _answers_by_tcp(context: Context, server: str) -> bool:
    """Does the server send data by TCP from its port, as answers are?"""
    flows, (high, low) = context.flows, address_value(server)
    is_its = (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    is_its &= (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SPORT] == PORT_DNS)
    return bool((flows[is_its, schema.FLOW_PAYLOAD] > 0).any())


def _asked_without_dns(context: Context) -> set[str]:
    """Addresses that get something else than DNS at its port: no question, or fields that no RFC defines."""
    table = context.dns.table
    table = table[table[:, schema.DNS_DPORT] == PORT_DNS]
    opcode, is_reserved = table[:, schema.DNS_FLAGS] >> 11 & 15, table[:, schema.DNS_FLAGS] & _RESERVED != 0
    is_dns = (opcode <= MAX_OPCODE) & ~is_reserved & (table[:, schema.DNS_NAME] >= 0)
    ends = table[:, [schema.DNS_DST_HI, schema.DNS_DST_LO]]
    servers = [{address_text(*end) for end in ends[mask].tolist()} for mask in (~is_dns, is_dns)]
    return servers[0] - servers[1]


def _out_of_reach(context: Context) -> set[str]:
    """Addresses about which a router says by ICMP that it cannot reach them: `host-unreachable`, the cause."""
    messages: dict[str, int] = {}
    for of in unreachable_hosts(context):
        if not of.is_own:
            messages[of.destination] = messages.get(of.destination, 0) + of.messages
    return {address for address, count in messages.items() if count >= MIN_MESSAGES}


def _is_repeated(context: Context, server: str) -> bool:
    """Was the server asked at two different times?"""
    times = [time for lookup in dns_lookups(context) if lookup.server == server for time in lookup.asked]
    return bool(times) and max(times) - min(times) >= MIN_RETRY_NS


def _unanswered_questions(context: Context, refusing: set[str]) -> dict[str, list[int]]:
    """Server → flow rows of the first hops of questions to it, of servers that answer no client.

    A question to a server that is not among those that are `refusing` may get its answer after the capture.
    """
    flows, links = context.flows, flow_links(context)
    is_udp = flows[:, schema.FLOW_PROTO] == UDP
    answers = np.flatnonzero(is_udp & (flows[:, schema.FLOW_SPORT] == PORT_DNS))
    answering = {source(flows[row]) for row in answers.tolist()}
    last_ns = [point.last or 0 for point in context.points]
    is_answered = _has_answer(context, answers)
    questions: dict[str, list[int]] = {}
    is_question = is_udp & (flows[:, schema.FLOW_DPORT] == PORT_DNS) & (links.before < 0)
    for row in np.flatnonzero(is_question).tolist():
        server = destination(flows[row])
        wait_ns = last_ns[int(flows[row, schema.FLOW_POINT])] - flows[row, schema.FLOW_FIRST]
        is_open = wait_ns < MIN_WAIT_NS and server not in refusing
        if is_multicast(server) or server in answering or is_open:
            continue
        if not _is_answered(row, links.after, links.target, is_answered):
            questions.setdefault(server, []).append(row)
    return questions


def _has_answer(context: Context, answers: np.ndarray) -> FlowMask:
    """Per flow: does its point show an answer to it, or any DNS answer to its source port? `answers`: flow rows.

    A bridge shows questions after and answers before translation: they come from another address.
    """
    flows = context.flows
    mask: FlowMask = replies(context) >= 0
    if len(answers):
        sources = hash_of(flows, [schema.FLOW_POINT, schema.FLOW_SRC_HI, schema.FLOW_SRC_LO, schema.FLOW_SPORT])
        receivers = [schema.FLOW_POINT, schema.FLOW_DST_HI, schema.FLOW_DST_LO, schema.FLOW_DPORT]
        mask |= is_among(sources, hash_of(flows, receivers, answers))
    return mask


def _is_answered(row: int, after: np.ndarray, target: np.ndarray, is_answered: FlowMask) -> bool:
    """Does this hop, or one behind it, show an answer?"""
    while not is_answered[row]:
        if after[row] < 0:
            return False
        row = int(target[after[row]])
    return True

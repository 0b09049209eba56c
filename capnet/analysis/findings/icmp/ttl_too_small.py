"""ttl-too-small: packets of a connection start with a TTL that ends before they arrive.

Looks at: ICMP "time exceeded" (IPv4 11/0, IPv6 3/0) about SYNs that nothing answers. All SYNs of the client to that
port have one TTL, of at most four; traceroute tries one after the other. And such errors, at least two and all of one
router, about what a server answers to a client that opened the connection, with a TTL of at most four.
Says: which client, which server and port, with which TTL, and which router drops the SYNs or the answers; and the point
that shows the same SYNs with a larger one: then what forwards them sets it.
Wrong when: the capture shows one step of a traceroute alone.
Fix: raise the TTL that the program sets. BGP speakers take 1 for peers of another system, unless they are told that the
peer is several hops away. A cloud's metadata service answers with its hop limit as TTL: 1 reaches the machine, and 2
the containers on its bridges.
Verify: `tcpdump -nvi IFACE port PORT` shows `ttl 1`; `ss -tin` and the settings of the program.
"""

from __future__ import annotations

from itertools import chain, islice

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.icmp_errors import IcmpError, icmp_errors
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP_TIME_EXCEEDED, ICMPV6_TIME_EXCEEDED, TCP

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the programs of the scenarios leave the TTL to the kernel
WITNESS = "pcaps/ipvlan-l3.pcapng"  # a router between client and server, and TTLs of 64
EXPLAINS = (
    "connection-unanswered", "handshake-unfinished", "request-unanswered", "retransmissions", "routing-loop",
    "stops-between",
)  # fmt: skip

PAGE_ZH = """连接中包的初始 TTL 太小，到不了对方。

检查：关于没有应答的 SYN 的 ICMP “time exceeded”（IPv4 11/0，IPv6 3/0）。客户端到该端口的所有 SYN 都是同一个不超过 4 的
TTL；traceroute 会逐个尝试。以及同一个路由器发出的至少两个这样的错误，关于服务器给建立连接的客户端的、TTL 不超过 4 的应
答。
结论：哪个客户端，哪台服务器和端口，TTL 是多少，哪个路由器丢弃 SYN 或应答；以及同样的 SYN 在哪个抓包点 TTL 更大：这时是
转发它们的主机修改了它。
误判：抓包只有 traceroute 的一步。
处理：增大程序设置的 TTL。BGP 对其他系统的对等体用 1，除非告知它对等体在几跳之外。云的元数据服务以其 hop limit 为应答的
TTL：1 只到机器本身，2 才到其网桥上的容器。
验证：`tcpdump -nvi IFACE port PORT` 显示 `ttl 1`；`ss -tin` 和程序的设置。
"""

SAYS = Text(
    en="{client} sends {packets:SYN} to {server} with a TTL of {ttl}, which ends at {router}: no answer",
    zh="{client} 用 TTL {ttl} 向 {server} 发了 {packets} 个 SYN，TTL 到 {router} 就用完了：没有应答",
)
SET = Text(
    en="; at {point} they still have {larger}: what forwards them sets it",
    zh="；它们在 {point} 的 TTL 还是 {larger}：转发它们的主机修改了它",
)
FIX_SET = Text(
    en="look behind {point} for what sets the TTL: `iptables -t mangle -S` (`-j TTL`, `-j HL`), `nft list ruleset` "
    "(`ip ttl set`), a program that translates packets",
    zh="在 {point} 之后查找是什么修改了 TTL：`iptables -t mangle -S`（`-j TTL`、`-j HL`）、`nft list ruleset`（`ip ttl "
    "set`）、转换数据包的程序",
)
FIX = Text(
    en="let the program start with a larger TTL: for a BGP peer behind a router this is ebgp-multihop (ebgpMultiHop of "
    "MetalLB); or make the router itself the peer",
    zh="让程序用更大的初始 TTL：对路由器后面的 BGP 对等体就是 ebgp-multihop（MetalLB 的 ebgpMultiHop）；或改为与路由器"
    "自己建立对等",
)

SAYS_OF_ANSWERS = Text(
    en="{server} answers {client} with a TTL of {ttl}, which ends at {router}: {packets:answer} went no further",
    zh="{server} 用 TTL {ttl} 应答 {client}，TTL 到 {router} 就用完了：{packets} 个应答没有再往前",
)
FIX_OF_ANSWERS = Text(
    en="let {server} send with a larger TTL (net.ipv4.ip_default_ttl, or a rule that sets it), or ask from {router} "
    "itself, one hop nearer: a container with `--network host`",
    zh="让 {server} 用更大的 TTL 发送（net.ipv4.ip_default_ttl，或设置 TTL 的规则），或从近一跳的 {router} 本身请求："
    "用 `--network host` 的容器",
)
FIX_OF_METADATA = Text(
    en="a bridge is one hop too many for this metadata service: use `--network host`; on EC2, `aws ec2 "
    "modify-instance-metadata-options --http-put-response-hop-limit 2 --instance-id ID` gives it two",
    zh="网桥算一跳，对该元数据服务来说多了一跳：使用 `--network host`；在 EC2 上，`aws ec2 "
    "modify-instance-metadata-options --http-put-response-hop-limit 2 --instance-id ID` 把它的 hop limit 设为 2",
)

METADATA_SERVERS = ("169.254.169.254", "fd00:ec2::254")  # of EC2: https://docs.aws.amazon.com/AWSEC2, IMDS
MIN_ANSWERS = 2  # that were dropped: TCP sends the second one because the first did not arrive
MIN_SYNS = 2
MAX_TTL = 4  # a path of five hops and more is not what such a program means
MAX_TRACED_TTL = 30  # with which traceroute ends
INITIAL_TTL = 64  # the smallest that systems start with
MAX_FINDINGS = 20
MAX_FLOWS = 1000


def diagnose(context: Context) -> list[Finding]:
    errors: dict[tuple[str, str, int], list[IcmpError]] = {}
    of_answers: dict[tuple[str, int], list[IcmpError]] = {}
    for error in icmp_errors(context):
        if error.quoted.proto == TCP and (error.type, error.code) == _time_exceeded(error):
            errors.setdefault((error.quoted.src, error.quoted.dst, error.quoted.dport), []).append(error)
            of_answers.setdefault((error.quoted.src, error.quoted.sport), []).append(error)
    attempts = _attempts(context, list(errors))
    rows = _answers_of(context) if of_answers else {}
    findings = chain(
        (_finding(context, *key, attempts[key], about) for key, about in sorted(errors.items())),
        (_of_answers(context, *key, rows[key], about) for key, about in sorted(of_answers.items()) if key in rows),
    )
    return list(islice((finding for finding in findings if finding), MAX_FINDINGS))


def _time_exceeded(error: IcmpError) -> tuple[int, int]:
    return (ICMPV6_TIME_EXCEEDED, 0) if error.is_v6 else (ICMP_TIME_EXCEEDED, 0)


def _attempts(context: Context, services: list[tuple[str, str, int]]) -> dict[tuple[str, str, int], FlowRows]:
    """All flows from each client to a port of a server."""
    flows = context.flows
    wanted = np.array([(*address_value(client), *address_value(server), port) for client, server, port in services])
    keys_wanted = row_hash(wanted.reshape(-1, 5)).view(np.int64)
    rows = np.flatnonzero(flows[:, schema.FLOW_PROTO] == TCP)
    keys = hash_of(flows, [*schema.FLOW_ADDRESSES, schema.FLOW_DPORT], rows).view(np.int64)
    is_attempt = is_among(keys, keys_wanted)
    rows, keys = rows[is_attempt], keys[is_attempt]
    order = np.argsort(keys, kind="stable")
    begins, ends = (np.searchsorted(keys[order], keys_wanted, side) for side in ("left", "right"))
    return {service: rows[order[begins[n] : ends[n]]] for n, service in enumerate(services)}


def _finding(
    context: Context, client: str, server: str, port: int, attempts: FlowRows, errors: list[IcmpError]
) -> Finding | None:
    flows, sports = context.flows, np.array([error.quoted.sport for error in errors])
    rows = attempts[is_among(flows[attempts, schema.FLOW_SPORT], sports)]  # a host sends its own from the same address
    if not len(rows):
        return None
    first = rows[np.argmin(flows[rows, schema.FLOW_TTL_MIN])]
    at_point = attempts[flows[attempts, schema.FLOW_POINT] == flows[first, schema.FLOW_POINT]]
    rows = rows[flows[rows, schema.FLOW_POINT] == flows[first, schema.FLOW_POINT]]
    syns, ttl = int(syns_without_duplicates(context)[rows].sum()), int(flows[rows[0], schema.FLOW_TTL_MAX])
    is_one_ttl = (flows[rows[:, None], [schema.FLOW_TTL_MIN, schema.FLOW_TTL_MAX]] == ttl).all()
    is_vain = not is_answered(context)[rows].any() and (replies(context)[rows] < 0).all()
    if syns < MIN_SYNS or not is_one_ttl or ttl > MAX_TTL or not is_vain:
        return None
    ttls = flows[at_point, schema.FLOW_TTL_MIN]
    if ((ttls != ttl) & (ttls <= MAX_TRACED_TTL)).any():
        return None  # steps of a traceroute
    frames = context.first_frames(rows)
    frames += [frame for error in errors for frame in error.evidence]
    router, larger = errors[0].sender, _larger(context, int(rows[0]))
    point, before = (context.points[int(flows[larger, schema.FLOW_POINT])].name if larger >= 0 else "", larger)
    return Finding(
        NAME,
        "warning",
        SAYS.fill(client=client, packets=syns, server=endpoint_text(server, port), ttl=ttl, router=router)
        + (SET.fill(point=point, larger=int(flows[before, schema.FLOW_TTL_MAX])) if point else ""),
        FIX_SET.fill(point=point) if point else FIX.fill(),
        {"client": client, "server": server, "port": port, "ttl": ttl, "router": router, "syns": syns},
        sorted(frames),
    )


def _larger(context: Context, row: int) -> int:
    """The same connection at another point, with a TTL that few hops do not use up; or -1.

    Its address may be translated between the two; its first sequence number tells it from others of that port.
    """
    flows = context.flows
    same = [schema.FLOW_PROTO, schema.FLOW_SPORT, *schema.FLOW_DST_END, schema.FLOW_FIRST_SEQ]
    is_same = (flows[:, same] == flows[row, same]).all(axis=1) & (
        flows[:, schema.FLOW_POINT] != flows[row, schema.FLOW_POINT]
    )
    is_same &= flows[:, schema.FLOW_TTL_MIN] > INITIAL_TTL - MAX_TTL
    rows = np.flatnonzero(is_same)
    return int(rows[0]) if len(rows) else -1


def _answers_of(context: Context) -> dict[tuple[str, int], list[int]]:
    """Server and port → its flows back to who asked, in which a packet has a small TTL."""
    flows = context.flows
    is_answer = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_TTL_MIN] <= MAX_TTL)
    is_answer &= replies(context) >= 0
    rows: dict[tuple[str, int], list[int]] = {}
    for row in np.flatnonzero(is_answer)[:MAX_FLOWS].tolist():
        rows.setdefault((source(flows[row]), int(flows[row, schema.FLOW_SPORT])), []).append(row)
    return rows


def _of_answers(
    context: Context, server: str, port: int, answers: list[int], errors: list[IcmpError]
) -> Finding | None:
    """What a server sends to clients that opened connections to it, with a TTL that ends at one router."""
    flows, links = context.flows, flow_links(context)
    if len({error.sender for error in errors}) > 1 or sum(error.packets for error in errors) < MIN_ANSWERS:
        return None
    quoted = {(error.quoted.dst, error.quoted.dport) for error in errors}
    rows = [row for row in answers if (destination(flows[row]), int(flows[row, schema.FLOW_DPORT])) in quoted]
    asked = [int(replies(context)[row]) for row in rows]
    if not rows or not (flows[asked, schema.FLOW_SYNS] > 0).all():
        return None
    first_hops = sorted({links.first_hop(row) for row in asked})
    clients = sorted({source(flows[row]) for row in first_hops}, key=address_value)
    ttl, router = int(flows[rows, schema.FLOW_TTL_MIN].min()), errors[0].sender
    packets = sum(error.packets for error in errors)
    fix = FIX_OF_METADATA if server in METADATA_SERVERS else FIX_OF_ANSWERS
    evidence = {*context.first_frames([*first_hops, *asked, *rows])}
    evidence |= {frame for error in errors for frame in error.evidence}
    return Finding(
        NAME,
        "warning",
        SAYS_OF_ANSWERS.fill(
            server=endpoint_text(server, port), client=several(clients), ttl=ttl, router=router, packets=packets
        ),
        fix.fill(server=server, router=router),
        {
            "clients": clients[:MAX_EVIDENCE], "server": server, "port": port, "ttl": ttl, "router": router,
            "answers": packets,
        },
        sorted(evidence),
    )  # fmt: skip

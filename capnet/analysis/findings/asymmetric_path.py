"""asymmetric-path: the two directions of a connection pass one host by different interfaces.

Looks at: the hops of both directions at one host's own interfaces (parents and underlays).
Says: which interfaces, for how many connections. Connection tracking and stateful filters see half of each. An info
where the connections work: many networks have two ways on purpose. An error where both ends of a TCP connection repeat:
the client its SYN, the server its SYN-ACK, which does not arrive.
Wrong when: the two interfaces are one for the traffic, as a bond and its members that are captured apart.
Fix: give both directions the same interface, by routes or by policy routing (`ip rule`).
Verify: `ip route get ADDRESS from SOURCE` on that host, for both ends.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import Finding, Path
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.paths import path_facts
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, TCP_SYN, TCP_SYN_ACK

NAME = finding_name(__name__)
LEVELS = ("error", "info")
SCENARIO = "fault asymmetric-path"
WITNESS = "pcaps/overlay-service.pcapng"  # both directions pass several interfaces of each host
EXPLAINS = ("connection-unanswered", "handshake-unfinished", "retransmissions")

PAGE_ZH = """一个连接的两个方向经过同一主机的不同接口。

检查：主机自己的接口（父接口和底层接口）上两个方向的各跳。
结论：哪些接口，多少个连接。连接跟踪和有状态过滤各只看到一半。连接正常时为提示：许多网络本来就有两条路。TCP 连接两端
都在重发时为错误：客户端重发 SYN，服务器重发到不了的 SYN-ACK。
误判：对流量来说两个接口是一个，例如分别抓了 bond 和它的成员。
处理：用路由或策略路由（`ip rule`）让两个方向走同一接口。
验证：在该主机上对两端执行 `ip route get ADDRESS from SOURCE`。
"""

SAYS = Text(
    en="{connections:connection} {connections:passes|pass} {forward} on the way there and {back} on the way back",
    zh="{connections} 个连接去程经过 {forward}，回程经过 {back}",
)
BROKEN = Text(
    en="; {broken} of them never began: the answers do not reach the client",
    zh="；其中 {broken} 个没有建立：应答到不了客户端",
)
NONE_BEGAN = Text(en="; the answers do not reach the client, so none of them began", zh="；应答到不了客户端，都未建立")
FIX = Text(
    en="make the routes of both directions agree (a route for answers: `ip rule add from ADDRESS lookup TABLE`), "
    "or have filters and NAT at one interface only",
    zh="让两个方向的路由一致（给应答加路由：`ip rule add from ADDRESS lookup TABLE`），或只在一个接口上做过滤和 NAT",
)
FIX_BROKEN = Text(
    en="correct the route to {client} on the host: `ip route get {client}` and `ip rule` must lead back to {forward}; "
    "a router or firewall behind {back} drops answers whose questions it has not seen, or whose source it reaches by "
    "another interface (rp_filter)",
    zh="更正主机到 {client} 的路由：`ip route get {client}` 和 `ip rule` 应指向 {forward}；{back} 后面的路由器或防火墙"
    "会丢弃没有见过请求的应答，或源地址应从另一个接口到达的应答（rp_filter）",
)

FIX_TRANSLATED = Text(
    en="; answers are routed before they are translated back, so a rule for them names {inside}: `ip rule add from "
    "{inside} lookup TABLE`, or marks connections (`-j CONNMARK`)",
    zh="；应答在转换回来之前就已选路，所以给它们的规则要写 {inside}：`ip rule add from {inside} lookup TABLE`，或给连接"
    "打标记（`-j CONNMARK`）",
)

MIN_REPEATED = 2  # SYNs, and SYN-ACKs
MAX_LOOKED_AT = 50  # connections of one detour whose flags are looked at


class _Detour(NamedTuple):
    """A host, and by which of its interfaces requests come and answers leave."""

    host: str
    forward: str
    back: str


def diagnose(context: Context) -> list[Finding]:
    uplinks = {point.name for point in context.points if point.role in ("parent", "underlay")}
    detours: dict[_Detour, list[tuple[Path, Path]]] = {}
    for request, answer in _conversations(context):
        incoming, outgoing = (_by_host(path, uplinks) for path in (request, answer))
        for host in sorted(incoming.keys() & outgoing.keys()):
            if not incoming[host] & outgoing[host]:
                detour = _Detour(host, min(incoming[host]), min(outgoing[host]))
                detours.setdefault(detour, []).append((request, answer))
    return [_finding(context, *detour, both) for detour, both in sorted(detours.items())]


def _finding(context: Context, host: str, forward: str, back: str, connections: list[tuple[Path, Path]]) -> Finding:
    """`connections`: the paths of their requests and of their answers."""
    broken = [both for both in connections[:MAX_LOOKED_AT] if _is_broken(context, both[0])]
    says = SAYS.fill(connections=len(connections), forward=forward, back=back)
    if broken:
        says += (BROKEN if len(broken) < len(connections) else NONE_BEGAN).fill(broken=len(broken))
    fix = FIX_BROKEN.fill(client=broken[0][0].hops[0].src, forward=forward, back=back) if broken else FIX.fill()
    inside = _translated_to(host, [request for request, _ in broken or connections])
    return Finding(
        NAME,
        "error" if broken else "info",
        says,
        fix + (FIX_TRANSLATED.fill(inside=inside) if inside else ""),
        {
            "host": host,
            "there": forward,
            "back": back,
            "connections": len(connections),
            **({"broken": len(broken)} if broken else {}),
        },
        [frame for both in broken or connections for path in both for frame in path.evidence[:2]],
    )


def _translated_to(host: str, requests: list[Path]) -> str:
    """The one address that the host translates all requests to, "" if there is none."""
    hops = [[hop for hop in path.hops if (host_of(hop.point) or "") == host] for path in requests]
    inside = {of_host[-1].dst for of_host in hops if of_host[-1].dst != of_host[0].dst}
    return inside.pop() if len(inside) == 1 and all(of_host[-1].dst in inside for of_host in hops) else ""


def _is_broken(context: Context, path: Path) -> bool:
    """Did the client of a TCP connection send SYNs only, again and again, though SYN-ACKs were sent as often?"""
    flows, hop = context.flows, path.hops[0]
    if path.proto != "tcp" or hop.sport is None or hop.dport is None:
        return False
    ends = [*address_value(hop.src), hop.sport, *address_value(hop.dst), hop.dport]
    is_tcp = flows[:, schema.FLOW_PROTO] == TCP
    rows = np.flatnonzero((flows[:, schema.FLOW_ENDS] == ends).all(axis=1) & is_tcp)
    back = np.flatnonzero((flows[:, schema.FLOW_OPPOSITE_ENDS] == ends).all(axis=1) & is_tcp)
    asks_only = len(rows) > 0 and (flows[rows, schema.FLOW_TCP_FLAGS] & TCP_SYN_ACK == TCP_SYN).all()
    repeats = len(rows) > 0 and flows[rows, schema.FLOW_SYNS].max() >= MIN_REPEATED
    answers = flows[back][flows[back, schema.FLOW_SYNACK_TIME] >= 0]
    return bool(asks_only and repeats and len(answers) and answers[:, schema.FLOW_PACKETS].max() >= MIN_REPEATED)


def _by_host(path: Path, uplinks: set[str]) -> dict[str, set[str]]:
    """Host → its uplinks that the path passes; the host is "" where a point's name has none."""
    by_host: dict[str, set[str]] = {}
    for hop in path.hops:
        if hop.point in uplinks:
            by_host.setdefault(host_of(hop.point) or "", set()).add(hop.point)
    return by_host


def _conversations(context: Context) -> list[tuple[Path, Path]]:
    """The paths of both directions, the request in front."""
    by_start: dict[tuple[object, ...], Path] = {}
    for path in path_facts(context):
        first = path.hops[0]
        by_start.setdefault((path.proto, first.point, first.src, first.sport, first.dst, first.dport, first.id), path)
    pairs = []
    paired: set[frozenset[int]] = set()
    for path in path_facts(context):
        last = path.hops[-1]
        back = by_start.get((path.proto, last.point, last.dst, last.dport, last.src, last.sport, last.id))
        if back is None or back is path or frozenset((id(path), id(back))) in paired:
            continue
        paired.add(frozenset((id(path), id(back))))
        pairs.append((back, path) if _is_answer(path, back) else (path, back))
    return pairs


def _is_answer(path: Path, back: Path) -> bool:
    """Did the other side open the connection? If no packet tells: is its first packet earlier where both meet?"""
    if path.reply != back.reply:
        return path.reply
    arrived, left = path.evidence[-1], back.evidence[0]
    if arrived.file != left.file:  # frames of two files have no order
        arrived, left = path.evidence[0], back.evidence[-1]
    return arrived.file == left.file and left.frame < arrived.frame

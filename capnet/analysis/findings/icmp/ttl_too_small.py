"""ttl-too-small: connections start with a TTL that ends before their server.

Looks at: ICMP "time exceeded" (IPv4 11/0, IPv6 3/0) about SYNs that nothing answers. All SYNs of the client to that
port have one TTL, of at most four; traceroute tries one after the other.
Says: which client, which server and port, with which TTL, and which router drops the SYNs.
Wrong when: the capture shows one step of a traceroute alone.
Fix: raise the TTL that the program sets. BGP speakers take 1 for peers of another system, unless they are told that the
peer is several hops away.
Verify: `tcpdump -nvi IFACE port PORT` shows `ttl 1`; `ss -tin` and the settings of the program.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.facts.icmp_errors import IcmpError, icmp_errors
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP_TIME_EXCEEDED, ICMPV6_TIME_EXCEEDED, TCP

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the programs of the scenarios leave the TTL to the kernel
WITNESS = "pcaps/ipvlan-l3.pcapng"  # a router between client and server, and TTLs of 64
EXPLAINS = ("connection-unanswered", "retransmissions", "routing-loop", "stops-between")

PAGE_ZH = """连接的初始 TTL 太小，到不了服务器。

检查：关于没有应答的 SYN 的 ICMP “time exceeded”（IPv4 11/0，IPv6 3/0）。客户端到该端口的所有 SYN 都是同一个不超过 4 的
TTL；traceroute 会逐个尝试。
结论：哪个客户端，哪台服务器和端口，TTL 是多少，哪个路由器丢弃 SYN。
误判：抓包只有 traceroute 的一步。
处理：增大程序设置的 TTL。BGP 对其他系统的对等体用 1，除非告知它对等体在几跳之外。
验证：`tcpdump -nvi IFACE port PORT` 显示 `ttl 1`；`ss -tin` 和程序的设置。
"""

SAYS = Text(
    en="{client} sends {packets:SYN} to {server} with a TTL of {ttl}, which ends at {router}: no answer",
    zh="{client} 用 TTL {ttl} 向 {server} 发了 {packets} 个 SYN，TTL 到 {router} 就用完了：没有应答",
)
FIX = Text(
    en="let the program start with a larger TTL: for a BGP peer behind a router this is ebgp-multihop (ebgpMultiHop of "
    "MetalLB); or make the router itself the peer",
    zh="让程序用更大的初始 TTL：对路由器后面的 BGP 对等体就是 ebgp-multihop（MetalLB 的 ebgpMultiHop）；或改为与路由器"
    "自己建立对等",
)

MIN_SYNS = 2
MAX_TTL = 4  # a path of five hops and more is not what such a program means
MAX_FINDINGS = 20


def diagnose(context: Context) -> list[Finding]:
    errors: dict[tuple[str, str, int], list[IcmpError]] = {}
    for error in icmp_errors(context):
        if error.quoted.proto == TCP and (error.type, error.code) == _time_exceeded(error):
            errors.setdefault((error.quoted.src, error.quoted.dst, error.quoted.dport), []).append(error)
    findings = [_finding(context, *key, about) for key, about in sorted(errors.items())]
    return [finding for finding in findings if finding][:MAX_FINDINGS]


def _time_exceeded(error: IcmpError) -> tuple[int, int]:
    return (ICMPV6_TIME_EXCEEDED, 0) if error.is_v6 else (ICMP_TIME_EXCEEDED, 0)


def _attempts(context: Context, client: str, server: str, port: int) -> FlowRows:
    """The client's flows to that port, at the point that shows them with the largest TTL."""
    flows = context.flows
    ends = np.array([*address_value(client), *address_value(server)])
    is_attempt = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_DPORT] == port)
    is_attempt &= (flows[:, schema.FLOW_SRC_HI : schema.FLOW_DST_LO + 1] == ends).all(axis=1)
    rows = np.flatnonzero(is_attempt)
    if not len(rows):
        return rows
    first = rows[np.argmax(flows[rows, schema.FLOW_TTL_MAX])]
    return rows[flows[rows, schema.FLOW_POINT] == flows[first, schema.FLOW_POINT]]


def _finding(context: Context, client: str, server: str, port: int, errors: list[IcmpError]) -> Finding | None:
    flows, rows = context.flows, _attempts(context, client, server, port)
    if not len(rows):
        return None
    syns, ttl = int(syns_without_duplicates(context)[rows].sum()), int(flows[rows[0], schema.FLOW_TTL_MAX])
    is_one_ttl = (flows[rows[:, None], [schema.FLOW_TTL_MIN, schema.FLOW_TTL_MAX]] == ttl).all()
    is_vain = not is_answered(context)[rows].any() and (replies(context)[rows] < 0).all()
    if syns < MIN_SYNS or not is_one_ttl or ttl > MAX_TTL or not is_vain:
        return None
    frames = context.first_frames(rows)
    frames += [frame for error in errors for frame in error.evidence]
    router = errors[0].sender
    return Finding(
        NAME,
        "warning",
        SAYS.fill(client=client, packets=syns, server=endpoint_text(server, port), ttl=ttl, router=router),
        FIX.fill(),
        {"client": client, "server": server, "port": port, "ttl": ttl, "router": router, "syns": syns},
        sorted(frames),
    )

"""syn-options-changed: something between two points removes the window scale of a SYN, or lowers its MSS very much.

Looks at: the TCP options of SYNs and SYN-ACKs that two points show. Counted are those whose window scale option (RFC
7323) the second point lacks, and those whose MSS is below 536 there, and was not at the first one: no IPv4 network
needs less (RFC 9293 section 3.7.1). That a tunnel or router clamps the MSS to its MTU is usual, and not told.
Says: for how many of whose SYNs or SYN-ACKs, between which points, from what to what, and what follows from it.
Wrong when: a proxy opens a connection of its own, and copies sequence numbers.
Fix: look for the rule or the firewall that rewrites TCP options between the two points.
Verify: `iptables -t mangle -vnL` and `nft list ruleset` on the host between; `ss -ti` shows wscale and mss of an end.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import PerFlow, Values
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.syns.signatures import first_syns
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # iptables' TCPOPTSTRIP and TCPMSS are missing in many kernels
WITNESS = "pcaps/bridge.pcapng"  # all options reach the other end
EXPLAINS = ()

PAGE_ZH = """两个抓包点之间有设备去掉了 SYN 的窗口扩大选项，或把 MSS 改得很小。

检查：两个抓包点都看到的 SYN 和 SYN-ACK 的 TCP 选项。统计第二个抓包点上缺少窗口扩大选项（RFC 7323）的，以及 MSS 在那里
小于 536 而在第一个抓包点上不小的：没有 IPv4 网络需要更小的值（RFC 9293 第 3.7.1 节）。隧道或路由器把 MSS 限制到其 MTU
是常见的，不报告。
结论：谁的多少个 SYN 或 SYN-ACK，在哪两个抓包点之间，从多少变为多少，有什么后果。
误判：代理自己打开连接，并且照抄序列号。
处理：查找两个抓包点之间改写 TCP 选项的规则或防火墙。
验证：在中间的主机上 `iptables -t mangle -vnL` 和 `nft list ruleset`；`ss -ti` 显示一端的 wscale 和 mss。
"""

SYNS = Text(en="{count:SYN}", zh="{count} 个 SYN ")
SYN_ACKS = Text(en="{count:SYN-ACK}", zh="{count} 个 SYN-ACK ")
SCALE = Text(
    en="the window scale option of {packets} of {sources} is removed between {before} and {after}: no window can "
    "exceed 64 KB then, so that each connection carries 64 KB in a round trip at most",
    zh="{sources} 的 {packets}的窗口扩大选项在 {before} 和 {after} 之间被去掉：此后窗口不能超过 64 KB，每个连接在一个"
    "往返时间内最多传 64 KB",
)
SCALE_OF_ANSWER = Text(
    en="the window scale option of {packets} of {sources} is removed between {before} and {after}: the two ends "
    "disagree then, and one takes the windows of the other for much smaller than they are",
    zh="{sources} 的 {packets}的窗口扩大选项在 {before} 和 {after} 之间被去掉：此后两端不一致，一端会把另一端的窗口当作"
    "比实际小得多",
)
MSS = Text(
    en="the MSS of {packets} of {sources} is lowered from {from_} to {to} octets between {before} and {after}: "
    "segments carry {to} octets at most then, and much of the capacity goes into headers",
    zh="{sources} 的 {packets}的 MSS 在 {before} 和 {after} 之间从 {from_} 字节降到 {to} 字节：此后每个段最多携带 {to} "
    "字节，许多容量用于头部",
)
FIX_SCALE = Text(
    en="look for what rewrites TCP options between {before} and {after}: TCPOPTSTRIP in `iptables -t mangle -vnL`, "
    "`reset tcp option` in `nft list ruleset`, the TCP normalization of a firewall or an accelerator",
    zh="查找 {before} 和 {after} 之间是什么改写了 TCP 选项：`iptables -t mangle -vnL` 中的 TCPOPTSTRIP、"
    "`nft list ruleset` 中的 `reset tcp option`、防火墙的 TCP 规范化或加速设备",
)
FIX_MSS = Text(
    en="look for what sets the MSS between {before} and {after}: TCPMSS in `iptables -t mangle -vnL`, `tcp option "
    "maxseg size set` in `nft list ruleset`; let it follow the MTU (`--clamp-mss-to-pmtu`, `size set rt mtu`)",
    zh="查找 {before} 和 {after} 之间是什么设置了 MSS：`iptables -t mangle -vnL` 中的 TCPMSS、`nft list ruleset` 中的 "
    "`tcp option maxseg size set`；让它跟随 MTU（`--clamp-mss-to-pmtu`、`size set rt mtu`）",
)

MIN_MSS = 536  # octets: the default of IPv4
MAX_FINDINGS = 20


def diagnose(context: Context) -> list[Finding]:
    links, flows = flow_links(context), context.flows
    if not len(links.source) or not len(context.syns):
        return []
    syn_of = first_syns(context)
    chosen = np.flatnonzero((syn_of[links.source] >= 0) & (syn_of[links.target] >= 0))
    chosen = chosen[flows[links.source[chosen], schema.FLOW_POINT] != flows[links.target[chosen], schema.FLOW_POINT]]
    before, after = (context.syns[syn_of[rows[chosen]]] for rows in (links.source, links.target))
    had_scale = (before[:, schema.SYN_SCALE] >= 0) & (before[:, schema.SYN_SCALE] != schema.NO_SCALE)
    is_removed = had_scale & (after[:, schema.SYN_SCALE] == schema.NO_SCALE)
    is_answer = flows[links.source[chosen], schema.FLOW_SYNS] == 0
    is_low = (before[:, schema.SYN_MSS] >= MIN_MSS) & (after[:, schema.SYN_MSS] > 0)
    is_low &= after[:, schema.SYN_MSS] < MIN_MSS
    # What lowers the MSS of one direction mostly does so in both: then the answers are left out.
    is_lowered = is_low & ~is_answer
    if not is_lowered.any():
        is_lowered = is_low
    findings = []
    for mask, text, fix in (
        (is_removed & ~is_answer, SCALE, FIX_SCALE),
        (is_removed & is_answer, SCALE_OF_ANSWER, FIX_SCALE),
        (is_lowered, MSS, FIX_MSS),
    ):
        findings += [_finding(context, group, syn_of, text, fix) for group in _by_points(context, chosen[mask])]
    return findings[:MAX_FINDINGS]


def _by_points(context: Context, chosen: Values) -> list[Values]:
    """Links, grouped by the two points that they are between."""
    links = flow_links(context)
    points = [context.flows[rows[chosen], schema.FLOW_POINT] for rows in (links.source, links.target)]
    pairs = points[0] * len(context.points) + points[1]
    return [chosen[pairs == pair] for pair in distinct(pairs).tolist()]


def _finding(context: Context, group: Values, syn_of: PerFlow, text: Text, fix: Text) -> Finding:
    links, flows = flow_links(context), context.flows
    rows, behind = links.source[group], links.target[group]
    points = [context.points[int(flows[side[0], schema.FLOW_POINT])].name for side in (rows, behind)]
    sources = sorted({source(flows[row]) for row in rows.tolist()}, key=address_value)
    sizes = [int(context.syns[syn_of[side[0]], schema.SYN_MSS]) for side in (rows, behind)]
    packets = (SYNS if (flows[rows, schema.FLOW_SYNS] > 0).all() else SYN_ACKS).fill(count=len(rows))
    values = {"before": points[0], "after": points[1]}
    extra = {"from_": sizes[0], "to": sizes[1]} if text is MSS else {}
    return Finding(
        NAME,
        "warning",
        text.fill(packets=packets, sources=several(sources), **values, **extra),
        fix.fill(**values),
        {
            "option": "mss" if text is MSS else "window scale", "from": points[0], "to": points[1],
            "connections": len(rows), "sources": sources[:MAX_EVIDENCE],
            "servers": sorted({destination(flows[row]) for row in rows.tolist()})[:MAX_EVIDENCE],
            **({"mss_before": sizes[0], "mss_after": sizes[1]} if text is MSS else {}),
        },
        sorted(context.first_frames([*rows.tolist(), *behind.tolist()])),
    )  # fmt: skip

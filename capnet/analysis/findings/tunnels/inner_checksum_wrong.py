"""inner-checksum-wrong: a receiver drops TCP or UDP packets that came out of a tunnel, because of their own checksum.

Looks at: flows in tunnels all of whose packets have a wrong or an unfilled TCP or UDP checksum and get no answer, while
the same station answers packets without such a checksum: ICMP, or TCP and UDP with a right one. An unfilled checksum is
usual on virtual links: it counts if the flows came out of the tunnel at the receiver and other packets are answered.
Not if they end at a point from which others to the receiver go on: it did not get them.
Says: how many packets of which tunnel, to whom, and what is answered. An error if the packets were seen to come out of
the tunnel, unfilled ones of two services or more; else a warning.
Wrong when: the capture was rewritten by a program that did not correct the checksums.
Fix: turn the checksum offload of tunnels off on the sender's card, or on the sender's tunnel interface.
Verify: `nstat -az TcpInCsumErrors UdpInCsumErrors` in the receiver's network namespace rises with each packet.
"""

from __future__ import annotations

import numpy as np

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct_rows, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, proto_name, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows, Mask, TunnelChecksumTable
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.overlay.checksums import FlowChecksums, is_accepted, tunnel_checksums
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.protocols import KIND_OF_NUMBER

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the kernel of the lab computes checksums right
WITNESS = "pcaps/overlay.pcapng"  # checksums left to a card, on links that carry them so
EXPLAINS = ("retransmissions", "stops-between", "packet-loss", "connection-unanswered", "handshake-unfinished")

PAGE_ZH = """接收方因内层校验和而丢弃从隧道出来的 TCP 或 UDP 包。

检查：隧道内所有包的 TCP 或 UDP 校验和都错误或未填写、且没有应答的流，而同一站点应答没有这种校验和的包：ICMP，或校验
和正确的 TCP 和 UDP。未填写的校验和在虚拟链路上属正常：只有在接收方从隧道出来之后看到、且其他包有应答时才算。
如果它们止于某个抓包点，而发往接收方的其他包从那里继续前行，则不算：接收方没有收到它们。
结论：哪个隧道的多少个包，发给谁，什么有应答。看到包从隧道出来时为错误（未填写的需要两个或更多服务）；否则为警告。
误判：抓包文件被程序改写过，而校验和没有更正。
处理：在发送方的网卡或隧道接口上关闭隧道的校验和卸载。
验证：在接收方的网络命名空间中，每个包都使 `nstat -az TcpInCsumErrors UdpInCsumErrors` 增加。
"""

SAYS = Text(
    en="{tunnel}: {packets:packet} from {sources} to {destinations} with {sum} {proto} checksum inside reached "
    "{point}, and none was answered{others}: the receiver drops them",
    zh="{tunnel}：从 {sources} 到 {destinations}、内层 {proto} 校验和{sum}的 {packets} 个包到达 {point}，没有一个得"
    "到应答{others}：接收方丢弃了它们",
)
OTHERS = Text(
    en="; packets to the same station without such a checksum are", zh="；发往同一站点、没有这种校验和的包有应答"
)
FIX = Text(
    en="`ethtool -K CARD tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off` on the sender's card, or "
    "`ethtool -K TUNNEL tx-checksum-ip-generic off` on its tunnel interface; `nstat -az TcpInCsumErrors "
    "UdpInCsumErrors` in the receiver's network namespace counts the drops",
    zh="在发送方的网卡上 `ethtool -K CARD tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off`，或在其隧道"
    "接口上 `ethtool -K TUNNEL tx-checksum-ip-generic off`；接收方的网络命名空间中 `nstat -az TcpInCsumErrors "
    "UdpInCsumErrors` 显示丢弃数",
)

MAX_HOPS = 16  # behind a tunnel
MIN_PACKETS = 2  # of one flow: a single one may be the last of the capture
MIN_UNFILLED_SERVICES = 2  # one alone may be down, on a virtual link
SUMS = {schema.WRONG: "a wrong", schema.UNFILLED: "an unfilled"}
_TUNNEL = [*schema.FLOW_PLACE, schema.FLOW_DMAC]
_WAY = [schema.FLOW_POINT, *schema.FLOW_DST, schema.FLOW_VIA]
_SERVICE = [schema.FLOW_PROTO, *schema.FLOW_DST_END]


class _Group(NamedTuple):
    """Flows that are one finding: point, tunnel and receiver, verdict, and whether they came out of the tunnel."""

    tunnel: tuple[int, ...]  # values of _TUNNEL
    bad: int  # UNFILLED or WRONG
    came_out: bool


def diagnose(context: Context) -> list[Finding]:
    checksums = tunnel_checksums(context)
    if not len(checksums.rows):
        return []
    rows, flows = checksums.rows, context.flows
    bad = checksums.all_bad(schema.CHECKSUM_INNER)
    if (bad == schema.RIGHT).all():
        return []
    answered = is_accepted(context)[rows]
    in_vain = np.flatnonzero(_is_last_in_vain(context, checksums, rows[bad != schema.RIGHT], answered))
    came_out = flow_links(context).after[rows[in_vain]] >= 0
    columns = (in_vain, flows[rows[in_vain][:, None], _TUNNEL], bad[in_vain], came_out)
    groups: dict[_Group, list[int]] = {}
    for number, tunnel, *how in zip(*(column.tolist() for column in columns), strict=True):
        groups.setdefault(_Group(tuple(tunnel), *how), []).append(number)
    findings = []
    verdicts = checksums.verdicts(schema.CHECKSUM_INNER)
    unfilled, wrong = (answered & (verdicts[:, bad] > 0) for bad in (schema.UNFILLED, schema.WRONG))
    # Where packets were answered, with good checksums (ICMP has none), with unfilled ones, and with wrong ones.
    good_tunnels = _tunnels(context, rows[answered & ~(unfilled | wrong)])
    unfilled_tunnels = _tunnels(context, rows[unfilled])
    wrong_points = set(flows[rows[wrong], schema.FLOW_POINT].tolist())
    for group, numbers in sorted(groups.items()):
        passes = group.tunnel in good_tunnels
        is_unfilled = group.bad == schema.UNFILLED
        is_refuted = group.tunnel in unfilled_tunnels if is_unfilled else group.tunnel[0] in wrong_points
        is_refuted |= is_unfilled and _end_on_the_way(context, rows[numbers])
        if not is_refuted and (group.bad == schema.WRONG or (passes and group.came_out)):
            findings.append(_finding(context, rows[numbers], checksums.counts[numbers], group, passes))
    return findings


def _end_on_the_way(context: Context, rows: FlowRows) -> bool:
    """Do all end at points from which other packets to their destination go on? Then the receiver did not get them."""
    flows, links = context.flows, flow_links(context)
    last_rows = rows.copy()
    for _ in range(MAX_HOPS):
        after = links.after[last_rows]
        last_rows[after >= 0] = links.target[after[after >= 0]]
    goes_on = links.source[flows[links.source, schema.FLOW_POINT] != flows[links.target, schema.FLOW_POINT]]
    going_on = distinct_rows(flows[goes_on[:, None], _WAY])
    ended = distinct_rows(flows[last_rows[:, None], _WAY])
    return {tuple(way) for way in ended.tolist()} <= {tuple(way) for way in going_on.tolist()}


def _tunnels(context: Context, rows: FlowRows) -> set[tuple[int, ...]]:
    """Points, tunnels and receivers of flows."""
    return set(map(tuple, distinct_rows(context.flows[rows[:, None], _TUNNEL]).tolist()))


def _is_last_in_vain(context: Context, checksums: FlowChecksums, bad_rows: FlowRows, answered: Mask) -> Mask:
    """Per entry: a bad flow without an answer, whose next point does not show it in the tunnel with a bad checksum?"""
    links, rows = flow_links(context), checksums.rows
    after = links.after[rows]
    next_rows = np.where(after >= 0, links.target[after] if len(links) else -1, -1)
    is_last = is_among(rows, bad_rows) & ~answered & ~((after >= 0) & is_among(next_rows, bad_rows))
    mask: Mask = is_last & (packets_without_duplicates(context)[rows] >= MIN_PACKETS)
    return mask


def _finding(context: Context, rows: FlowRows, counts: TunnelChecksumTable, group: _Group, passes: bool) -> Finding:
    flows = context.flows
    point, via, vni, _ = group.tunnel
    sources, destinations = (
        sorted({end(flows[row]) for row in rows}, key=address_value) for end in (source, destination)
    )
    protos = sorted({proto_name(number) for number in flows[rows, schema.FLOW_PROTO].tolist()})
    services = {tuple(service) for service in flows[rows[:, None], _SERVICE].tolist()}
    is_certain = group.came_out and (group.bad == schema.WRONG or len(services) >= MIN_UNFILLED_SERVICES)
    packets = int(packets_without_duplicates(context)[rows].sum())
    kind, ident = KIND_OF_NUMBER[via], vni if vni >= 0 else None
    frames = [context.evidence(point, frame) for frame in counts[:, schema.CHECKSUM_INNER_FRAME].tolist()]
    behind = flow_links(context).after[rows]
    last_rows = flow_links(context).target[behind[behind >= 0]] if group.came_out else rows
    hops = hop_evidence(context, last_rows.tolist())
    return Finding(
        NAME,
        "error" if is_certain else "warning",
        SAYS.fill(
            tunnel=kind.titled(ident),
            packets=packets,
            sources=several(sources),
            destinations=several(destinations),
            sum=language.term(SUMS[group.bad]),
            proto=several(protos).upper(),
            point=context.points[point].name,
            others=OTHERS.fill() if passes else "",
        ),
        FIX.fill(),
        {
            "point": context.points[point].name, "kind": kind.name, "vni": ident, "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE], "packets": packets,
            "checksum": "wrong" if group.bad == schema.WRONG else "unfilled",
        },
        [*sorted({*frames[:MAX_EVIDENCE], *hops[:MAX_EVIDENCE]}), *frames, *hops],
    )  # fmt: skip

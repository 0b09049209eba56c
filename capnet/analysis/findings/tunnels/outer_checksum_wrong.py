"""outer-checksum-wrong: a receiver drops the datagrams of a tunnel whose UDP checksum is wrong.

Looks at: flows in UDP tunnels all of whose carriers have a wrong or an unfilled UDP checksum, that get no answer and
were seen nowhere behind this point. An unfilled checksum is usual on virtual links: it counts if the flow stops inside
the receiver, while flows to the same inner station whose carriers have a right checksum, or none, are answered.
Says: how many packets of which tunnel, and where they end. An error if they are seen to stop, or to arrive from another
point; else a warning.
Wrong when: the capture was rewritten by a program that did not correct the checksums.
Fix: turn checksum offload off on the sender's tunnel interface, or on its card.
Verify: `nstat -az UdpInCsumErrors` on the receiver rises with each packet.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows, Mask, TunnelChecksumTable
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import are_of_one_host, hop_evidence, stopped_flows
from capnet.analysis.facts.overlay.checksums import FlowChecksums, is_accepted, tunnel_checksums
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.protocols import KIND_OF_NUMBER

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the kernel of the lab computes checksums right
WITNESS = "pcaps/overlay.pcapng"  # checksums left to a card, on links that carry them so
EXPLAINS = (
    "stops-between", "tunnel-not-decapsulated", "packet-loss", "retransmissions", "connection-unanswered",
    "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """接收方丢弃 UDP 校验和错误的隧道数据报。

检查：UDP 隧道中所有外层包的 UDP 校验和都错误或未填写、没有应答、在此抓包点之后没有出现的流。未填写的校验和在虚拟链
路上属正常：只有当流止于接收方内部、而到同一内层站点且外层校验和正确或没有校验和的流有应答时才算。
结论：哪个隧道的多少个包，止于哪里。看到它们终止，或看到它们从另一个抓包点到来时为错误；否则为警告。
误判：抓包文件被程序改写过，而校验和没有更正。
处理：在发送方的隧道接口或网卡上关闭校验和卸载。
验证：每个包都使接收方的 `nstat -az UdpInCsumErrors` 增加。
"""

SAYS = Text(
    en="{tunnel}: {packets:packet} from {sources} to {destinations} in datagrams with {sum} UDP checksum reached "
    "{point}, and {fate}: the receiver drops such datagrams{others}",
    zh="{tunnel}：从 {sources} 到 {destinations}、外层 UDP 校验和{sum}的 {packets} 个包到达 {point}，{fate}："
    "接收方丢弃这样的数据报{others}",
)
STOPPED = Text(en="none came out at {next}", zh="{next} 上一个也没有出现")
UNANSWERED = Text(en="none was answered", zh="没有一个得到应答")
OTHERS = Text(en="; those with a right one or none are answered", zh="；校验和正确或没有校验和的包有应答")
FIX = Text(
    en="`ethtool -K TUNNEL tx-checksum-ip-generic off` on the tunnel interface of the sender (flannel.1, or vxlan0 in "
    "the overlay's namespace), else on its card, or a kernel without the fault; `nstat -az UdpInCsumErrors` on the "
    "receiver counts the drops",
    zh="在发送方的隧道接口上 `ethtool -K TUNNEL tx-checksum-ip-generic off`（flannel.1，或 overlay 命名空间中的 "
    "vxlan0），或在其网卡上，或换没有此缺陷的内核；接收方的 `nstat -az UdpInCsumErrors` 显示丢弃数",
)

MIN_PACKETS = 2  # of one flow: a single one may be the last of the capture
SUMS = {schema.WRONG: "a wrong", schema.UNFILLED: "an unfilled"}
_TUNNEL = [*schema.FLOW_PLACE, schema.FLOW_DMAC]


class _Group(NamedTuple):
    """Flows that are one finding: point, tunnel and receiver of their first one, and the verdict on their carriers."""

    tunnel: tuple[int, ...]  # values of _TUNNEL
    bad: int  # UNFILLED or WRONG


def diagnose(context: Context) -> list[Finding]:
    checksums = tunnel_checksums(context)
    if not len(checksums.rows):
        return []
    rows, answered = checksums.rows, is_accepted(context)[checksums.rows]
    groups: dict[_Group, list[int]] = {}
    for number, group in _lost_flows(context, checksums, answered):
        groups.setdefault(group, []).append(number)
    due = {
        stopped.row: stopped.due
        for stopped in stopped_flows(context)
        if groups and are_of_one_host(context, stopped.point, stopped.due)
    }
    findings = []
    for group, numbers in sorted(groups.items()):
        is_alike = (context.flows[rows[:, None], _TUNNEL] == group.tunnel).all(axis=1) & answered
        passes = bool((is_alike & checksums.all_good(schema.CHECKSUM_OUTER)).any())
        is_at_point = answered & (context.flows[rows, schema.FLOW_POINT] == group.tunnel[0])
        harmless = is_alike if group.bad == schema.UNFILLED else is_at_point
        is_refuted = (harmless & (checksums.verdicts(schema.CHECKSUM_OUTER)[:, group.bad] > 0)).any()
        next_point = max(due.get(row, -1) for row in rows[numbers].tolist())
        if not is_refuted and (group.bad == schema.WRONG or (passes and next_point >= 0)):
            findings.append(_finding(context, rows[numbers], checksums.counts[numbers], group, next_point, passes))
    return findings


def _lost_flows(context: Context, checksums: FlowChecksums, answered: Mask) -> Iterator[tuple[int, _Group]]:
    """Entries of flows in vain with bad carriers only, and their groups."""
    flows, rows, verdict = context.flows, checksums.rows, checksums.all_bad(schema.CHECKSUM_OUTER)
    is_lost = (verdict != schema.RIGHT) & ~answered & (flow_links(context).after[rows] < 0)
    is_lost &= packets_without_duplicates(context)[rows] >= MIN_PACKETS
    for number in np.flatnonzero(is_lost).tolist():
        yield number, _Group(tuple(flows[rows[number], _TUNNEL].tolist()), int(verdict[number]))


def _finding(
    context: Context, rows: FlowRows, counts: TunnelChecksumTable, group: _Group, due: int, passes: bool
) -> Finding:
    flows = context.flows
    point, via, vni, _ = group.tunnel
    sources, destinations = (
        sorted({end(flows[row]) for row in rows}, key=address_value) for end in (source, destination)
    )
    packets = int(packets_without_duplicates(context)[rows].sum())
    next_point = context.points[due].name if due >= 0 else None
    has_arrived = bool((flow_links(context).before[rows] >= 0).any())
    kind = KIND_OF_NUMBER[via]
    hops = hop_evidence(context, rows.tolist())
    frames = [context.evidence(point, frame) for frame in counts[:, schema.CHECKSUM_OUTER_FRAME].tolist()]
    return Finding(
        NAME,
        "error" if next_point or has_arrived else "warning",
        SAYS.fill(
            tunnel=kind.titled(vni if vni >= 0 else None),
            packets=packets,
            sources=several(sources),
            destinations=several(destinations),
            sum=language.term(SUMS[group.bad]),
            point=context.points[point].name,
            fate=STOPPED.fill(next=next_point) if next_point else UNANSWERED.fill(),
            others=OTHERS.fill() if passes else "",
        ),
        FIX.fill(),
        {
            "point": context.points[point].name, "next": next_point, "kind": kind.name,
            "vni": vni if vni >= 0 else None,
            "sources": sources[:MAX_EVIDENCE], "destinations": destinations[:MAX_EVIDENCE], "packets": packets,
            "checksum": "wrong" if group.bad == schema.WRONG else "unfilled",
        },
        [*sorted({*frames[:MAX_EVIDENCE], *hops[:MAX_EVIDENCE]}), *frames, *hops],
    )  # fmt: skip

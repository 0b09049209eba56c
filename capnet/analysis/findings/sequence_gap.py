"""sequence-gap: bytes of a TCP connection are missing at the first point that saw it.

Looks at: the sequence numbers of each flow where it was seen first, when every packet was compared. A packet that was
dropped before the tap (by a queue, a policer) is in no capture, not even at its sender's own interface: it is only a
gap. It counts if the sender sends the bytes again, or if the receiver's acknowledgments stay where it begins: what the
receiver acknowledges was only missed by the capture, and what it says nothing of may be nonsense outside its window.
Nor does a gap count that opened in the last second: the capture ended before the sender could fill it.
Says: at which point, in how many flows, how many bytes were out of order, and how many did not come; whether those who
miss them announce a larger MSS than the interface there can take, by the topology. An info where all
came, and no more than two segments or less than 0.5 % of TCP's bytes there were out of order: paths of the Internet
lose as many.
Wrong when: segments overtook each other by more than 3 ms, or another way that was not captured carried them.
Fix: look before this point: queues, policers and filters. Where the MSS is too large: give the network of the
containers the MTU of the link.
Verify: `tc -s qdisc show dev IFACE` counts drops; egress drops are before the tap.
"""

from __future__ import annotations

from dataclasses import replace

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.tcp_gaps import SequenceGaps, sequence_gaps
from capnet.analysis.facts.transport.missing_octets import missed_octets
from capnet.wire.numbers import TCP

NAME = finding_name(__name__)
LEVELS = ("warning", "info")
SCENARIO = "fault sequence-gap"
WITNESS = "pcaps/overlay.pcapng"  # a bulk transfer without gaps
EXPLAINS = ("retransmissions",)

PAGE_ZH = """一个 TCP 连接的字节在最先看到它的抓包点就缺失。

检查：比较了每个包时，每条流在最先看到处的序列号。在抓包位置之前丢弃的包（队列、限速）不在任何抓包中，连发送者自己的
接口上也没有：只是一个空缺。发送者重发这些字节，或接收方的确认停在空缺处才算：接收方确认了的只是抓包漏掉；它没有提到
的可能是窗口之外的无效内容。最后一秒内出现的空缺也不算：抓包在发送者补上之前就结束了。
结论：在哪个抓包点，多少条流，多少字节乱序，多少没有到；按拓扑，收不到它们的一方通告的 MSS 是否超过那里接口所能接收的。
全部到达、乱序的不超过两个段或不到该点 TCP 字节的 0.5% 时为提示：互联网上的路径也会丢这么多。
误判：段之间相互超前 3 毫秒以上，或走了另一条没有抓包的路。
处理：检查这个抓包点之前：队列、限速和过滤规则。如果 MSS 过大：把容器网络的 MTU 设为链路的 MTU。
验证：`tc -s qdisc show dev IFACE` 显示丢弃数；出方向的丢弃在抓包位置之前。
"""

SAYS = Text(
    en="{flows:TCP flow} had gaps at {point}, the first point that shows {flows:it|them}: {gaps}",
    zh="{flows} 条 TCP 流在最先看到的 {point} 就有空缺：{gaps}",
)
LATE = Text(en="{octets:byte} out of order", zh="{octets:,} 字节乱序")
FEW = Text(en="{octets:byte} out of order, among {all:byte}", zh="{octets:,} 字节乱序，共 {all:,} 字节")
NEVER = Text(en="{octets:byte} that did not come", zh="{octets:,} 字节没有到")
FIX = Text(
    en="look before this point: queues (`tc -s qdisc`), policers and filters drop packets that no capture shows",
    zh="检查这个抓包点之前：队列（`tc -s qdisc`）、限速和过滤规则丢弃了抓包看不到的包",
)
TOO_LARGE = Text(
    en="; the connections announce an MSS of {mss} there, and {point} has an MTU of {mtu}: full segments do not fit",
    zh="；这些连接在那里通告的 MSS 是 {mss}，而 {point} 的 MTU 是 {mtu}：满段放不下",
)
FIX_TOO_LARGE = Text(
    en="give the containers' network the MTU of the link, {mtu}: `docker network create -o "
    'com.docker.network.driver.mtu={mtu}`, in Compose `driver_opts`, for the default bridge "mtu" in daemon.json; or '
    "`iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`",
    zh="把容器网络的 MTU 设为链路的 {mtu}：`docker network create -o com.docker.network.driver.mtu={mtu}`，在 Compose "
    '中用 `driver_opts`，默认网桥用 daemon.json 中的 "mtu"；或 `iptables -t mangle -A FORWARD -p tcp --tcp-flags '
    "SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`",
)
_HEADERS, _HEADERS_V6 = 40, 60  # octets of IP and TCP without options, which a MSS leaves out (RFC 6691)
MIN_SHARE = 0.005  # of TCP's bytes at a point: long paths lose less on a usual day
MAX_BY_CHANCE = 2 * 1460  # octets of two segments: a short capture shows as many by chance
CAPTURE_DROPPED = Text(en="; the capture there dropped packets itself", zh="；那里的抓包本身也丢了包")


def diagnose(context: Context) -> list[Finding]:
    by_point: dict[int, list[SequenceGaps]] = {}
    missed = {
        each.flow: sum(gap.octets for gap in each.gaps)
        for each in missed_octets(context)
        if each.is_certain and each.is_open_long
    }
    for flow_gaps in sequence_gaps(context, flow_links(context).before < 0):
        flow_gaps = replace(flow_gaps, never=missed.get(flow_gaps.flow, 0))
        if flow_gaps.late or flow_gaps.never:
            by_point.setdefault(int(context.flows[flow_gaps.flow, schema.FLOW_POINT]), []).append(flow_gaps)
    return [_finding(context, point, of_flows) for point, of_flows in sorted(by_point.items())]


def _finding(context: Context, point: int, of_flows: list[SequenceGaps]) -> Finding:
    name, dropped = context.points[point].name, context.points[point].dropped
    late, never = sum(flow_gaps.late for flow_gaps in of_flows), sum(flow_gaps.never for flow_gaps in of_flows)
    flows = context.flows
    is_tcp = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_PROTO] == TCP)
    octets = int(flows[is_tcp, schema.FLOW_PAYLOAD].sum())
    are_few = not never and not dropped and (late <= MAX_BY_CHANCE or late < MIN_SHARE * octets)
    sentences = [FEW.fill(octets=late, all=octets) if are_few else LATE.fill(octets=late)] if late else []
    sentences += [NEVER.fill(octets=never)] if never else []
    says = SAYS.fill(flows=len(of_flows), point=name, gaps=language.items(sentences))
    fix = FIX.fill() + (CAPTURE_DROPPED.fill() if dropped else "")
    too_large = _too_large(context, point, [each.flow for each in of_flows if each.never]) if never else None
    if too_large:
        mss, mtu = too_large
        says, fix = says + TOO_LARGE.fill(mss=mss, point=name, mtu=mtu), FIX_TOO_LARGE.fill(mtu=mtu)
    return Finding(
        NAME,
        "info" if are_few else "warning",
        says,
        None if are_few else fix,
        {"point": name, "flows": len(of_flows), "late": late, "never": never, "captures_dropped": dropped},
        [context.flow_evidence(flow_gaps.flow, flow_gaps.frame) for flow_gaps in of_flows],
    )


def _too_large(context: Context, point: int, rows: list[int]) -> tuple[int, int] | None:
    """MSS that all receivers of these flows announce at a point, the smallest, and its MTU, if that is too small."""
    mtu, syns, flows = _mtu(context, context.points[point].name), context.syns, context.flows
    if mtu is None:
        return None
    announced: list[int] = []
    for row in rows:
        is_receivers = syns[:, schema.SYN_POINT] == point
        for of_syn, of_flow in zip(_SYN_ENDS, schema.FLOW_OPPOSITE_ENDS, strict=True):
            is_receivers &= syns[:, of_syn] == flows[row, of_flow]
        headers = _HEADERS_V6 if ":" in source(flows[row]) else _HEADERS
        sizes = syns[is_receivers, schema.SYN_MSS]
        announced.append(int(sizes.max()) if len(sizes) and sizes.max() + headers > mtu else 0)
    smallest = min(announced, default=0)
    return (smallest, mtu) if smallest else None


def _mtu(context: Context, name: str) -> int | None:
    """Of a host's interface, by the topology."""
    topology = context.topology
    for host in topology.hosts if topology else ():
        for interface in host.interfaces:
            if f"{host.name}/{interface.name}" == name:
                return interface.mtu
    return None


_SYN_ENDS = [
    schema.SYN_SRC_HI, schema.SYN_SRC_LO, schema.SYN_SPORT, schema.SYN_DST_HI, schema.SYN_DST_LO, schema.SYN_DPORT,
]  # fmt: skip

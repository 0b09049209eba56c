"""sequence-gap: bytes of a TCP connection are missing at the first point that saw it.

Looks at: the sequence numbers of each flow where it was seen first, when every packet was compared. A packet that was
dropped before the tap (by a queue, a policer) is in no capture, not even at its sender's own interface: it is only a
gap. It counts if the sender sends the bytes again, or if the receiver's acknowledgments stay where it begins: what the
receiver acknowledges was only missed by the capture, and what it says nothing of may be nonsense outside its window.
Says: at which point, in how many flows, how many bytes were out of order, and how many did not come. An info where all
came, and less than 0.5 % of TCP's bytes there were out of order: paths of the Internet lose as many.
Wrong when: segments overtook each other by more than 3 ms, or another way that was not captured carried them.
Fix: look before this point: queues, policers and filters.
Verify: `tc -s qdisc show dev IFACE` counts drops; egress drops are before the tap.
"""

from __future__ import annotations

from dataclasses import replace

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
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
的可能是窗口之外的无效内容。
结论：在哪个抓包点，多少条流，多少字节乱序，多少没有到。全部到达、乱序的字节不到该点 TCP 字节的 0.5% 时为提示：互联网上
的路径也会丢这么多。
误判：段之间相互超前 3 毫秒以上，或走了另一条没有抓包的路。
处理：检查这个抓包点之前：队列、限速和过滤规则。
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
MIN_SHARE = 0.005  # of TCP's bytes at a point: long paths lose less on a usual day
CAPTURE_DROPPED = Text(en="; the capture there dropped packets itself", zh="；那里的抓包本身也丢了包")


def diagnose(context: Context) -> list[Finding]:
    by_point: dict[int, list[SequenceGaps]] = {}
    missed = {each.flow: sum(gap.octets for gap in each.gaps) for each in missed_octets(context) if each.is_certain}
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
    are_few = not never and not dropped and late < MIN_SHARE * octets
    sentences = [FEW.fill(octets=late, all=octets) if are_few else LATE.fill(octets=late)] if late else []
    sentences += [NEVER.fill(octets=never)] if never else []
    return Finding(
        NAME,
        "info" if are_few else "warning",
        SAYS.fill(flows=len(of_flows), point=name, gaps=language.items(sentences)),
        None if are_few else FIX.fill() + (CAPTURE_DROPPED.fill() if dropped else ""),
        {"point": name, "flows": len(of_flows), "late": late, "never": never, "captures_dropped": dropped},
        [context.flow_evidence(flow_gaps.flow, flow_gaps.frame) for flow_gaps in of_flows],
    )

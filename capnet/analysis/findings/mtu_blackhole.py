"""mtu-blackhole: large packets vanish where small packets pass.

Looks at: the lengths of the packets of one flow that are missing at the next point, against those that arrived there.
Each missing packet must be larger than each that arrived, and there must be several of both. TCP counts where bytes
are missing and were sent again, because offload cuts segments differently at each point. At one point alone, TCP tells
by its sequence numbers: full segments (of the MSS that both ends announced) never arrive for a second or longer, though
shorter ones behind them do. A warning where that smaller packets pass is only known of another conversation of both
ends, which begins and is answered meanwhile.
Says: between which points or hosts, all peers of a host as one, above which length, and whether ICMP "fragmentation
needed" was seen (RFC 1191).
Wrong when: loss hit only large packets by chance; the more packets, the less likely.
Fix: lower the MTU of the sending interface, raise that of the link between the points, or clamp the MSS to the path's
MTU on the router; let ICMP type 3 code 4 pass. Of an overlay, make the network again with a smaller MTU.
Verify: `nsenter -t PID -n ping -M do -s $((MTU-28)) HOST`.
"""

from __future__ import annotations

import numpy as np

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.models.container_signs import shows_cni, shows_containers
from capnet.analysis.facts.transport.full_segments import LostFullSegments, announced_mss, lost_full_segments
from capnet.analysis.facts.transport.lost_lengths import LostLengths, lengths_between
from capnet.analysis.fate.next_points import chain_of
from capnet.wire.addresses import address_value
from capnet.wire.numbers import (
    ICMP,
    ICMP_FRAGMENTATION_NEEDED,
    ICMP_UNREACHABLE,
    ICMPV6,
    ICMPV6_PACKET_TOO_BIG,
)

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault mtu-blackhole"
WITNESS = "pcaps/overlay.pcapng"  # large and small packets that all arrive, offload segments among them
EXPLAINS = (
    "connection-cut", "connection-unanswered", "handshake-unfinished", "packet-loss", "retransmissions",
    "sequence-gap",
)  # fmt: skip

PAGE_ZH = """大包消失，小包能通过。

检查：一条流中在下一个抓包点缺失的包的长度，与到达那里的对比。每个缺失的包都必须大于每个到达的包，并且两者都要有多
个。TCP 在字节缺失并重发时才算，因为卸载在各抓包点切分段的方式不同。只有一个抓包点时，TCP 由序列号得知：满段（双方通
告的 MSS）一秒以上到不了，而它们之后较短的段能到。如果只有双方之间同时开始并得到应答的另一次通信表明较小的包能通过，则为
警告。
结论：在哪两个抓包点或主机之间（一台主机的所有对端合为一条），大于什么长度，是否看到 ICMP
“fragmentation needed”（RFC 1191）。
误判：碰巧只丢了大包；包越多，可能性越小。
处理：降低发送接口的 MTU，提高抓包点之间链路的 MTU，或在路由器上把 MSS 限制到路径 MTU；放行 ICMP 类型 3 代码 4。
overlay 则重建网络，指定更小的 MTU。
验证：`nsenter -t PID -n ping -M do -s $((MTU-28)) HOST`。
"""

TOLD = Text(
    en="{packets:packet} of {fails} bytes and more never got from {before} to {after}, up to {passes} bytes did; "
    "{senders} said so by ICMP",
    zh="{packets} 个 {fails} 字节及以上的包从 {before} 到不了 {after}，{passes} 字节以内的能到；{senders} 用 ICMP 告"
    "知了这一点",
)
NOT_TOLD = Text(
    en="{packets:packet} of {fails} bytes and more never got from {before} to {after}, up to {passes} bytes did; "
    "no ICMP error says so",
    zh="{packets} 个 {fails} 字节及以上的包从 {before} 到不了 {after}，{passes} 字节以内的能到；没有 ICMP 错误告知这"
    "一点",
)
INSIDE = Text(en="the inside of the tunnel there", zh="该处的隧道内")
BEHIND = Text(en="the other side of the router there", zh="该处路由器的另一侧")
OUTSIDE = Text(en="the outside of the tunnel there", zh="该处的隧道外")
SEGMENTS = Text(
    en="{octets:byte} in full segments of {full} never got from {source} to {destination}, shorter ones did (up to "
    "{passed}): the MSS of {mss} is more than the path's MTU allows, {told}{smaller}",
    zh="以 {full} 字节满段发送的 {octets} 字节从 {source} 到不了 {destination}，较短的段能到（最大 {passed}）：MSS "
    "{mss} 超过路径 MTU 所允许的，{told}{smaller}",
)
LIKELY = Text(
    en="no full segment of {full} bytes from {source} to {destination} is acknowledged, however often it is sent, "
    "while packets of up to {passed} bytes between them are answered: the MSS of {mss} may be more than the path's MTU "
    "allows, {told}{smaller}",
    zh="从 {source} 到 {destination} 的 {full} 字节满段无论重发多少次都没有确认，而两者之间 {passed} 字节以内的包有"
    "应答：MSS {mss} 可能超过路径 MTU 所允许的，{told}{smaller}",
)
REPORTED = Text(en="as {senders} said by ICMP", zh="{senders} 用 ICMP 告知了这一点")
NOT_REPORTED = Text(en="no ICMP error says so", zh="没有 ICMP 错误告知这一点")
SMALLER = Text(en="; a connection with an MSS of {mss} got everything", zh="；MSS 为 {mss} 的连接全部收到了")
FIX_MSS = Text(
    en='give the containers the MTU of the path (`--opt com.docker.network.driver.mtu=`, in daemon.json "mtu"), or '
    "clamp the MSS where they are forwarded: `iptables -t mangle -A FORWARD -p tcp --syn -j TCPMSS "
    "--clamp-mss-to-pmtu`",
    zh='把容器的 MTU 设为路径的 MTU（`--opt com.docker.network.driver.mtu=`，daemon.json 中的 "mtu"），或在转发处限'
    "制 MSS：`iptables -t mangle -A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu`",
)
FIX_MSS_PODS = Text(
    en='give the pods the MTU of the path ("mtu" of the CNI plugin: VXLAN takes 50 octets of the node\'s MTU, IP in IP '
    "20, WireGuard 60), or clamp the MSS where they are forwarded: `iptables -t mangle -A FORWARD -p tcp --syn -j "
    "TCPMSS --clamp-mss-to-pmtu`",
    zh='把 Pod 的 MTU 设为路径的 MTU（CNI 插件的 "mtu"：VXLAN 占用节点 MTU 的 50 字节，IP in IP 占 20，WireGuard 占 '
    "60），或在转发处限制 MSS：`iptables -t mangle -A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu`",
)
ELSEWHERE_FIX_MSS = Text(
    en="give the sender the MTU of the path, or clamp the MSS where its packets are forwarded: `iptables -t mangle -A "
    "FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu`",
    zh="把发送者的 MTU 设为路径的 MTU，或在转发处限制 MSS：`iptables -t mangle -A FORWARD -p tcp --syn -j TCPMSS "
    "--clamp-mss-to-pmtu`",
)
FIX = Text(
    en="lower the MTU of the sending interface below {fails} ({passes} passed), raise that of the link between them, "
    "or clamp the MSS where they are forwarded (`iptables -t mangle -A FORWARD -p tcp --syn -j TCPMSS "
    "--clamp-mss-to-pmtu`); and let ICMP 'fragmentation needed' pass",
    zh="把发送接口的 MTU 降到 {fails} 以下（{passes} 能通过），提高两者之间链路的 MTU，或在转发处限制 MSS（`iptables "
    "-t mangle -A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu`）；并放行 ICMP “fragmentation needed”",
)
FIX_OVERLAY = Text(
    en="make the overlay network again with `--opt com.docker.network.driver.mtu=`, 50 and more below the MTU of the "
    "path between the hosts, or raise that; `ping -M do -s SIZE` from host to host finds it: the largest SIZE that "
    "passes, and 28",
    zh="重建 overlay 网络，用 `--opt com.docker.network.driver.mtu=` 指定比主机间路径的 MTU 至少小 50 的值，或提高该路"
    "径的 MTU；在主机之间用 `ping -M do -s 长度` 可测出路径 MTU：能通过的最大长度加 28",
)

MAX_FINDINGS = 20
MIN_FULL_SEGMENTS = 2  # that a connection with a smaller MSS passed


def diagnose(context: Context) -> list[Finding]:
    senders = _reporters(context)
    findings = []
    chain = chain_of(context)
    reported: set[int] = set()  # flow chains: each hop of a translated flow loses the same segments
    for points, of_points in lengths_between(context).items():
        names = context.points[points[0]].name, context.points[points[1]].name
        if points[0] == points[1]:
            names = names[0], _other_side(context, of_points[0].flow).fill()
        findings.append(_between_points(context, names, of_points, senders))
        reported |= {int(chain[of_flow.flow]) for of_flow in of_points}
    return findings + _between_hosts(
        context, [lost for lost in lost_full_segments(context) if int(chain[lost.flow]) not in reported]
    )


def _other_side(context: Context, row: int) -> Text:
    """Where the packets of a flow row go that come again at its point."""
    links = flow_links(context)
    via, via_next = context.flows[[row, links.target[links.after[row]]], schema.FLOW_VIA].tolist()
    return BEHIND if bool(via) == bool(via_next) else OUTSIDE if via else INSIDE


def _reporters(context: Context) -> list[str]:
    """Who says by ICMP that packets are too big."""
    flows = context.flows
    needed, too_big = ICMP_UNREACHABLE * 256 + ICMP_FRAGMENTATION_NEEDED, ICMPV6_PACKET_TOO_BIG * 256
    is_report = (flows[:, schema.FLOW_PROTO] == ICMP) & (flows[:, schema.FLOW_KIND] == needed)
    is_report |= (flows[:, schema.FLOW_PROTO] == ICMPV6) & (flows[:, schema.FLOW_KIND] == too_big)
    return sorted({source(flows[row]) for row in np.flatnonzero(is_report).tolist()})


def _between_points(
    context: Context,
    names: tuple[str, str],
    of_flows: list[LostLengths],
    senders: list[str],
) -> Finding:
    before, after = names
    passes = max(of_flow.largest_passed for of_flow in of_flows)
    fails = min(of_flow.smallest_lost for of_flow in of_flows)
    is_overlay = bool(context.flows[[of_flow.flow for of_flow in of_flows], schema.FLOW_VIA].all())
    fix = FIX.fill(passes=passes, fails=fails)
    if is_overlay and shows_containers(context):
        fix = FIX_MSS_PODS.fill() if shows_cni(context) else FIX_OVERLAY.fill()
    packets = sum(of_flow.lost for of_flow in of_flows)
    text = TOLD if senders else NOT_TOLD
    return Finding(
        NAME,
        "error",
        text.fill(
            packets=packets, fails=fails, before=before, after=after, passes=passes, senders=language.items(senders)
        ),
        fix,
        {"from": before, "to": after, "passes": passes, "fails": fails, "packets": packets, "told_by": senders},
        sorted(frame for of_flow in of_flows for frame in of_flow.evidence),
    )


def _between_hosts(context: Context, lost: list[LostFullSegments]) -> list[Finding]:
    """One finding for each host that gets, or sends, full segments of an MSS in vain: one MTU, for all of its peers."""
    senders = _reporters(context)
    fix = FIX_MSS_PODS if shows_cni(context) else FIX_MSS if shows_containers(context) else ELSEWHERE_FIX_MSS
    ends = [(source(context.flows[each.flow]), destination(context.flows[each.flow])) for each in lost]
    by_receiver = len({receiver for _, receiver in ends}) <= len({sender for sender, _ in ends})
    by_host: dict[tuple[str, int, int, bool], list[LostFullSegments]] = {}
    for of_flow, (sender, receiver) in zip(lost, ends, strict=True):
        host = receiver if by_receiver else sender
        by_host.setdefault((host, of_flow.mss, of_flow.full, of_flow.is_likely), []).append(of_flow)
    findings = []
    for _, of_hosts in sorted(by_host.items())[:MAX_FINDINGS]:
        flows = [context.flows[each.flow] for each in of_hosts]
        sources = sorted({source(flow) for flow in flows}, key=address_value)
        destinations = sorted({destination(flow) for flow in flows}, key=address_value)
        passed = max(each.largest_passed for each in of_hosts)
        octets, worst = sum(of_flow.octets for of_flow in of_hosts), max(of_hosts, key=lambda each: each.octets)
        smaller = _smaller_mss(context, worst)
        is_likely = of_hosts[0].is_likely
        says = (LIKELY if is_likely else SEGMENTS).fill(
            octets=octets, full=worst.full, source=several(sources), destination=several(destinations), passed=passed,
            mss=worst.mss, told=REPORTED.fill(senders=language.items(senders)) if senders else NOT_REPORTED.fill(),
            smaller=SMALLER.fill(mss=smaller) if smaller else "",
        )  # fmt: skip
        facts: dict[str, object] = {
            "source": sources[0], "destination": destinations[0], "octets": octets, "segment": worst.full,
            "mss": worst.mss, "passed": passed, "connections": len(of_hosts), "smaller_mss": smaller,
            "told_by": senders,
        }  # fmt: skip
        if len(sources) > 1 or len(destinations) > 1:
            facts |= {"sources": sources[:MAX_EVIDENCE], "destinations": destinations[:MAX_EVIDENCE]}
        evidence = [context.flow_evidence(each.flow, frame) for each in of_hosts for frame in each.frames]
        findings.append(Finding(NAME, "warning" if is_likely else "error", says, fix.fill(), facts, sorted(evidence)))
    return findings


def _smaller_mss(context: Context, lost: LostFullSegments) -> int | None:
    """The largest MSS of a connection from the same host that passed more than one full segment, if it is smaller."""
    flows, announced, answers = context.flows, announced_mss(context), replies(context)
    same = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_SRC]
    is_same_host = (flows[:, same] == flows[lost.flow, same]).all(axis=1) & (answers >= 0)
    mss = np.minimum(announced, announced[answers])
    passed = is_same_host & (mss > 0) & (mss < lost.mss) & (flows[:, schema.FLOW_PAYLOAD] > MIN_FULL_SEGMENTS * mss)
    return int(mss[passed].max()) if passed.any() else None

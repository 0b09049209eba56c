"""multicast-not-carried: frames to a group, or to all, leave one host and do not reach another one.

Looks at: datagrams to a multicast or broadcast address, three or more, and broadcast ARP requests, at a point from
which unicast frames of the same MAC go to another point with both MACs kept (`facts.losses.lost_groups`): both are of
one Ethernet. The other point must have listened, unfiltered, and shows none of them; of ARP requests, none before a
later time.
Says: who sends to which group in vain, between which points; of ARP, how long nothing came through. A warning about
ARP requests, without which no connection begins; about groups an info, as a switch keeps them from links where no host
has joined, but a warning where a host there joins by IGMP or MLD.
Wrong when: the other point was captured without promiscuous mode, and its card filters groups.
Fix: groups need a querier where switches look into IGMP or MLD. A port that passes nothing at first waits for the
spanning tree.
Verify: `bridge mdb show`; `ip -d link show BRIDGE` shows mcast_snooping, mcast_querier, stp_state and forward_delay.
"""

from __future__ import annotations

from itertools import groupby

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, ports, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.losses.lost_groups import HeldBack, LostGroup, held_back, lost_groups
from capnet.wire.addresses import address_text

NAME = finding_name(__name__)
LEVELS = ("warning", "info")
SCENARIO = "fault multicast-not-carried"
WITNESS = "pcaps/bridge.pcapng"  # ARP requests that reach every port of the bridge
EXPLAINS = ("arp-unanswered",)
READS = ("memberships",)

PAGE_ZH = """发往组或发往所有站点的帧离开一台主机，没有到达另一台。

检查：发往组播或广播地址的数据报（三个以上），以及广播的 ARP 请求；它们所在的抓包点上，同一 MAC 的单播帧以不变的 MAC
到达另一个抓包点（`facts.losses.lost_groups`）：两者属于同一以太网。另一个抓包点必须在抓且没有过滤，却一个也没有显示；
对 ARP 请求，是在某一时间之前没有。
结论：谁徒然发往哪个组，在哪两个抓包点之间；对 ARP，多长时间没有通过。对 ARP 请求为警告，因为没有它就建不起连接；
对组为提示，因为交换机不把组播送到没有主机加入的链路；那里有主机用 IGMP 或 MLD 加入时为警告。
误判：另一个抓包点没有用混杂模式抓包，其网卡过滤了组播。
处理：在交换机查看 IGMP 或 MLD 的地方，组播需要查询器。起初什么都不通过的端口在等待生成树。
验证：`bridge mdb show`；`ip -d link show BRIDGE` 显示 mcast_snooping、mcast_querier、stp_state 和 forward_delay。
"""

GROUP = Text(
    en="{packets:packet} of {senders} to {group} pass {point}, none reaches {next}, where unicast of the same sender "
    "arrives",
    zh="{senders} 发往 {group} 的 {packets} 个包经过 {point}，没有一个到达 {next}，而同一发送者的单播到达了那里",
)
JOINED = Text(en=", and {hosts} joined the group there", zh="，而 {hosts} 在那里加入了该组")
JOINED_FIX = Text(
    en="a switch between holds it back, though {hosts} joined {address}: it needs a querier to remember members, or "
    "turn its snooping off (`ip link set BRIDGE type bridge mcast_snooping 0`)",
    zh="尽管 {hosts} 加入了 {address}，中间的交换机没有转发：它需要查询器才能记住成员，或关闭它的 snooping（`ip link "
    "set BRIDGE type bridge mcast_snooping 0`）",
)
GROUP_FIX = Text(
    en="nothing, if no host behind {next} has joined {address}; else a switch between holds it back: give it a "
    "querier, or turn its IGMP snooping off (`ip link set BRIDGE type bridge mcast_snooping 0`)",
    zh="如果 {next} 之后没有主机加入 {address}，则无需处理；否则是中间的交换机没有转发：给它一个查询器，或关闭 IGMP "
    "snooping（`ip link set BRIDGE type bridge mcast_snooping 0`）",
)
ARP_LATE = Text(
    en="{missing:ARP request} of {asker} for {target} at {point} did not reach {next}; the first one came there after "
    "{seconds} s",
    zh="{asker} 在 {point} 对 {target} 的 {missing} 个 ARP 请求没有到达 {next}；第一个在 {seconds} 秒后才到",
)
ARP_LATE_FIX = Text(
    en="look at the switch or bridge between them: a port with spanning tree forwards nothing for twice its forward "
    "delay (30 s by default): turn STP off where there is no loop, or make it an edge port",
    zh="检查两者之间的交换机或网桥：启用生成树的端口在两倍 forward delay（默认共 30 秒）内不转发：没有环路时关闭 STP，"
    "或设为边缘端口",
)
ARP_NEVER = Text(
    en="{missing:ARP request} of {asker} for {target} pass {point}, none reaches {next}, where unicast of the same "
    "sender arrives",
    zh="{asker} 对 {target} 的 {missing} 个 ARP 请求经过 {point}，没有一个到达 {next}，而同一发送者的单播到达了那里",
)
ARP_NEVER_FIX = Text(
    en="look for what drops broadcast between {point} and {next}: storm control, a filter, isolation of ports",
    zh="查找 {point} 和 {next} 之间是什么丢弃了广播：风暴抑制、过滤规则、端口隔离",
)


def diagnose(context: Context) -> list[Finding]:
    groups = sorted(lost_groups(context), key=lambda lost: _key(context, lost))
    findings = [_of_group(context, list(lost)) for _, lost in groupby(groups, key=lambda lost: _key(context, lost))]
    return [*findings, *(_of_arp(context, held) for held in held_back(context))]


def _key(context: Context, lost: LostGroup) -> tuple[int, int, str, int]:
    flow = context.flows[lost.row]
    return int(flow[schema.FLOW_POINT]), lost.due, destination(flow), int(flow[schema.FLOW_DPORT])


def _of_group(context: Context, lost: list[LostGroup]) -> Finding:
    flows = context.flows
    rows = [of.row for of in lost]
    flow = flows[rows[0]]
    point, next_point = (context.points[of].name for of in (int(flow[schema.FLOW_POINT]), lost[0].due))
    packets = int(packets_without_duplicates(context)[rows].sum())
    address = destination(flow)
    group = endpoint_text(address, ports(flow)[1])
    senders = sorted({source(flows[row]) for row in rows})
    members = [each for each in context.memberships if (each.point, each.via, each.group) == (lost[0].due, 0, address)]
    hosts = sorted({each.host for each in members} - set(senders))
    says = GROUP.fill(packets=packets, senders=several(senders), group=group, point=point, next=next_point)
    frames = [context.evidence(each.point, each.first_frame) for each in members if each.host in hosts]
    frames += context.first_frames(rows)
    fix = JOINED_FIX.fill(hosts=several(hosts), address=address) if hosts else ""
    return Finding(
        NAME,
        "warning" if hosts else "info",
        says + (JOINED.fill(hosts=several(hosts)) if hosts else ""),
        fix or GROUP_FIX.fill(next=next_point, address=address),
        {
            "group": address, "port": ports(flow)[1], "point": point, "next": next_point, "packets": packets,
            **({"members": hosts} if hosts else {}),
        },
        sorted(frames),
    )  # fmt: skip


def _of_arp(context: Context, held: HeldBack) -> Finding:
    arp = context.arps[held.arp].tolist()
    point, next_point = (context.points[of].name for of in (arp[schema.ARP_POINT], held.due))
    asker, target = address_text(0, arp[schema.ARP_SENDER_LO]), address_text(0, arp[schema.ARP_TARGET_LO])
    text, fix, values = ARP_NEVER, ARP_NEVER_FIX, {}
    frames = [context.evidence(arp[schema.ARP_POINT], arp[schema.ARP_FIRST_FRAME])]
    if held.arrived >= 0:
        first = context.arps[held.arrived].tolist()
        values = {"seconds": f"{(first[schema.ARP_FIRST] - arp[schema.ARP_FIRST]) / 1e9:.1f}"}
        text, fix = ARP_LATE, ARP_LATE_FIX
        frames.append(context.evidence(held.due, first[schema.ARP_FIRST_FRAME]))
    return Finding(
        NAME,
        "warning",
        text.fill(missing=held.missing, asker=asker, target=target, point=point, next=next_point, **values),
        fix.fill(point=point, next=next_point),
        {"asker": asker, "target": target, "point": point, "next": next_point, "requests": held.missing},
        sorted(frames),
    )

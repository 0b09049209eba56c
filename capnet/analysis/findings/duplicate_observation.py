"""duplicate-observation: one point recorded the same packet twice.

Looks at: equal digests in one flow at one point within a millisecond; in a cooked capture at `any` without indexes of
interfaces, with equal TTLs within 20 ms, which a switch in user space takes. Not: packets that a router sends on by the
interface where they came in, with a smaller TTL; SYN-ACKs alone, of which TCP sends two at once when its timer and a
second SYN meet.
Says: how many packets of a point are recorded twice, or up to how often. They were captured twice, not sent twice.
Wrong when: a host sends two identical packets within a millisecond, with the same IP identification.
Fix: nothing; capture at `any` with `tcpdump -y LINUX_SLL2`, which tells its interfaces apart, or without promiscuous
     mode (`tcpdump -p`) on a bridge.
Verify: the same capture with `-p`, or on a veth of the bridge, has each packet once.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FLOW_DMAC, FLOW_POINT, FLOW_SYNACK_TIME
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.duplicates import duplicates
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.speakers import speakers

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = "bridge-hairpin-noproxy"
WITNESS = "pcaps/bridge.pcapng"  # a bridge in promiscuous mode that makes no copies
EXPLAINS = ()

PAGE_ZH = """一个抓包点把同一个包记录了两次。

检查：同一抓包点、同一条流中，一毫秒内摘要相同的包；在 `any` 上的没有接口编号的 cooked 抓包中，则是 20 毫秒内摘要和
TTL 都相同的包，用户态交换机会有这么久的延迟。不包括路由器从同一接口转发出去的包（TTL 更小），也不包括仅有的
SYN-ACK：当定时器与第二个 SYN 相遇时，TCP 会一次发两个。
结论：一个抓包点有多少个包记录了两次，或最多记录了几次。是抓了两次，不是发了两次。
误判：主机在一毫秒内发送了两个 IP identification 相同的同样的包。
处理：无需处理；在 `any` 上用 `tcpdump -y LINUX_SLL2` 抓包可区分接口，在网桥上不用混杂模式（`tcpdump -p`）。
验证：用 `-p` 重新抓包，或在网桥的某个 veth 上抓包，每个包只有一次。
"""

SAYS = Text(en="{point} recorded {packets:packet} twice", zh="{point} 把 {packets} 个包记录了两次")
SAYS_OFTEN = Text(
    en="{point} recorded {packets:packet} up to {times} times each",
    zh="{point} 把 {packets} 个包每个最多记录了 {times} 次",
)
FIX = Text(
    en="a capture at `any` or a promiscuous bridge sees some packets twice; "
    "`tcpdump -i any -y LINUX_SLL2` tells the interfaces of `any` apart",
    zh="在 `any` 上或在混杂模式的网桥上抓包，有些包会看到两次；`tcpdump -i any -y LINUX_SLL2` 能区分 `any` 的各个接口",
)


def diagnose(context: Context) -> list[Finding]:
    per_flow = duplicates(context)
    is_routed = (per_flow.ttl_deltas < 0).tolist()
    is_sent_on = np.array(
        [
            routed and _is_at_router(context, row)
            for row, routed in zip(per_flow.flow_rows.tolist(), is_routed, strict=True)
        ],
        dtype=bool,
    )
    points = context.flows[per_flow.flow_rows, FLOW_POINT]
    is_synack = (context.flows[per_flow.flow_rows, FLOW_SYNACK_TIME] >= 0) & (per_flow.ttl_deltas == 0)
    is_other = ~is_sent_on & ~is_synack
    is_told = ~is_sent_on & is_among(points, points[is_other])
    packets: dict[int, int] = {}
    times_of: dict[int, int] = {}
    frames_of: dict[int, list[int]] = {}
    columns = (per_flow.flow_rows, per_flow.packets, per_flow.times, per_flow.frames)
    for row, count, times, frames in zip(*(column[is_told].tolist() for column in columns), strict=True):
        point = int(context.flows[row, FLOW_POINT])
        packets[point] = packets.get(point, 0) + count
        times_of[point] = max(times_of.get(point, 0), times)
        frames_of.setdefault(point, []).extend(frames)
    return [_finding(context, point, packets[point], times_of[point], frames_of[point]) for point in sorted(packets)]


def _finding(context: Context, point: int, packets: int, times: int, frames: list[int]) -> Finding:
    name = context.points[point].name
    return Finding(
        NAME,
        "info",
        (SAYS if times == 2 else SAYS_OFTEN).fill(point=name, packets=packets, times=times),
        FIX.fill(),
        {"point": name, "packets": packets, "times": times},
        sorted(context.evidence(point, frame) for frame in sorted(frames)[:MAX_EVIDENCE]),
    )


def _is_at_router(context: Context, row: int) -> bool:
    """Is a flow at the own interface of a station that it is not for, which sends it on by the same interface?

    A bridge whose host routes copies of what it only bridges shows them too, and so do its ports.
    """
    flow = context.flows[row]
    if int(flow[FLOW_POINT]) not in interface_points(context).get(int(flow[FLOW_DMAC]), ()):
        return False
    speaker = speakers(context).get(int(flow[FLOW_DMAC]))
    return speaker is not None and destination(flow) not in (speaker.own.keys() | speaker.claimed)

"""broadcast-storm: one broadcast or multicast frame comes again and again, as in a loop of bridges.

Looks at: ARP packets with the same sender, target and operation, and IP packets to a group with the same digest and
TTL: at least 50 in one second at one point, of IP five of them within 10 ms. Not:
- copies that all come within 10 ms, as a mirror port makes them, unless there are hundreds;
- multicast without IP identification, which a program may send so itself, but for the ICMPv6 of the link;
- points without Ethernet headers, as `any` shows a frame at each interface;
- a station that asks for an address of its own, which never gets an answer and asks at its own pace;
- where two or more other broadcasts pass the point meanwhile and do not come again, and fewer do;
- a burst that ends by itself within 0.2 s, after which other ARP requests pass once: a hypervisor repeats its
  announcements, and a loop goes on until it is cut.
Says: which frame, how often in which time, at which point; whether its own sender gets it back.
Wrong when: a test program floods the network with equal frames.
Fix: take out the second link between two bridges or switches, or turn the spanning tree protocol on.
Verify: `bridge fdb show` shows a MAC move from port to port; the kernel logs "received packet on … with own address as
source address".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast_macs, proto_name, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.duplicates import repeated_in_flow
from capnet.analysis.fate.interface_points import interface_points
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import MAPPED, address_text, mac_text
from capnet.wire.numbers import ARP_REQUEST, ICMPV6, RARP_REPLY, RARP_REQUEST

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault broadcast-storm"
WITNESS = "pcaps/bridge-hairpin-noproxy.pcapng"  # a bridge that records packets twice
EXPLAINS = ("arp-unanswered", "connection-unanswered", "duplicate-observation", "packet-loss")

PAGE_ZH = """同一个广播或组播帧反复出现，像是网桥形成了环路。

检查：发送者、目标和操作都相同的 ARP 包，以及摘要和 TTL 都相同的发往组地址的 IP 包：在一个抓包点上一秒内至少 50 个，IP
的其中五个在 10 毫秒内。不包括：
- 全部在 10 毫秒内的副本（镜像端口会这样），除非有数百个；
- 没有 IP identification 的组播（程序可能自己这样发），但链路上的 ICMPv6 除外；
- 没有以太网头的抓包点，因为 `any` 在每个接口上都会显示一帧；
- 站点询问自己拥有的地址，得不到应答而按自己的节奏重复；
- 同一时间有两个以上其他广播经过该抓包点而没有再次出现，而重复的更少；
- 0.2 秒内自行结束、之后其他 ARP 请求只出现一次的：虚拟机管理程序会重复它的通告，而环路在断开之前不会停止。
结论：哪一帧，在多长时间内出现多少次，在哪个抓包点；发送者自己是否也收到它。
误判：测试程序用相同的帧冲击网络。
处理：去掉两个网桥或交换机之间的第二条链路，或打开生成树协议。
验证：`bridge fdb show` 显示 MAC 在端口之间移动；内核日志有 “received packet on … with own address as source
address”。
"""

SAYS = Text(
    en="the same {what} of {sender} came {packets:time} in {seconds} s at {point}{back}{more}: bridges or switches "
    "form a loop",
    zh="{sender} 的同一个 {what} 在 {seconds} 秒内出现了 {packets} 次，位置 {point}{back}{more}：网桥或交换机形成了"
    "环路",
)
BACK = Text(en=", the sender's own interface", zh="（发送者自己的接口）")
MORE = Text(en=", and {frames:other frame} likewise", zh="，另有 {frames} 帧也是如此")
FIX = Text(
    en="take out the second link between the two bridges or switches, or turn the spanning tree protocol on "
    "(`ip link set BRIDGE type bridge stp_state 1`)",
    zh="去掉两个网桥或交换机之间的第二条链路，或打开生成树协议（`ip link set BRIDGE type bridge stp_state 1`）",
)

ARP_MESSAGES = {ARP_REQUEST: "ARP request", RARP_REQUEST: "RARP request", RARP_REPLY: "RARP reply"}
MIN_COPIES = 50  # in one second: ARP repeats once a second (RFC 1122 section 2.3.2.1), beacons of lights 44 times
MIN_COPIES_AT_ONCE, AT_ONCE_NS = 5, 10_000_000  # a beacon every 20 ms or more comes once in this time
MIN_LASTING_NS, MIN_BRIEF_COPIES = 10_000_000, 500  # a mirror of several ports copies a frame once for each, and ends
MAX_LONE = 2  # packets of a broadcast that does not go round: a mirror shows one twice
MAX_ENDED_NS, MIN_AFTERWARDS = 200_000_000, 2  # a burst that no person ended; ARP exchanges that pass behind it
MAX_STORMS = 10_000  # rows of ARP and observations that are looked at one by one
BROADCAST = 0xFFFFFFFFFFFF
ICMPV6_LISTENER_QUERY = 130  # types from here on are those of one link (RFC 2710, RFC 4861)


class _Storm(NamedTuple):
    """A frame that came again and again at a point: how often, from when to when (ns), and one of its frames."""

    packets: int
    point: int
    first: int
    last: int
    frame: int
    mac: int
    what: str
    sender: str


def diagnose(context: Context) -> list[Finding]:
    repeated = [storm for storm in (*_of_arp(context), *_of_ip(context)) if _lasts(storm)]
    at_point = Counter(storm.point for storm in repeated)
    is_flooded = {point: _passes_others(context, point, repeated, at_point[point]) for point in at_point}
    storms = sorted((storm for storm in repeated if not is_flooded[storm.point]), reverse=True)
    if not storms:
        return []
    worst = storms[0]
    others = len({(storm.mac, storm.what, storm.sender) for storm in storms}) - 1
    is_back = worst.point in interface_points(context).get(worst.mac, ())
    return [
        Finding(
            NAME,
            "error",
            SAYS.fill(
                what=language.term(worst.what), sender=worst.sender, packets=worst.packets,
                seconds=f"{(worst.last - worst.first) / 1e9:.2g}", point=context.points[worst.point].name,
                back=BACK.fill() if is_back else "", more=MORE.fill(frames=others) if others else "",
            ),
            FIX.fill(),
            {
                "points": sorted({context.points[storm.point].name for storm in storms}),
                "sender": worst.sender, "packets": worst.packets, "frames": others + 1,
            },
            _evidence(context, storms),
        )
    ]  # fmt: skip


def _lasts(storm: _Storm) -> bool:
    return storm.last - storm.first >= MIN_LASTING_NS or storm.packets >= MIN_BRIEF_COPIES


def _passes_others(context: Context, point: int, storms: list[_Storm], frames: int) -> bool:
    """While the worst frame comes again, do more broadcasts pass the point once than again? A loop repeats them all."""
    worst = max(storm for storm in storms if storm.point == point)
    if worst.last - worst.first < MAX_ENDED_NS and _pass_afterwards(context, worst) >= MIN_AFTERWARDS:
        return True
    until = worst.last - MIN_COPIES_AT_ONCE * (worst.last - worst.first) // worst.packets  # there was time for copies
    lone = 0
    for table, at, via, to, first, packets in (
        (context.arps, schema.ARP_POINT, schema.ARP_VIA, schema.ARP_ETH_DESTINATION, schema.ARP_FIRST,
         schema.ARP_PACKETS),
        (context.flows, schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_DMAC, schema.FLOW_FIRST, schema.FLOW_PACKETS),
    ):  # fmt: skip
        is_lone = (table[:, at] == point) & (table[:, via] == 0) & (table[:, to] == BROADCAST)
        is_lone &= (table[:, packets] <= MAX_LONE) & (table[:, first] > worst.first) & (table[:, first] < until)
        lone += int(is_lone.sum())
    return lone > frames


def _pass_afterwards(context: Context, storm: _Storm) -> int:
    """How many ARP exchanges by broadcast pass the storm's point after it, and never more than twice in a second?"""
    table = context.arps
    is_there = (table[:, schema.ARP_POINT] == storm.point) & (table[:, schema.ARP_ETH_DESTINATION] == BROADCAST)
    return int((is_there & (table[:, schema.ARP_LAST] > storm.last) & (table[:, schema.ARP_BURST] <= MAX_LONE)).sum())


def _of_arp(context: Context) -> Iterator[_Storm]:
    table = context.arps
    mac = table[:, schema.ARP_ETH_DESTINATION]  # replies go to one station: as many as there are copies of the request
    rows = table[(table[:, schema.ARP_BURST] >= MIN_COPIES) & (mac > 0) & are_multicast_macs(mac)]
    own = {(mac, sender) for mac, sender in table[:, [schema.ARP_SENDER_MAC, schema.ARP_SENDER_LO]].tolist()}
    for row in rows[:MAX_STORMS].tolist():
        sender, target = row[schema.ARP_SENDER_LO], row[schema.ARP_TARGET_LO]
        if sender != target and (row[schema.ARP_SENDER_MAC], target) in own:
            continue  # no other station answers, however often it asks
        yield _Storm(
            row[schema.ARP_BURST], row[schema.ARP_POINT], row[schema.ARP_BURST_FIRST], row[schema.ARP_BURST_LAST],
            row[schema.ARP_FIRST_FRAME], row[schema.ARP_SENDER_MAC],
            ARP_MESSAGES.get(row[schema.ARP_OPERATION], "ARP reply"),
            address_text(0, sender) if sender != MAPPED else mac_text(row[schema.ARP_SENDER_MAC]),
        )  # fmt: skip


def _of_ip(context: Context) -> Iterator[_Storm]:
    observations = repeated_in_flow(context, context.observations)
    flow = observations[:, schema.OBS_FLOW]
    is_named = (observations[:, schema.OBS_FROM] >> 16 != 0) | _is_broadcast(context)[flow]
    observations = observations[np.where(_is_ipv6(context)[flow], _is_of_the_link(context)[flow], is_named)]
    observations = observations[_is_to_group(context)[observations[:, schema.OBS_FLOW]]]
    key = observations[:, [schema.OBS_DIGEST, schema.OBS_FLOW, schema.OBS_TTL]]
    time = observations[:, schema.OBS_TIME]
    starts = np.flatnonzero(np.append(True, (key[1:] != key[:-1]).any(axis=1))[: len(key)])
    sizes = np.diff(np.append(starts, len(key)))
    is_many = sizes >= MIN_COPIES
    for start, size in list(zip(starts[is_many].tolist(), sizes[is_many].tolist(), strict=True))[:MAX_STORMS]:
        times = time[start : start + size]
        in_a_second = np.searchsorted(times, times + schema.WINDOW_NS) - np.arange(size)
        at_once = np.searchsorted(times, times + AT_ONCE_NS) - np.arange(size)
        best = int(np.argmax(in_a_second))
        packets = int(in_a_second[best])
        if packets < MIN_COPIES or int(at_once.max()) < MIN_COPIES_AT_ONCE:
            continue
        row = int(observations[start, schema.OBS_FLOW])
        flow = context.flows[row]
        yield _Storm(
            packets, int(flow[schema.FLOW_POINT]), int(times[best]), int(times[best + packets - 1]),
            int(observations[start + best, schema.OBS_FRAME]), int(flow[schema.FLOW_SMAC]),
            f"{proto_name(int(flow[schema.FLOW_PROTO]))} packet", source(flow),
        )  # fmt: skip


def _is_to_group(context: Context) -> FlowMask:
    mac = context.flows[:, schema.FLOW_DMAC]
    return (mac > 0) & are_multicast_macs(mac)


def _is_broadcast(context: Context) -> FlowMask:
    return context.flows[:, schema.FLOW_DMAC] == BROADCAST


def _is_ipv6(context: Context) -> FlowMask:
    return context.flows[:, schema.FLOW_DST_HI] != 0


def _is_of_the_link(context: Context) -> FlowMask:
    """ICMPv6 of neighbors, routers and multicast listeners, which hosts send seconds apart, from one station."""
    flows = context.flows
    is_of_link = (flows[:, schema.FLOW_PROTO] == ICMPV6) & (flows[:, schema.FLOW_KIND] >> 8 >= ICMPV6_LISTENER_QUERY)
    return is_of_link & (flows[:, schema.FLOW_SRC_HI] >> 56 & 0xFF != 0xFF)


def _evidence(context: Context, storms: list[_Storm]) -> list[Evidence]:
    """The first frames of the worst storms, of each point at least one."""
    by_point: dict[int, _Storm] = {}
    for storm in storms:
        by_point.setdefault(storm.point, storm)
    frames = [context.evidence(storm.point, storm.frame) for storm in (*by_point.values(), *storms)]
    return sorted(set(frames[:MAX_EVIDENCE]))

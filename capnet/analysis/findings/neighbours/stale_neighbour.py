"""stale-neighbour: an address is at a new MAC, and hosts go on sending to the one that it had before.

Looks at: an address that ARP or Neighbor Discovery gives to one MAC and later to another one, and questions to that
address which go to the old MAC after the new one has spoken, in vain (`facts.layer2.mac_changes`). Where the old MAC
was not seen to have the address, no frame may come from it, and others reach the address
(`facts.neighbours.silent_macs`). The two MACs may answer at different points of one link, as at the interfaces of two
nodes that share an address. Not: two MACs in turn (`duplicate-ip`), a gateway (`gateway-mac-changed`).
Says: which address, from which MAC to which, who goes on sending to the old one, how long, how many packets.
Wrong when: the address is used by two stations, and the old one is silent from then on.
Fix: let the new station announce its address, or keep the MAC; until then delete the entry where it is wrong.
Verify: `ip neigh show ADDRESS` on the hosts that send names the old MAC; after `arping -U -I IFACE ADDRESS` at the new
station, the new one.
"""

from __future__ import annotations

from itertools import groupby

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.mac_changes import MacChange, moved_stations
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.neighbours.silent_macs import silent_macs
from capnet.analysis.facts.neighbours.whereabouts.moved import moved_to_other_points
from capnet.analysis.fate.speakers import speakers
from capnet.wire.addresses import address_value, mac_text

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault stale-neighbour"
WITNESS = "pcaps/faults/gateway-mac-changed.pcapng"  # there the packets go through the address, not to it
EXPLAINS = (
    "connection-cut", "address-moved", "arp-unanswered", "connection-unanswered", "duplicate-ip",
    "handshake-unfinished", "packet-loss", "retransmissions", "stops-between",
)  # fmt: skip

PAGE_ZH = """地址已在新的 MAC 上，而主机继续发往它以前的 MAC。

检查：ARP 或邻居发现先给一个 MAC、后给另一个 MAC 的地址，以及新 MAC 说话之后仍发往旧 MAC、对该地址的无应答请求
（`facts.layer2.mac_changes`）。没有看到旧 MAC 拥有该地址时，必须没有任何帧来自它，而其他主机能到达该地址
（`facts.neighbours.silent_macs`）。两个 MAC 可以在同一链路的不同抓包点上应答，例如共用一个地址的两个节点的接口。
不包括：两个 MAC 轮流出现（`duplicate-ip`）、网关（`gateway-mac-changed`）。
结论：哪个地址，从哪个 MAC 到哪个 MAC，谁继续发往旧的，多久，多少个包。
误判：两个站点使用该地址，而旧的从那时起不再说话。
处理：让新站点通告它的地址，或保留 MAC；在此之前，在表项错误的主机上删除它。
验证：在发送的主机上 `ip neigh show ADDRESS` 显示旧的 MAC；在新站点上 `arping -U -I IFACE ADDRESS`。
"""

SAYS = Text(
    en="{address} is at {new}, and {hosts} sent to {old} instead for {seconds} s: {packets:packet} without an answer",
    zh="{address} 位于 {new}，而 {hosts} 在 {seconds} 秒内发往 {old}：{packets} 个包无应答",
)
FIX = Text(
    en="{old} is stale or wrong: delete the entry (`ip neigh del {address} dev IFACE` on {host}), and let the new "
    "station announce itself when it starts (`arping -U -I IFACE {address}`; keepalived: garp_master_refresh), or give "
    "it the old MAC (`--mac-address`)",
    zh="{old} 已过期或有误：删除该表项（在 {host} 上执行 `ip neigh del {address} dev IFACE`），并让新站点启动时通告自己"
    "（`arping -U -I IFACE {address}`；keepalived：garp_master_refresh），或给它旧的 MAC（`--mac-address`）",
)

MIN_PACKETS = 2  # a single one may be lost by chance
MIN_OUTAGE_NS = 1_000_000_000  # shorter ones go by without notice: a host asks again within a second


def diagnose(context: Context) -> list[Finding]:
    moved = [
        change
        for change in [*moved_stations(context), *silent_macs(context), *moved_to_other_points(context)]
        if change.packets >= MIN_PACKETS and change.until - change.since >= MIN_OUTAGE_NS
    ]
    return [_finding(context, list(at_points)) for _, at_points in groupby(sorted(moved, key=_move), key=_move)]


def _move(change: MacChange) -> tuple[tuple[int, int], int, int]:
    """What is one change, at however many points."""
    return address_value(change.address), change.old, change.new


def _sender(context: Context, row: int) -> str:
    """Who has the stale entry: the source of the packets, or the router that passes them on, by its address or MAC."""
    flow = context.flows[row]
    mac, address = int(flow[schema.FLOW_SMAC]), source(flow)
    speaker = speakers(context, int(flow[schema.FLOW_POINT])).get(mac)
    if speaker is None or address not in speaker.forwarded:
        return address
    own = speaker.own_ips or sorted(speaker.claimed)
    return own[0] if own else mac_text(mac)


def _finding(context: Context, changes: list[MacChange]) -> Finding:
    """One change, at the points that show it."""
    worst = max(changes, key=lambda change: change.packets)
    hosts = sorted({_sender(context, row) for row in worst.rows})
    seconds = round((worst.until - worst.since) / 1e9, 1)
    spoken = {context.evidence(change.point, frame) for change in changes for frame in change.frames}
    hops = hop_evidence(context, [flow_links(context).last_hop(row) for row in worst.rows])
    old, new = mac_text(worst.old), mac_text(worst.new)
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            address=worst.address, old=old, new=new, hosts=several(hosts), seconds=f"{seconds:g}",
            packets=worst.packets,
        ),
        FIX.fill(address=worst.address, host=hosts[0], old=old),
        {
            "address": worst.address, "old": old, "new": new, "hosts": hosts[:MAX_EVIDENCE], "seconds": seconds,
            "packets": worst.packets, "points": [context.points[change.point].name for change in changes],
        },
        sorted({*sorted(spoken)[: MAX_EVIDENCE // 2], *hops}),
    )  # fmt: skip

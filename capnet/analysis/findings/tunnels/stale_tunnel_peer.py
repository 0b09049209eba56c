"""stale-tunnel-peer: frames for a station of an overlay network are sent to a host where it is not.

Looks at: packets in a tunnel with a VNI for one MAC, sent again or going on without an answer, whose outer destination
is not the tunnel end where this MAC speaks; it speaks at that one alone, also a second after the first of these
packets, and gets no packet of this sender meanwhile (`facts.overlay.stale_peers`).
Says: to which tunnel end the sender sends them, from which one the MAC speaks, and how many packets.
Wrong when: the station moved, and nothing that it sent from its new host was captured; or two stations have one MAC.
Fix: replace the entry in the sender's forwarding database, or let the control plane write it anew: update the service,
or restart the agent (Docker, flannel, Calico) of the sender's host.
Verify: `bridge fdb show dev vxlan0` in the overlay's namespace of the sender's host names the tunnel end for the MAC.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.overlay.stale_peers import StalePeer, stale_peers
from capnet.wire.addresses import address_value, mac_text
from capnet.wire.protocols import KIND_OF_NUMBER

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault stale-tunnel-peer"
WITNESS = "pcaps/overlay.pcapng"  # two hosts that know where each other's containers are
EXPLAINS = (
    "tunnel-one-way", "connection-unanswered", "handshake-unfinished", "retransmissions", "arp-unanswered",
    "neighbour-unanswered", "stops-between", "packet-loss", "request-unanswered",
)  # fmt: skip
IS_OF_TUNNEL = True

PAGE_ZH = """发给 overlay 网络中某站点的帧被送到它不在的主机。

检查：带 VNI 的隧道中发给一个 MAC、重发或继续而没有应答的包，其外层目的不是该 MAC 发言的隧道端点；它只在那一个端点发
言，在这些包的第一个之后一秒仍如此，其间没有收到该发送者的包（`facts.overlay.stale_peers`）。
结论：发送者把它们送到哪个隧道端点，该 MAC 从哪个端点发言，有多少个包。
误判：站点已经迁移，而它从新主机发出的包都没有抓到；或两个站点使用同一个 MAC。
处理：替换发送方转发数据库中的条目，或让控制面重新写入：更新服务，或重启发送方主机上的代理（Docker、flannel、Calico）。
验证：在发送方主机的 overlay 命名空间中 `bridge fdb show dev vxlan0` 显示该 MAC 对应的隧道端点。
"""

SAYS = Text(
    en="{tunnel}: {sender} sends {packets:packet} for {mac} ({destinations}) to {target}, and this MAC speaks from "
    "{home}: none is answered",
    zh="{tunnel}：{sender} 把发给 {mac}（{destinations}）的 {packets} 个包送到 {target}，而该 MAC 从 {home} 发言：没有"
    "一个得到应答",
)
FIX = Text(
    en="the entry for {mac} on {sender} is stale: `bridge fdb replace {mac} dev vxlan0 dst {home}` in the overlay's "
    "namespace, or let the control plane write it anew (update the service, restart the agent); `bridge fdb show dev "
    "vxlan0` shows it",
    zh="{sender} 上 {mac} 的条目已过时：在 overlay 的命名空间中 `bridge fdb replace {mac} dev vxlan0 dst {home}`，或让"
    "控制面重新写入（更新服务，重启代理）；`bridge fdb show dev vxlan0` 显示它",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, peer) for peer in stale_peers(context)]


def _finding(context: Context, peer: StalePeer) -> Finding:
    mac = mac_text(peer.mac)
    destinations = sorted({destination(context.flows[row]) for row in peer.rows.tolist()}, key=address_value)
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            tunnel=KIND_OF_NUMBER[peer.kind].titled(peer.vni), sender=peer.sender, packets=peer.packets, mac=mac,
            destinations=several(destinations), target=peer.target, home=peer.home,
        ),
        FIX.fill(mac=mac, sender=peer.sender, home=peer.home),
        {
            "kind": KIND_OF_NUMBER[peer.kind].name, "vni": peer.vni, "mac": mac, "sender": peer.sender,
            "target": peer.target, "home": peer.home, "destinations": destinations[:MAX_EVIDENCE],
            "packets": peer.packets,
        },
        [context.evidence(*frame) for frame in peer.frames],
    )  # fmt: skip

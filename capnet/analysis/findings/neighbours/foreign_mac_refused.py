"""foreign-mac-refused: a container with a MAC of its own is cut off by the switch port of its host's card.

Looks at: questions by ARP or Neighbor Discovery of a MAC behind a card, and the frames to it, at the card and at
another one (`facts.neighbours.refused_macs`): frames to the MAC leave the other card and do not come in, or the MAC's
own frames do not come out, while those of the card's own MAC pass. A warning where only the host was captured: a
neighbour answers the host, and never the MAC behind it.
Says: which MAC, how many frames, between which two points, and which MAC passes.
Wrong when: the MAC is behind a third card that was not captured.
Fix: let the port accept more than one MAC: promiscuous mode and forged transmits (VMware), MAC address spoofing
(Hyper-V); or use ipvlan in L2 mode, which needs one MAC only.
Verify: `tcpdump -e -n -i CARD ether host MAC` on the host of the container shows frames to the MAC.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.neighbours.refused_macs import IN, OUT, UNKNOWN, RefusedMac, refused_macs
from capnet.wire.addresses import mac_text

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault foreign-mac-refused"
WITNESS = "pcaps/macvlan.pcapng"  # children that other hosts reach, and their own host does not
EXPLAINS = (
    "arp-unanswered", "connection-unanswered", "handshake-unfinished", "macvlan-host-isolation",
    "neighbour-unanswered", "packet-loss", "stops-between",
)  # fmt: skip

PAGE_ZH = """有自己 MAC 的容器被其主机网卡所在的交换机端口隔断。

检查：父接口后面的 MAC 的 ARP 或邻居发现询问，以及发往它的帧，在该父接口和另一个接口上对比
（`facts.neighbours.refused_macs`）：发往该 MAC 的帧离开另一个接口而没有进来，或该 MAC 自己的帧没有出去，而父接口自己的
MAC 的帧能通过。只抓了该主机时为警告：邻居应答主机，从不应答它后面的 MAC。
结论：哪个 MAC，多少帧，在哪两个抓包点之间，哪个 MAC 能通过。
误判：该 MAC 在第三个没有抓包的接口后面。
处理：让端口接受多个 MAC：混杂模式和伪传输（VMware）、MAC 地址欺骗（Hyper-V）；或改用只需一个 MAC 的 ipvlan L2 模
式。
验证：在容器所在的主机上 `tcpdump -e -n -i CARD ether host MAC` 显示发往该 MAC 的帧。
"""

SAYS = {
    IN: Text(
        en="{frames:unicast frame} to {mac} ({address}) left {other}, and none reached {card}, though frames to the "
        "card's own MAC {own} do, and its broadcasts come out: the switch port of {card} accepts one MAC only",
        zh="发往 {mac}（{address}）的 {frames} 个单播帧离开了 {other}，没有一个到达 {card}，而发往父接口自己的 MAC "
        "{own} 的帧能到，广播也能出去：{card} 的交换机端口只接受一个 MAC",
    ),
    OUT: Text(
        en="{frames:frame} of {mac} ({address}) left {card}, and none reached {other}, though frames of the card's own "
        "MAC {own} do: the switch port of {card} accepts one MAC only",
        zh="{mac}（{address}）的 {frames} 帧离开了 {card}，没有一个到达 {other}，而父接口自己的 MAC {own} 的帧能到："
        "{card} 的交换机端口只接受一个 MAC",
    ),
    UNKNOWN: Text(
        en="{mac} ({address}) asked {frames:time} by {card}, and no answer came, though {target} answers {own} there: "
        "the switch port of {card} seems to accept one MAC only",
        zh="{mac}（{address}）经 {card} 询问了 {frames} 次，没有应答，而 {target} 在那里应答 {own}：{card} 的交换机"
        "端口看来只接受一个 MAC",
    ),
}
FIX = Text(
    en="allow promiscuous mode and forged transmits on the port group of {card} (VMware) or MAC address spoofing "
    "(Hyper-V), more MACs on the port of a switch; or use ipvlan in L2 mode, which shares the card's MAC",
    zh="在 {card} 的端口组上允许混杂模式和伪传输（VMware），或 MAC 地址欺骗（Hyper-V），或在交换机端口上允许更多 MAC"
    "；也可以改用 ipvlan L2 模式，它共享父接口的 MAC",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, refused) for refused in refused_macs(context)]


def _finding(context: Context, refused: RefusedMac) -> Finding:
    card, other = (context.points[point].name for point in (refused.card, refused.other))
    mac, own = mac_text(refused.mac), mac_text(refused.own_mac)
    return Finding(
        NAME,
        "warning" if refused.way == UNKNOWN else "error",
        SAYS[refused.way].fill(
            frames=refused.frames, mac=mac, address=refused.address, card=card, other=other, own=own,
            target=refused.exchanges[0].target,
        ),
        FIX.fill(card=card),
        {
            "mac": mac, "address": refused.address, "card": card, "other": other, "own": own,
            "frames": refused.frames, "refuses": refused.way,
        },
        _evidence(context, refused),
    )  # fmt: skip


def _evidence(context: Context, refused: RefusedMac) -> list[Evidence]:
    """First questions and first answers at each point."""
    frames = {
        context.evidence(of.point, frame)
        for of in refused.exchanges
        for frame in (of.request_frame, of.reply_frame)
        if frame > 0
    }
    return sorted(frames)

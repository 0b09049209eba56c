"""vlan-not-carried: frames of a VLAN leave one host's interface and never come to another host that has this VLAN.

Looks at: repeated questions for a MAC (ARP, neighbor solicitation) with a VLAN tag at the interface of a host, without
an answer, which go to all ports of the VLAN. None of them is seen at the interface of another host, which has an
interface of this VLAN or sends its tag, while packets without a tag pass from interface to interface
(`facts.losses.missing_vlans`).
Says: which VLAN, who asks for which address, at which interface the questions are seen and at which they are not. A
warning where the other point may have been captured with a filter: `arp` alone does not match frames with a tag.
Wrong when: the interfaces are on different switches that are not meant to share the VLAN.
Fix: let the ports of both hosts, and the links between their switches, carry the VLAN: as a trunk, with its tag. In
virtual machines, the port group of the hypervisor takes VLAN 4095 (VMware) or a trunk.
Verify: `bridge vlan show` on a Linux bridge; `tcpdump -nei CARD vlan ID` on the other host.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.losses.missing_vlans import MissingVlan, missing_vlans
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the kernel of the lab has no VLAN interfaces
WITNESS = "pcaps/macvlan-vlan.pcapng"  # containers in a VLAN that the switch carries
EXPLAINS = ("arp-unanswered", "neighbour-unanswered", "connection-unanswered")

PAGE_ZH = """一个 VLAN 的帧离开一台主机的接口，从未到达另一台有该 VLAN 的主机。

检查：主机接口上带 VLAN 标签、重复而没有应答的对 MAC 的询问（ARP、neighbor solicitation），它们发往该 VLAN 的所有端口。
另一台主机有该 VLAN 的接口或发送其标签，而它的接口上一个也没有；其间不带标签的包在两个接口之间通过
（`facts.losses.missing_vlans`）。
结论：哪个 VLAN，谁询问哪个地址，询问见于哪个接口、不见于哪个接口。另一个抓包点可能用了过滤器时为警告：单独的 `arp`
不匹配带标签的帧。
误判：两个接口在不同的交换机上，而它们本不应共享该 VLAN。
处理：让两台主机的端口和交换机之间的链路都带标签承载该 VLAN（trunk）。虚拟机中，虚拟化平台的端口组用 VLAN 4095（VMware）
或 trunk。
验证：Linux 网桥上 `bridge vlan show`；在另一台主机上 `tcpdump -nei CARD vlan ID`。
"""

SAYS = Text(
    en="VLAN {vlan} does not pass between {point} and {other}: {questions:question} of {askers} for the MAC of "
    "{targets} are seen at {point} with its tag, none at {other}; {untagged:flow} without a tag {untagged:passes|pass}",
    zh="VLAN {vlan} 不能在 {point} 和 {other} 之间通过：{askers} 对 {targets} 的 MAC 的 {questions} 次带标签的询问见于 "
    "{point}，没有一次见于 {other}；不带标签的 {untagged} 条流通过",
)
FIX = Text(
    en="let the switch carry VLAN {vlan} with its tag to both ports (trunk; VMware: port group with VLAN 4095; Linux "
    "bridge: `bridge vlan add dev PORT vid {vlan}`), and on the links between switches",
    zh="让交换机在两个端口上带标签承载 VLAN {vlan}（trunk；VMware：VLAN 4095 的端口组；Linux 网桥：`bridge vlan add "
    "dev PORT vid {vlan}`），交换机之间的链路也是",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, missing) for missing in missing_vlans(context)]


def _finding(context: Context, missing: MissingVlan) -> Finding:
    askers, targets = (
        sorted(set(ends), key=address_value)
        for ends in zip(*((of.asker, of.target) for of in missing.questions), strict=True)
    )
    point, other = context.points[missing.point].name, context.points[missing.other].name
    questions = sum(of.requests for of in missing.questions)
    return Finding(
        NAME,
        "error" if missing.is_heard else "warning",
        SAYS.fill(
            vlan=str(missing.vlan), point=point, other=other, questions=questions, askers=several(askers),
            targets=several(targets), untagged=missing.untagged,
        ),
        FIX.fill(vlan=str(missing.vlan)),
        {
            "point": point, "other": other, "vlan": missing.vlan, "askers": askers[:MAX_EVIDENCE],
            "targets": targets[:MAX_EVIDENCE], "questions": questions,
        },
        [context.evidence(missing.point, of.request_frame) for of in missing.questions],
    )  # fmt: skip

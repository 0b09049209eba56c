"""source-check: packets that a host forwards do not arrive at the next host, while its own packets do.

Looks at: flows without an answer that leave the interface of a host to the MAC of another host's interface, and do not
arrive there. Their sources are addresses of containers or pods, which the host only passes on. Flows of the host's own
addresses arrive there meanwhile and are answered, and no other ones do (`facts.losses.foreign_addresses`).
Says: how many packets of which addresses were lost between which interfaces, and how many flows of the host's own
address arrived.
Wrong when: the packets take another path, as with bonds, or a capture dropped them; or a filter between the hosts
drops these addresses for another reason.
Fix: let the hosts send with addresses that are not their own. In clouds this is a setting of each machine or port; or
carry the packets in a tunnel between the hosts.
Verify: `ethtool -S CARD | grep -Ei 'drop|miss|no_buf|spoof'` on both hosts does not rise, or names spoofed frames.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.losses.foreign_addresses import ForeignLoss, foreign_losses
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault source-check"
WITNESS = "pcaps/overlay.pcapng"  # packets of containers pass between two hosts in a tunnel
EXPLAINS = (
    "connection-unanswered", "handshake-unfinished", "stops-between", "lost-on-the-wire", "packet-loss",
    "retransmissions",
)  # fmt: skip

PAGE_ZH = """主机转发的包没有到达下一台主机，而它自己的包能到。

检查：从一台主机的接口发往另一台主机接口的 MAC、没有应答、也没有到达那里的流。它们的源地址是主机只做转发的容器或 Pod
的地址。其间主机自己地址的流到达了那里并得到应答，而没有别的流到达（`facts.losses.foreign_addresses`）。
结论：哪些地址的多少个包在哪两个接口之间丢失，主机自己地址的多少条流到达。
误判：包走了另一条路，例如 bond，或抓包丢了它们；或两台主机之间的过滤因别的原因丢弃这些地址。
处理：允许主机用不属于自己的地址发送。在云上这是每台机器或端口的设置；或在主机之间用隧道传送。
验证：两台主机上的 `ethtool -S CARD | grep -Ei 'drop|miss|no_buf|spoof'` 不增加，或显示伪造（spoof）的帧。
"""

SAYS = Text(
    en="{packets:packet} of {sources} to {destinations} were handed to the driver of {point}, and not delivered by "
    "that of {next}, though sent to its MAC; {own_flows:flow} of the host's own address arrived there",
    zh="{sources} 到 {destinations} 的 {packets} 个包交给了 {point} 的驱动，而 {next} 的驱动没有收到，尽管发往它的 "
    "MAC；主机自己地址的 {own_flows} 条流到达了那里",
)
FIX = Text(
    en="the likely cause is a check of source and destination addresses between the hosts: allow these addresses "
    "(OpenStack: `openstack port set --allowed-address ip-address=NET PORT`; AWS: `aws ec2 modify-instance-attribute "
    "--no-source-dest-check`; Google: `--can-ip-forward`), or send them in a tunnel (VXLAN, IP in IP)",
    zh="可能的原因是两台主机之间对源和目的地址的检查：放行这些地址（OpenStack：`openstack port set --allowed-address "
    "ip-address=NET PORT`；AWS：`aws ec2 modify-instance-attribute --no-source-dest-check`；Google："
    "`--can-ip-forward`），或用隧道传送（VXLAN、IP in IP）",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, loss) for loss in foreign_losses(context)]


def _finding(context: Context, loss: ForeignLoss) -> Finding:
    flows = context.flows[loss.rows]
    sources, destinations = (sorted({end(flow) for flow in flows}, key=address_value) for end in (source, destination))
    point, next_point = context.points[loss.point].name, context.points[loss.due].name
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            packets=loss.packets, sources=several(sources), destinations=several(destinations), point=point,
            next=next_point, own_flows=loss.own_flows,
        ),
        FIX.fill(),
        {
            "point": point, "next": next_point, "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE], "packets": loss.packets,
        },
        hop_evidence(context, loss.rows),
    )  # fmt: skip

"""esp-blocked: encrypted packets of a tunnel leave one host and do not arrive at the other one.

Looks at: ESP (IP protocol 50) that stops between the interfaces of two hosts whose other packets arrive.
Says: how many packets, between which hosts and interfaces, and what does arrive.
Wrong when: NAT between the hosts wraps ESP into UDP, and the capture shows only the one side of it.
Fix: allow IP protocol 50 between all nodes, in firewalls and security groups; Swarm's encrypted overlays need it.
Verify: `tcpdump -ni CARD ip proto 50` on the other host shows the packets; `ip -s xfrm state` there counts them.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.losses.wire_losses import WireLoss, have_talked, wire_losses
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the wire of the lab drops nothing
WITNESS = "pcaps/overlay-encrypted.pcapng"  # ESP that arrives at both hosts
EXPLAINS = ("lost-on-the-wire", "stops-between", "packet-loss", "tunnel-one-way", "encrypted-overlay")
IS_OF_TUNNEL = True

PAGE_ZH = """隧道的加密包离开一台主机，没有到达另一台。

检查：停在两台主机的接口之间的 ESP（IP 协议 50），而两者的其他包能到。
结论：多少个包，在哪两台主机和接口之间，什么能到。
误判：主机之间的 NAT 把 ESP 装进 UDP，而抓包只显示了一侧。
处理：在所有节点之间的防火墙和安全组中放行 IP 协议 50；Swarm 的加密 overlay 需要它。
验证：在另一台主机上 `tcpdump -ni CARD ip proto 50` 显示这些包；那里的 `ip -s xfrm state` 有计数。
"""

SAYS = Text(
    en="{packets:ESP packet} from {sources} to {destination} left {point} and none reached {next}, where other packets "
    "between the two do: IP protocol 50 is filtered",
    zh="从 {sources} 到 {destination} 的 {packets} 个 ESP 包离开了 {point}，没有一个到达 {next}，而两者之间的其他包"
    "能到：IP 协议 50 被过滤",
)
FIX = Text(
    en="allow IP protocol 50 (ESP) between all nodes, in the host's firewall and in the provider's; an overlay without "
    "`--opt encrypted` does without it",
    zh="在所有节点之间放行 IP 协议 50（ESP），包括主机防火墙和云服务商的防火墙；不带 `--opt encrypted` 的 overlay 不"
    "需要它",
)

MIN_PACKETS = 2  # a single one may be the last of the capture


def diagnose(context: Context) -> list[Finding]:
    losses = (loss for loss in wire_losses(context) if loss.packets >= MIN_PACKETS and have_talked(context, loss))
    return [_finding(context, loss) for loss in losses if {service.proto for service in loss.services} == {"esp"}]


def _finding(context: Context, loss: WireLoss) -> Finding:
    rows = [flow.row for flow in loss.flows]
    sources = sorted({source(context.flows[row]) for row in rows}, key=address_value)
    point, next_point = context.points[loss.point].name, context.points[loss.due].name
    return Finding(
        NAME,
        "error" if loss.is_on_link and loss.is_heard else "warning",
        SAYS.fill(
            packets=loss.packets, sources=several(sources), destination=loss.destination, point=point, next=next_point
        ),
        FIX.fill(),
        {
            "point": point, "next": next_point, "destination": loss.destination, "sources": sources[:MAX_EVIDENCE],
            "packets": loss.packets,
        },
        hop_evidence(context, rows),
    )  # fmt: skip

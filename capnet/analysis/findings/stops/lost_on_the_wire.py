"""lost-on-the-wire: packets leave the interface of one host and never arrive at the interface of another one.

Looks at: flows without an answer that stop between interfaces of two hosts, while other packets to the same address,
from the same interface, arrive there. Not where all that is lost is longer than all that arrives, and `mtu-blackhole`
says it of both interfaces.
Says: which services cannot be reached, how many packets were handed to the driver of the one interface and not
delivered by that of the other one, and what does arrive. A warning if a router lies between, which may drop them.
Wrong when: the packets take another path, as with bonds and load balancers, or a capture dropped them.
Fix: as other packets pass, look first for what filters these between the two hosts: security groups and
source/destination checks of clouds, the hypervisor's port, the switch. Then look at the counters of both drivers.
Verify: with the filter off they arrive; or `ethtool -S CARD | grep -Ei 'drop|miss|no_buf|spoof'` rises with each
attempt on one of the hosts.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.losses.wire_losses import WireLoss, wire_losses
from capnet.analysis.facts.transport.lost_lengths import lengths_between
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault lost-on-the-wire"
WITNESS = "pcaps/overlay.pcapng"  # two hosts whose packets all arrive
EXPLAINS = (
    "connection-cut", "stops-between", "packet-loss", "retransmissions", "published-port-blocked",
    "connection-unanswered", "handshake-unfinished", "tunnel-one-way",
)  # fmt: skip

PAGE_ZH = """包离开一台主机的接口，没有到达另一台主机的接口。

检查：停在两台主机的接口之间、没有应答的流，而从同一接口到同一地址的其他包能到。如果丢失的都比到达的长，并且
`mtu-blackhole` 已对这两个接口说明，则不算。
结论：哪些服务到不了，多少个包交给了一个接口的驱动而没有由另一个接口的驱动送上来，什么能到。如果中间有一个
路由器，它可能丢弃它们，则为警告。
误判：包走了另一条路，例如 bond 和负载均衡，或抓包丢了它们。
处理：既然其他包能通过，先查找两台主机之间是什么在过滤它们：安全组、云的源/目的地址检查、虚拟化平台的端口、交换
机。然后看两个驱动的计数。
验证：去掉过滤后它们能到达；或者每次尝试时其中一台主机上的 `ethtool -S CARD | grep -Ei 'drop|miss|no_buf|spoof'` 增加。
"""

SAYS = Text(
    en="{packets:packet} from {sources} to {destination} ({services}) were handed to the driver of {point}, and not "
    "delivered by that of {next}; {siblings:other flow} to this host arrived there",
    zh="从 {sources} 到 {destination} 的 {packets} 个包（{services}）交给了 {point} 的驱动，而 {next} 的驱动没有收到"
    "；到该主机的另外 {siblings} 条流到达了那里",
)
SAYS_BY_ROUTER = Text(
    en="{packets:packet} from {sources} to {destination} ({services}) were seen at {point}, and none at {next}; "
    "{siblings:other flow} to this host arrived there",
    zh="从 {sources} 到 {destination} 的 {packets} 个包（{services}）见于 {point}，而没有到达 {next}；到该主机的"
    "另外 {siblings} 条流到达了那里",
)
FIX_BY_ROUTER = Text(
    en="look for what drops between {point} and {next}: `iptables -vnL FORWARD` and `nft list ruleset` of the hosts "
    "that forward, their routes; of a VPN, what it takes from this source (WireGuard: AllowedIPs in `wg show`)",
    zh="查找 {point} 和 {next} 之间是什么在丢弃：转发主机的 `iptables -vnL FORWARD`、`nft list ruleset` 和路由；"
    "若是 VPN，看它接受哪些源地址（WireGuard：`wg show` 中的 AllowedIPs）",
)
FIX = Text(
    en="other packets pass, so look for what filters {services} between the two hosts: security group, "
    "source/destination check of the cloud, hypervisor (NSX takes UDP port 4789 for itself), switch; if nothing does, "
    "`ethtool -S {card} | grep -Ei 'drop|miss|no_buf|spoof'` on both hosts",
    zh="其他包能通过，所以先查找两台主机之间是什么在过滤 {services}：安全组、云的源/目的地址检查、虚拟化平台（NSX 自己"
    "占用 UDP 4789 端口）、交换机；如果没有过滤，在两台主机上执行 `ethtool -S {card} | grep -Ei "
    "'drop|miss|no_buf|spoof'`",
)
FIX_LENGTH = Text(
    en="shorter packets to {services} pass, so compare the MTU of both interfaces and of what lies between: `ping -M "
    "do -s SIZE` from host to host finds the largest that passes",
    zh="发往 {services} 的较短的包能通过，所以比较两个接口以及中间链路的 MTU：在主机之间用 `ping -M do -s 长度` 可测出"
    "能通过的最大长度",
)

MIN_PACKETS = 2  # a single one may be the last of the capture
MIN_SIBLINGS = 3  # of datagrams, or by another service: a balancer may send the next flow elsewhere


def diagnose(context: Context) -> list[Finding]:
    by_length = lengths_between(context).keys()  # `mtu-blackhole` says it of these
    return [
        _finding(context, loss)
        for loss in wire_losses(context)
        if loss.siblings and loss.others_pass and loss.packets >= MIN_PACKETS
        and not (loss.shorter_pass and (loss.point, loss.due) in by_length)
    ]  # fmt: skip


def _finding(context: Context, loss: WireLoss) -> Finding:
    rows = [flow.row for flow in loss.flows]
    sources = sorted({source(context.flows[row]) for row in rows}, key=address_value)
    point, next_point = context.points[loss.point].name, context.points[loss.due].name
    is_certain = loss.is_on_link and loss.is_heard
    is_certain &= loss.siblings >= MIN_SIBLINGS or any(service.proto == "tcp" for service in loss.services)
    return Finding(
        NAME,
        "error" if is_certain else "warning",
        (SAYS if loss.is_on_link else SAYS_BY_ROUTER).fill(
            packets=loss.packets, sources=several(sources), destination=loss.destination,
            services=several([str(service) for service in loss.services]), point=point, next=next_point,
            siblings=loss.siblings,
        ),
        _fix(loss, point, next_point),
        {
            "point": point, "next": next_point, "destination": loss.destination, "sources": sources[:MAX_EVIDENCE],
            "services": [str(service) for service in loss.services][:MAX_EVIDENCE], "packets": loss.packets,
        },
        hop_evidence(context, rows),
    )  # fmt: skip


def _fix(loss: WireLoss, point: str, next_point: str) -> str:
    if not loss.is_on_link:
        return FIX_BY_ROUTER.fill(point=point, next=next_point)
    services = several([str(service) for service in loss.services])
    if loss.shorter_pass:
        return FIX_LENGTH.fill(services=services)
    return FIX.fill(card=point.rpartition("/")[2], services=services)

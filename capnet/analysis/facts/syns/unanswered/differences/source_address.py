"""source address: these SYNs are translated to another address than those that are accepted.

Docker, Kubernetes and their plugins choose such addresses by rules of their own: egress gateways, SNAT to one of
several addresses of a host, `com.docker.network.host_ipv4`.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.wire.addresses import address_value

SAYS = Text(
    en="; at {point} these come from {failing}, those that were accepted from {accepted}",
    zh="；在 {point} 这些 SYN 来自 {failing}，而被接受的来自 {accepted}",
)
FIX = Text(
    en="look for what treats {failing} unlike {accepted}: the route back to it (`ip route get {failing}` on {server} "
    "and on the routers in between), whether its host answers ARP for it (`ip addr`), a rule by source address; the "
    "rule that translates is in `iptables -t nat -S POSTROUTING`",
    zh="查找 {failing} 与 {accepted} 在处理上有何不同：回程路由（在 {server} 和中间的路由器上 `ip route get "
    "{failing}`）、其主机是否为它应答 ARP（`ip addr`）、按源地址的规则；做转换的规则在 `iptables -t nat -S "
    "POSTROUTING` 中",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """Both addresses, at the last point of these SYNs."""
    accepted = group.differences.sources
    if not group.is_serving or not accepted:
        return None
    failing = sorted({source(context.flows[row]) for row in group.last_rows}, key=address_value)
    words = {"failing": several(failing), "accepted": several(accepted)}
    says = SAYS.fill(**words, point=group.points[0])
    return Clue(FIX.fill(**words, server=group.server), says, {"translated_to": failing})

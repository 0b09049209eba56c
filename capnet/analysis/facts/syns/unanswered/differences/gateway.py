"""gateway: SYNs that the server accepts were sent to another MAC, that of another gateway."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.wire.addresses import mac_text

SAYS = Text(
    en=", which were sent to {macs}, these to {mac}: by another gateway",
    zh="，它们发往 {macs}，而这些发往 {mac}：网关不同",
)
FIX = Text(
    en="compare the routes (`ip route get {server}` at {client} and at those who are accepted): {mac} does not "
    "pass these packets on, or their answers come back another way",
    zh="比较路由（在 {client} 和被接受的客户端上 `ip route get {server}`）：{mac} 没有转发这些包，或应答走了别的路",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """Of the services' SYNs: which MACs the accepted ones of other clients were sent to."""
    macs = group.differences.macs
    if not macs:
        return None
    return Clue(
        FIX.fill(server=group.server, client=group.client, mac=group.mac),
        SAYS.fill(macs=several([mac_text(mac) for mac in macs]), mac=group.mac),
    )

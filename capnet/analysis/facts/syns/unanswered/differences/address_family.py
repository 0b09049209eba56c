"""address family: each time, the client connects by IPv4 right after the SYN over IPv6."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

SAYS = Text(
    en="; each time the client then connected to {addresses} by IPv4: IPv6 does not work",
    zh="；每次客户端随后都用 IPv4 连接到 {addresses}：IPv6 不通",
)
FIX = Text(
    en="repair IPv6 between {client} and {server} (route, forwarding, ip6tables), or take its AAAA record away: "
    "clients that prefer IPv6 wait before each connection",
    zh="修复 {client} 和 {server} 之间的 IPv6（路由、转发、ip6tables），或去掉它的 AAAA 记录：优先使用 IPv6 的客户"
    "端每次连接前都要等待",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """Which IPv4 addresses accept the clients instead."""
    addresses = group.differences.ipv4
    if not addresses:
        return None
    return Clue(FIX.fill(client=group.client, server=group.server), SAYS.fill(addresses=several(addresses)))

"""server host: the SYNs have come to the host of the server, and it drops them."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

FIX = Text(
    en="look for what drops them on that host: a rule (`iptables -vnL` and `nft list ruleset` count: INPUT, for a "
    "container FORWARD and DOCKER-USER), or no way back (`ip route get {client}`). A port where nothing "
    "listens would be refused",
    zh="在那台主机上查找是什么丢弃了它们：规则（`iptables -vnL` 和 `nft list ruleset` 有计数：INPUT，对容器是 "
    "FORWARD 和 DOCKER-USER），或没有回程路由（`ip route get {client}`）。没有程序监听的端口会拒绝连接",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That what drops them is on that host."""
    return Clue(FIX.fill(client=group.client)) if group.reached_host else None

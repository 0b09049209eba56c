"""silent: the server has sent nothing, and nothing else is a clue."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

FIX = Text(
    en="check that {server} is up, and the routes both ways; capture at the server or at the next hop to see "
    "whether the SYNs arrive",
    zh="检查 {server} 是否在线，以及双向路由；在服务器上或下一跳抓包，看 SYN 是否到达",
)


def clue(group: ServiceGroup) -> Clue:
    """How to learn more."""
    return Clue(FIX.fill(server=group.server))

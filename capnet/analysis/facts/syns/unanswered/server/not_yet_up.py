"""not yet up: the server sent nothing until after these SYNs, and then connected to their client itself."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

FIX = Text(
    en="{server} was likely not up yet, or had no route to {client}: check that it accepts SYNs since then; if "
    "not, look for a filter of this port there (`iptables -vnL`, `nft list ruleset`)",
    zh="{server} 当时可能还没有启动，或还没有到 {client} 的路由：检查它此后是否接受 SYN；如果不接受，在那里查找对该"
    "端口的过滤（`iptables -vnL`、`nft list ruleset`）",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That it started later, or got its route then. Not the host that recorded its own SYNs: that is up."""
    is_later = group.kind == "later" and not group.reached_host
    return Clue(FIX.fill(server=group.server, client=group.client)) if is_later else None

"""other connections: the service accepts others, so something treats these SYNs otherwise."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

FIX = Text(
    en="look for what treats these packets unlike those that were accepted: a rule by source address, the server's "
    "route back to {client}, rp_filter, a full listen queue, or one backend of several behind this address "
    "that is down",
    zh="查找这些包与被接受的包在处理上有何不同：按源地址的规则、服务器到 {client} 的回程路由、rp_filter、"
    "满了的监听队列，或该地址后面多个后端中有一个停机",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That connections are accepted meanwhile, or those of other clients."""
    return Clue(FIX.fill(client=group.client)) if group.is_serving else None

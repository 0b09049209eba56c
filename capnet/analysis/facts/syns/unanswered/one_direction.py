"""one direction: the points of the SYNs record no answers, so that a refusal would not be seen either."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

FIX = Text(
    en="capture both directions first, without `-Q out` and at both halves of a tap. Where {server} refuses, start "
    "the program; where it is silent, check that it is up, the routes both ways and the filters",
    zh="先抓取两个方向（不用 `-Q out`，分光器的两半都抓）。如果 {server} 拒绝连接，启动该程序；如果它不应答，检查它"
    "是否在线、双向路由和过滤规则",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That both directions are to be captured first."""
    return Clue(FIX.fill(server=group.server)) if group.is_one_sided else None

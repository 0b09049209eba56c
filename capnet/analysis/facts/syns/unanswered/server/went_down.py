"""went down: the server answered before these SYNs, and does no more."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

FIX = Text(
    en="check that the server still runs and still has this address, and what was changed at that time",
    zh="检查服务器是否还在运行、是否还有该地址，以及当时改动了什么",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That it is to be looked at, with what was changed then."""
    return Clue(FIX.fill()) if group.kind in ("before", "refused", "gone") else None

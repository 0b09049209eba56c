"""interface: SYNs that the server accepts leave the same host by another interface."""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

SAYS = Text(
    en=", which left by {exits}, these by {point}: by another interface",
    zh="，它们从 {exits} 离开，而这些从 {point} 离开：接口不同",
)
FIX = Text(
    en="look behind {point}: its next hop does not pass these packets on, or is the wrong one. On that host, `ip "
    "route get {server} from {client} iif IFACE`, `ip rule` and several next hops in `ip route show` choose "
    "it; take a dead one out",
    zh="检查 {point} 后面：它的下一跳没有转发这些包，或者选错了。在该主机上由 `ip route get {server} from {client} "
    "iif IFACE`、`ip rule` 和 `ip route show` 中的多个下一跳决定；去掉失效的下一跳",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """By which points the accepted ones leave, and by which these do."""
    exits = [context.points[point].name for point in group.differences.exits]
    if not exits:
        return None
    ended_at = context.points[int(context.flows[group.first.last_rows[0], schema.FLOW_POINT])].name
    return Clue(
        FIX.fill(point=group.points[0], server=group.server, client=group.client),
        SAYS.fill(exits=several(exits), point=ended_at),
    )

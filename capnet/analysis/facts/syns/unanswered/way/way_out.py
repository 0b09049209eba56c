"""way out: several servers elsewhere are silent, and what their client's SYNs share is the way out."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.facts.syns.unanswered import one_direction

FIX = Text(
    en="check the way out of {client}, which all {count} share: its gateway and firewall (`ip route get {server}`)",
    zh="检查 {client} 的出口，所有 {count} 个服务器共用它：网关和防火墙（`ip route get {server}`）",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That the client's gateway is to be looked at, unless the SYNs have come to a host behind it."""
    if not group.is_of_way_out or group.direction == "received":
        return None
    servers = {service.address for service in group.services}
    fix = FIX.fill(client=group.client, count=len(servers), server=group.server)
    return one_direction.clue(context, group) or Clue(fix)

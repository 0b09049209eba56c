"""backend: the SYNs have passed DNAT, so that its backend is the server that is silent."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.facts.syns.unanswered.way import server_host

FIX = Text(
    en="look at {server} itself, behind {point}: a rule in the container (`nsenter -t PID -n iptables -vnL` "
    "counts), a filter of the bridge, or no way back to {client}. A port where nothing listens would be refused",
    zh="检查 {point} 后面的 {server} 本身：容器内的规则（`nsenter -t PID -n iptables -vnL` 有计数）、网桥的过滤，"
    "或没有返回 {client} 的路由。没有程序监听的端口会拒绝连接",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That the backend is to be looked at, or its host, where that has got them."""
    if not group.backends:
        return None
    fix = FIX.fill(server=group.server, point=group.points[0], client=group.client)
    return server_host.clue(context, group) or Clue(fix)

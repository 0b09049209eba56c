"""port filter: the server is up, by other ports, echo replies or its own connections; this port is dropped."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

FIX = Text(
    en="look for a filter at the server or on the way that drops this port (`iptables -vnL`, security groups). A "
    "port where nothing listens would be refused",
    zh="在服务器上或途中查找丢弃该端口的过滤规则（`iptables -vnL`、安全组）。没有程序监听的端口会拒绝连接",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That a filter drops the port, as the server would refuse it."""
    return Clue(FIX.fill()) if group.kind in ("port", "refusal", "connects", "ping") else None

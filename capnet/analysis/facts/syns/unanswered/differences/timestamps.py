"""timestamps: the TCP timestamps of accepted SYNs are ahead of these, as of several hosts behind one NAT (PAWS)."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

SAYS = Text(
    en="; the TCP timestamps of those are ahead, and these are behind them",
    zh="；那些连接的 TCP 时间戳在前，而这些落在其后",
)
FIX = Text(
    en="the likely cause is PAWS for each address: several hosts behind {client}, a NAT, whose clocks differ, and "
    "a server with net.ipv4.tcp_tw_recycle=1 (Linux before 4.12): set it to 0; `netstat -s | grep -i 'because "
    "of time'` on {server} counts the drops",
    zh="可能的原因是按地址的 PAWS：NAT {client} 后面有几台时钟不同的主机，而服务器设置了 net.ipv4.tcp_tw_recycle=1"
    "（Linux 4.12 之前）：请设为 0；{server} 上 `netstat -s | grep -i 'because of time'` 显示丢弃数",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That a server which compares timestamps for each address drops these."""
    if not group.differences.timestamps:
        return None
    return Clue(FIX.fill(client=group.client, server=group.server), SAYS.fill())

"""way out: several servers elsewhere are silent, and what their client's SYNs share is the way out.

Where other servers beyond the same MAC answer meanwhile, the way out works, and does not let these pass.
"""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, replies, reply_values
from capnet.analysis.core.wording import Text, endpoint_text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.facts.syns.unanswered import one_direction
from capnet.wire.numbers import TCP, TCP_RST, TCP_SYN

FIX = Text(
    en="check the way out of {client}, which all {count} share: its gateway and firewall (`ip route get {server}`)",
    zh="检查 {client} 的出口，所有 {count} 个服务器共用它：网关和防火墙（`ip route get {server}`）",
)
SERVED = Text(
    en="; {others:other server} beyond the same gateway answered meanwhile, such as {example}",
    zh="；同一网关后面的另外 {others} 台服务器其间有应答，例如 {example}",
)
FIX_SERVED = Text(
    en="the gateway works: look for what drops packets to these {count} addresses alone, a filter of the network, the "
    "provider or the country, or a missing route to their prefixes (`traceroute -T -p {port} {server}` shows how far "
    "they get)",
    zh="网关工作正常：查找是什么只丢弃发往这 {count} 个地址的包，例如网络、运营商或国家的过滤，或缺少到其网段的路由"
    "（`traceroute -T -p {port} {server}` 显示它们到了哪里）",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That the client's gateway is to be looked at, unless the SYNs have come to a host behind it."""
    if not group.is_of_way_out or group.direction == "received":
        return None
    if one_way := one_direction.clue(context, group):
        return one_way
    count = len({service.address for service in group.services})
    served = _served(context, group)
    if served:
        fix = FIX_SERVED.fill(count=count, port=group.first.port, server=group.server)
        return Clue(fix, SERVED.fill(others=len(served), example=served[0]), {"way_out_serves": len(served)})
    return Clue(FIX.fill(client=group.client, count=count, server=group.server))


def _served(context: Context, group: ServiceGroup) -> list[str]:
    """Servers outside of the client's network that answer its TCP by the same MAC, while these are silent.

    None where the MAC is not known: a cooked capture does not say where the host sends to.
    """
    flows = context.flows
    rows = np.array([row for of in group.services for row in of.rows])
    if (flows[rows, schema.FLOW_DMAC] <= 0).any():
        return []
    begin, end = flows[rows, schema.FLOW_FIRST].min(), flows[rows, schema.FLOW_SYN_TIME].max()
    flags = reply_values(context, schema.FLOW_TCP_FLAGS)
    is_served = (flows[:, schema.FLOW_PROTO] == TCP) & (replies(context) >= 0)
    is_served &= (flags & TCP_RST == 0) | (flags & TCP_SYN != 0)  # a filter may refuse in a server's place
    times = [reply_values(context, column) for column in (schema.FLOW_FIRST, schema.FLOW_LAST)]
    is_served &= np.logical_or.reduce([(time >= begin) & (time <= end) for time in times])
    ends = [schema.FLOW_POINT, *schema.FLOW_SRC, schema.FLOW_DMAC]
    is_served &= np.logical_and.reduce([is_one_of(flows[:, end], distinct(flows[rows, end])) for end in ends])
    # A router inside that works says nothing of the way out to the Internet.
    kinds = {ip_address(service.address).is_global for service in group.services}
    served: dict[str, str] = {}
    for row in np.flatnonzero(is_served).tolist():
        address = destination(flows[row])
        if ip_address(address).is_global in kinds and not same_network([group.client, address]):
            served.setdefault(address, endpoint_text(address, int(flows[row, schema.FLOW_DPORT])))
    return list(served.values())

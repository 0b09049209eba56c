"""not forwarded: the SYNs end inside of a host, whose interface shows accepted ones of others to the same service.

Method: no accepted SYN passes a point where these end; those that are accepted are seen at another point of the same
host, which lacks these, and where nothing speaks against a loss (`fate.refutation`). In a cooked capture at `any`, the
host received these, and sent those. Limits: a host may have another way for the packets of these clients.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of, replies, reply_values, source
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.host_directions import host_direction
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.fate.refutation import NOTHING, refutations
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP

SAYS = Text(
    en="; at {exit}, by which those leave, they are not seen",
    zh="；被接受的从 {exit} 离开，而这些没有出现在那里",
)
FIX = Text(
    en="look for what does not forward them on that host, between {point} and {exit}: a rule (`{tables} -vnL FORWARD` "
    "and DOCKER-USER count, `nft list ruleset`), forwarding that is off (`sysctl {sysctl}`), their route (`ip route "
    "get {server} from {client} iif IFACE`, `ip rule`)",
    zh="在该主机上查找 {point} 和 {exit} 之间是什么没有转发它们：规则（`{tables} -vnL FORWARD` 和 DOCKER-USER 有计数，"
    "`nft list ruleset`）、转发被关闭（`sysctl {sysctl}`）、它们的路由（`ip route get {server} from {client} iif "
    "IFACE`、`ip rule`）",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That the host drops them, or sends them elsewhere, before they leave."""
    rows, accepted = np.array(group.last_rows, dtype=np.int64), _accepted(context, group)
    if not (group.is_serving and len(rows) and len(accepted)) or group.backends:
        return None
    ends, exits = (set(context.flows[of, schema.FLOW_POINT].tolist()) for of in (rows, accepted))
    hosts = {host_of(context.points[point].name) for point in ends | exits}
    if ends & exits or len(exits) != 1 or len(hosts) != 1 or None in hosts:
        return None
    (exit_point,) = exits
    is_kept = group.direction == "received" and host_direction(context, accepted) == "sent"
    if not is_kept and not _is_missing(context, rows, exit_point):
        return None
    is_v6 = ":" in group.server
    exit_name = context.points[exit_point].name
    return Clue(
        FIX.fill(
            point=group.points[0], exit=exit_name, server=group.server, client=group.client,
            tables="ip6tables" if is_v6 else "iptables",
            sysctl="net.ipv6.conf.all.forwarding" if is_v6 else "net.ipv4.ip_forward",
        ),
        SAYS.fill(exit=exit_name),
        {"exit": exit_name},
    )  # fmt: skip


def _is_missing(context: Context, rows: FlowRows, exit_point: int) -> bool:
    reasons = refutations(context, rows, np.full(len(rows), exit_point), np.zeros(len(rows), dtype=bool))
    return bool((reasons == NOTHING).all())


def _accepted(context: Context, group: ServiceGroup) -> FlowRows:
    """Last hops of SYNs of other clients to the same address and port that were accepted."""
    flows, service = context.flows, group.first
    is_to_it = (flows[:, schema.FLOW_DST] == address_value(service.address)).all(axis=1)
    is_to_it &= (flows[:, schema.FLOW_DPORT] == service.port) & (flows[:, schema.FLOW_PROTO] == TCP)
    is_to_it &= (flows[:, schema.FLOW_SYNS] > 0) & (replies(context) >= 0) & (flow_links(context).after < 0)
    rows = np.flatnonzero(is_to_it & (reply_values(context, schema.FLOW_SYNACK_TIME) >= 0)).tolist()
    return np.array([row for row in rows if source(flows[row]) not in group.clients], dtype=np.int64)

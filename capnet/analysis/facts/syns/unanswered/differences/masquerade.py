"""masquerade: a host forwards SYNs with the private addresses of others, where its own address is accepted.

Of the Internet, to which no private address can come back; and of any server, where a cooked capture at `any` shows
that the host sends on the SYNs, and that it sends its own by the same interface.
"""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, is_private, source
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.forwarding import forwarding_of
from capnet.analysis.facts.syns.host_directions import host_direction
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.fate.next_points import is_answered

SAYS = Text(
    en="; {router} forwards them to {next_hop} with the private address of {client}",
    zh="；{router} 以 {client} 的私有地址把它们转发给 {next_hop}",
)
FIX = Text(
    en="let {router} translate them to its own address, with which it is accepted: `iptables -t nat -S "
    "POSTROUTING` should have a MASQUERADE rule for the network of {client} (ipMasq of the CNI plugin, "
    "ip-masq-agent; Docker writes its own when it starts). Else {next_hop} has to route and to translate that "
    "network",
    zh="让 {router} 把它们转换为自己的地址（用该地址可以连接）：`iptables -t nat -S POSTROUTING` 中应有针对 "
    "{client} 所在网络的 MASQUERADE 规则（CNI 插件的 ipMasq、ip-masq-agent；Docker 启动时自己写入）。否则 "
    "{next_hop} 必须路由并转换该网络",
)
SAYS_SENT = Text(
    en="; the host sends them on by {point} with the address of {client}, not with its own",
    zh="；主机从 {point} 把它们发出时用的是 {client} 的地址，而不是自己的",
)
FIX_SENT = Text(
    en="if {client} is an address that only this host has a route to, let it translate: `{tables} -t nat -S "
    "POSTROUTING` should have a MASQUERADE rule for its network (restarting Docker writes those of Docker again). Else "
    "look at {server} for the route back to {client}, or a rule by source address",
    zh="如果只有该主机有到 {client} 的路由，让它做转换：`{tables} -t nat -S POSTROUTING` 中应有针对其网络的 MASQUERADE "
    "规则（重启 Docker 会重新写入 Docker 的规则）。否则在 {server} 上检查到 {client} 的回程路由，或按源地址的规则",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """Which host forwards them untranslated, and to which next hop."""
    if not group.is_serving:
        return None
    if not _leaves_for_internet(group):
        return _of_sending_host(context, group)
    forwarding = forwarding_of(context, group.last_rows)
    accepted = {*group.first.other_answer.clients} - {*group.clients}
    if forwarding is None or forwarding.router not in accepted:
        return None
    hosts = forwarding._asdict()
    return Clue(FIX.fill(client=group.client, **hosts), SAYS.fill(client=several(group.clients), **hosts), hosts)


def _of_sending_host(context: Context, group: ServiceGroup) -> Clue | None:
    """That the host of the point sends them on, where the service accepts what it sends with an address of its own."""
    flows, rows = context.flows, np.array(group.last_rows, dtype=np.int64)
    are_forwarded = group.direction == "sent" and not is_one_of(flows[rows, schema.FLOW_TTL], INITIAL_TTLS).any()
    if not are_forwarded or not all(map(is_private, group.clients)):
        return None
    same = [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_DST_END]
    is_own = (flows[:, same] == flows[rows[0], same]).all(axis=1) & is_one_of(flows[:, schema.FLOW_TTL], INITIAL_TTLS)
    accepted = {*group.first.other_answer.clients} - {*group.clients}
    own = [row for row in np.flatnonzero(is_own & is_answered(context)).tolist() if source(flows[row]) in accepted]
    if not any(host_direction(context, np.array([row])) == "sent" for row in own):
        return None
    return Clue(
        FIX_SENT.fill(
            client=group.client, server=group.server, tables="ip6tables" if ":" in group.server else "iptables"
        ),
        SAYS_SENT.fill(point=group.points[0], client=several(group.clients)),
    )


def _leaves_for_internet(group: ServiceGroup) -> bool:
    """Are private addresses asking one of the Internet?"""
    return all(map(is_private, group.clients)) and ip_address(group.first.address).is_global

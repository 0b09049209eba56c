"""masquerade: a host forwards SYNs with private addresses to the Internet, where its own address is accepted."""

from __future__ import annotations

from ipaddress import ip_address

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_private
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.forwarding import forwarding_of
from capnet.analysis.facts.syns.service_groups import ServiceGroup

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


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """Which host forwards them untranslated, and to which next hop."""
    if not (group.is_serving and _leaves_for_internet(group)):
        return None
    forwarding = forwarding_of(context, group.last_rows)
    accepted = {*group.first.other_answer.clients} - {*group.clients}
    if forwarding is None or forwarding.router not in accepted:
        return None
    hosts = forwarding._asdict()
    return Clue(FIX.fill(client=group.client, **hosts), SAYS.fill(client=several(group.clients), **hosts), hosts)


def _leaves_for_internet(group: ServiceGroup) -> bool:
    """Are private addresses asking one of the Internet?"""
    return all(map(is_private, group.clients)) and ip_address(group.first.address).is_global

"""next hop: a host forwards the SYNs to another one, which may be the wrong one."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.models.container_signs import shows_kubernetes
from capnet.analysis.facts.syns.forwarding import forwarding_of
from capnet.analysis.facts.syns.service_groups import ServiceGroup

SAYS = Text(en="; {router} forwards them to {next_hop}", zh="；{router} 把它们转发给 {next_hop}")
FIX = Text(
    en="check on {router} whether {next_hop} is the right next hop to {server} (`ip route get {server}`): the "
    "route to its network may be missing or wrong; then that {server} is up, and the routes both ways",
    zh="在 {router} 上检查到 {server} 的下一跳是否应为 {next_hop}（`ip route get {server}`）：到其网络的路由可能缺"
    "失或错误；然后检查 {server} 是否在线，以及双向路由",
)
FIX_ON_NODE = Text(
    en="check on {router} whether {next_hop} is the right next hop to {server} (`ip route get {server}`): the "
    "route to the pods of another node may be missing or wrong. The cluster IP of a service should not leave the "
    "node: then kube-proxy has no rule for it there (`iptables-save | grep {server}`)",
    zh="在 {router} 上检查到 {server} 的下一跳是否应为 {next_hop}（`ip route get {server}`）：到另一个节点的 Pod 的"
    "路由可能缺失或错误。服务的 ClusterIP 不应离开节点：若是如此，kube-proxy 在那里没有它的规则"
    "（`iptables-save | grep {server}`）",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """Which host forwards them to which next hop. On a node of Kubernetes, the route is one between pods."""
    forwarding = forwarding_of(context, group.last_rows)
    if forwarding is None:
        return None
    hosts = forwarding._asdict()
    fix = FIX_ON_NODE if shows_kubernetes(context) else FIX
    return Clue(fix.fill(server=group.server, **hosts), SAYS.fill(**hosts), hosts)

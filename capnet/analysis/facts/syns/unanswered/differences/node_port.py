"""node port: other nodes accept the client on the same port, one of those that Kubernetes takes for NodePorts."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup

SAYS = Text(
    en="; {nodes} {count:accepts|accept} connections to the same port",
    zh="；{nodes}（{count} 个地址）接受到同一端口的连接",
)
FIX = Text(
    en="if this is a NodePort of Kubernetes: with externalTrafficPolicy Local, a node without a pod of the service "
    "drops what comes to it. Send to {other}, run a pod on this node, or set Cluster (`kubectl get service -A -o "
    "wide`); else look for a rule of this node that drops them (`iptables -vnL INPUT`)",
    zh="如果这是 Kubernetes 的 NodePort：externalTrafficPolicy 为 Local 时，没有该服务 Pod 的节点会丢弃到来的包。"
    "请发往 {other}，或在该节点上运行 Pod，或改为 Cluster（`kubectl get service -A -o wide`）；否则查找该节点上"
    "丢弃它们的规则（`iptables -vnL INPUT`）",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """Which nodes accept it."""
    nodes = group.differences.nodes
    if not nodes:
        return None
    return Clue(FIX.fill(other=several(nodes)), SAYS.fill(nodes=several(nodes), count=len(nodes)))

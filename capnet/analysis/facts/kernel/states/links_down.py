"""Interfaces that are set down on the way to a container: its bridge, the host end of its veth, its own end.

Input: a finding, the topology, the interfaces of both moments. Output: `LinkDown`. Method: the addresses that the
finding's facts name are those of endpoints of the topology; one of their interfaces is down if neither moment has the
flag UP for it. Limits: one that was set down only for a time is not told.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.kernel.namespaces import namespaces
from capnet.analysis.facts.kernel.states.named_addresses import named_addresses
from capnet.quick_tuple import NamedTuple
from capnet.topology.lookup import endpoints, network_of

SAYS = Text(
    en="{interface} in {namespace}, on the way to container {container}, is down",
    zh="{namespace} 中通往容器 {container} 的 {interface} 未启用（down）",
)
FIX = Text(
    en="`ip link set {interface} up` in {namespace}, and look for what set it down: a network manager, or a script",
    zh="在 {namespace} 中执行 `ip link set {interface} up`，并查找是什么停用了它：网络管理程序或脚本",
)


class LinkDown(NamedTuple):
    """An interface that was set down when the capture began and when it ended."""

    interface: str
    namespace: str
    container: str

    def says(self) -> str:
        """As a sentence ends."""
        return SAYS.fill(interface=self.interface, namespace=self.namespace, container=self.container)

    def fix(self) -> str:
        """What to do."""
        return FIX.fill(interface=self.interface, namespace=self.namespace)


def link_down_of(context: Context, finding: Finding) -> LinkDown | None:
    """The interface that is down on the way to a container that the finding is about."""
    down = {(namespace.name, interface) for namespace in namespaces(context) for interface in namespace.down}
    if not down or not context.topology:
        return None
    parties = set(named_addresses(finding.facts))
    for container, endpoint in endpoints(context.topology):
        if parties.isdisjoint(endpoint.ips):
            continue
        network = network_of(context.topology, container, endpoint)
        own = f"{container.host}/{container.name}"
        way = (
            (container.host, (network.bridge if network else None) or endpoint.bridge),
            (container.host, endpoint.veth), (own, endpoint.interface),
        )  # fmt: skip
        for namespace, interface in way:
            if interface and (namespace, interface) in down:
                return LinkDown(interface, namespace, container.name)
    return None

"""Containers that left their network while the capture went on: they stopped, restarted or were disconnected.

Input: a finding, the topology, the interfaces of both moments. Output: `DepartedContainer`. Method: an address that the
finding asks for is that of an endpoint whose veth the host had when the capture began, and not when it ended. Limits: a
container that came back with the same address has another veth, and answers; what the finding misses was before that.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.kernel.namespaces import namespaces
from capnet.analysis.facts.kernel.states.named_addresses import ASKED, named_addresses
from capnet.quick_tuple import NamedTuple
from capnet.topology.lookup import endpoints

SAYS = Text(
    en="container {container} left the network meanwhile ({veth} is gone): it stopped, restarted or was disconnected",
    zh="容器 {container} 在此期间离开了该网络（{veth} 已不存在）：它已停止、重启或被断开",
)
FIX = Text(
    en="`docker ps -a --filter name={container}` says whether it runs, `docker logs {container}` why it ended; ask for "
    "it by name, since it may come back with another address",
    zh="`docker ps -a --filter name={container}` 显示它是否在运行，`docker logs {container}` 说明它为何结束；请用名称"
    "访问它，因为它回来时地址可能不同",
)


class DepartedContainer(NamedTuple):
    """A container, and its host end, which is gone."""

    container: str
    veth: str

    def says(self) -> str:
        """As a sentence ends."""
        return SAYS.fill(container=self.container, veth=self.veth)

    def fix(self) -> str:
        """What to do."""
        return FIX.fill(container=self.container)


def departed_container_of(context: Context, finding: Finding) -> DepartedContainer | None:
    """The container that a finding says is asked in vain, if it has left."""
    gone = {(namespace.name, interface) for namespace in namespaces(context) for interface in namespace.gone}
    if not gone or not context.topology:
        return None
    asked = set(named_addresses(finding.facts, (*ASKED, "backends")))
    for container, endpoint in endpoints(context.topology):
        addresses = set(endpoint.ips)
        if endpoint.veth and (container.host, endpoint.veth) in gone and addresses & asked:
            return DepartedContainer(container.name, endpoint.veth)
    return None

"""Addresses that are asked in vain, lie in a bridge network of the host, and that no container there has.

Input: a finding, the topology, flows. Output: `VacantAddress`. Method: the topology of the beginning lists every
container of the host; the bridge has no port but veths, and no packet comes from the address. Limits: a container that
had the address before is not known; a network of others with the same addresses is a guess, which the fix names.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.kernel.states.named_addresses import ASKED, named_addresses
from capnet.quick_tuple import NamedTuple
from capnet.topology.subnets import vacant_network
from capnet.wire.addresses import address_value

SAYS = Text(
    en="no container of network {network} has {address}",
    zh="网络 {network} 中没有容器拥有 {address}",
)
FIX = Text(
    en="ask by name, and look the name up again: a container that was started again may have another address "
    "(`capnet ps` shows it; nginx needs `resolver 127.0.0.11` and a variable in proxy_pass). If {address} is a host of "
    "another network, of a VPN or an office, give network {network} other addresses: `--subnet`, or "
    "default-address-pools in daemon.json",
    zh="用名称访问，并重新解析：重新启动的容器可能换了地址（`capnet ps` 会显示；nginx 需要 `resolver 127.0.0.11`，并在 "
    "proxy_pass 中使用变量）。如果 {address} 是别的网络（VPN、办公网）中的主机，请给网络 {network} 换一个网段："
    "`--subnet`，或 daemon.json 中的 default-address-pools",
)


class VacantAddress(NamedTuple):
    """An address of a network that nothing there has."""

    address: str
    network: str

    def says(self) -> str:
        """As a sentence ends."""
        return SAYS.fill(address=self.address, network=self.network)

    def fix(self) -> str:
        """What to do."""
        return FIX.fill(address=self.address, network=self.network)


def vacant_address_of(context: Context, finding: Finding) -> VacantAddress | None:
    """The address that a finding says is asked in vain, if nothing has it."""
    topology = context.topology
    if topology is None or finding.level != "warning" or finding.facts.get("backends") or not finding.evidence:
        return None
    point = topology.point(finding.evidence[0].point)
    for address in dict.fromkeys(named_addresses(finding.facts, ASKED)) if point else ():
        network = vacant_network(topology, point.host, address) if point else None
        if network and not _speaks(context, address):
            return VacantAddress(address, network.name)
    return None


def _speaks(context: Context, address: str) -> bool:
    """Does a packet come from the address?"""
    high, low = address_value(address)
    flows = context.flows
    return bool(((flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)).any())

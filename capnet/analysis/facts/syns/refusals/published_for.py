"""For whom Docker publishes a port that a rule of the host translates to another container.

Silence: no container publishes that port, or several do, or the one that does has the address.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, endpoint_text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts
from capnet.topology import Container, PublishedPort, Topology
from capnet.topology.port_lookup import is_reached_at

SAYS = Text(
    en="; Docker on {host} publishes it for {container} ({own}), not for {address}: another rule translates it first",
    zh="；{host} 上的 Docker 是为 {container}（{own}）发布它的，而不是为 {address}：有别的规则先转换了它",
)
FIX = Text(
    en="`iptables -t nat -S` and `nft list ruleset` on {host} show the rules in order: delete the one that leads port "
    "{port} to {address}, left by a container that is gone, or made by hand. Restarting Docker writes its chain DOCKER "
    "anew, and leaves rules of other chains",
    zh="在 {host} 上 `iptables -t nat -S` 和 `nft list ruleset` 按顺序显示规则：删除把端口 {port} 引向 {address} 的那一"
    "条，它由已不存在的容器留下，或是手工添加的。重启 Docker 会重写它的 DOCKER 链，而不动其他链的规则",
)


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """Which container publishes the port, where the address that refuses is that of another one."""
    if context.topology is None or refused.port is None or len(refused.services) != 1:
        return None
    address, (service,) = refused.address, refused.services
    asked, _, port = service.rpartition(":")
    publishers = _publishers(context.topology, asked.strip("[]"), port)
    if len({(container.host, container.id) for container, _ in publishers}) != 1:
        return None
    container, published = publishers[0]
    own = [ip for endpoint in container.endpoints for ip in endpoint.ips]
    if not own or address in own:
        return None
    end = endpoint_text(own[0], published.container_port)
    return Clue(
        FIX.fill(host=container.host, port=port, address=address),
        SAYS.fill(host=container.host, container=container.name, own=end, address=address),
        {"container": container.name, "published": service},
    )


def _publishers(topology: Topology, address: str, port: str) -> list[tuple[Container, PublishedPort]]:
    """The containers whose port Docker publishes there."""
    hosts = {host for host, own, _ in topology.addresses() if own == address}
    return [
        (container, each)
        for container in topology.containers
        for each in container.ports
        if container.host in hosts and (each.proto, str(each.host_port)) == ("tcp", port)
        and is_reached_at(each, address)
    ]  # fmt: skip

"""Published elsewhere: Docker publishes the port at another address of the host alone."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, endpoint_text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.outcomes.refused_connections import other_publisher
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts

SAYS = Text(
    en="; {bound} alone publishes it, for container {container}",
    zh="；它只在 {bound} 上发布，属于容器 {container}",
)
FIX = Text(
    en="publish the port at {address}, or at all addresses: `-p {port}:{inside}` in place of `-p {bound}:{inside}`",
    zh="在 {address} 或所有地址上发布该端口：用 `-p {port}:{inside}` 代替 `-p {bound}:{inside}`",
)


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """At which address, and for which container."""
    if not (publisher := other_publisher(context, refused.address, refused.port)):
        return None
    container, published = publisher
    bound = endpoint_text(published.host_ip, published.host_port)
    inside, port = published.container_port, published.host_port
    return Clue(
        FIX.fill(address=refused.address, port=port, bound=bound, inside=inside),
        SAYS.fill(bound=bound, container=container),
        {"container": container, "published": bound},
    )

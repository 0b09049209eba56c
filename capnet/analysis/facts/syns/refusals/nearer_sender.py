"""Nearer sender: by its TTL, the RST comes from nearer than what accepts connections at the address."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.outcomes.refused_connections import ttl_from_nearer
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts

SAYS = Text(
    en="; the RST has TTL {ttl}, what accepts connections there {usual}: it comes from nearer, from a firewall or from "
    "{address} itself, if that forwards its other ports",
    zh="；RST 的 TTL 是 {ttl}，而那里接受连接者的是 {usual}：它来自更近的地方，即防火墙，或 {address} 自己"
    "（如果其他端口由它转发）",
)
FIX = Text(
    en="check that {address} publishes or serves the port; then look for a rule with REJECT --reject-with tcp-reset, "
    "or a firewall, in front of it",
    zh="检查 {address} 是否发布或提供该端口；然后在它之前查找带 REJECT --reject-with tcp-reset 的规则或防火墙",
)


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """Both TTLs."""
    if not (ttls := ttl_from_nearer(context, refused.rows)):
        return None
    (ttl, usual), address = ttls, refused.address
    says = SAYS.fill(ttl=ttl, usual=usual, address=address)
    return Clue(FIX.fill(address=address), says, {"ttl": ttl, "usual_ttl": usual})

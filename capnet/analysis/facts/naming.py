"""Who is meant by an address that several hosts have? Whoever has it on the host at whose point it was seen.

Every host has its own 172.17.0.1 and may have the same container addresses. Behind a host's card, at its bridges and
containers, such an address is that host's; on the wire it may be anybody's, and has no name there.
"""

from __future__ import annotations

from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import FLOW_DST_LO, FLOW_POINT, FLOW_SRC_LO
from capnet.topology import INSIDE
from capnet.wire.addresses import address_value


def names_at(context: Context) -> dict[str, dict[str, str]]:
    """Point → address → name, of addresses seen there that have no name everywhere.

    What the hosts call alike (docker0), a capture may name so itself.
    """
    by_host = context.topology.names_by_host() if context.topology else {}
    found: dict[str, dict[str, str]] = {}
    if not any(by_host.values()):
        return found
    for number, point in enumerate(context.points):
        mine = by_host.get(host_of(point.name) or "", {})
        known = {address: name for address, name in mine.items() if address not in context.names}
        if not known or point.role not in INSIDE:
            continue
        here = context.flows[context.flows[:, FLOW_POINT] == number]
        seen = set(distinct(here[:, [FLOW_SRC_LO, FLOW_DST_LO]]).tolist())
        named = {address: name for address, name in sorted(known.items()) if address_value(address)[1] in seen}
        if named:
            found[point.name] = named
    return found

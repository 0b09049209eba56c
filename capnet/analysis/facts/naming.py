"""Names: whom an address means at a point that several hosts have, and whose a MAC is.

Every host has its own 172.17.0.1 and may have the same container addresses. At a host's bridges and containers, such an
address is that host's. On the wire it may be of any host, and gets no name.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.topology import INNER_ROLES
from capnet.topology.lookup import endpoints
from capnet.wire.addresses import address_value, mac_text


def names_at(context: Context) -> dict[str, dict[str, str]]:
    """Point → address → name, of addresses that were seen there and have no name in `context.names`.

    A capture may itself name what all hosts call alike (docker0).
    """
    by_host = context.topology.names_by_host() if context.topology else {}
    by_point: dict[str, dict[str, str]] = {}
    if not any(by_host.values()):
        return by_point
    for number, point in enumerate(context.points):
        of_host = by_host.get(host_of(point.name) or "", {})
        unnamed = {address: name for address, name in sorted(of_host.items()) if address not in context.names}
        if not unnamed or point.role not in INNER_ROLES:
            continue
        flows = context.flows[context.flows[:, schema.FLOW_POINT] == number]
        seen_los = set(distinct(flows[:, [schema.FLOW_SRC_LO, schema.FLOW_DST_LO]]).tolist())
        names = {address: name for address, name in unnamed.items() if address_value(address)[1] in seen_los}
        if names:
            by_point[point.name] = names
    return by_point


def station_text(context: Context, mac: int) -> str:
    """A MAC, with the container or the host's interface that the topology has for it."""
    text, topology = mac_text(mac), context.topology
    owners = {container.name for container, end in (endpoints(topology) if topology else ()) if end.mac == text}
    for host in topology.hosts if topology else ():
        owners |= {f"{host.name}/{interface.name}" for interface in host.interfaces if interface.mac == text}
    return f"{text} ({owners.pop()})" if len(owners) == 1 else text

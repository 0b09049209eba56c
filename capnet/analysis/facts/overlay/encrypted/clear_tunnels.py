"""Tunnels of networks that Docker is to encrypt, whose frames cross the wire in clear.

Input: tunnels, the topology, what does not come out of tunnels. Output: `ClearTunnel`s, one per network.
Limits: where the topology says that a network is encrypted.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Tunnel
from capnet.analysis.facts.overlay.arrivals import undelivered
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.quick_tuple import NamedTuple
from capnet.wire.protocols import KIND_OF_NAME

MIN_PACKETS = 2  # a single one may be the last of the capture


class ClearTunnel(NamedTuple):
    """The first tunnel in clear of a network that is to be encrypted."""

    network: str
    tunnel: Tunnel
    closed: str | None  # point that listened, and at which none of its frames comes out; None: unknown, or they do


@derived
def clear_tunnels(context: Context) -> list[ClearTunnel]:
    """By network."""
    if context.topology is None:
        return []
    to_encrypt = {network.name for network in context.topology.networks if "encrypted" in network.options}
    first: dict[str, Tunnel] = {}
    for tunnel in tunnel_facts(context) if to_encrypt else ():
        if tunnel.kind == "vxlan" and tunnel.network in to_encrypt:
            first.setdefault(tunnel.network, tunnel)
    kind = KIND_OF_NAME["vxlan"].number
    closed = {
        inside.vni: context.points[inside.inner].name
        for inside, arrivals in (undelivered(context) if first else {}).items()
        if inside.via == kind and arrivals.packets[arrivals.is_heard].sum() >= MIN_PACKETS
    }
    return [ClearTunnel(name, of, None if of.vni is None else closed.get(of.vni)) for name, of in sorted(first.items())]

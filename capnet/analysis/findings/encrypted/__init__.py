"""Findings on encrypted overlay networks: none without ESP, nor without a network that Docker is to encrypt."""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.wire.protocols.ipsec import TUNNEL_ESP


def is_needed(context: Context) -> bool:
    """Is there ESP, or a network with Docker's option `encrypted`?"""
    has_esp = (context.tunnels[:, schema.TUNNEL_KIND] == TUNNEL_ESP).any()
    networks = context.topology.networks if context.topology else []
    return bool(has_esp) or any("encrypted" in network.options for network in networks)

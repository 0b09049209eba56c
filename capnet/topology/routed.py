"""Containers that have no bridge: the host routes to a veth of each, as the CNI plugin ptp and Calico make it."""

from __future__ import annotations

from capnet.topology.model import Endpoint


def is_routed(endpoint: Endpoint) -> bool:
    """Is the host end of its veth in the host's own namespace, and a port of no bridge?"""
    return endpoint.veth is not None and endpoint.veth_netns is None and endpoint.bridge is None

"""overlay-mtu-exceeded: what an overlay carries is larger than the network below it takes.

Looks at: fragments of VXLAN's outer packets; "fragmentation needed" about VXLAN packets, or between addresses inside a
tunnel, where the kernel invents the remote container as its sender.
Says: which tunnel, how large the packets are outside and inside.
Wrong when: another path of the same hosts has the smaller MTU.
"""

from __future__ import annotations

import numpy as np

from capnet.analyze.columns import (
    FLOW_CARRIES,
    FLOW_DPORT,
    FLOW_FIRST_FRAME,
    FLOW_FRAGMENTS,
    FLOW_KIND,
    FLOW_PROTO,
)
from capnet.analyze.context import Context
from capnet.analyze.facts import Evidence, Finding, Tunnel
from capnet.analyze.rows import ICMP, destination, source
from capnet.wire.frames import TUNNEL_VXLAN

FRAGMENTATION_NEEDED = 3 * 256 + 4
OVERHEAD = 50  # outer Ethernet is the link's own; IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14


def diagnose(context: Context) -> list[Finding]:
    return [
        Finding(
            "overlay-mtu-exceeded",
            "warning",
            f"VNI {tunnel.vni} between {' and '.join(tunnel.vteps)} carries {tunnel.largest_inner_ip}-byte packets, "
            f"{tunnel.largest_inner_ip + OVERHEAD} with the tunnel: {why}",
            "give the network an MTU of the underlay's less 50 (docker network create --opt "
            "com.docker.network.driver.mtu=…), or raise the underlay's by 50",
            {"vni": tunnel.vni, "vteps": tunnel.vteps, "inner": tunnel.largest_inner_ip, "reason": why},
            evidence[:10],
        )
        for tunnel, why, evidence in _cases(context)
    ]


def _cases(context: Context) -> list[tuple[Tunnel, str, list[Evidence]]]:
    cases: dict[tuple[object, ...], tuple[Tunnel, str, list[Evidence]]] = {}
    flows = context.flows
    cut = np.flatnonzero((flows[:, FLOW_FRAGMENTS] > 0) & (flows[:, FLOW_CARRIES] == TUNNEL_VXLAN))
    needed = np.flatnonzero((flows[:, FLOW_PROTO] == ICMP) & (flows[:, FLOW_KIND] == FRAGMENTATION_NEEDED))
    for tunnel in sorted(
        (each for each in context.tunnel_facts if each.kind == "vxlan"),
        key=lambda each: -each.largest_inner_ip,
    ):
        key = (tunnel.vni, *tunnel.vteps)
        if key in cases:
            continue
        pair = set(tunnel.vteps)
        outside = [row for row in cut.tolist() if {source(flows[row]), destination(flows[row])} == pair]
        inside = [row for row in needed.tolist() if _about(flows[row], tunnel)]
        if outside:
            cases[key] = tunnel, "they cross the wire in fragments", _frames(context, outside)
        elif inside:
            who = source(flows[inside[0]])
            cases[key] = tunnel, f"{who} is named as saying that it takes less", _frames(context, inside)
    return list(cases.values())


def _about(row: np.ndarray, tunnel: Tunnel) -> bool:
    """Is this ICMP about a VXLAN packet of that tunnel, or between two of its containers?"""
    ends = {source(row), destination(row)}
    return (row[FLOW_DPORT] == tunnel.port and bool(ends & set(tunnel.vteps))) or ends <= set(tunnel.inner_ips)


def _frames(context: Context, rows: list[int]) -> list[Evidence]:
    return sorted(context.flow_evidence(row, int(context.flows[row, FLOW_FIRST_FRAME])) for row in rows)

"""overlay-mtu-exceeded: what an overlay carries is larger than the network below it takes.

Looks at: fragments of VXLAN's outer packets; "fragmentation needed" about VXLAN packets, or between addresses inside a
tunnel, where the kernel invents the remote container as its sender.
Says: which tunnel, how large the packets are outside and inside.
Wrong when: another path of the same hosts has the smaller MTU.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import Evidence, Finding, Tunnel
from capnet.analysis.core.schema import (
    FLOW_CARRIES,
    FLOW_DPORT,
    FLOW_FIRST_FRAME,
    FLOW_FRAGMENTS,
    FLOW_KIND,
    FLOW_PROTO,
)
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.wire.fields import TUNNEL_VXLAN
from capnet.wire.numbers import ICMP, ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE

FRAGMENTATION_NEEDED = ICMP_UNREACHABLE * 256 + ICMP_FRAGMENTATION_NEEDED
MOST = 4096  # flows of each of the two kinds that are looked at: there may be hundreds of tunnels
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
    fragments: dict[frozenset[str], list[int]] = {}
    for row in cut[:MOST].tolist():
        fragments.setdefault(_ends(flows[row]), []).append(row)
    told = [(row, _ends(flows[row]), int(flows[row, FLOW_DPORT])) for row in needed[:MOST].tolist()]
    for tunnel in sorted(
        (each for each in tunnel_facts(context) if each.kind == "vxlan"),
        key=lambda each: -each.largest_inner_ip,
    ):
        key = (tunnel.vni, *tunnel.vteps)
        if key in cases:
            continue
        vteps, containers = frozenset(tunnel.vteps), frozenset(tunnel.inner_ips)
        outside = fragments.get(vteps, [])
        inside = [
            row
            for row, ends, port in told  # about a VXLAN packet of that tunnel, or between two of its containers
            if (port == tunnel.port and not vteps.isdisjoint(ends)) or ends <= containers
        ]
        if outside:
            cases[key] = tunnel, "they cross the wire in fragments", _frames(context, outside)
        elif inside:
            who = source(flows[inside[0]])
            cases[key] = tunnel, f"{who} is named as saying that it takes less", _frames(context, inside)
    return list(cases.values())


def _ends(row: np.ndarray) -> frozenset[str]:
    return frozenset((source(row), destination(row)))


def _frames(context: Context, rows: list[int]) -> list[Evidence]:
    return sorted(context.flow_evidence(row, int(context.flows[row, FLOW_FIRST_FRAME])) for row in rows)

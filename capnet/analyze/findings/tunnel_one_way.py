"""tunnel-one-way: a tunnel carries frames in one direction only.

Looks at: tunnels whose other direction passed no point of the capture.
Says: which VNI between which VTEPs.
Wrong when: the traffic really goes one way, or the answers take another path than the capture's.
"""

from __future__ import annotations

from capnet.analyze.context import Context
from capnet.analyze.facts import Finding, Tunnel


def diagnose(context: Context) -> list[Finding]:
    both_ways = {(each.kind, each.vni, tuple(each.vteps)) for each in context.tunnel_facts if not each.one_way}
    silent = {
        (each.kind, each.vni, tuple(each.vteps)): each
        for each in context.tunnel_facts
        if each.one_way and (each.kind, each.vni, tuple(each.vteps)) not in both_ways
    }
    return [
        Finding(
            "tunnel-one-way",
            "warning",
            f"{_name(each)} between {' and '.join(each.vteps)} carries frames in one direction only",
            _fix(each),
            {"vni": each.vni, "vteps": each.vteps},
            each.evidence[:10],
        )
        for each in silent.values()
    ]


def _name(tunnel: Tunnel) -> str:
    if tunnel.vni is None:
        return tunnel.kind.upper()
    return f"GRE key {tunnel.vni}" if tunnel.kind == "gre" else f"VNI {tunnel.vni}"


def _fix(tunnel: Tunnel) -> str:
    if tunnel.kind == "esp":
        return "check that no firewall drops ESP (IP protocol 50, UDP port 4500) and that both hosts have the keys"
    if tunnel.port is None:
        return f"check that no firewall drops {tunnel.kind.upper()} and that both hosts have the tunnel"
    return f"check that UDP port {tunnel.port} is open both ways and that both hosts know the VNI"

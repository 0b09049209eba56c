"""tunnel-one-way: a tunnel carries frames in one direction only.

Looks at: tunnels whose other direction passed no point of the capture.
Says: which VNI between which VTEPs.
Wrong when: the traffic really goes one way, or the answers take another path than the capture's.
"""

from __future__ import annotations

from capnet.analyze.context import Context
from capnet.analyze.facts import Finding


def diagnose(context: Context) -> list[Finding]:
    both_ways = {(each.vni, tuple(each.vteps)) for each in context.tunnel_facts if not each.one_way}
    silent = {
        (each.vni, tuple(each.vteps)): each
        for each in context.tunnel_facts
        if each.one_way and (each.vni, tuple(each.vteps)) not in both_ways
    }
    return [
        Finding(
            "tunnel-one-way",
            "warning",
            f"VNI {each.vni} between {' and '.join(each.vteps)} carries frames in one direction only",
            "check that UDP port " + str(each.port) + " is open both ways and that both hosts know the VNI",
            {"vni": each.vni, "vteps": each.vteps},
            each.evidence[:10],
        )
        for each in silent.values()
    ]

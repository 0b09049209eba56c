"""encrypted-overlay: an overlay network crosses the wire in ESP; or it should, and does not.

Looks at: ESP between hosts, VXLAN between the same hosts, and Docker's `encrypted` option in the topology.
Says: who encrypts, and whether VXLAN crosses beside it in clear. An error where Docker calls the network encrypted
and its frames are readable on the wire.
Wrong when: the ESP belongs to another VPN between the same hosts.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding, Tunnel
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.models.overlay import judge
from capnet.analysis.facts.tunnels import tunnel_facts


def diagnose(context: Context) -> list[Finding]:
    return [*_in_clear(context), *_secret(context)]


def _in_clear(context: Context) -> list[Finding]:
    if context.topology is None:
        return []
    wanted = {network.name for network in context.topology.networks if "encrypted" in network.options}
    open_ = [each for each in tunnel_facts(context) if each.kind == "vxlan" and each.network in wanted]
    return [
        Finding(
            "encrypted-overlay",
            "error",
            f"network {network} is to be encrypted, but its frames cross {tunnel.point} in clear (VNI {tunnel.vni})",
            "check that the kernels of both hosts have ESP and xfrm (`ip xfrm state` shows one pair for each peer)",
            {"network": network, "vni": tunnel.vni, "vteps": tunnel.vteps, "encrypted": False},
            tunnel.evidence[:10],
        )
        for network in sorted(wanted)
        for tunnel in [each for each in open_ if each.network == network][:1]
    ]


def _secret(context: Context) -> list[Finding]:
    esp: dict[tuple[str, ...], list[Tunnel]] = {}
    for each in tunnel_facts(context):
        if each.kind == "esp":
            esp.setdefault(tuple(each.vteps), []).append(each)
    if not esp or not any(model.confidence >= 0.5 for model in judge(context)):
        return []
    findings = []
    for vteps, tunnels in sorted(esp.items()):
        plain = next(
            (each for each in tunnel_facts(context) if each.kind == "vxlan" and tuple(each.vteps) == vteps), None
        )
        packets = max(each.frames for each in tunnels)
        says = f"{' and '.join(vteps)} encrypt what they exchange: {plural(packets, 'ESP packet')}"
        if plain:
            says += f", while VNI {plain.vni} crosses in clear"
        findings.append(
            Finding(
                "encrypted-overlay",
                "info",
                says,
                "nothing to fix; the frames are readable inside, at br0 or vxlan0 of the overlay's own namespace",
                {
                    "hosts": list(vteps),
                    "packets": packets,
                    "encrypted": True,
                    "clear_vni": plain.vni if plain else None,
                },
                sorted(frame for each in tunnels for frame in each.evidence)[:10],
            )
        )
    return findings

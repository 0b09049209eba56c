"""tunnel-one-way: a tunnel carries frames in one direction only.

Looks at: tunnels whose other direction passed no point of the capture; not those that carry both directions of a
conversation one way, as mirrors of other traffic do.
Says: which VNI between which VTEPs.
Wrong when: the traffic really goes one way, or the answers take another path than the capture's.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.results import Finding, Tunnel
from capnet.analysis.core.schema import (
    FLOW_POINT,
    FLOW_VIA,
    FLOW_VIA_VNI,
    TUNNEL_DST_HI,
    TUNNEL_DST_LO,
    TUNNEL_KIND,
    TUNNEL_SRC_HI,
    TUNNEL_SRC_LO,
    TUNNEL_VNI,
)
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.wire.addresses import address_text
from capnet.wire.fields import TUNNEL_NAMES

FEWEST = 2  # frames: one alone has not been waited for


def diagnose(context: Context) -> list[Finding]:
    senders = _senders(context)
    mirrors = _mirrors(context)
    silent = {
        _key(each.kind, each.vni, each.vteps): each
        for each in tunnel_facts(context)
        if each.one_way
        and each.frames >= FEWEST
        and len(senders[_key(each.kind, each.vni, each.vteps)]) < 2
        and (each.kind, each.vni, each.point) not in mirrors
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


_Key = tuple[str, int | None, tuple[str, ...]]


def _key(kind: str, vni: int | None, vteps: list[str]) -> _Key:
    """Keys of GRE and SPIs of ESP belong to one direction each; a VNI is the same both ways."""
    return kind, vni if kind in ("vxlan", "geneve") else None, tuple(sorted(vteps))


def _senders(context: Context) -> dict[_Key, set[str]]:
    """Which ends of a tunnel sent, wherever that was seen."""
    found: dict[_Key, set[str]] = {}
    for row in context.tunnels.tolist():
        one, two = (
            address_text(row[hi], row[lo])
            for hi, lo in ((TUNNEL_SRC_HI, TUNNEL_SRC_LO), (TUNNEL_DST_HI, TUNNEL_DST_LO))
        )
        vni = row[TUNNEL_VNI] if row[TUNNEL_VNI] >= 0 else None
        found.setdefault(_key(TUNNEL_NAMES[row[TUNNEL_KIND]], vni, [one, two]), set()).add(one)
    return found


def _mirrors(context: Context) -> set[tuple[str, int | None, str]]:
    """(kind, VNI, point) of one-way tunnels that carry questions and their answers: copies for an analyzer (ERSPAN, a
    cloud's traffic mirror)."""
    flows = context.flows
    inside = np.flatnonzero((flows[:, FLOW_VIA] > 0) & (replies(context) >= 0))
    places = {tuple(row) for row in flows[inside[:, None], [FLOW_VIA, FLOW_VIA_VNI, FLOW_POINT]].tolist()}
    both_ways = {(each.kind, each.vni, each.point) for each in tunnel_facts(context) if not each.one_way}
    answered = {
        (TUNNEL_NAMES[kind], vni if vni >= 0 else None, context.points[point].name) for kind, vni, point in places
    }
    return answered - both_ways


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

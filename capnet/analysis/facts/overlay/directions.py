"""Directions of tunnels: who sends in each, and which of them carry both sides of what they carry one way.

Input: tunnel rows, flows. Output: sets of ends, and of (kind, VNI, point).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import (
    FLOW_ENDS,
    FLOW_OPPOSITE_ENDS,
    FLOW_POINT,
    FLOW_PROTO,
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
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.protocols import KIND_OF_NAME, KIND_OF_NUMBER


class TunnelKey(NamedTuple):
    """Both directions of a tunnel have the same one."""

    kind: str
    vni: int | None
    vteps: tuple[str, ...]


def tunnel_key(kind: str, vni: int | None, vteps: list[str]) -> TunnelKey:
    """Keys of GRE, SPIs of ESP and TEIDs belong to one direction each; a VNI is the same both ways."""
    return TunnelKey(kind, vni if has_vni(kind) else None, tuple(sorted(vteps)))


def has_vni(kind: str) -> bool:
    """Is the number of such a tunnel a VNI?"""
    return KIND_OF_NAME[kind].id_name == "VNI"


def tunnel_senders(context: Context) -> dict[TunnelKey, set[str]]:
    """The ends of each tunnel that sent, at any point."""
    senders: dict[TunnelKey, set[str]] = {}
    for row in context.tunnels.tolist():
        src, dst = (
            address_text(row[hi], row[lo])
            for hi, lo in ((TUNNEL_SRC_HI, TUNNEL_SRC_LO), (TUNNEL_DST_HI, TUNNEL_DST_LO))
        )
        vni = row[TUNNEL_VNI] if row[TUNNEL_VNI] >= 0 else None
        senders.setdefault(tunnel_key(KIND_OF_NUMBER[row[TUNNEL_KIND]].name, vni, [src, dst]), set()).add(src)
    return senders


def mirrors(context: Context) -> set[tuple[str, int | None, str]]:
    """(kind, VNI, point) of one-way tunnels that carry questions and their answers."""
    flows = context.flows
    inner_rows = np.flatnonzero((flows[:, FLOW_VIA] > 0) & (replies(context) >= 0))
    conversations = {tuple(row) for row in flows[inner_rows[:, None], [FLOW_VIA, FLOW_VIA_VNI, FLOW_POINT]].tolist()}
    two_way = {(tunnel.kind, tunnel.vni, tunnel.point) for tunnel in tunnel_facts(context) if not tunnel.one_way}
    answered = {
        (KIND_OF_NUMBER[kind].name, vni if vni >= 0 else None, context.points[point].name)
        for kind, vni, point in conversations
    }
    return answered - two_way


def handed_on(context: Context) -> set[tuple[str, int | None, str]]:
    """(kind, VNI, point) of tunnels whose inside passes the same point without a tunnel, or whose answers do."""
    flows = context.flows
    forms, opposites = (hash_of(flows, [FLOW_POINT, FLOW_PROTO, *ends]) for ends in (FLOW_ENDS, FLOW_OPPOSITE_ENDS))
    is_inside = flows[:, FLOW_VIA] > 0
    outside = forms[~is_inside].view(np.int64)
    passes = is_among(forms.view(np.int64), outside) | is_among(opposites.view(np.int64), outside)
    rows = np.flatnonzero(is_inside & passes)
    return {
        (KIND_OF_NUMBER[kind].name, vni if vni >= 0 else None, context.points[point].name)
        for kind, vni, point in {
            tuple(row) for row in flows[rows[:, None], [FLOW_VIA, FLOW_VIA_VNI, FLOW_POINT]].tolist()
        }
    }

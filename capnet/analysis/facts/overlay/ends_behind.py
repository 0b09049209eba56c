"""Tunnels whose packets come out of them, and stop between two points behind: the tunnel itself is open that way.

Input: flows, fates. Method: of all flows inside a tunnel that nothing answers, each has its end outside of it, at a
point where the next one is known and shows none of it.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Tunnel
from capnet.analysis.fate.chain_values import any_of_chain
from capnet.analysis.fate.fates import STOPS, fates
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.protocols import KIND_OF_NAME


def ends_behind(context: Context, tunnel: Tunnel) -> bool:
    """Does all that a tunnel carries in vain come out of it, and stop behind?"""
    flows, outcome = context.flows, fates(context)
    kind, vni = KIND_OF_NAME[tunnel.kind].number, -1 if tunnel.vni is None else tunnel.vni
    is_inside = (flows[:, schema.FLOW_VIA] == kind) & (flows[:, schema.FLOW_VIA_VNI] == vni) & ~is_answered(context)
    stops = outcome.last[outcome.state == STOPS]
    is_stop = np.zeros(len(flows), dtype=bool)
    is_stop[stops[flows[stops, schema.FLOW_VIA] == 0]] = True
    return bool(is_inside.any() and any_of_chain(context, is_stop)[is_inside].all())

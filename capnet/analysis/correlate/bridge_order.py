"""When did a frame pass a bridge? Not always when the bridge's own capture says.

Listening at a bridge makes it promiscuous, and what is heard there is a copy that Linux passes up after the frame has
gone out of its port (net/bridge/br_input.c: br_handle_frame_finish forwards first). Taken by its clock, a frame would
leave through a veth or a VXLAN device before it reached the bridge. Such a copy is counted at the time of the port that
it came in by.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import (
    FLOW_DEPTH,
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_KIND,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_TTL,
    FLOW_VIA,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_TIME,
)

# One bridged flow has the same values of these at every port of the bridge.
_SAME = [
    FLOW_VIA, FLOW_DEPTH, FLOW_PROTO, FLOW_SRC_HI, FLOW_SRC_LO, FLOW_DST_HI, FLOW_DST_LO,
    FLOW_SPORT, FLOW_DPORT, FLOW_KIND, FLOW_TTL,
]  # fmt: skip


def ports_first(context: Context, seen: np.ndarray) -> np.ndarray:
    """The observations, with late copies at bridges moved to 1 ns behind their ingress port's; a copy if any moved."""
    ingress = _ingress(context)
    moving = np.flatnonzero(ingress[seen[:, OBS_FLOW]] >= 0)
    if not len(moving):
        return seen
    keys = row_hash(seen[:, [OBS_DIGEST, OBS_FLOW]])
    order = np.argsort(keys, kind="stable")
    wanted = seen[moving][:, [OBS_DIGEST, OBS_FLOW]]
    wanted[:, 1] = ingress[wanted[:, 1]]
    at = order[np.minimum(np.searchsorted(keys[order], row_hash(wanted)), len(order) - 1)]
    found = (seen[at][:, [OBS_DIGEST, OBS_FLOW]] == wanted).all(axis=1)
    # A repeated digest would pair the second copy with the first packet: those stay where they are.
    late = found & (seen[at, OBS_TIME] < seen[moving, OBS_TIME])
    seen = seen.copy()
    seen[moving[late], OBS_TIME] = seen[at[late], OBS_TIME] + 1
    return seen


def _ingress(context: Context) -> np.ndarray:
    """Per flow row: for one at a bridge that other ports saw earlier, the row at its ingress port; else -1."""
    flows = context.flows
    ingress = np.full(len(flows), -1)
    bridges = np.array([is_bridge(point.name, point.role) for point in context.points] or [False])
    bridged: np.ndarray = np.flatnonzero(bridges[flows[:, FLOW_POINT]])
    if not len(bridged):
        return ingress
    hosts = [host_of(point.name) or "" for point in context.points]
    numbers = {name: number for number, name in enumerate(sorted(set(hosts)))}
    host = np.array([numbers[name] for name in hosts])[flows[:, FLOW_POINT]]
    keys = row_hash(np.column_stack([flows[:, _SAME], host]))
    order = np.lexsort((flows[:, FLOW_FIRST], keys))
    sorted_keys = keys[order]
    left = np.searchsorted(sorted_keys, keys[bridged])
    right = np.searchsorted(sorted_keys, keys[bridged], side="right")
    for row, start, end in zip(bridged.tolist(), left.tolist(), right.tolist(), strict=True):
        before = [other for other in order[start:end].tolist() if flows[other, FLOW_FIRST] < flows[row, FLOW_FIRST]]
        roles = [context.points[flows[other, FLOW_POINT]].role for other in before]
        # A frame comes in from a container's end of a veth and then its host end, or from one port.
        through = 2 if roles[:2] == ["container", "veth"] else 1
        if len(before) > through:
            ingress[row] = before[through - 1]
    return ingress


def is_bridge(name: str, role: str) -> bool:
    return role == "bridge" or name.rpartition("/")[2] == "br0"

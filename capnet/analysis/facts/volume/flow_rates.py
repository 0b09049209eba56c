"""How fast flows are now: what was added to each since an earlier look at the same capture.

Input: the flow tables of two studies of one capture, the later one of more of it. Its rows begin with those of the
earlier one, in their order. Output: the fastest groups of flows; a group is what one address sends another one for one
service, in one direction, at one point. The service is at the end that answered a SYN, else at the lower port.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Flow
from capnet.analysis.core.schema import FlowMask, FlowTable, Values
from capnet.analysis.facts.flows import flow_fact
from capnet.quick_tuple import NamedTuple

MAX_GROUPS = 60  # a flow may be seen at several points, and a screen has some twenty lines

_ENDS = [*schema.FLOW_PLACE, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES]

Volumes: TypeAlias = Annotated[np.ndarray, "(flows, 2) int64: packets, bytes"]


class FlowRate(NamedTuple):
    """A group of flows, by its largest one, and what the group gained per second since the earlier look."""

    flow: Flow
    flows: int
    service_is_source: bool
    packets: int
    bytes: int
    packets_per_second: float
    bytes_per_second: float


def volumes(context: Context) -> Volumes:
    """Packets and bytes of each flow row."""
    return context.flows[:, [schema.FLOW_PACKETS, schema.FLOW_BYTES]]


def flow_rates(context: Context, earlier: Volumes | None, seconds: float) -> list[FlowRate]:
    """The MAX_GROUPS that gained the most bytes in these seconds, then those with the most bytes in all."""
    flows = context.flows
    if not len(flows):
        return []
    is_answer = _is_answer(flows)
    port = np.where(is_answer, flows[:, schema.FLOW_SPORT], flows[:, schema.FLOW_DPORT])
    key = row_hash(np.column_stack((flows[:, _ENDS], port, is_answer)))
    _, group = np.unique(key, return_inverse=True)
    group = group.reshape(-1)
    now = volumes(context)
    gained = now.copy()
    gained[: len(flows) if earlier is None else len(earlier)] -= now if earlier is None else earlier
    in_all, gains = (_sums(group, columns) for columns in (now, gained))
    count = np.bincount(group)
    by_size = np.lexsort((-now[:, 1], group))
    largest = by_size[np.searchsorted(group[by_size], np.arange(len(count)))]
    order = np.lexsort((-in_all[:, 1], -gains[:, 1]))[:MAX_GROUPS]
    return [
        FlowRate(
            flow_fact(context, int(largest[number])),
            int(count[number]),
            bool(is_answer[largest[number]]),
            *in_all[number].astype(int).tolist(),
            *(gains[number] / max(seconds, 1e-9)).tolist(),
        )
        for number in order.tolist()
    ]


def _is_answer(flows: FlowTable) -> FlowMask:
    """Flow rows that come from a service."""
    sport, dport = flows[:, schema.FLOW_SPORT], flows[:, schema.FLOW_DPORT]
    asks, answers = flows[:, schema.FLOW_SYN_TIME] >= 0, flows[:, schema.FLOW_SYNACK_TIME] >= 0
    return answers | (~asks & (sport < dport))


def _sums(group: Values, columns: Volumes) -> Volumes:
    return np.stack([np.bincount(group, weights=column) for column in columns.T], axis=1)

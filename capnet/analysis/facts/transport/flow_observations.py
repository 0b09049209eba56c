"""The observations of one flow row, found without going through all of them."""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import are_repeated, hash_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import Mask, Observations, Values
from capnet.analysis.correlate.duplicates import duplicate_delays_ns
from capnet.quick_tuple import NamedTuple


def observations_of(context: Context, *rows: int) -> Observations:
    """The observations of these flow rows, in the order in which they passed, those recorded twice once."""
    by_flow = _observations_by_flow(context)
    indexes = np.concatenate([by_flow.order[by_flow.starts[row] : by_flow.starts[row + 1]] for row in rows])
    observed = context.observations[indexes]
    return observed if len(rows) == 1 else observed[observed[:, schema.OBS_SEQ].argsort(kind="stable")]


class _ByFlow(NamedTuple):
    """Indexes of observations in order of their flow rows, and of a flow row in the order in which they passed."""

    order: Values
    starts: Values  # of each flow row in `order`, and the end of the last one


@derived
def _observations_by_flow(context: Context) -> _ByFlow:
    flow = context.observations[:, schema.OBS_FLOW]
    order = np.lexsort((context.observations[:, schema.OBS_SEQ], flow))
    order = order[~_are_recorded_again(context)[order]]
    return _ByFlow(order, np.searchsorted(flow[order], np.arange(len(context.flows) + 1)))


def _are_recorded_again(context: Context) -> Mask:
    """For each observation: did the one before with the same digest in its flow come as soon as duplicates do?

    A capture at `any` shows a packet at each interface. IPv6 has no identification, so that equal acknowledgments look
    alike as well: one of them is enough.
    """
    observations, columns = context.observations, [schema.OBS_FLOW, schema.OBS_DIGEST, schema.OBS_SEQ]
    repeated = np.flatnonzero(are_repeated(hash_of(observations, columns[:2])))
    order = repeated[np.lexsort([observations[repeated, column] for column in reversed(columns)])]
    flow, digest, time = (observations[order, column] for column in (*columns[:2], schema.OBS_TIME))
    is_again = np.zeros(len(observations), dtype=bool)
    is_same = (flow[1:] == flow[:-1]) & (digest[1:] == digest[:-1])
    delays_ns = duplicate_delays_ns(context)[context.flows[flow[1:], schema.FLOW_POINT]]
    is_again[order[1:]] = is_same & (time[1:] - time[:-1] <= delays_ns)
    return is_again

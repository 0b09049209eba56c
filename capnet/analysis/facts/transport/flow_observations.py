"""The observations of one flow row, found without going through all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import Observations, Values


def observations_of(context: Context, *rows: int) -> Observations:
    """The observations of these flow rows, in the order in which they passed."""
    by_flow = _observations_by_flow(context)
    indexes = np.concatenate([by_flow.order[by_flow.starts[row] : by_flow.starts[row + 1]] for row in rows])
    observed = context.observations[indexes]
    return observed[np.argsort(observed[:, schema.OBS_SEQ], kind="stable")]


class _ByFlow(NamedTuple):
    """Indexes of observations in order of their flow rows."""

    order: Values
    starts: Values  # of each flow row in `order`, and the end of the last one


@derived
def _observations_by_flow(context: Context) -> _ByFlow:
    flow = context.observations[:, schema.OBS_FLOW]
    order = np.argsort(flow, kind="stable")
    return _ByFlow(order, np.searchsorted(flow[order], np.arange(len(context.flows) + 1)))

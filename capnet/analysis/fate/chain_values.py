"""Values of flow chains from those of their flow rows: is it so of any row, the smallest, the largest.

Input: one value for each flow row. Output: one for each flow row again, which all rows of its flow chain have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowMask, PerFlow, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.next_points import chain_of


def any_of_chain(context: Context, rows: FlowMask) -> FlowMask:
    """Per flow row: is `rows` true of any row of its chain?"""
    if not len(flow_links(context)):
        return rows.copy()
    chain = chain_of(context)
    by_chain = np.zeros(len(chain), dtype=bool)
    by_chain[chain[rows]] = True
    return by_chain[chain]


def smallest_of_chain(context: Context, values: PerFlow) -> PerFlow:
    """Per flow row: the smallest value of its chain."""
    return _reduced(context, values, np.minimum.reduceat)


def largest_of_chain(context: Context, values: PerFlow) -> PerFlow:
    """Per flow row: the largest value of its chain."""
    return _reduced(context, values, np.maximum.reduceat)


def _reduced(context: Context, values: PerFlow, reduce: Callable[..., Any]) -> PerFlow:
    chain = chain_of(context)
    if (chain == np.arange(len(chain))).all():
        return values  # each row is a chain of its own
    order = _rows_by_chain(context)
    ordered = chain[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    by_chain = np.zeros(len(chain), dtype=np.int64)
    by_chain[ordered[starts]] = reduce(values[order], starts)
    return by_chain[chain]


@derived
def _rows_by_chain(context: Context) -> Values:
    """Flow rows, chain by chain."""
    return np.argsort(chain_of(context), kind="stable")

"""A sign: a piece of evidence for a network model, as a function of this folder sees it in a capture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence
from capnet.analysis.fate.speakers import RECEIVED
from capnet.quick_tuple import NamedTuple

MAX_SIGN_FRAMES = 4  # of one sign: a verdict has several, and names ten frames


class Sign(NamedTuple):
    """What was seen. `model` is the only model that it speaks about; None: all that its row weighs."""

    says: str
    frames: Collection[Evidence] = ()
    model: str | None = None


class EvidenceRow(NamedTuple):
    """A row of the table in `weights`: how much a sign weighs for each model, as natural log-odds.

    Rows of one group have one cause, and are not independent: the heaviest alone counts for a model.
    """

    name: str
    signs: Callable[[Context], Iterable[Sign]]
    log_odds: Mapping[str, float]
    shows_containers: bool = False
    group: str = ""


def station_frames(context: Context, macs: Collection[int], point: int | None = None) -> list[Evidence]:
    """The first frame that each of these MACs sent, at one point or at any, at most MAX_SIGN_FRAMES."""
    table = context.stations
    is_sender = is_one_of(table[:, schema.STATION_MAC], macs) & (table[:, schema.STATION_HOW] != RECEIVED)
    if point is not None:
        is_sender &= table[:, schema.STATION_POINT] == point
    rows = table[is_sender]
    rows = rows[np.argsort(rows[:, schema.STATION_FIRST], kind="stable")]
    first_rows = np.sort(np.unique(rows[:, schema.STATION_MAC], return_index=True)[1])[:MAX_SIGN_FRAMES]
    columns = [schema.STATION_POINT, schema.STATION_FIRST_FRAME]
    return [context.evidence(point, frame) for point, frame in rows[first_rows][:, columns].tolist()]

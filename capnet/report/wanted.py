"""What a reader asked for: sections and rows of a report."""

from __future__ import annotations

from collections.abc import Sequence

from capnet.quick_tuple import NamedTuple


class Wanted(NamedTuple):
    """What a reader asked for."""

    only: Sequence[str] = ()  # sections, by their keys in JSON; empty for all
    full: bool = True  # tables too, not the first screen alone
    top: int | None = None  # rows of each table; None for as many as one reads


ALL = Wanted()

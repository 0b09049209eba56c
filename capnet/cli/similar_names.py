"""What may have been meant by a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable

MAX_NAMES = 3
MIN_LIKENESS = 0.6  # of difflib's ratio: two letters exchanged in a short name


def did_you_mean(name: str, names: Iterable[str], otherwise: str) -> str:
    """`did you mean bridge or bridge-clash?`, the most similar first; `otherwise` where none is similar."""
    from difflib import get_close_matches

    similar = get_close_matches(name, list(dict.fromkeys(names)), MAX_NAMES, MIN_LIKENESS)
    return f"did you mean {' or '.join(similar)}?" if similar else otherwise

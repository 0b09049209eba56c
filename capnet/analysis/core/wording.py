"""Words for the sentences of facts and findings."""

from __future__ import annotations

from collections.abc import Sequence


def plural(count: int, thing: str) -> str:
    """2, `packet` → `2 packets`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def several(words: Sequence[str]) -> str:
    """`a and b and c`; of more than four, `a and b and c and 9 more`."""
    if len(words) > 4:
        words = [*words[:3], f"{len(words) - 3} more"]
    return " and ".join(words)

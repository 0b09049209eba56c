"""Notices about compiling, each once in a process: that it takes time, and that its result cannot be kept.

The command line sets `listener`, which is given each sentence; without it they are dropped.
"""

from __future__ import annotations

from collections.abc import Callable

COMPILING = "compiling the decoder, once per machine: some 20 s"

listener: Callable[[str], None] | None = None
_told: set[str] = set()


def tell(sentence: str) -> None:
    """Gives the sentence to the listener, if it was not given before."""
    if listener is not None and sentence not in _told:
        _told.add(sentence)
        listener(sentence)


def tell_unkept(folder: object, reason: str) -> None:
    """Tells that the compiled code cannot be kept in this folder."""
    where = f"in {folder} ({reason})" if folder else f"({reason})"
    tell(
        f"the compiled code cannot be kept {where}, so each run compiles it again: "
        "set XDG_CACHE_HOME to a folder that can be written"
    )

"""What git says of this checkout: how many commits it has, and what they change. Tests that run by turns go by it."""

from __future__ import annotations

import subprocess
from pathlib import Path

TURNS = 4  # so many runs play everything


def commits() -> int | None:
    """The number of commits, which is the turn; None where this is no git checkout.

    A shallow clone does not know it, and would always have the same turn: there the hash of the commit is the number.
    """
    if _git("rev-parse", "--is-shallow-repository") == "true":
        return int(_git("rev-parse", "HEAD") or "0", 16)
    number = _git("rev-list", "--count", "HEAD")
    return None if number is None else int(number)


def changed_files() -> list[str]:
    """What differs from where this branch left origin/main; on main itself, from the commit before."""
    base = _git("merge-base", "HEAD", "origin/main")
    if base is None or base == _git("rev-parse", "HEAD"):
        base = "HEAD~1"
    # The mark of a test that runs by turns is no change of it, so lines with it are ignored, which needs --numstat.
    differing = _git("diff", "--no-renames", "--numstat", "--ignore-blank-lines", "-I", "by_turns", base) or ""
    new = _git("ls-files", "--others", "--exclude-standard") or ""
    return [*(line.split("\t")[2] for line in differing.splitlines()), *new.splitlines()]


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False
        )
    except OSError:  # git is not installed
        return None
    return done.stdout.strip() if done.returncode == 0 else None

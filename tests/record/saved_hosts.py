"""The recorded outputs of two hosts (tests/record/saved), as files, and what they say read without capnet."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.conftest import PROJECT

ARCHIVE = PROJECT / "tests" / "record" / "saved" / "two-hosts.tar.gz"


@cache
def texts() -> dict[str, str]:
    """Path in the archive → text."""
    with tarfile.open(ARCHIVE) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {member.name: archive.extractfile(member).read().decode() for member in members}  # type: ignore[union-attr]


def raw(path: str) -> Any:
    """The JSON of a file of the archive."""
    return json.loads(texts()[path])


def unpacked(folder: Path, wanted: Any = lambda path: True) -> Path:
    """A folder with the files of the archive whose path is wanted."""
    for path, text in texts().items():
        if wanted(path):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    return folder

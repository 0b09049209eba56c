"""Writes the witnesses of a recording beside its capture, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from capnet.witnesses import Witnesses, witnesses_path


def write_beside(capture: Path, witnesses: Witnesses) -> Path:
    """Writes NAME.witnesses.json beside the capture NAME.pcapng and returns its path. Raises OSError.

    Only its owner may read it: rules and connections are nobody else's business.
    """
    final = witnesses_path(capture)
    handle, unfinished = tempfile.mkstemp(prefix=f".{final.name}.", dir=final.parent)  # 0600, and no name to guess
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(witnesses.to_json())
        Path(unfinished).replace(final)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return final

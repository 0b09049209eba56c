"""Writes the witnesses of a recording beside its capture, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from capnet.topology import witnesses_path
from capnet.whole_file import whole
from capnet.witnesses import Witnesses


def write_beside(capture: Path, witnesses: Witnesses) -> Path:
    """Writes NAME.witnesses.json beside the capture NAME.pcapng and returns its path. Raises OSError.

    Only its owner may read it: rules and connections say much about a host.
    """
    final = witnesses_path(capture)
    with whole(final, private=True) as file:
        file.write(witnesses.to_json().encode())
    return final

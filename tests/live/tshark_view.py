"""What tshark sees in a bundle that was recorded live."""

from __future__ import annotations

import subprocess
from pathlib import Path


def tshark(capture: Path, display_filter: str, *fields: str, interface: str = "") -> list[tuple[str, ...]]:
    """The values of the fields in each frame that passes, at one point or at all."""
    if interface:
        display_filter = f'({display_filter}) && frame.interface_name == "{interface}"'
    words = ["tshark", "-n", "-r", str(capture), "-Y", display_filter, "-T", "fields", "-E", "occurrence=f"]
    words += [word for field in ("frame.number", *fields) for word in ("-e", field)]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return [tuple(line.split("\t")[1:]) for line in printed.splitlines()]

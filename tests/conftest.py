"""What all tests share: where the captures are."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).parent.parent
GOLDENS = sorted((PROJECT / "pcaps").glob("*.pcapng"))
MADE = sorted(path for path in (PROJECT / "tests" / "made").iterdir() if path.suffix in (".pcap", ".pcapng"))

os.environ.pop("COLUMNS", None)  # readline sets it for the workers of xdist; reports obey it

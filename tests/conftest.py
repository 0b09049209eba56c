"""What all tests share: where the captures are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet import language

PROJECT = Path(__file__).parent.parent
GOLDENS = sorted((PROJECT / "pcaps").glob("*.pcapng"))
MADE = sorted(path for path in (PROJECT / "tests" / "made").iterdir() if path.suffix in (".pcap", ".pcapng"))

os.environ.pop("COLUMNS", None)  # readline sets it for the workers of xdist; reports obey it
for variable in ("CAPNET_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):  # tests expect English, in any locale
    if os.environ.get(variable, "").startswith("zh"):
        os.environ[variable] = "C.UTF-8"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Every test begins in English, and leaves it so."""
    yield
    language.use("en")

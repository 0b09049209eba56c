"""The README says what is so: its transcripts, its scenarios, its commands."""

from __future__ import annotations

import re

from capnet.scenario import library
from tests.readme import README, stored, transcripts


def test_transcripts_are_what_capnet_says() -> None:
    assert stored() == transcripts()


def test_every_scenario_is_in_the_table() -> None:
    rows = re.findall(r"^\|[^|]*\|([^|]*)\|[^|]*\|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for cell in rows for name in re.findall(r"`([a-z0-9-]+)`", cell)}
    assert set(library.files()) <= named

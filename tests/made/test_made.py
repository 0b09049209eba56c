"""The captures of this folder are what its scripts make."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MADE
from tests.differential import our_rows
from tests.made.build import all_captures


@pytest.fixture(scope="module")
def made_again() -> dict[str, bytes]:
    return all_captures()


def test_every_capture_has_its_script(made_again: dict[str, bytes]) -> None:
    assert {path.name for path in MADE} == set(made_again)


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_the_script_makes_this_capture(path: Path, made_again: dict[str, bytes], tmp_path: Path) -> None:
    if made_again[path.name] == path.read_bytes():
        return
    # Another version of scapy may fill fields that no script sets: what we decode must still be the same.
    again = tmp_path / path.name
    again.write_bytes(made_again[path.name])
    assert our_rows(again, compiled=False) == our_rows(path, compiled=False)

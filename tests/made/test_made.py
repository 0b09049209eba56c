"""The captures of this folder are what its scripts make."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MADE
from tests.differential import our_rows
from tests.made.build import all_captures


@pytest.fixture(scope="module")
def remade() -> dict[str, bytes]:
    return all_captures()


def test_capture_has_a_script(remade: dict[str, bytes]) -> None:
    assert {path.name for path in MADE} == set(remade)


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_script_makes_the_same_capture(path: Path, remade: dict[str, bytes], tmp_path: Path) -> None:
    if remade[path.name] == path.read_bytes():
        return
    # Another version of scapy may fill fields that no script sets: what we decode must still be the same.
    copy = tmp_path / path.name
    copy.write_bytes(remade[path.name])
    assert our_rows(copy, compiled=False) == our_rows(path, compiled=False)

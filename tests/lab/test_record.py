"""A lab's record and lock, read and taken while somebody else makes or removes the lab.

What the other one does is done by the test, in the one moment in which it matters: within a call of the reader's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from capnet.errors import UsageError
from capnet.lab import lab_lock, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lab"


def just_before(patch: pytest.MonkeyPatch, owner: object, call: str, other: Callable[[], None]) -> None:
    """The next call finds what `other` has just done."""
    real = getattr(owner, call)

    def stub(*args: object, **options: object) -> object:
        patch.setattr(owner, call, real)
        other()
        return real(*args, **options)

    patch.setattr(owner, call, stub)


def test_record_without_lab_is_none(folder: Path) -> None:
    assert record.read(folder) is None


def test_lab_made_during_the_look_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()

    def make() -> None:
        record.LabRecord(folder).mark_ready()
        (folder / "A").mkdir()

    just_before(monkeypatch, Path, "iterdir", make)
    found = record.read(folder)
    assert found is not None and found.ready


def test_lab_removed_during_the_look_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    just_before(monkeypatch, Path, "iterdir", folder.rmdir)
    assert record.read(folder) is None


def test_folder_removed_before_its_lock_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    just_before(monkeypatch, os, "open", folder.rmdir)
    with lab_lock.locked(folder, pytest.fail):
        assert folder.is_dir()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_foreign_file_or_folder_is_refused(folder: Path, kind: str) -> None:
    if kind == "folder":
        folder.mkdir()
        (folder / "letters").write_text("mine")
    else:
        folder.write_text("mine")
    with pytest.raises(UsageError, match="is not a lab's folder"):
        record.read(folder)

"""Who uses a lab, and whose turn it is. Each user has an open file of its own, as each process has."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from capnet.errors import CapnetError
from capnet.lab import lab_lock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "lab"
    made.mkdir()
    lab_lock.prepare(made)
    return made


def test_last_user_to_leave_is_the_last(folder: Path) -> None:
    one, two = lab_lock.enter(folder), lab_lock.enter(folder)
    assert not lab_lock.leave(folder, one)
    assert lab_lock.leave(folder, two)


def test_user_of_a_replaced_lab_is_not_its_last(folder: Path) -> None:
    user = lab_lock.enter(folder)
    shutil.rmtree(folder)
    folder.mkdir()
    lab_lock.prepare(folder)
    assert not lab_lock.leave(folder, user)
    user = lab_lock.enter(folder)
    shutil.rmtree(folder)
    assert not lab_lock.leave(folder, user)


def test_scenarios_take_turns(folder: Path) -> None:
    said: SimpleQueue[str] = SimpleQueue()

    def play() -> None:
        with lab_lock.turn(folder, said.put):
            said.put("the second plays")

    second = threading.Thread(target=play)
    with lab_lock.turn(folder, pytest.fail):
        second.start()
        assert "waiting for another scenario" in said.get(timeout=60)
        said.put("the first has played")
    second.join(60)
    assert [said.get(timeout=60), said.get(timeout=60)] == ["the first has played", "the second plays"]


def test_lab_removed_while_waiting_is_an_error(folder: Path) -> None:
    said: SimpleQueue[str] = SimpleQueue()

    def play() -> None:
        with pytest.raises(CapnetError, match="removed meanwhile"), lab_lock.turn(folder, said.put):
            pytest.fail("it plays")
        said.put("as it should be")

    second = threading.Thread(target=play)
    with lab_lock.turn(folder, pytest.fail):
        second.start()
        assert "waiting" in said.get(timeout=60)
        shutil.rmtree(folder)
    assert said.get(timeout=60) == "as it should be"
    second.join(60)
    with pytest.raises(CapnetError, match="removed meanwhile"), lab_lock.turn(folder, pytest.fail):
        pytest.fail("it plays")

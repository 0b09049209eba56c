"""`capnet scenario new`: a file that loads and runs as it is, and never overwrites another."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from capnet.cli.scenario import command
from capnet.errors import UsageError
from capnet.scenario import library
from capnet.scenario.checks import checks
from capnet.scenario.skeleton import RESERVED, write_skeleton


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for scenarios in place of the project's own."""
    monkeypatch.setattr(library, "CHECKOUT", tmp_path)
    return tmp_path


def test_new_scenario_loads_and_has_checks(tmp_path: Path) -> None:
    path = write_skeleton("bridge-of-mine", tmp_path)
    assert path == tmp_path / "bridge_of_mine.py"
    assert library.summary(path).startswith("bridge-of-mine: ")
    module = library.load_file(path)
    assert callable(module.run)
    assert "the model is bridge" in checks.scenario_checks(module)


@pytest.mark.parametrize("name", ["Bridge", "a_b", "a--b", "-a", "../a", "1st", "", *RESERVED])
def test_new_scenario_with_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        write_skeleton(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_existing_scenario_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bridge.py").write_text("as it was")
    with pytest.raises(UsageError, match="exists already"):
        write_skeleton("bridge", tmp_path)
    assert (tmp_path / "bridge.py").read_text() == "as it was"


def test_command_new_prints_file_and_next_steps(checkout: Path) -> None:
    done = CliRunner().invoke(command, ["new", "bridge-of-mine"], catch_exceptions=False)
    assert done.exit_code == 0
    first, *steps = done.output.splitlines()
    assert first == f"wrote {checkout / 'bridge_of_mine.py'}"
    assert "2. Run it: sudo capnet scenario bridge-of-mine --lab" in steps


def test_command_new_without_checkout_is_refused(checkout: Path) -> None:
    checkout.rmdir()
    with pytest.raises(UsageError, match="checkout"):
        CliRunner().invoke(command, ["new", "bridge-of-mine"], catch_exceptions=False)

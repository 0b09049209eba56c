"""`capnet cache`: shows and removes compiled kernels, and nothing else."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from capnet.cli import cli
from capnet.errors import EnvironmentLacks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache folder with two kernels, what an interrupted write left, and a file of another program."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = tmp_path / "capnet"
    made.mkdir()
    for name in ("count_rows-2aec46b3379ba101-in-6a2331ef.o", "walk-0123456789abcdef-n-6a2331ef.o", ".k3x_9f2a"):
        (made / name).write_bytes(b"x" * 1000)
    (made / "notes.txt").write_text("mine")
    return made


def test_cache_shows_folder_number_and_size(folder) -> None:
    assert CliRunner().invoke(cli, ["cache"]).output == f"{folder}: 3 compiled kernels, 3.00 kB\n"


def test_cache_clear_removes_kernels_alone(folder) -> None:
    done = CliRunner().invoke(cli, ["cache", "clear"])
    assert done.output == f"{folder}: removed 3 compiled kernels, 3.00 kB\n"
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
    assert CliRunner().invoke(cli, ["cache"]).output == f"{folder}: 0 compiled kernels, 0 B\n"


def test_cache_without_a_folder_is_empty(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert CliRunner().invoke(cli, ["cache", "clear"]).output == f"{tmp_path}/capnet: removed 0 compiled kernels, 0 B\n"


def test_cache_without_a_home_says_what_to_set(monkeypatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    error = CliRunner().invoke(cli, ["cache"]).exception
    assert isinstance(error, EnvironmentLacks) and "XDG_CACHE_HOME" in str(error)


def test_kernels_that_a_run_keeps_are_counted(tmp_path, monkeypatch) -> None:
    """The names of kept files are those that `capnet cache` looks for."""
    from capnet.jit.kernel import kernel

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    @kernel
    def twice(n: int) -> int:
        return 2 * n

    assert twice.compiled(21) == 42
    assert CliRunner().invoke(cli, ["cache"]).output.startswith(f"{tmp_path}/capnet: 1 compiled kernel, ")

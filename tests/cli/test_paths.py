"""Names of files that cannot be files: one line and an exit code, whichever command is given them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "pcaps" / "none.pcapng"
LONG = "n" * 300
EMPTY = "an empty name is no file; is a variable empty?"
TOO_LONG = "File name too long"
LOOP = "Too many levels of symbolic links"
DENIED = "Permission denied"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Captures `it`, `closed/it` and `listed/it`, in folders that nobody may look into; `loop`, a link to itself."""
    shutil.copy(CAPTURE, tmp_path / "it.pcapng")
    (tmp_path / "loop").symlink_to("loop")
    for name, mode in (("closed", 0o000), ("listed", 0o444)):
        (tmp_path / name).mkdir()
        shutil.copy(CAPTURE, tmp_path / name / "it.pcapng")
        (tmp_path / name).chmod(mode)
    yield tmp_path
    for name in ("closed", "listed"):
        (tmp_path / name).chmod(0o700)


def run(folder: Path, *words: str, code: int = 0, powerless: bool = False) -> str:
    """What the command says on standard error; `powerless`: as root without root's power over files."""
    command = [sys.executable, "-m", "capnet", *words]
    if powerless and os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed, and root may look into every folder")
        power = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={power}", f"--inh-caps={power}", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["analyze", LONG], 3, f"{LONG}: {TOO_LONG}"),
        (["analyze", f"A={LONG}"], 3, f"{LONG}: {TOO_LONG}"),
        (["trace", "--frame", f"{LONG}:3"], 3, f"{LONG}: {TOO_LONG}"),
        (["trace", "--frame", "it.pcapng:" + "9" * 5000], 2, "write FILE:N, N counted from 1 as Wireshark counts"),
        (["trace", "it.pcapng", "--frame", "9" * 5000], 2, "write FILE:N, N counted from 1 as Wireshark counts"),
        (["analyze", "loop"], 3, f"loop: {LOOP}"),
        (["analyze", ""], 2, EMPTY),
        (["trace", "it.pcapng", ""], 2, EMPTY),
        (["annotate", "", "-o", "new.pcapng"], 2, EMPTY),
        (["analyze", "it.pcapng", "-o", "loop"], 2, f"loop: cannot be written ({LOOP})"),
        (["analyze", "it.pcapng", "-o", "no/a.html"], 2, "no/a.html: cannot be written (there is no folder no)"),
        (["export", "it.pcapng", "-o", "no/a.csv"], 2, "no/a.csv: cannot be written (there is no folder no)"),
        (["annotate", "it.pcapng", "-o", "no/a.pcapng"], 2, "no/a.pcapng: cannot be written (there is no folder no)"),
        (["trace", "it.pcapng", "-o", "loop"], 2, f"loop: cannot be written ({LOOP})"),
        (["annotate", "it.pcapng", "-o", "loop"], 2, f"loop: cannot be written ({LOOP})"),
        (["annotate", "it.pcapng", "-o", LONG], 2, f"{LONG}: cannot be written ({TOO_LONG})"),
    ],
)
def test_path_of_no_file_is_one_error_line(folder: Path, words: list[str], code: int, says: str) -> None:
    error = run(folder, *words, code=code)
    assert error.startswith("capnet: ") and error.endswith(f"{says}\n") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["analyze", "closed"], 3, f"closed: {DENIED}"),
        (["analyze", "listed"], 3, f"listed/it.pcapng: {DENIED}"),
        (["analyze", "closed/it.pcapng"], 3, f"closed/it.pcapng: {DENIED}"),
        (["analyze", "A=closed/it.pcapng"], 3, f"closed/it.pcapng: {DENIED}"),
        (["trace", "--frame", "closed/it.pcapng:3"], 3, f"closed/it.pcapng: {DENIED}"),
        (["packet", "closed/it.pcapng", "3"], 3, f"closed/it.pcapng: {DENIED}"),
        (["annotate", "closed/it.pcapng", "-o", "new.pcapng"], 3, f"closed/it.pcapng: {DENIED}"),
        (["annotate", "it.pcapng", "-o", "listed/new.pcapng"], 2, f"listed/new.pcapng: cannot be written ({DENIED})"),
        (["analyze", "it.pcapng", "-o", "listed/new"], 2, f"listed/new: cannot be written ({DENIED})"),
    ],
)
def test_path_without_permission_is_one_error_line(folder: Path, words: list[str], code: int, says: str) -> None:
    error = run(folder, *words, code=code, powerless=True)
    assert error == f"capnet: {says}\n"


def test_longest_file_names_are_read_and_written(folder: Path) -> None:
    """With no room left for the ending of a topology, nor for what a half-written file is called."""
    longest = "n" * 248 + ".pcapng"
    shutil.copy(CAPTURE, folder / longest)
    wide = "\N{SNOWMAN}" * 82 + ".pcapng"
    assert run(folder, "analyze", longest, "-o", "r" * 255) == ""
    assert "frames written" in run(folder, "annotate", longest, "-o", wide)
    assert run(folder, "packet", wide, "1", "--no-tshark") == ""
    assert run(folder, "trace", longest, "-o", "\N{SNOWMAN}" * 82 + ".txt") == ""


def test_frame_from_pipe_is_dissected_by_wireshark(folder: Path) -> None:
    """It cannot be read a second time, so Wireshark gets this frame alone."""
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    line = f"{sys.executable} -m capnet packet <(cat it.pcapng) 3"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "As Wireshark dissects it by itself" in done.stdout

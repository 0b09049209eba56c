"""What two commits say of the same captures: the whole text of each report, and the lines that differ.

    python -m tests.bench.statements BASE [--paths FOLDER_OR_FILE ...] [--processes 2]    # default: all stored captures

BASE is checked out beside the working tree for the time of the run. Each capture is analyzed alone by both, without its
page and commands. A capture whose analysis fails is printed with its error: a change must neither lose a true statement
nor make a false one, and this shows which ones to read.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
STORED = (PROJECT / "pcaps", PROJECT / "tests")
SUFFIXES = (".pcap", ".pcapng", ".cap")
COMMANDS = ("capnet ", "report.html", "as JSON")  # lines that repeat the file's place


def captures(paths: list[Path]) -> list[Path]:
    """The files, and those in the folders, that have the name of a capture."""
    inside = (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    return sorted({file.resolve() for file in inside if file.suffix in SUFFIXES})


def statements(path: str) -> list[str]:
    """The lines of a capture's report, or its error."""
    from capnet.analysis.engine import analyze
    from capnet.report.formats.table import render

    try:
        text = render(analyze(path, threads=1).to_dict(), 100)
    except Exception as error:  # whatever it is, it is what is said of this capture
        return [f"{type(error).__name__}: {error}"]
    return [line for line in text.splitlines() if not any(words in line for words in COMMANDS)]


def write(listing: Path, output: Path, processes: int) -> None:
    """The statements on all captures that a file lists, of the capnet that Python finds first."""
    paths = json.loads(listing.read_text())
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        output.write_text(json.dumps(dict(zip(paths, pool.map(statements, paths, chunksize=4), strict=True))))


def of_tree(tree: Path, paths: list[Path], folder: Path, processes: int) -> dict[str, list[str]]:
    """The statements of the capnet in a working tree."""
    listing, output = folder / "captures.json", folder / f"{tree.name}.json"
    listing.write_text(json.dumps([str(path) for path in paths]))
    words = [sys.executable, __file__, "--write", str(listing), str(output), "--processes", str(processes)]
    subprocess.run(words, check=True, cwd=folder, env=os.environ | {"PYTHONPATH": str(tree)})
    written: dict[str, list[str]] = json.loads(output.read_text())
    return written


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> Iterator[str]:
    """Each capture of which something else is said, and its lines that are new or gone."""
    for path in before:
        lines = list(difflib.unified_diff(before[path], after[path], lineterm="", n=0))[2:]
        if lines:
            yield f"== {path}"
            yield from (line for line in lines if not line.startswith("@@"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", metavar="BASE")
    parser.add_argument("--paths", nargs="+", type=Path, default=STORED)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write(*given.write, given.processes)
        return
    if not given.base:
        parser.error("which commit is BASE?")
    paths = captures(list(given.paths))
    with tempfile.TemporaryDirectory() as name:
        folder, base = Path(name), Path(name, "base")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", base, given.base], check=True, cwd=PROJECT)
        try:
            said_before, said_now = (of_tree(tree, paths, folder, given.processes) for tree in (base, PROJECT))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", base], check=True, cwd=PROJECT)
    lines = list(differences(said_before, said_now))
    for line in lines:
        print(line)
    print(f"{sum(line.startswith('== ') for line in lines)} of {len(paths)} captures differ")


if __name__ == "__main__":
    main()

"""Transcripts in the pages of docs/: commands that are run, and the output that the page quotes.

A block of a page that is marked ```console holds commands behind `$ `, each with its output below. They are run by a
shell in the root of the project, so that a reader can repeat them. To write all outputs anew:

    python -m tests.docs.transcripts    # tests.generated does it too; look at the difference before committing it
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent, indent

from tests.conftest import PROJECT

_NAMES = ("tutorial", "recognition", "confidence")
PAGES = sorted(
    [
        *(PROJECT / "docs" / f"{name}.md" for name in _NAMES),
        *PROJECT.glob("docs/howto/*.md"),
        *PROJECT.glob("docs/zh/**/*.md"),
    ]
)

# A block in a list is indented.
_BLOCK = re.compile(r"(?P<head>^(?P<indent> *)```console\n)(?P<lines> *\$ .*?)(?=^ *```$)", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[str]:
    """The transcripts of a page, not indented."""
    return [dedent(match["lines"]) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def commands(block: str) -> list[str]:
    """The commands of a transcript, without their outputs."""
    return re.findall(r"^\$ (.*)$", block, re.MULTILINE)


def transcript(block: str) -> str:
    """The block with what its commands print now."""
    with TemporaryDirectory() as folder:
        return "".join(f"$ {command}\n{_output(command, Path(folder))}" for command in commands(block))


def rewritten(page: Path) -> str:
    """The text of a page with all outputs as they are now."""

    def anew(match: re.Match[str]) -> str:
        return match["head"] + indent(transcript(dedent(match["lines"])), match["indent"])

    return _BLOCK.sub(anew, page.read_text(encoding="utf-8"))


def _output(command: str, folder: Path) -> str:
    """What a command prints, errors too. `capnet` is that of this checkout, and /tmp/ a folder of its own."""
    program = folder / "capnet"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m capnet "$@"\n')
    program.chmod(0o755)
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ}
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT), "LC_ALL": "C.UTF-8", **kept}
    shell = ["bash", "-c", command.replace("/tmp/", f"{folder}/")]
    done = subprocess.run(
        shell,
        cwd=PROJECT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.replace(f"{folder}/", "/tmp/").splitlines())


def write() -> None:
    """Write the outputs of all pages anew."""
    for page in PAGES:
        page.write_text(rewritten(page), encoding="utf-8")


if __name__ == "__main__":
    write()

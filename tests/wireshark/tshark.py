"""Runs tshark with a home of its own, as a user who has nothing but what capnet installed."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import pytest

from capnet.wireshark.program import parse

ROOT = Path(__file__).resolve().parents[2]

needs_tshark = pytest.mark.skipif(
    which("tshark") is None, reason="tshark is not installed (Debian: apt install tshark)"
)


def environment(home: Path) -> dict[str, str]:
    """Ours, with `home` as home, and without variables that lead elsewhere."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "WIRESHARK_"))}
    return {**variables, "HOME": str(home), "PYTHONPATH": str(ROOT)}


def capnet(home: Path, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """`capnet WORDS` with `home` as home."""
    command = [sys.executable, "-m", "capnet", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment(home) | variables, cwd=ROOT
    )


def tshark(home: Path, *words: object) -> list[str]:
    """What tshark prints, line by line; AssertionError if it complains."""
    done = subprocess.run(
        ["tshark", *map(str, words)], capture_output=True, text=True, timeout=120, env=environment(home)
    )
    complaints = [line for line in done.stderr.splitlines() if line and not line.startswith("Running as user")]
    assert (done.returncode, complaints) == (0, [])
    return done.stdout.splitlines()


def annotated(golden: str, folder: Path) -> Path:
    """The golden capture with ids and comments."""
    marked = folder / f"{Path(golden).name}.pcapng"
    done = capnet(folder, "annotate", ROOT / "pcaps" / f"{golden}.pcapng", "-o", marked)
    assert done.returncode == 0, done.stderr
    return marked


@cache
def why_no_lua() -> str | None:
    """Why this tshark runs no Lua script, None if it does."""
    with TemporaryDirectory() as home:
        return _why_no_lua(Path(home))


def _why_no_lua(home: Path) -> str | None:
    if parse("tshark", "\n".join(tshark(home, "--version")), "").lua is None:
        return "this tshark was built without Lua"
    script, empty = home / "probe.lua", home / "empty.pcap"
    script.write_text('print("a script was run")')
    empty.write_bytes(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000"))
    if "a script was run" not in tshark(home, "-X", f"lua_script:{script}", "-r", empty):
        return "this tshark runs no Lua scripts as root"
    return None

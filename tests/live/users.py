"""capnet as a user who is not root, cannot become root, and is in the group of a lab's Docker sockets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from capnet.lab.addressing import Lab
from tests.conftest import PROJECT

UID, GROUP = 48123, 48124  # of no account
HOME = Path(f"/tmp/capnet-user-{os.getpid()}")


def join_group(made: Lab) -> None:
    """What `usermod -aG docker` does: the group may use the sockets. The lab's folders let others pass."""
    made.folder.chmod(0o755)
    for host in made.hosts.values():
        host.folder.chmod(0o755)
        os.chown(host.socket, 0, GROUP)
        Path(host.socket).chmod(0o660)
    HOME.mkdir(exist_ok=True)
    os.chown(HOME, UID, UID)


def as_user(*words: str, settings: dict[str, str] | None = None) -> list[str]:
    """The words that run capnet so. It has no power of root but, where Python lies in root's home, to read it."""
    power = "-all" if _is_open() else "-all,+dac_read_search"
    variables = {"HOME": str(HOME), "PYTHONPATH": str(PROJECT), "TMPDIR": str(HOME)} | (settings or {})
    return [
        *("setpriv", f"--reuid={UID}", f"--regid={UID}", f"--groups={GROUP}"),
        *(f"--bounding-set={power}", f"--inh-caps={power}", f"--ambient-caps={power}", "--"),
        *("env", f"--chdir={HOME}", *(f"{name}={value}" for name, value in variables.items())),
        *(sys.executable, "-m", "capnet", *words),
    ]


def run_as_user(*words: str, settings: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it, and waits."""
    return subprocess.run(as_user(*words, settings=settings), capture_output=True, text=True, timeout=300)


def _is_open() -> bool:
    """Whether others may pass all folders above the interpreter."""
    return all(folder.stat().st_mode & 0o001 for folder in Path(sys.executable).resolve().parents)

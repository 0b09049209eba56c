"""Short-lived programs that change the lab."""

from __future__ import annotations

import subprocess

from capnet.errors import CapnetError
from capnet.lab import requirements


def run(command: list[str], lock: int, text: str = "") -> None:
    """Runs a command with `text` as its input; it holds the lab's lock while it lives (see `record`)."""
    done = attempt(command, lock, text)
    if done.returncode != 0:
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        raise CapnetError(f"{' '.join(command)}: {reason}")


def attempt(command: list[str], lock: int, text: str = "") -> subprocess.CompletedProcess[str]:
    """The same, but the caller looks at the exit code."""
    return subprocess.run(
        command,
        input=text,
        text=True,
        capture_output=True,
        env=requirements.environment(),
        pass_fds=(lock,),
        start_new_session=True,  # the terminal's Ctrl-C is for capnet, which may have to finish what it does
        check=False,
    )

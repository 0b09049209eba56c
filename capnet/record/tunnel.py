"""The API socket of a Docker daemon behind ssh, brought here: `ssh -L LOCAL.sock:REMOTE.sock -N HOST`."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult

from capnet.errors import EnvironmentLacks
from capnet.record.run import folder
from capnet.record.shell import leashed

DOCKER_SOCKET = "/var/run/docker.sock"

_WITHIN = 20.0  # seconds


def ssh_command(url: SplitResult) -> tuple[str, ...]:
    """`ssh` up to the name of the machine. Never asks for a password: a key or an agent must do."""
    target = f"{url.username}@{url.hostname}" if url.username else str(url.hostname)
    port = ("-p", str(url.port)) if url.port else ()
    return ("ssh", "-o", "BatchMode=yes", *port, "--", target)


@contextlib.contextmanager
def opened(url: SplitResult) -> Iterator[Path]:
    """The local socket that leads to the daemon at `ssh://[USER@]HOST[:PORT][/SOCKET]`, while the block runs."""
    *options, dashes, target = ssh_command(url)
    where = folder("ssh")
    local, complaints = where / "docker.sock", where / "complaints"
    forward = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{local}:{url.path or DOCKER_SOCKET}")
    try:
        with complaints.open("wb") as stderr:
            process = leashed([*options, *forward, dashes, target], stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            deadline = time.monotonic() + _WITHIN
            while not local.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    said = complaints.read_text(errors="replace").strip().splitlines()
                    raise EnvironmentLacks(f"{url.geturl()}: {said[-1] if said else 'ssh does not get through'}")
                time.sleep(0.05)
            yield local
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)
    finally:
        shutil.rmtree(where, ignore_errors=True)

"""SSH port forward of the API socket of a Docker daemon: `ssh -L LOCAL.sock:REMOTE.sock -N HOST`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult

from capnet.errors import EnvironmentLacks
from capnet.record.remote.docker_urls import shown_url
from capnet.record.remote.shell import start_tied_to_stdin, wait_or_kill
from capnet.record.run_id import temporary_folder

DOCKER_SOCKET = "/var/run/docker.sock"

_WITHIN = 60.0  # seconds
_CONNECT_WITHIN = 20  # seconds for TCP, which else tries for two minutes


def ssh_command(url: SplitResult) -> tuple[str, ...]:
    """`ssh` up to the name of the machine. Never asks for a password: a key or an agent must do."""
    target = f"{url.username}@{url.hostname}" if url.username else str(url.hostname)
    port = ("-p", str(url.port)) if url.port else ()
    return ("ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_WITHIN}", *port, "--", target)


def ssh_ports(ssh: tuple[str, ...]) -> set[int]:
    """TCP ports of the connections that `ssh_command` makes: as ssh here knows them, and as the far end does.

    They differ where a jump host or a forwarded port lies between. EnvironmentLacks if ssh does not get through.
    """
    *options, dashes, target = ssh
    ports: set[int] = set()
    for words, pattern in (
        ([options[0], "-G", *options[1:], dashes, target], r"^port (\d+)$"),
        ([*ssh, 'echo "$SSH_CONNECTION"'], r"^\S+ \d+ \S+ (\d+)$"),  # ssh(1): client, its port, server, its port
    ):
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_WITHIN)
        except subprocess.TimeoutExpired as error:
            raise EnvironmentLacks(f"ssh {target}: no answer after {_WITHIN:.0f} s") from error
        if done.returncode != 0:
            complaint = done.stderr.strip().splitlines()
            raise EnvironmentLacks(f"ssh {target}: {complaint[-1] if complaint else 'does not get through'}")
        ports.update(int(port) for port in re.findall(pattern, done.stdout, re.MULTILINE))
    return ports


@contextlib.contextmanager
def forwarded_socket(url: SplitResult) -> Iterator[Path]:
    """The local socket that leads to the daemon at `ssh://[USER@]HOST[:PORT][/SOCKET]`, while the block runs."""
    *options, dashes, target = ssh_command(url)
    where = temporary_folder("ssh")
    local, complaints = where / "docker.sock", where / "complaints"
    forward = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{local}:{url.path or DOCKER_SOCKET}")
    try:
        with complaints.open("wb") as stderr:
            process = start_tied_to_stdin(
                [*options, *forward, dashes, target], stdout=subprocess.DEVNULL, stderr=stderr
            )
        try:
            deadline = time.monotonic() + _WITHIN
            while not _listens(local):
                if process.poll() is not None or time.monotonic() > deadline:
                    lines = complaints.read_text(errors="replace").strip().splitlines()
                    raise EnvironmentLacks(
                        f"{shown_url(url.geturl())}: {lines[-1] if lines else 'ssh does not get through'}"
                    )
                time.sleep(0.05)  # ssh does not say when it listens, so it is polled
            yield local
        finally:
            assert process.stdin is not None
            process.stdin.close()
            wait_or_kill(process, _WITHIN)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def _listens(path: Path) -> bool:
    """Whether the socket accepts connections. The file exists before that, from bind(2) on."""
    with socket.socket(socket.AF_UNIX) as asker:
        return asker.connect_ex(os.fspath(path)) == 0

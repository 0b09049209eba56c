"""One scenario at a time on a Docker host: a second one says who runs.

Scenarios take names and ports. Who runs holds an abstract unix socket (unix(7)) that is named after the daemon: it goes
with its process, however that ends, and leaves no file. Processes in another network namespace, and on other machines,
do not see it; those are told apart by names and labels of what they made.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from capnet.errors import EnvironmentLacks
from capnet.record.remote.docker_host import DockerHost

_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


@contextmanager
def only_run(hosts: Sequence[DockerHost]) -> Iterator[None]:
    """Holds all hosts while the block runs. EnvironmentLacks, naming the other run, if one of them is held."""
    with ExitStack() as stack:
        for host in sorted(hosts, key=lambda host: str(host.client.info()["ID"])):  # two runs cannot wait crosswise
            stack.enter_context(_held(host))
        yield


@contextmanager
def _held(host: DockerHost) -> Iterator[None]:
    if not sys.platform.startswith("linux"):
        yield
        return
    address = f"\0capnet-scenario-{host.client.info()['ID']}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        try:
            held.bind(address)
        except OSError as error:
            raise EnvironmentLacks(
                f"{_owner(address)} uses host {host.name}, and scenarios run one after the other: wait until it has "
                "ended, or play this one in a lab of its own (--lab)"
            ) from error
        held.listen(1)
        yield


def _owner(address: str) -> str:
    """Who holds the address: `capnet scenario bridge (process 4711)`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(address)
        except OSError:  # it has just ended
            return "another scenario"
        peer = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid = _CREDENTIALS.unpack(peer)[0]
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        words = []
    at = words.index("scenario") if "scenario" in words else len(words)
    name = " ".join(["capnet", *words[at : at + 2]]) if at < len(words) else "another scenario"
    return f"{name} (process {pid})" if name.isprintable() else f"another scenario (process {pid})"

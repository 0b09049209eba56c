"""The way to root on a Docker host's machine, for everything that is not Docker's API.

unix://   this machine, as root or by `sudo -n`; else a capture container
ssh://    that machine, as root or by `sudo -n`; else a capture container
tcp://    a capture container
With unix:// and ssh://, the user of a rootless daemon is root in the daemon's user namespace, and needs neither.
A daemon behind a unix socket may be elsewhere: in Docker Desktop's virtual machine, or behind a forwarded socket. Its
kernel tells.
"""

from __future__ import annotations

import platform
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.record.remote import ssh_forward
from capnet.record.remote.rootless import no_root_words, open_rootless
from capnet.record.remote.shell import Shell


class Reached(NamedTuple):
    """How capnet reaches the daemon: a docker.DockerClient, the URL that it uses, its docker.tls.TLSConfig or None."""

    client: Any
    url: str
    tls: Any


@dataclass(frozen=True)
class HostShell:
    """What the way depends on. `url` is the host's own, `info` what its daemon says of it.

    `may_start`: a capture container may be started.
    """

    url: str
    reached: Reached
    info: Mapping[str, Any]
    say: Callable[[str], None]
    may_start: bool = True

    def open(self, undo: ExitStack) -> Shell:
        """A shell as root on the daemon's machine; `undo` takes back what it needs.

        Raises EnvironmentLacks with the reason where there is none.
        """
        direct = self._direct()
        if self._is_rootless:
            return open_rootless(direct, urlsplit(self.url).path or ssh_forward.DOCKER_SOCKET)
        if direct is not None and direct.is_root():
            return direct
        from capnet.record.remote.capture_container import open_container

        no_root = no_root_words(direct) if direct else self._elsewhere
        if not self.may_start:
            if direct is None:
                raise EnvironmentLacks(
                    f"{no_root}only a container of the daemon can look there: leave out --no-container"
                )
            raise EnvironmentLacks(f"{no_root}run capnet as root (sudo capnet …), or leave out --no-container")
        name = self.info["Name"]
        self.say(f"{name}: {no_root}a container runs what needs root, and is removed afterwards")
        try:
            return open_container(self.reached.client, self.reached.url, self.reached.tls, undo, self.say)
        except EnvironmentLacks as error:
            raise EnvironmentLacks(f"{no_root}{error}") from error

    @property
    def _is_rootless(self) -> bool:
        """Docker names it among its security options; podman has a field of its own."""
        options = self.info.get("SecurityOptions") or ()
        return bool(self.info.get("Rootless")) or any("name=rootless" in option for option in options)

    @property
    def _elsewhere(self) -> str:
        """How a message begins where root on this machine is of no use."""
        if self.info.get("OperatingSystem") == "Docker Desktop":
            return "Docker Desktop runs containers in a virtual machine; "
        return "the daemon is not on this machine; "

    def _direct(self) -> Shell | None:
        """The shell on the daemon's machine, which may not be root's; None where there is no other way than the API."""
        parts = urlsplit(self.url)
        if parts.scheme == "ssh":
            return Shell("self", ssh=ssh_forward.ssh_command(parts))
        is_same_kernel = sys.platform.startswith("linux") and self.info["KernelVersion"] == platform.release()
        if parts.scheme != "unix" or not is_same_kernel or self.info.get("OperatingSystem") == "Docker Desktop":
            return None
        pid = _daemon_pid(parts.path)
        if pid and shares_our_namespaces(pid):
            return Shell("self")  # which outlives the daemon
        return Shell(str(pid)) if pid else None  # 0: the daemon runs outside this process namespace


def shares_our_namespaces(process: int) -> bool:
    """Whether its network and files are those that capnet has. A process of another user does not tell."""
    with suppress(OSError):
        return all(
            Path(f"/proc/{process}/ns/{kind}").readlink() == Path(f"/proc/self/ns/{kind}").readlink()
            for kind in ("net", "mnt", "user")
        )
    return False


def _daemon_pid(path: str) -> int:
    """The process that listens on a unix socket (SO_PEERCRED, unix(7)): dockerd, or systemd for it (pid 1)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid: int = struct.unpack("3i", credentials)[0]
    return pid

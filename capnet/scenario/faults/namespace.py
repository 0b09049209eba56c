"""A network namespace without a name: it exists while a process holds it, which ends with this one.

So nothing is left behind, however this process ends: also a `kill -9` closes the holder's standard input.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from socket import socket
from threading import Thread

from capnet.errors import EnvironmentLacks
from capnet.record.remote.shell import Shell, start_tied_to_stdin

_CLONE_NEWNET = 0x40000000  # of setns(2), which Python has from 3.12 on only
_HOLD = ["unshare", "--net", "sh", "-c", "echo held; exec sleep infinity"]


class HeldNamespace:
    """A new network namespace; its loopback is up, and its interfaces have no IPv6 until one gets such an address."""

    def __init__(self) -> None:
        self.shell = Shell("self")
        self._holder = start_tied_to_stdin(_HOLD, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != b"held\n":
            complaint = self._holder.stderr.read().decode(errors="replace").strip()
            raise EnvironmentLacks(
                f"no network namespace can be made ({complaint}); run capnet as root (sudo capnet …)"
            )
        self.pid = self._holder.pid
        self.path = f"/proc/{self.pid}/ns/net"
        no_ipv6 = "; ".join(f"echo 1 >/proc/sys/net/ipv6/conf/{key}/disable_ipv6" for key in ("all", "default"))
        self.run(f"ip link set dev lo up; if [ -d /proc/sys/net/ipv6 ]; then {no_ipv6}; fi")

    def run(self, command: str) -> str:
        """What a shell command prints here. EnvironmentLacks with its complaint if it fails."""
        return self.shell.run(["sh", "-c", command], netns=self.path)

    def new_socket(self, family: int, kind: int, protocol: int = 0) -> socket:
        """A socket that belongs to this namespace, whichever thread uses it (setns(2))."""
        made: list[socket] = []
        thread = Thread(target=self._make_socket, args=(made, family, kind, protocol))
        thread.start()
        thread.join()
        if not made:
            raise EnvironmentLacks("no socket can be made in a network namespace")
        return made[0]

    def _make_socket(self, made: list[socket], family: int, kind: int, protocol: int) -> None:
        """In a thread of its own: setns(2) moves that thread only, and it ends."""
        namespace = os.open(self.path, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) == 0:
                made.append(socket(family, kind, protocol))
        finally:
            os.close(namespace)

    def close(self) -> None:
        """Ends the holder. The kernel removes the namespace when no socket uses it any more."""
        for stream in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            if stream is not None:
                stream.close()
        self._holder.wait()

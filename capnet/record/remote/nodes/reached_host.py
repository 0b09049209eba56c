"""A machine with containers, whatever runs them: its name, and a shell on it as root if there is a way to one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from urllib.parse import urlsplit

from capnet.errors import EnvironmentLacks
from capnet.record.remote import ssh_forward
from capnet.record.remote.docker_urls import shown_url
from capnet.record.remote.shell import Shell


class ReachedHost:
    """`name` is what the host is called everywhere."""

    name: str
    url: str  # may hold a password
    kernel: str
    _open_shell: Callable[[ExitStack], Shell]  # EnvironmentLacks where there is none
    _open: ExitStack

    @cached_property
    def _shell(self) -> Shell | EnvironmentLacks:
        try:
            return self._open_shell(self._open)
        except EnvironmentLacks as error:
            return error

    @property
    def shell(self) -> Shell | None:
        """Commands on its machine as root; None if there is no way to that. The first call may start a container."""
        return self._shell if isinstance(self._shell, Shell) else None

    @property
    def no_capture_reason(self) -> str | None:
        """Why there is no capturing there, else None. The first call may start a container."""
        return str(self._shell) if isinstance(self._shell, EnvironmentLacks) else None

    @property
    def shown_url(self) -> str:
        """Its URL without a password."""
        return shown_url(self.url)

    def control_ports(self) -> set[int]:
        """TCP ports on the wire by which this host is driven from here, captures of its packets sent included."""
        parts = urlsplit(self.url)
        if parts.scheme == "ssh":
            return ssh_forward.ssh_ports(ssh_forward.ssh_command(parts))
        return set() if parts.scheme == "unix" else {parts.port or 2375, parts.port or 2376}

    def close(self) -> None:
        """Closes what leads there: the client, and the ssh connection that it may use."""
        self._open.close()

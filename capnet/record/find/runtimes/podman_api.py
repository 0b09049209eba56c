"""Where podman answers Docker's API on this machine: the sockets of its service.

Output: paths that are sockets. Method: podman-system-service(1) has them at /run/podman/podman.sock for root, at
$XDG_RUNTIME_DIR/podman/podman.sock for a user, whom sudo names to root (SUDO_UID).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

SOCKET_OF_ROOT = Path("/run/podman/podman.sock")
_RUNTIME = "/run/user"  # pam_systemd(8): the folder of users' XDG_RUNTIME_DIR
_NAME = "podman/podman.sock"

HOW_TO_START = (
    "podman has Docker's API after `systemctl start podman.socket`, rootless `systemctl --user start podman.socket`"
)


def podman_urls() -> list[str]:
    """URLs of podman's services that this user can open; the user's own containers come first."""
    return [f"unix://{path}" for path in _paths() if path.is_socket() and os.access(path, os.R_OK | os.W_OK)]


def _paths() -> Iterator[Path]:
    own = os.environ.get("XDG_RUNTIME_DIR") or f"{_RUNTIME}/{os.getuid()}"
    if os.getuid():
        yield Path(own) / _NAME
    yield SOCKET_OF_ROOT
    if not os.getuid() and os.environ.get("SUDO_UID", "").isdecimal():
        yield Path(_RUNTIME) / os.environ["SUDO_UID"] / _NAME

"""Which way leads to root on a Docker host. What daemons say of themselves is recorded from GET /info.

rootless: Docker 20.10.24 by dockerd-rootless.sh, and podman 4.3.1; Docker Desktop: its documented OperatingSystem.
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from capnet.errors import EnvironmentLacks
from capnet.record.remote import host_shell
from capnet.record.remote.host_shell import HostShell, Reached
from capnet.record.remote.shell import Shell

NSENTER = 'while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"'
HERE = {"Name": "vm", "KernelVersion": platform.release(), "OperatingSystem": "Debian GNU/Linux 12 (bookworm)"}
ROOTLESS = {**HERE, "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}
PODMAN = {**HERE, "SecurityOptions": ["name=seccomp,profile=default"], "Rootless": True}
DESKTOP = {**HERE, "Name": "docker-desktop", "OperatingSystem": "Docker Desktop"}
ELSEWHERE = {**HERE, "KernelVersion": "5.10.0-other"}  # behind a forwarded socket


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A unix socket of this process."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
        server.listen()
        yield f"unix://{tmp_path}/docker.sock"


def open_shell(url: str, info: dict[str, Any], said: list[str] | None = None) -> Shell:
    """The shell, where no container may be started."""
    words = [] if said is None else said
    return HostShell(url, Reached(None, url, None), info, words.append, may_start=False).open(ExitStack())


def test_root_uses_no_container(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert open_shell(url, HERE) == Shell("self")
    Path(url.removeprefix("unix://")).with_name("docker.pid").write_text(f"{os.getpid()}\n")
    assert open_shell(url, ROOTLESS) == Shell(str(os.getpid()))


def test_daemon_in_other_namespaces_is_entered(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a lab's host, and a rootless one, it is named by its process."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host_shell, "shares_our_namespaces", lambda process: False)
    assert open_shell(url, HERE) == open_shell(url, ROOTLESS) == Shell(str(os.getpid()))


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (DESKTOP, "Docker Desktop runs containers in a virtual machine; only a container"),
        (ELSEWHERE, "the daemon is not on this machine; only a container"),
    ],
    ids=["Docker Desktop", "another kernel"],
)
def test_root_here_is_not_root_there(
    url: str, info: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process behind the socket is not the daemon: its namespaces would be the wrong ones."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(EnvironmentLacks, match=rf"^{reason} .* leave out --no-container$"):
        open_shell(url, info)


def test_user_without_sudo_is_told(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacks, match=r"^no root here \(sudo\); run capnet as root"):
        open_shell(url, HERE)


@pytest.mark.parametrize("info", [ROOTLESS, PODMAN], ids=["Docker", "podman"])
def test_rootless_daemon_elsewhere_is_refused(info: dict[str, Any]) -> None:
    """A container of it has the host's network of the daemon, and not its processes."""
    with pytest.raises(
        EnvironmentLacks, match=r"the daemon is rootless, .*name it ssh://USER@HOST/run/user/UID/docker"
    ):
        open_shell("tcp://127.0.0.1:9", info)


@pytest.mark.parametrize(
    "file", ["netns/rootless-netns-5cb352ee0b", "containers/networks/rootless-netns/rootless-netns"]
)
def test_network_of_rootless_podman_is_that_of_its_bridges(
    url: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file keeps it, in the folder of the user's runtime or above podman's own; here it holds nothing."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host_shell, "shares_our_namespaces", lambda process: False)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    monkeypatch.setattr(Shell, "may_enter", lambda shell, netns: True)
    assert open_shell(url, PODMAN).host_netns == f"/proc/{os.getpid()}/root{tmp_path / file}"


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in PATH whose ssh runs the command on this machine, and whose nsenter enters nothing."""
    for name, script in (("ssh", 'for last; do :; done; exec sh -c "$last"'), ("nsenter", NSENTER)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_rootless_daemon_behind_ssh_is_entered(ssh: Path) -> None:
    """Its process is the one that docker.pid names, beside the socket."""
    (ssh / "docker.pid").write_text(f"{os.getpid()}")
    shell = open_shell(f"ssh://user@b{ssh}/docker.sock", ROOTLESS)
    assert shell.host == str(os.getpid()) and f"--target={os.getpid()}" in shell.userns
    assert shell.argv(["true"])[-2] == "user@b" and "sudo" not in shell.argv(["true"])[-1]


def test_rootless_daemon_without_pid_is_refused(ssh: Path) -> None:
    with pytest.raises(EnvironmentLacks, match=r"no docker.pid beside .*/docker.sock names its process; run capnet on"):
        open_shell(f"ssh://user@b{ssh}/docker.sock", ROOTLESS)


def test_rootless_daemon_of_another_user_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its user namespace cannot be entered; here for want of nsenter."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("capnet.record.remote.shell.ADMINISTRATORS", ())
    with pytest.raises(EnvironmentLacks, match=r"no root here \(sudo\); the daemon is rootless"):
        open_shell(url, ROOTLESS)


def test_user_of_rootless_daemon_enters_its_namespace(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nsenter is replaced: it runs what is behind --, as the real one does in the namespace."""
    (tmp_path / "nsenter").write_text(f"#!/bin/sh\n{NSENTER}\n")
    (tmp_path / "nsenter").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(host_shell, "shares_our_namespaces", lambda process: False)
    shell = open_shell(url, ROOTLESS)
    assert shell.argv(["ip", "address"])[:3] == ["nsenter", "--user", "--preserve-credentials"]
    assert f"--target={os.getpid()}" in shell.argv(["true"]) and shell.host == str(os.getpid())
    assert shell.is_direct

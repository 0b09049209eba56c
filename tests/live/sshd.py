"""An sshd inside a host of a lab. Keys and configuration of both sides are made for it; the user's own are not read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capnet.lab.addressing import LabHost
from capnet.lab.daemon import processes
from capnet.scenario.wait import wait_until


@contextmanager
def sshd(host: LabHost, folder: Path, port: int, user: tuple[str, int, int] | None = None) -> Iterator[None]:
    """root@ADDRESS of the host, on this port; an `ssh` in PATH has the key to it while the block runs.

    `user`: the name, user id and group id of another account, which exists in this sshd's own /etc/passwd only.
    """
    inside = ["nsenter", f"--target={processes.listener(host)}", "--net", "--mount", "--uts", "--"]
    with sshd_inside(inside, host.address, folder, port, user):
        yield


@contextmanager
def sshd_inside(
    inside: list[str], address: str, folder: Path, port: int, user: tuple[str, int, int] | None = None
) -> Iterator[None]:
    """The same in namespaces which `inside`, words before a command, enter; their /run is its own."""
    for name in ("server", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    server_key = (folder / "server.pub").read_text()
    (folder / "known").write_text(f"[{address}]:{port} {server_key}{address} {server_key}")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress {address}\nHostKey {folder}/server\nAuthorizedKeysFile /run/sshd/keys\n"
        f"PidFile {folder}/pid\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    (folder / "ssh_config").write_text(
        f"IdentityFile {folder}/client\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known\n"
        "GlobalKnownHostsFile none\nStrictHostKeyChecking yes\n"
    )
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    wrapper.chmod(0o755)
    subprocess.run([*inside, "mkdir", "-p", "/run/sshd"], check=True)  # in the host's own /run
    subprocess.run([*inside, "cp", folder / "client.pub", "/run/sshd/keys"], check=True)
    if user is not None:
        name, uid, gid = user
        account = f"{name}:*:{uid}:{gid}::/tmp:/bin/sh\n"
        (folder / "passwd").write_text(Path("/etc/passwd").read_text() + account)
        inside += ["unshare", "--mount", "sh", "-c", f'mount --bind {folder}/passwd /etc/passwd && exec "$@"', "sh"]
    before = os.environ["PATH"]
    with subprocess.Popen(
        [*inside, "/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_until((folder / "pid").exists, "sshd listens")
            os.environ["PATH"] = f"{wrapper.parent}:{before}"
            yield
        finally:
            os.environ["PATH"] = before
            server.terminate()

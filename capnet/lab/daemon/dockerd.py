"""One dockerd per host, in the host's namespaces and with nothing of the machine's own Docker in sight."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from capnet.errors import EnvironmentLacks
from capnet.lab import commands, requirements
from capnet.lab.addressing import GATEWAY, LabHost
from capnet.lab.daemon import processes
from capnet.lab.record import LabRecord, ResourceKind
from capnet.record.remote.docker_host import docker_client, ping

READY_WITHIN = 120.0  # seconds; a daemon answers after 2 to 8 on an idle machine
_CONFIGURATION = "daemon.json"
_TEMPORARY = "tmp"  # in the host's folder, as all that the daemons write
_LOCK = 9  # the descriptor of the lab's lock in the script below

_ETC_DOCKER = Path("/etc/docker")
_VAR_LIB_DOCKER = Path("/var/lib/docker")
# What the daemons need or make outside the host's folder: made by us beforehand, so that `down` removes it.
# /opt/containerd is containerd's io.containerd.internal.v1.opt plugin, for which dockerd sets no other path.
_OPT = Path("/opt/containerd")
_MACHINE_FOLDERS = (_ETC_DOCKER, _VAR_LIB_DOCKER, _OPT.parent, _OPT, _OPT / "bin", _OPT / "lib")

# A swarm's tasks take the image that is there, without asking a registry for a newer one (daemon/cluster/executor).
_OFFLINE = {"DOCKER_SERVICE_PREFER_OFFLINE_IMAGE": "1"}

# Runs in the host's network namespace and in fresh mount and UTS namespaces, and becomes dockerd.
# /run is the host's own: the machine's docker.sock, containerd.sock (dockerd would use it), network
# namespace files and D-Bus (dockerd would talk to firewalld) are out of reach, and containerd's sockets
# in /run/containerd stay in the host's folder. /etc/docker too: older daemons write key.json there; and
# /var/lib/docker: whatever --data-root says, load balancers have their files in network/files there.
# Not `ip netns exec`: it mounts a new /sys without the cgroup hierarchies ("Devices cgroup isn't mounted").
_BECOME_DOCKERD = f"""
set -eu
name=$1 lab=$2 host=$3
shift 3
echo "$name" >/proc/sys/kernel/hostname
case $lab in /run/*) mkdir -p "$host$lab"; mount --bind "$lab" "$host$lab";; esac
mount --rbind "$host/run" /run
mount --bind "$host/etc-docker" {_ETC_DOCKER}
mount --bind "$host/var-lib-docker" {_VAR_LIB_DOCKER}
exec "$@" {_LOCK}>&-
"""


def start(host: LabHost, record: LabRecord, lock: int, settings: Mapping[str, Any] = MappingProxyType({})) -> int:
    """Starts the host's dockerd in a session of its own and returns its pid; `wait` until it answers.

    `settings` are keys of daemon.json beyond what the lab needs.
    """
    for part in ("run", "etc-docker", "var-lib-docker", "exec", "data", _TEMPORARY):
        (host.folder / part).mkdir(parents=True, exist_ok=True)
    configuration = host.folder / _CONFIGURATION
    configuration.write_text(json.dumps(dict(settings)) + "\n")
    for folder in _MACHINE_FOLDERS:
        if not folder.exists():
            record.will_make(ResourceKind.FOLDER, str(folder))
            folder.mkdir()
    record.will_make(ResourceKind.CGROUP, host.cgroup)
    record.will_make(ResourceKind.DAEMON, host.name)
    dockerd = [
        "dockerd",
        f"--host={host.docker_url}",
        f"--group={os.getgid()}",
        f"--config-file={configuration}",
        f"--data-root={host.folder / 'data'}",
        f"--exec-root={host.exec_root}",
        f"--pidfile={host.pidfile}",
        f"--storage-driver={_storage_driver(host.folder, lock)}",
        "--exec-opt=native.cgroupdriver=cgroupfs",  # systemd's driver would make units on the machine
        f"--cgroup-parent=/{host.cgroup}",
        f"--dns={GATEWAY}",  # nothing listens there: a name is refused at once, and asked nowhere else
    ]
    command = [
        *("nsenter", f"--net={host.netns}", "--"),
        *("unshare", "--mount", "--uts", "--"),
        *("sh", "-c", _BECOME_DOCKERD, "sh", host.name, str(record.folder), str(host.folder)),
        *dockerd,
    ]
    # Not subprocess, because the daemon outlives us on purpose; so what it must not inherit is closed here.
    return os.posix_spawnp(
        "nsenter",
        command,
        _environment(host),
        file_actions=[
            *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inheritable()),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(host.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, lock, _LOCK),
        ],
        setsid=True,
    )


def _environment(host: LabHost) -> dict[str, str]:
    """Ours, without what is meant for another daemon. containerd writes its *.stacks.log to TMPDIR."""
    own = {key: value for key, value in requirements.environment().items() if not key.startswith("DOCKER_")}
    return own | _OFFLINE | {"TMPDIR": str(host.folder / _TEMPORARY)}


def settings(host: LabHost) -> dict[str, Any]:
    """The settings with which the host's daemon was started."""
    configuration: dict[str, Any] = json.loads((host.folder / _CONFIGURATION).read_text())
    return configuration


def wait(host: LabHost, pid: int) -> str:
    """Waits until the daemon answers and returns its version."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        if version := answers(host):
            return version
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            raise EnvironmentLacks(f"dockerd of host {host.name} ended at once: {_last_words(host)}")
        if time.monotonic() > deadline:
            raise EnvironmentLacks(
                f"dockerd of host {host.name} does not answer after {READY_WITHIN:.0f} s: {_last_words(host)}"
            )
        time.sleep(0.1)  # dockerd reports readiness to systemd alone, so it is polled


def answers(host: LabHost) -> str | None:
    """The version of the host's daemon if there is one that answers."""
    import requests
    from docker.errors import DockerException

    if not host.socket.exists():
        return None
    try:
        return ping(host.docker_url, timeout=30)[1]
    except (DockerException, requests.RequestException, OSError):
        return None


def info(host: LabHost) -> dict[str, Any] | None:
    """What the host's daemon says of itself (Docker's API, GET /info); None if none answers, or it ends meanwhile."""
    import requests
    from docker.errors import DockerException

    if not host.socket.exists():
        return None
    try:
        opened = docker_client(host.docker_url, timeout=30)
        try:
            answer: dict[str, Any] = opened.info()
        finally:
            opened.close()
    except (DockerException, requests.RequestException, OSError):
        return None
    return answer


def is_alive(host: LabHost) -> bool:
    """Whether the host's dockerd runs (it may be busy) in the namespace that carries the host's name."""
    pid = processes.listener(host)
    try:
        return pid is not None and host.netns.samefile(f"/proc/{pid}/ns/net")
    except OSError:
        return False


def _inheritable() -> list[int]:
    """Descriptors beside the standard three that a new program would get."""
    descriptors = (int(path.name) for path in Path("/proc/self/fd").iterdir())
    inherited = []
    for descriptor in descriptors:
        with suppress(OSError):  # the listing's own descriptor is closed by now
            if descriptor > 2 and os.get_inheritable(descriptor):
                inherited.append(descriptor)
    return inherited


def _storage_driver(folder: Path, lock: int) -> str:
    """overlay2 where overlayfs can have its upper folder on this file system, else vfs."""
    probe = folder / "probe"
    for part in ("lower", "upper", "work", "merged"):
        (probe / part).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
    mount = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, f"{probe}/merged"]
    done = commands.attempt(mount, lock)
    shutil.rmtree(probe)
    return "overlay2" if done.returncode == 0 else "vfs"


def _last_words(host: LabHost) -> str:
    """The end of the daemon's log on one line, without control characters."""
    try:
        lines = host.log.read_text(errors="replace").splitlines()[-3:]
    except OSError:
        return "no log"
    text = " | ".join(lines) or "its log is empty"
    return "".join(character if character.isprintable() else "?" for character in text)

"""A user's podman: its account, configuration and /dev/net/tun are in a mount namespace of a test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT
from tests.live.users import HOME, UID

# Folder with the files of another podman's packages, unpacked, whose /usr is laid over this machine's (README.md).
OTHER_PODMAN = os.environ.get("CAPNET_PODMAN", "")

# $1: folder of the user, $2: OTHER_PODMAN. podman's runc, because crun refuses machines with cgroup v1 and v2.
SETUP = f"""
set -e
cd "$1"
if [ "$2" ]; then
  mkdir over; mount -t tmpfs none over; mkdir over/usr over/work over/etc over/etc-work
  mount -t overlay none -o "lowerdir=$2/usr:/usr,upperdir=over/usr,workdir=over/work" /usr
  mount -t overlay none -o "lowerdir=/etc:$2/etc,upperdir=over/etc,workdir=over/etc-work" /etc
  ldconfig
fi
cp -a /etc/containers etc
printf '[containers]\\ndefault_ulimits=["nofile=1024:1024","nproc=4096:4096"]\\n' >etc/containers.conf
printf '[engine]\\ncgroup_manager="cgroupfs"\\n' >>etc/containers.conf
printf 'events_logger="file"\\nruntime="runc"\\n[network]\\nnetwork_backend="netavark"\\n' >>etc/containers.conf
printf '[storage]\\ndriver="vfs"\\n' >etc/storage.conf
echo '{{"default":[{{"type":"insecureAcceptAnything"}}]}}' >etc/policy.json
mount --bind etc /etc/containers
(cat /etc/passwd; echo "rootless:*:{UID}:{UID}::$1:/bin/sh") >passwd
echo "rootless:200000:65536" >subid
mount --bind passwd /etc/passwd; mount --bind subid /etc/subuid; mount --bind subid /etc/subgid
mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200
mount -t tmpfs -o mode=755 none /run
mkdir -p image/bin; cp "$(command -v busybox)" image/bin/busybox
for applet in sh sleep httpd wget; do ln -s busybox image/bin/$applet; done
exec setpriv --reuid={UID} --regid={UID} --clear-groups env -i HOME="$1" USER=rootless XDG_RUNTIME_DIR="$1/runtime" \
  PATH=/usr/bin:/usr/sbin:/bin:/sbin PODMAN_IGNORE_CGROUPSV1_WARNING=1 sh -ec '
    tar -C image -cf - . | podman import - busybox:latest
    %s
    mkdir -p runtime/podman
    exec podman system service -t 0 "unix://$PWD/runtime/podman/podman.sock"'
"""


@contextmanager
def podman_service(containers: str, enter: tuple[str, ...] = ()) -> Iterator[str]:
    """The URL of podman's service, after `containers`, lines of a shell, made some. `enter`: words to run it by."""
    runtime = HOME / "runtime"
    runtime.mkdir(parents=True)
    for folder in (HOME, runtime):
        os.chown(folder, UID, UID)
    command = [*enter, "unshare", "--mount", "--propagation", "private", "sh", "-c", SETUP % containers]
    with (HOME / "log").open("wb") as log:
        started = subprocess.Popen([*command, "sh", str(HOME), OTHER_PODMAN], stdout=log, stderr=log)
    socket = runtime / "podman" / "podman.sock"
    try:
        wait_until(lambda: started.poll() is not None or socket.exists(), "podman listens", within=60)
        assert started.poll() is None, (HOME / "log").read_text()
        yield f"unix://{socket}"
    finally:
        started.terminate()
        started.wait(60)
        wait_until(lambda: not end_processes(), "podman and its containers have ended", within=20)
        shutil.rmtree(HOME, ignore_errors=True)


def end_processes() -> list[int]:
    """Those of the user, who is no account of this machine: podman leaves its containers running."""
    owned = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _owner(folder) == UID]
    for pid in owned:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return owned


def _owner(folder: Path) -> int | None:
    """The user of a process; of one that has ended, none."""
    with suppress(OSError):
        return folder.stat().st_uid
    return None


def as_root(*words: str) -> list[str]:
    """The words that run capnet as root, beside the user's files."""
    return ["env", f"--chdir={HOME}", f"PYTHONPATH={PROJECT}", sys.executable, "-m", "capnet", *words]


def run_as_root(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs it, and waits."""
    return subprocess.run(as_root(*words), capture_output=True, text=True, timeout=300)

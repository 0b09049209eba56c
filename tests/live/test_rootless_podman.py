"""Rootless podman (4.3 of Debian), as its user and as root: a container on a bridge, and one behind slirp4netns.

Its configuration, the user's account and /dev/net/tun are in a mount namespace of the test's own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT
from tests.live.captures import seen
from tests.live.users import HOME, UID, as_user, run_as_user

Run = Callable[..., subprocess.CompletedProcess[str]]

_LACKING = [name for name in ("podman", "slirp4netns", "newuidmap", "runc") if not shutil.which(name)]

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(_LACKING), reason=f"not installed: {_LACKING}")]

# $1: folder of the user. podman's runc, because crun refuses machines with cgroup v1 and v2.
_START = f"""
set -e
cd "$1"
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
  PATH=/usr/bin:/usr/sbin:/bin:/sbin sh -ec '
    tar -C image -cf - . | podman import - busybox:latest
    podman network create blue --subnet 10.70.0.0/24
    podman run -d --name web -p 18080:80 busybox /bin/httpd -f
    podman run -d --name multi --network blue --ip 10.70.0.5 busybox /bin/httpd -f
    podman run -d --name asks --network blue busybox /bin/sh -c \
      "while :; do wget -q -O /dev/null http://10.70.0.5/; sleep 0.2; done"
    mkdir -p runtime/podman
    exec podman system service -t 0 "unix://$PWD/runtime/podman/podman.sock"'
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of podman's service, with three containers."""
    runtime = HOME / "runtime"
    runtime.mkdir(parents=True)
    for folder in (HOME, runtime):
        os.chown(folder, UID, UID)
    command = ["unshare", "--mount", "--propagation", "private"]
    with (HOME / "log").open("wb") as log:
        started = subprocess.Popen([*command, "sh", "-c", _START, "sh", str(HOME)], stdout=log, stderr=log)
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
    return ["env", f"--chdir={HOME}", f"PYTHONPATH={PROJECT}", sys.executable, "-m", "capnet", *words]


def run_as_root(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(as_root(*words), capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("run", [run_as_user, run_as_root], ids=["user", "root"])
def test_ps_of_rootless_podman_has_its_bridge(url: str, run: Run) -> None:
    done = run("ps", "--host", url, "--format", "json")
    assert done.returncode == 0 and done.stderr == ""
    document = json.loads(done.stdout)
    rows = {row["container"]: row for row in document["containers"]}
    assert rows["multi"]["network"] == "blue" and rows["multi"]["bridge"].startswith("podman")
    assert rows["multi"]["host_end"].startswith("veth") and rows["multi"]["interface"] == "eth0"
    assert (rows["web"]["network"], rows["web"]["interface"]) == ("slirp4netns", "tap0")
    assert "0.0.0.0:18080->80/tcp" in rows["web"]["ports"]
    assert {row["name"]: row["bridge"] for row in document["networks"]}["blue"] == rows["multi"]["bridge"]


@pytest.mark.parametrize("words", [as_user, as_root], ids=["user", "root"])
def test_container_of_rootless_podman_is_captured(url: str, words: Callable[..., list[str]]) -> None:
    """At its interface, the host end of its veth, and its bridge."""
    file = HOME / f"{words.__name__}.pcapng"
    command = words("capture", "asks", "--host", f"P={url}", "-w", str(file), "-c", "60", "--duration", "30", "tcp")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    opened = seen(file, "tcp.flags.syn == 1 and tcp.flags.ack == 0 and ip.dst == 10.70.0.5")
    points = json.loads(file.with_suffix(".topology.json").read_text())["points"]
    assert {point["role"] for point in points if point["name"] in opened} == {"container", "veth", "bridge"}
    assert min(opened.values()) >= 2

"""A rootless dockerd (dockerd-rootless.sh of Debian's docker.io), as its user, as root and as another see it.

They are on its machine, or come through an ssh of 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT
from tests.live.captures import capturing, seen
from tests.live.sshd import sshd_inside
from tests.live.tshark_view import tshark
from tests.live.users import HOME, UID, as_user, run_as_user

PORT = 2299
OTHER = UID + 7
_SCRIPT = Path("/usr/share/docker.io/contrib/dockerd-rootless.sh")
_LACKING = [name for name in ("rootlesskit", "slirp4netns", "newuidmap") if not shutil.which(name)]

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(_LACKING) or not _SCRIPT.exists(), reason=f"not installed: {_LACKING or _SCRIPT}"),
]

# $1: folder of the user. The account, its subordinate ids and /dev/net/tun are in this mount namespace only.
_START = f"""
set -e
cd "$1"
(cat /etc/passwd; echo "rootless:*:{UID}:{UID}::$1:/bin/sh"; echo "other:*:{OTHER}:{OTHER}::/tmp:/bin/sh") >passwd
echo "rootless:200000:65536" >subid
mount --bind passwd /etc/passwd; mount --bind subid /etc/subuid; mount --bind subid /etc/subgid
mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200
mount -t tmpfs -o mode=755 none /run
exec setpriv --reuid={UID} --regid={UID} --clear-groups env -i HOME="$1" USER=rootless XDG_RUNTIME_DIR="$1/runtime" \
  PATH=/usr/bin:/usr/sbin:/bin:/sbin sh {_SCRIPT} --exec-opt native.cgroupdriver=cgroupfs --iptables=false
"""

_SEND = """
import socket
sender = socket.socket(type=socket.SOCK_DGRAM)
for _ in range(50):
    sender.sendto(b"x", ("172.17.0.1", 9))
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[subprocess.Popen[bytes]]:
    runtime = HOME / "runtime"
    runtime.mkdir(parents=True)
    for folder in (HOME, runtime):
        os.chown(folder, UID, UID)
    with (HOME / "log").open("wb") as log:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _START, "sh", str(HOME)]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        ready = b"API listen on"
        wait_until(
            lambda: daemon.poll() is not None or ready in (HOME / "log").read_bytes(), "dockerd listens", within=60
        )
        assert daemon.poll() is None, (HOME / "log").read_text()
        yield daemon
    finally:
        daemon.terminate()
        daemon.wait(60)
        shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="module")
def url(daemon: subprocess.Popen[bytes]) -> str:
    return f"unix://{HOME}/runtime/docker.sock"


@pytest.fixture(scope="module")
def ssh(daemon: subprocess.Popen[bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An sshd that knows the daemon's user, and another one."""
    inside = ["nsenter", f"--target={daemon.pid}", "--mount", "--"]
    with sshd_inside(inside, "127.0.0.1", tmp_path_factory.mktemp("ssh"), PORT):
        yield


@pytest.fixture(scope="module")
def web(url: str) -> Iterator[Any]:
    """A container on its bridge; its image is the capture image, which has a shell."""
    saved = subprocess.run([sys.executable, "-m", "capnet", "image", "save"], cwd=PROJECT, capture_output=True)
    with closing(docker.DockerClient(base_url=url)) as client:
        (image,) = client.images.load(saved.stdout)
        container = client.containers.run(image, ["sleep", "600"], name="web", detach=True)
        yield container
        container.remove(force=True)


def test_user_of_rootless_daemon_captures(url: str, web: Any) -> None:
    """No root, no sudo, no container: the user owns the namespaces."""
    file = HOME / "web.pcapng"
    with subprocess.Popen(
        as_user("capture", "web", "--host", url, "-w", str(file), "udp"), stderr=subprocess.PIPE, text=True
    ) as capturing:
        wait_until(lambda: file.exists() or capturing.poll() is not None, "it captures", within=60)
        web.exec_run(["python3", "-c", _SEND])
        capturing.send_signal(signal.SIGINT)
        said = capturing.communicate(timeout=60)[1]
    assert capturing.returncode == 0, said
    assert "a container runs" not in said
    points = json.loads(file.with_suffix(".topology.json").read_text())["points"]
    assert {"container", "veth", "bridge"} <= {point["role"] for point in points}
    for point in points:
        if point["role"] in ("container", "veth", "bridge") and point["interface"] != "lo":
            assert len(tshark(file, "udp.port == 9 and not icmp", "frame.number", interface=point["name"])) == 50


@pytest.mark.parametrize("user", ["rootless", "root"])
def test_rootless_daemon_is_captured_through_ssh(ssh: None, web: Any, tmp_path: Path, user: str) -> None:
    """Its process is named by docker.pid beside its socket."""
    there = ("--host", f"R=ssh://{user}@127.0.0.1:{PORT}{HOME}/runtime/docker.sock")
    with capturing("web", *there, "-w", "web.pcapng", "udp", folder=tmp_path) as capture:
        web.exec_run(["python3", "-c", _SEND])
    assert "a container runs" not in capture.said
    sent = seen(tmp_path / "web.pcapng", "udp.port == 9 and not icmp")
    assert sorted(sent.values()) == [50, 50, 50]  # the container, its veth, its bridge
    assert {"R/web/eth0", "R/docker0"} < set(sent)


def test_other_user_is_refused_through_ssh(ssh: None, web: Any, tmp_path: Path) -> None:
    Path(HOME / "runtime" / "docker.sock").chmod(0o666)
    for folder in (HOME, HOME / "runtime"):
        folder.chmod(0o711)
    command = [sys.executable, "-m", "capnet", "capture", "web"]
    command += ["--host", f"R=ssh://other@127.0.0.1:{PORT}{HOME}/runtime/docker.sock"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)}
    )
    assert done.returncode == 4
    assert "the daemon is rootless" in done.stderr and "name one of them: ssh://USER@HOST/" in done.stderr


def test_root_sees_into_a_rootless_daemon(url: str, web: Any) -> None:
    command = [sys.executable, "-m", "capnet", "ps", "--host", url, "--format", "json"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    (row,) = [each for each in json.loads(done.stdout)["containers"] if each["container"] == "web"]
    assert done.returncode == 0 and row["host_end"].startswith("veth"), done.stderr


def test_other_user_of_rootless_daemon_is_refused(url: str, web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One who may use its socket, and does not own its namespaces."""
    Path(url.removeprefix("unix://")).chmod(0o666)
    HOME.chmod(0o711)
    (HOME / "runtime").chmod(0o711)
    monkeypatch.setattr("tests.live.users.UID", OTHER)
    done = run_as_user("capture", "web", "--host", url)
    assert done.returncode == 4
    assert "the daemon is rootless" in done.stderr and "run capnet as one of them" in done.stderr

"""Rootless podman (4.3 of Debian), as its user and as root: a container on a bridge, and one behind slirp4netns.

Its configuration, the user's account and /dev/net/tun are in a mount namespace of the test's own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.live.captures import seen
from tests.live.podman_user import as_root, podman_service, run_as_root
from tests.live.users import HOME, as_user, run_as_user

Run = Callable[..., subprocess.CompletedProcess[str]]

_LACKING = [name for name in ("podman", "slirp4netns", "newuidmap", "runc") if not shutil.which(name)]

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(_LACKING), reason=f"not installed: {_LACKING}")]

_CONTAINERS = """
    podman run -d --name web --network slirp4netns -p 18080:80 busybox /bin/httpd -f
    podman network create blue --subnet 10.70.0.0/24
    podman run -d --name multi --network blue --ip 10.70.0.5 busybox /bin/httpd -f
    podman run -d --name asks --network blue busybox /bin/sh -c \
      "while :; do wget -q -O /dev/null http://10.70.0.5/; sleep 0.2; done"
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of podman's service, with three containers."""
    with podman_service(_CONTAINERS) as service:
        yield service


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

"""Containers of rootless podman behind pasta, podman's default since 5.0: as its user, and as root.

podman runs in a network namespace of its own, whose NIC leads to another one with the far host: no packet goes out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.report.summary import topics
from capnet.report.words import Words
from tests.live.podman_user import OTHER_PODMAN, as_root, podman_service, run_as_root
from tests.live.tshark_view import tshark
from tests.live.users import HOME, as_user, run_as_user

MACHINE, FAR = f"capnet-pasta-{os.getpid()}", f"capnet-far-{os.getpid()}"
_FIRST = (4, 4)  # version of podman that knows pasta


def _lacks() -> str:
    """Why pasta cannot be tested here; empty if it can."""
    if OTHER_PODMAN:
        return "" if Path(OTHER_PODMAN, "usr/bin/pasta").exists() else f"no pasta in {OTHER_PODMAN}"
    lacking = [name for name in ("podman", "pasta", "newuidmap", "runc") if not shutil.which(name)]
    if lacking:
        return f"not installed: {lacking}"
    printed = subprocess.run(["podman", "--version"], capture_output=True, text=True).stdout
    version = re.search(r"(\d+)\.(\d+)", printed)
    is_known = version is not None and (int(version[1]), int(version[2])) >= _FIRST
    return "" if is_known else f"{printed.strip()} has no pasta, 4.4 has; CAPNET_PODMAN names another (README.md)"


_LACKS = _lacks()
pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(_LACKS), reason=_LACKS)]

_CONTAINERS = "podman run -d --name web --network pasta -p 18080:80 busybox /bin/httpd -f"
_WIRE = f"""
set -e
ip netns add {MACHINE}; ip netns add {FAR}
ip link add ens33 netns {MACHINE} type veth peer name ens33 netns {FAR}
ip -n {MACHINE} address add 192.168.111.128/24 dev ens33; ip -n {FAR} address add 192.168.111.129/24 dev ens33
for name in {MACHINE} {FAR}; do ip -n $name link set lo up; ip -n $name link set ens33 up; done
ip -n {MACHINE} route add default via 192.168.111.129
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    subprocess.run(["sh", "-c", _WIRE], check=True)
    try:
        with podman_service(_CONTAINERS, ("nsenter", f"--net=/run/netns/{MACHINE}")) as service:
            yield service
    finally:
        for name in (MACHINE, FAR):
            subprocess.run(["ip", "netns", "delete", name], check=True)


def captured(command: list[str], file: Path) -> str:
    """What `capnet capture` said, while the far host asks for the published port."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as capture:
        deadline = time.monotonic() + 60
        while capture.poll() is None and time.monotonic() < deadline:
            ask = [
                "ip",
                "netns",
                "exec",
                FAR,
                "busybox",
                "wget",
                "-q",
                "-O",
                "/dev/null",
                "http://192.168.111.128:18080/",
            ]
            subprocess.run(ask, timeout=10, stderr=subprocess.DEVNULL)
            time.sleep(0.2)
        _, said = capture.communicate(timeout=30)
    assert capture.returncode == 0, said
    return said


def ports(file: Path, point: str) -> set[str]:
    """The ports that SYNs at a point are for, by tshark."""
    syns = tshark(file, "tcp.flags.syn == 1 and tcp.flags.ack == 0", "tcp.dstport", interface=point)
    return {port for (port,) in syns}


@pytest.mark.parametrize("run", [run_as_user, run_as_root], ids=["user", "root"])
def test_ps_has_its_tap_and_what_is_behind(url: str, run: object) -> None:
    assert callable(run)
    done = run("ps", "--host", url, "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["containers"]
    assert (row["network"], row["interface"], row["host_end"]) == ("pasta", "ens33", None)
    assert "192.168.111.128/24" in row["addresses"] and row["ports"] == ["0.0.0.0:18080->80/tcp"]
    said = run("ps", "--host", url, "web").stdout
    assert "packets end in the process pasta" in " ".join(said.split())


def test_user_captures_at_the_tap(url: str) -> None:
    """Of podman's own user: no right of root, and no container on a bridge."""
    file = HOME / "user.pcapng"
    said = captured(
        as_user("capture", "web", "--host", f"P={url}", "-w", str(file), "-c", "40", "--duration", "20"), file
    )
    assert "packets of web end in pasta" in said and "only root captures there" in said
    assert ports(file, "P/web/ens33") == {"80"} and not ports(file, "P/ens33")
    done = run_as_user("capture", "-i", "ens33", "--host", f"P={url}", "-w", str(HOME / "no.pcapng"))
    assert done.returncode == 4 and "only root captures at interfaces of the machine" in done.stderr


def test_root_captures_at_the_nic_too(url: str) -> None:
    """What comes to the NIC and what comes to the container are two connections, of which capnet joins none."""
    file = HOME / "root.pcapng"
    said = captured(
        as_root("capture", "web", "--host", f"P={url}", "-w", str(file), "-c", "80", "--duration", "20"), file
    )
    assert "packets of web end in pasta" in said and "at P/ens33 they have" in said
    assert ports(file, "P/ens33") == {"18080"} and ports(file, "P/web/ens33") == {"80"}
    report = analyze(file).to_dict()
    assert not report["nat"] and {row["name"] for row in report["findings"]} <= {"checksum-offload"}
    (who,) = dict(topics(report, Words.of(report)))["Who"]
    assert who.startswith("web is behind pasta, a process that opens connections of its own")

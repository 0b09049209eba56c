"""Scenarios with pods leave nothing on their hosts: interfaces, routes, rules, folders, programs.

What Docker does not label is told by marks of the run, so it is looked for by the host's own programs. A table with
nothing but the kernel's own chains, which have a policy, is none: a program that looks into it makes it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.scenario import library
from capnet.scenario.preflight.plan import plan_of
from capnet.scenario.preflight.programs import missing_here
from tests.live.labs import own_clients
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[2]
STATE = (
    "ip -o link | cut -d: -f2 | cut -d@ -f1; ip route; ls /run | grep capnet-pods; "
    "iptables-save | sed -n 's/^\\(:[^ ]*\\) - .*/\\1/p; /^-A/p'; cat /proc/sys/net/ipv4/conf/all/route_localnet"
)
STEPS = {
    "cni-bridge": "app to web", "cni-ptp": "app to web", "flannel-host-gw": "left to right",
    "kubernetes-service": "app to the cluster IP",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def hosts() -> Iterator[None]:
    """A running lab: its hosts are looked at before and after."""
    with own_clients("pods"):
        yield


def capnet(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "capnet", *words], cwd=PROJECT, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def states() -> list[list[str]]:
    """What each host has: sorted, since Docker may write its own rules in another order."""
    return [sorted(capnet("lab", "exec", host, "sh", "-c", STATE).splitlines()) for host in ("A", "B")]


def play(name: str, output: Path) -> list[str]:
    if absent := missing_here(plan_of(name, library.load(name))):
        pytest.skip(f"{name}: this machine lacks {', '.join(absent)}")
    return ["scenario", name, "--lab", "--output", str(output)]


@pytest.mark.parametrize("name", STEPS)
def test_pods_leave_nothing(name: str, tmp_path: Path) -> None:
    words, before = play(name, tmp_path), states()
    capnet(*words)
    assert states() == before


@pytest.mark.parametrize("name", STEPS)
def test_clean_removes_the_pods_of_a_killed_run(name: str, tmp_path: Path) -> None:
    words, before = play(name, tmp_path), states()
    with subprocess.Popen(
        [sys.executable, "-m", "capnet", *words], cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_for_output(process, STEPS[name])
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert states() != before
    capnet("scenario", "clean", "--lab")
    assert states() == before

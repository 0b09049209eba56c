"""The pytest plugin captures real containers around a block, and keeps the capture of a test that fails."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from capnet.record.remote.docker_host import DockerHost
from capnet.scenario.wait import wait_until
from tests.live.captures import address, url
from tests.live.labs import own_hosts
from tests.testing.test_plugin import run_pytest

pytestmark = pytest.mark.live

TEST = """
import subprocess

def test_shop(capnet_capture):
    with capnet_capture({target!r}, options={options!r}) as net:
        subprocess.run({ask!r}, check=True)
    flow = net.flow("web", "db:5432")
    assert flow.delivered and flow.client_address_kept and not flow.translated
    assert net.findings == []
    assert {expected}
"""


@pytest.fixture(scope="module")
def host() -> Iterator[DockerHost]:
    """A, with web and db on network shop, as Compose makes them; db serves port 5432."""
    with own_hosts("plugin") as opened:
        client = opened["A"].client
        client.networks.create("shop")
        serve = ["httpd", "-f", "-p", "5432", "-h", "/etc"]
        client.containers.run("busybox", serve, name="db", network="shop", detach=True)
        client.containers.run("busybox", ["sleep", "9999"], name="web", network="shop", detach=True)
        yield opened["A"]


def inner(host: DockerHost, expected: str) -> str:
    """A test that has web ask db."""
    docker = [
        "docker",
        "-H",
        host.url,
        "exec",
        "web",
        "wget",
        "-q",
        "-O",
        "-",
        f"http://{address(host, 'db')}:5432/hosts",
    ]
    return TEST.format(target="shop", options=url(host), ask=docker, expected=expected)


def test_block_is_captured(host: DockerHost, tmp_path: Path) -> None:
    done = run_pytest(tmp_path, inner(host, "True"))
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "capnet-failed").exists()


def test_failing_test_keeps_its_capture(host: DockerHost, tmp_path: Path) -> None:
    done = run_pytest(tmp_path, inner(host, "False"))
    assert done.returncode == 1
    kept = {file.name for file in (tmp_path / "capnet-failed").iterdir()}
    assert {"test_inner-test_shop.pcapng", "test_inner-test_shop.topology.json"} <= kept
    assert "kept: " in done.stdout and "test_inner-test_shop.pcapng" in done.stdout


LOOPBACK = """
import os, signal, subprocess

def test_lo(capnet_capture):
    with capnet_capture(options=("-i", "lo")) as net:
        {act}
    assert not net.report.points[0].dropped
"""


def test_capture_in_chinese_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPNET_LANG", "zh")
    done = run_pytest(tmp_path, LOOPBACK.format(act="pass"))
    assert done.returncode == 0, done.stdout


# Its process of the test ends between fork and exec, before the capture can ask the kernel to be told of that.
ORPHAN = """
import os, signal, subprocess

def test_lo(capnet_capture, monkeypatch):
    started = subprocess._fork_exec

    def fork_and_end(*words):
        child = started(*words)
        open("child", "w").write(str(child))
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(subprocess, "_fork_exec", fork_and_end)
    with capnet_capture(options=("-i", "lo")):
        pass
"""


def test_capture_that_a_killed_pytest_just_started_ends(tmp_path: Path) -> None:
    """Also where Ctrl-C is ignored, as in the background of a shell."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = run_pytest(tmp_path, ORPHAN)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert done.returncode == -signal.SIGKILL
    capture = int((tmp_path / "child").read_text())
    wait_until(lambda: not Path(f"/proc/{capture}").exists(), "the capture has ended", within=15)


def test_capture_ends_with_a_killed_pytest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells it, as Ctrl-C does: no process and no temporary folder stays."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    note = "open('children', 'w').write(open(f'/proc/self/task/{os.getpid()}/children').read())"
    done = run_pytest(tmp_path, LOOPBACK.format(act=f"{note}; os.kill(os.getpid(), signal.SIGKILL)"))
    assert done.returncode == -signal.SIGKILL
    (capture,) = map(int, (tmp_path / "children").read_text().split())
    wait_until(lambda: not Path(f"/proc/{capture}").exists(), "the capture has ended", within=15)
    assert not list((tmp_path / "tmp").glob("capnet-*"))

"""A fleet whose Dask workers are hosts of their own: three network namespaces with wires between them.

head 10.77.1.1 ──── 10.77.1.2 one         scheduler and `capnet fleet` run in head
     10.77.2.1 ──── 10.77.2.2 two         a worker runs in each of the others
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic

import pytest

from capnet.errors import Exit
from tests.conftest import PROJECT
from tests.fleet.inline import GOLDENS, copies, results, run_fleet
from tests.fleet.test_killed import kill_three_times

pytestmark = pytest.mark.live
HEAD, HOSTS = "capnet-fleet-head", ("capnet-fleet-one", "capnet-fleet-two")
PORT = 8786
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT)}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def test_fleet_of_320_killed_three_times_is_finished(tmp_path: Path) -> None:
    """As offline, where it is a fleet of eight."""
    kill_three_times(tmp_path, 320)


@pytest.fixture
def hosts() -> Iterator[None]:
    """The namespaces and their wires, which are removed with them."""
    try:
        for name in (HEAD, *HOSTS):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for number, name in enumerate(HOSTS, 1):
            ip("-n", HEAD, "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            for namespace, interface, last in ((HEAD, f"to{number}", 1), (name, "eth0", 2)):
                ip("-n", namespace, "address", "add", f"10.77.{number}.{last}/24", "dev", interface)
                ip("-n", namespace, "link", "set", interface, "up")
        yield
    finally:
        for name in (HEAD, *HOSTS):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def start(stack: ExitStack, namespace: str, *words: str, ready: str = "") -> subprocess.Popen[str]:
    """A Python program in a namespace, when its standard error has said that it is ready; ended with the stack."""
    process = stack.enter_context(
        subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-m", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        )
    )  # fmt: skip
    stack.callback(process.kill)
    assert process.stderr
    said = ""
    while ready and ready not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return process


def test_worker_in_a_namespace_dies_and_loses_nothing(hosts: None, tmp_path: Path) -> None:
    """A pipe holds up one of both workers; that one is killed, and has no nanny to start it again."""
    pytest.importorskip("distributed", reason="heavy, and optional: pip install 'capnet[dask]'")
    captures, folder = copies(tmp_path / "captures", 15), tmp_path / "fleet"
    pipe = captures / "pipe.pcapng"
    os.mkfifo(pipe)
    with ExitStack() as stack:
        scheduler = ("distributed.cli.dask_scheduler", "--port", str(PORT), "--no-dashboard")
        start(stack, HEAD, *scheduler, ready="Scheduler at")
        workers = [
            start(
                stack, name, "distributed.cli.dask_worker", f"tcp://10.77.{number}.1:{PORT}", "--nthreads", "1",
                "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path / name), ready="Starting established",
            )
            for number, name in enumerate(HOSTS, 1)
        ]  # fmt: skip
        command = ("capnet", "fleet", str(captures), "-o", str(folder), "--to", "jsonl")
        fleet = start(stack, HEAD, *command, "--dask", f"tcp://10.77.1.1:{PORT}")
        deadline = monotonic() + 60
        while len(list(folder.glob("done/*.json"))) < 13 or not (blocked := readers(workers)):
            with suppress(subprocess.TimeoutExpired):
                fleet.wait(0.05)
            assert fleet.poll() is None, fleet.communicate()
            assert monotonic() < deadline, "no worker waits for the pipe"
        shutil.copy(GOLDENS / "none.pcapng", tmp_path / "none.pcapng")
        (tmp_path / "none.pcapng").replace(pipe)
        blocked[0].send_signal(signal.SIGKILL)
        _, error = fleet.communicate(timeout=60)
        assert fleet.returncode == Exit.OK, error
    document, _ = run_fleet([captures], tmp_path / "here")
    assert json.loads((folder / "fleet.json").read_text(encoding="ascii")) == document
    assert document["totals"]["captures"] == 16
    assert results(folder) == results(tmp_path / "here")


def readers(workers: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """The workers with a thread that waits for the other end of a pipe, by what the kernel says."""
    return [
        worker for worker in workers
        if any("wait_for_partner" in _wchan(task) for task in Path(f"/proc/{worker.pid}/task").iterdir())
    ]  # fmt: skip


def _wchan(task: Path) -> str:
    try:
        return (task / "wchan").read_text(encoding="ascii")
    except OSError:
        return ""

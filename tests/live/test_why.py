"""What kernels say of the packets of a play: with --why, the rule that dropped or rewrote each, and why; and nothing
of what asks them stays.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capnet.analysis.core.contract.report import Report
from capnet.analysis.engine import analyze
from capnet.record.kernel.trace_instances import remove_instances
from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live

IN_TRACEFS = "mount -t tracefs nodev /sys/kernel/tracing && ls /sys/kernel/tracing/instances"


def start(name: str, output: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "capnet", "scenario", "fault", name, "--lab", "--output", str(output), *options],
        cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def play(name: str, output: Path, *options: str) -> Report:
    """The report on the broken network."""
    with start(name, output, *options) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return analyze(output / f"{name}.pcapng")


def trace_instances() -> set[str]:
    """Instances of tracefs that capnet has made and not removed."""
    listed = subprocess.run(["unshare", "-m", "sh", "-c", IN_TRACEFS], capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split() if name.startswith("capnet-")}


def watchers() -> list[int]:
    """Processes that watch a kernel, from their command lines."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if b"netfilter cannot be traced" in command or b"tracefs cannot be used" in command:
            pids.append(int(process.name))
    return pids


@contextmanager
def nothing_stays() -> Iterator[None]:
    """Afterwards there are as many instances and watchers as before."""
    instances, running = trace_instances(), set(watchers())
    yield
    wait_until(lambda: set(watchers()) <= running, "what watches kernels has ended", within=20)
    wait_until(lambda: trace_instances() == instances, "instances of tracefs are removed", within=20)


DROPS = [
    ("stops-between", "iptables filter FORWARD rule 1", "-s 172.17.0.2/32 -p tcp -m tcp --dport 80 -j DROP"),
    ("published-port-blocked", "iptables raw PREROUTING rule 1", "-s 192.168.111.129/32"),
    ("kernel-drop", "iptables filter INPUT rule 1", '--comment "no web for B" -j DROP'),
]


@pytest.mark.parametrize(("name", "rule", "text"), DROPS)
def test_why_names_the_rule_that_drops(name: str, rule: str, text: str, tmp_path: Path) -> None:
    with nothing_stays():
        report = play(name, tmp_path, "--why")
    (reason,) = [reason for reason in report.kernel if reason.action == "dropped"]
    assert (reason.name, reason.known_by, reason.match) == (rule, "trace", "equal")
    assert text in reason.text and reason.packets == len(reason.evidence) > 1
    assert any(rule in finding.says and text in finding.says for finding in report.findings)


def test_why_names_the_reverse_path_filter(tmp_path: Path) -> None:
    with nothing_stays():
        report = play("reverse-path-filter", tmp_path, "--why")
    assert "IP_RPFILTER" in {reason.name for reason in report.kernel}
    (finding,) = [finding for finding in report.findings if finding.level == "error"]
    assert "IP_RPFILTER" in finding.says and "net.ipv4.conf.all.rp_filter = 1" in finding.says


def test_why_names_the_rule_that_masquerades(tmp_path: Path) -> None:
    report = play("stops-between", tmp_path, "--why")
    (reason,) = [reason for reason in report.kernel if reason.action == "rewrote"]
    assert reason.name == "iptables nat POSTROUTING rule 1" and reason.text.endswith("-j MASQUERADE")


@pytest.mark.parametrize("name", ["stops-between", "kernel-drop"])
def test_counters_name_the_rule_without_why(name: str, tmp_path: Path) -> None:
    report = play(name, tmp_path)
    assert {(reason.known_by, reason.match) for reason in report.kernel} == {("counters", "equal")}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_interrupted_why_leaves_nothing(how: signal.Signals, tmp_path: Path) -> None:
    """The kernel removes a table with the socket that owns it; an instance is removed by the program that made it."""
    with nothing_stays(), start("no-return-route", tmp_path, "--why") as process:
        wait_for_output(process, "break it")
        wait_until(lambda: bool(trace_instances()), "drops are traced", within=20)
        process.send_signal(how)
        process.communicate(timeout=60)


def test_killed_watcher_leaves_what_clean_removes(tmp_path: Path) -> None:
    """SIGKILL for capnet and for what watches: then nobody is left to remove the instance of tracefs."""
    before = trace_instances()
    with start("no-return-route", tmp_path, "--why") as process:
        wait_for_output(process, "break it")
        wait_until(lambda: bool(trace_instances() - before), "drops are traced", within=20)
        process.send_signal(signal.SIGSTOP)
        for pid in watchers():
            os.kill(pid, signal.SIGKILL)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    (left,) = trace_instances() - before
    assert remove_instances(lambda run: f"capnet-{run}" == left) == [f"trace instance {left}"]
    assert trace_instances() == before

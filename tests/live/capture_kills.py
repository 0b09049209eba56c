"""Kills a running `capnet capture`, one of its programs or dockerd at random moments, and tells what is left.

    CAPNET_LIVE=1 python -m tests.live.capture_kills [COUNT [SEED]]

A container pings twenty times a second; its sequence numbers say which packets there were. Prints a table.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from capnet.lab import lab
from capnet.record.remote.docker_host import DockerHost, connect
from capnet.topology import Topology
from capnet.wire.capture import open_capture
from tests.live.captures import Capture, is_running, taps_below
from tests.live.wait_for_output import rest_of_output

PER_SECOND = 20
DOCKERD = "SIGKILL to dockerd"
UNWRITTEN_S = 2.0  # of packets that a kill -9 may take with it: the kernel's timeout, and a busy machine
BUSY = ["sh", "-c", "while :; do sleep 1; done"]


class Outcome(NamedTuple):
    """What one kill left: packets of the container's eth0, how long before the kill they end, how many lack between."""

    kind: str
    seconds: float
    kept: int
    lag_s: float
    gap: int
    problems: list[str]


def kill_capnet(number: signal.Signals) -> Callable[[Capture], None]:
    """A kill of capnet itself."""
    return lambda capture: capture.process.send_signal(number)


def kill_tap(number: signal.Signals) -> Callable[[Capture], None]:
    """A kill of the program at the container's eth0; capnet goes on for a second, and gets Ctrl-C."""

    def kill(capture: Capture) -> None:
        (tap,) = taps_below(capture.process.pid, "eth0")
        os.kill(tap, number)
        time.sleep(1)
        capture.process.send_signal(signal.SIGINT)

    return kill


def kill_dockerd(capture: Capture) -> None:
    """A kill of the daemon of host A; capnet goes on for a second, and gets Ctrl-C."""
    os.kill(int(Path(os.environ["CAPNET_LAB_DIR"], "A", "dockerd.pid").read_text()), signal.SIGKILL)
    time.sleep(1)
    capture.process.send_signal(signal.SIGINT)


KINDS: dict[str, Callable[[Capture], None]] = {
    "Ctrl-C": kill_capnet(signal.SIGINT),
    "SIGTERM": kill_capnet(signal.SIGTERM),
    "SIGHUP": kill_capnet(signal.SIGHUP),
    "SIGKILL": kill_capnet(signal.SIGKILL),
    "SIGKILL to a capture program": kill_tap(signal.SIGKILL),
    "SIGTERM to a capture program": kill_tap(signal.SIGTERM),
    "SIGSTOP to a capture program": kill_tap(signal.SIGSTOP),
    DOCKERD: kill_dockerd,
}


def play(host: DockerHost, kind: str, seconds: float, folder: Path) -> Outcome:
    """One capture, killed so many seconds after the first ping."""
    container = host.client.containers.get("web")
    capture = Capture("web", "icmp", "--host", f"A={host.url}", "-w", "k.pcapng", folder=folder)
    capture.wait_until_ready()
    container.exec_run(["ping", "-i", str(1 / PER_SECOND), "192.168.111.129"], detach=True)
    time.sleep(seconds)  # the moment is what is tried
    children = capture.children()
    killed_ns = time.time_ns()
    KINDS[kind](capture)
    capture.printed, capture.said = rest_of_output(capture.process, 90)
    if kind != DOCKERD:  # the next daemon ends the container
        container.exec_run(["killall", "ping"])
    time.sleep(0.5)  # what was tied to capnet ends by itself, when it is seen to be gone
    return judge(capture, kind, seconds, killed_ns, children, folder)


def judge(capture: Capture, kind: str, seconds: float, killed_ns: int, children: set[int], folder: Path) -> Outcome:
    """Looks at the file and at what still runs."""
    problems = [f"process {pid} still runs" for pid in children if is_running(pid)]
    code = capture.process.returncode
    if code != (-9 if kind == "SIGKILL" else 0):
        problems.append(f"exit code {code}: {capture.said}")
    with open_capture(folder / "k.pcapng") as opened:
        packets = [
            (record.time, int.from_bytes(record.data[40:42], "big"))
            for record in opened.records()
            if opened.interfaces[record.interface].name == "A/web/eth0" and record.data[34] == 8
        ]
        problems += [each.says for each in opened.problems if each.name != "truncated-file"]
    if len(Topology.load(folder / "k.topology.json").points) != 4:
        problems.append("no topology")
    numbers = [number for _, number in packets]
    gap = numbers[-1] + 1 - len(set(numbers)) if numbers else 0
    lag_s = max(0.0, (killed_ns - packets[-1][0]) / 1e9) if packets else min(seconds, UNWRITTEN_S)
    is_violent = ("KILL" in kind and kind != DOCKERD) or kind.startswith("SIGTERM to")
    if gap or lag_s > (UNWRITTEN_S if is_violent else 2 / PER_SECOND):
        problems.append(f"{gap} missing, ends {lag_s:.2f} s before the kill")
    return Outcome(kind, seconds, len(numbers), lag_s, gap, problems)


def main(count: int, seed: int) -> int:
    """Plays so many kills, prints the table, and returns how many went wrong."""
    chance, kinds = random.Random(seed), list(KINDS)
    outcomes = []
    os.environ["CAPNET_LAB_DIR"] = f"/run/capnet-kills-{os.getpid()}"
    try:
        for number in range(count):
            made = lab.up(lambda line: None)  # makes it, or starts a daemon that was killed
            host = connect(made.hosts["A"].docker_url, name="A")
            for container in host.client.containers.list(all=True):
                container.remove(force=True)
            host.client.containers.run("busybox", BUSY, name="web", detach=True)
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append(play(host, kinds[number % len(kinds)], chance.uniform(0, 4), Path(folder)))
            host.close()
    finally:
        lab.down(lambda line: None)
    print("| signal | times | seconds after the first ping | packets kept | gaps | they end before it, s | problems |")
    print("|---|---|---|---|---|---|---|")
    for kind in KINDS:
        of_kind = [outcome for outcome in outcomes if outcome.kind == kind]
        moments = ", ".join(f"{outcome.seconds:.1f}" for outcome in of_kind)
        kept = ", ".join(str(outcome.kept) for outcome in of_kind)
        lags = ", ".join(f"{outcome.lag_s:.2f}" for outcome in of_kind)
        problems = Counter(problem for outcome in of_kind for problem in outcome.problems)
        gaps = sum(outcome.gap for outcome in of_kind)
        print(f"| {kind} | {len(of_kind)} | {moments} | {kept} | {gaps} | {lags} | {'; '.join(problems) or 'none'} |")
    return sum(bool(outcome.problems) for outcome in outcomes)


if __name__ == "__main__":
    if os.environ.get("CAPNET_LIVE") != "1":
        sys.exit("it makes Docker hosts on this machine: set CAPNET_LIVE=1")
    count, seed = (int(word) for word in (*sys.argv[1:3], *("35", "1")[len(sys.argv[1:3]) :]))
    sys.exit(main(count, seed))

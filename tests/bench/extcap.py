"""Processor time of each question that Wireshark asks capnet's extcap program when it starts.

    python -m tests.bench.extcap [--containers 100] [--runs 20]

The program is started as Wireshark starts it, by the shell script that `capnet wireshark install` writes. The daemon is
a thread that repeats an answer that dockerd gave (tests/extcap/recorded), with as many containers as asked for.
Median of the processor time of script and program, without the daemon's; beside it what else Python takes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tabulate import tabulate

from capnet.wireshark.launcher import launcher

PROJECT = Path(__file__).parents[2]
RECORDED = PROJECT / "tests" / "extcap" / "recorded"
LIMIT_MS = 60  # of the answer to --extcap-interfaces


def answers(containers: int) -> dict[str, bytes]:
    """What is sent for each path, with so many containers."""
    recorded = json.loads((RECORDED / "containers.json").read_text(encoding="utf-8"))
    repeated = [{**recorded[i % len(recorded)], "Names": [f"/container-{i}"]} for i in range(containers)]
    return {"/containers/json": json.dumps(repeated).encode(), "/networks": (RECORDED / "networks.json").read_bytes()}


def serve(server: socket.socket, by_path: dict[str, bytes]) -> None:
    """Answers every connection until the process ends."""
    while True:
        connection, _ = server.accept()
        with connection:
            path = connection.recv(4096).split()[1].decode()
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + by_path[path])


def milliseconds(words: list[str], runs: int, variables: dict[str, str]) -> float:
    """Processor time of one start, ms: the median."""
    samples = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env=variables)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        samples.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(samples) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--containers", type=int, default=100)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/docker.sock")
        server.listen(16)
        threading.Thread(target=serve, args=(server, answers(given.containers)), daemon=True).start()
        script = Path(folder) / "capnet"
        script.write_text(launcher({}), encoding="utf-8")
        script.chmod(0o700)
        variables = {**os.environ, "DOCKER_HOST": f"unix://{folder}/docker.sock", "CAPNET_LAB_DIR": folder}
        interface = ["--extcap-interface", "capnet:container-1"]
        python = [sys.executable, "-P", "-c"]
        starts = {
            "--extcap-interfaces": [str(script), "--extcap-interfaces"],
            "--extcap-dlts": [str(script), "--extcap-dlts", *interface],
            "--extcap-config": [str(script), "--extcap-config", *interface],
            "Python alone": [*python, "pass"],
            "Python and http.client": [*python, "import http.client"],
            "Python and click": [*python, "import click"],
            "Python and docker": [*python, "import docker"],
        }
        rows = [(name, milliseconds(words, given.runs, variables)) for name, words in starts.items()]
    print(f"{given.containers} containers; the list of interfaces may take {LIMIT_MS} ms")
    print(tabulate(rows, ["started", "processor time, ms"], floatfmt=".1f"))


if __name__ == "__main__":
    main()

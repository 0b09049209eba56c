"""Records SCTP through a port that Docker publishes, in a lab whose kernel has SCTP:

    sudo capnet lab up --kernel uml && sudo python -m tests.analysis.findings.sctp.record && sudo capnet lab down

    B  ens33 ──── ens33  A  docker0 ── amf 172.17.0.2 :38412, published for SCTP

accepted     B asks A:38412, a server in `amf` listens; recorded at A's ens33 and docker0
refused      the server has ended, its container has not; at the same points
unanswered   `iptables -I DOCKER-USER -p sctp -j DROP` on A; at B's ens33
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent / "recorded"
SERVE = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
server.bind(("", 38412))
server.listen()
print("listening", flush=True)
while True:
    client, _ = server.accept()
    client.sendall(client.recv(100))
    client.close()
"""
ASK = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
client.settimeout(8)
client.connect(("192.168.111.128", 38412))
client.sendall(b"hello")
client.recv(100)
"""


def command(host: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "capnet", "lab", "exec", host, *words]


def run(host: str, *words: str, is_checked: bool = True) -> str:
    return subprocess.run(command(host, *words), check=is_checked, stdout=subprocess.PIPE, text=True).stdout


def record(name: str, host: str, *interfaces: str) -> None:
    """What B's question to A is at these interfaces."""
    file = f"/tmp/{name}.pcapng"
    words = [word for interface in interfaces for word in ("-i", interface, "-f", "sctp or icmp")]
    with subprocess.Popen(command(host, "dumpcap", *words, "-w", file), stderr=subprocess.PIPE, text=True) as dumpcap:
        assert dumpcap.stderr and any("File:" in line for line in iter(dumpcap.stderr.readline, ""))
        run("B", "python3", "-c", ASK, is_checked=False)  # it may be refused
        time.sleep(1)  # the last packets are on their way to the file
        run(host, "pkill", "-INT", "-x", "dumpcap")
        dumpcap.communicate()
    read = subprocess.run(command(host, "cat", file), check=True, stdout=subprocess.PIPE).stdout
    (FOLDER / f"{name}.pcapng").write_bytes(read)
    run(host, "rm", file)


def main() -> None:
    run("A", "modprobe", "sctp")
    run("A", "docker", "run", "-d", "--name", "amf", "-p", "38412:38412/sctp", "busybox", "sleep", "3600")
    process = run("A", "docker", "inspect", "-f", "{{.State.Pid}}", "amf").strip()
    serve = command("A", "nsenter", "-t", process, "-n", "python3", "-uc", SERVE)
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout and server.stdout.readline() == "listening\n"
        record("accepted", "A", "ens33", "docker0")
        run("A", "pkill", "-f", "server.listen")
    record("refused", "A", "ens33", "docker0")
    run("A", "iptables", "-I", "DOCKER-USER", "-p", "sctp", "-j", "DROP")
    record("unanswered", "B", "ens33")
    run("A", "docker", "rm", "-f", "amf")


if __name__ == "__main__":
    main()

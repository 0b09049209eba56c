"""Records a kernel without SCTP, in two network namespaces, which answers INITs of a raw socket with ICMP and ICMPv6:

sudo python -m tests.analysis.findings.sctp.record_without
"""

from __future__ import annotations

import subprocess
from pathlib import Path

FILE = Path(__file__).parent / "recorded" / "without-sctp.pcapng"
CLIENT, SERVER = "capnet-client", "capnet-server"
ASK = """
import socket, struct, sys, time
init = struct.pack(">HHII", 40000, 38412, 0, 0) + struct.pack(">BBHIIHHI", 1, 0, 20, 7, 65535, 10, 10, 7)
for family, address in ((socket.AF_INET, "10.9.0.2"), (socket.AF_INET6, "fd09::2")):
    client = socket.socket(family, socket.SOCK_RAW, 132)
    for number in range(2):
        client.sendto(init, (address, 0))
        time.sleep(1)
"""


def run(*words: str) -> None:
    subprocess.run(words, check=True)


def main() -> None:
    for name in (CLIENT, SERVER):
        run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", "eth0", "netns", CLIENT, "type", "veth", "peer", "name", "eth0", "netns", SERVER)
        for number, name in enumerate((CLIENT, SERVER), start=1):
            run("ip", "-n", name, "addr", "add", f"10.9.0.{number}/24", "dev", "eth0")
            run("ip", "-n", name, "addr", "add", f"fd09::{number}/64", "dev", "eth0", "nodad")
            run("ip", "-n", name, "link", "set", "eth0", "up")
        enter = ["ip", "netns", "exec", CLIENT]
        only = "ip proto 132 or icmp or ip6 proto 132 or (icmp6 and ip6[40] == 4)"
        words = [*enter, "dumpcap", "-i", "eth0", "-f", only, "-w", str(FILE)]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as dumpcap:
            assert dumpcap.stderr and any("File:" in line for line in iter(dumpcap.stderr.readline, ""))
            run(*enter, "python3", "-c", ASK)
            dumpcap.terminate()
            dumpcap.communicate()
    finally:
        for name in (CLIENT, SERVER):
            run("ip", "netns", "delete", name)


if __name__ == "__main__":
    main()

"""answer-from-other-port: a TFTP server answers from a new port, and the host that translates has no helper for that

    app 172.17.0.2 ── docker0  A  ens33 ──── B  TFTP server, udp 69; echo server, udp 7000

Sends   app to B by TFTP, two files; and to the echo server.
"""

from __future__ import annotations

import contextlib
import socket

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points

FINDING = "answer-from-other-port"
BREAKS = Change("A", "iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE")
NEEDS_PROGRAMS = ("iptables",)

READ, DATA, ACK = b"\0\1boot.cfg\0octet\0", b"\0\3\0\1" + b"a line\n" * 40, b"\0\4\0\1"  # RFC 1350 section 5
ATTEMPTS = 3
PATIENCE = 1.0  # seconds


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    b.run(f"ip route add 172.17.0.0/16 via {HOST_A}")
    b.serve_udp(7000)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        if not _read(network):
            network.misses.append("app gets no file by TFTP")
        network["A/app"].ask(HOST_B, 7000)


def _read(network: NodeNetwork) -> bool:
    """One file of one block: was it read?"""
    with _udp(network, "B", 69) as server, _udp(network, "A/app", 0) as client:
        for _ in range(ATTEMPTS):
            client.sendto(READ, (HOST_B, 69))
            _, asker = server.recvfrom(512)
            with _udp(network, "B", 0) as transfer, contextlib.suppress(TimeoutError):
                transfer.sendto(DATA, asker)
                _, other_port = client.recvfrom(1024)
                client.sendto(ACK, other_port)
                transfer.recvfrom(512)
                return True
    return False


def _udp(network: NodeNetwork, node: str, port: int) -> socket.socket:
    made = network[node].namespace.new_socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE)
    made.bind(("0.0.0.0", port))
    return made

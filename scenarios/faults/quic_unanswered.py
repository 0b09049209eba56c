"""quic-unanswered: a firewall at the server drops UDP 443, and lets TCP 443 pass

    app 172.17.0.2 ── docker0  A  ens33 ──── B  udp 443, tcp 443

Sends   app to B's port 443: the first datagrams of QUIC, for two connections; by HTTP, twice.
"""

from __future__ import annotations

import contextlib
import os
import socket

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_B, NodeNetwork, Points

FINDING = "quic-unanswered"
BREAKS = Change("B", "iptables -A INPUT -p udp --dport 443 -j DROP")
NEEDS_PROGRAMS = ("iptables",)

VERSION = b"\0\0\0\1"  # RFC 9000
SIZE = 1200  # octets of a datagram with a client's Initial, at least (section 14.1)
TIMEOUTS = 0.3, 0.6, 1.2  # seconds: the probe timeout, which doubles (RFC 9002 section 6.2)


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", "172.17.0.2")
    a.masquerade()
    b.serve_udp(443, lambda question: _initial(question[6:14], 0xC1))
    b.serve_tcp(443)
    return [app.point("eth0"), a.point("docker0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        if not _asks(network):
            network.misses.append("app gets no answer by QUIC")
        network["A/app"].get(HOST_B, 443)


def _asks(network: NodeNetwork) -> bool:
    """Sends an Initial, and again after each timeout: was it answered?"""
    with network["A/app"].namespace.new_socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        connection = os.urandom(8)
        for timeout in TIMEOUTS:
            client.sendto(_initial(connection, 0xC3), (HOST_B, 443))
            client.settimeout(timeout)
            with contextlib.suppress(TimeoutError):
                client.recv(65_535)
                return True
    return False


def _initial(connection: bytes, first: int) -> bytes:
    """A datagram with the long header of an Initial (RFC 9000 section 17.2.2); what it carries is encrypted."""
    header = bytes([first]) + VERSION + bytes([len(connection)]) + connection + b"\0\0\x44\x9e"
    return header + os.urandom(SIZE - len(header))

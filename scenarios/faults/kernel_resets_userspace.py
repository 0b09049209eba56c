"""kernel-resets-userspace: a program speaks TCP through a raw socket, and the kernel resets its connections

    app 172.17.0.2 ── docker0  A  ens33 ──── B  httpd :80

Sends   app to B:80 by HTTP, with a TCP of its own, twice; and with the kernel's, twice.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import HOST_A, HOST_B, NodeNetwork, Points
from capnet.scenario.faults.node import GET

FINDING = "kernel-resets-userspace"
BREAKS = Change("A/app", "iptables -F OUTPUT")
NEEDS_PROGRAMS = ("iptables",)

APP = "172.17.0.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SYN_ACK = SYN | ACK
PATIENCE = 1.5  # seconds
_ports = iter(range(50_001, 50_101))


def build(network: NodeNetwork) -> Points:
    a, b = network.two_hosts()
    app = a.container("app", APP)
    b.run(f"ip route add 172.17.0.0/16 via {HOST_A}")
    b.serve_tcp(80)
    app.run("iptables -A OUTPUT -p tcp --sport 50001:50100 --tcp-flags RST RST -j DROP")
    return [app.point("eth0"), a.point("ens33"), b.point("ens33")]


def send(network: NodeNetwork) -> None:
    for _ in range(2):
        with network["A/app"].namespace.new_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
            raw.settimeout(PATIENCE)
            try:
                _get(raw, next(_ports))
            except OSError as error:
                network.misses.append(f"app, with a TCP of its own: {error}")
        network["A/app"].get(HOST_B)


def _get(raw: socket.socket, port: int) -> None:
    """A web page, by segments of our own. OSError without an answer."""
    raw.sendto(_segment(port, 1000, 0, SYN), (HOST_B, 0))
    seq, ack = 1001, next(begin + 1 for flags, begin, _ in _segments_to(raw, port) if flags & SYN_ACK == SYN_ACK)
    raw.sendto(_segment(port, seq, ack, ACK), (HOST_B, 0))
    raw.sendto(_segment(port, seq, ack, PSH | ACK, GET), (HOST_B, 0))
    seq += len(GET)
    flags, begin, payload = next(each for each in _segments_to(raw, port) if each[0] & RST or each[2])
    if flags & RST:
        raise ConnectionResetError
    ack = begin + len(payload)
    raw.sendto(_segment(port, seq, ack, FIN | ACK), (HOST_B, 0))
    if any(flags & FIN for flags, *_ in _segments_to(raw, port)):
        raw.sendto(_segment(port, seq + 1, ack + 1, ACK), (HOST_B, 0))


def _segments_to(raw: socket.socket, port: int) -> Iterator[tuple[int, int, bytes]]:
    """Flags, sequence number and payload of what B's port 80 sends to a port; OSError when nothing comes any more."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        packet = raw.recv(65_535)
        tcp = packet[(packet[0] & 15) * 4 :]
        source, target, begin = struct.unpack(">HHI", tcp[:8])
        if (source, target) == (80, port):
            yield tcp[13], begin, tcp[(tcp[12] >> 4) * 4 :]
    raise TimeoutError("no answer")


def _segment(port: int, seq: int, ack: int, flags: int, payload: bytes = b"") -> bytes:
    """A segment from a port to B's port 80 (RFC 9293 section 3.1)."""
    head = struct.pack(">HHIIBBHHH", port, 80, seq, ack % (1 << 32), 0x50, flags, 64_240, 0, 0)
    ends = socket.inet_aton(APP) + socket.inet_aton(HOST_B)
    covered = ends + struct.pack(">HH", socket.IPPROTO_TCP, len(head) + len(payload)) + head + payload
    words = struct.unpack(f">{(len(covered) + 1) // 2}H", covered + b"\0" * (len(covered) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head[:16] + struct.pack(">H", ~total & 0xFFFF) + head[18:] + payload

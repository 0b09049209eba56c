"""Associations of SCTP: recorded (`record.py`, `record_without.py` say how), and made for stories."""

from __future__ import annotations

import struct
from pathlib import Path

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named
from tests.stories import Network, Packet, sctp

RECORDED = Path(__file__).parent / "recorded"
INIT, INIT_ACK, ABORT, DATA = 1, 2, 6, 0  # RFC 9260 section 3.2
THERE, BACK = "10.0.0.1:40000 > 10.0.0.2:38412", "10.0.0.2:38412 > 10.0.0.1:40000"


def of_recording(capture: str, name: str) -> Findings:
    """The findings with this name about a recording."""
    return named(analyze(RECORDED / f"{capture}.pcapng").to_dict(), name)


def chunk(kind: int) -> bytes:
    return struct.pack(">BBHIIHHI", kind, 0, 20, 7, 65535, 2, 2, 1)


def ask(net: Network, ends: str = THERE, times: int = 1) -> Packet:
    """INITs, 3 s apart."""
    packet = sctp(ends, chunk(INIT))
    for number in range(times):
        net.pass_by(*((point, packet.but(ident=number + 1)) for point in net.points), gap=3e6)
    return packet


def answer(net: Network, kind: int, ends: str = BACK) -> None:
    net.pass_by(*((point, sctp(ends, chunk(kind))) for point in net.points))

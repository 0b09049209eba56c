"""Packets that scapy builds, for findings that depend on payloads and checksums."""

from __future__ import annotations

from pathlib import Path

from scapy.utils import wrpcap

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named

MAC_1, MAC_2 = "06:11:00:00:00:0a", "02:00:c0:a8:6f:81"
CLIENT, SERVER = "192.168.111.10", "192.168.111.129"


def of_packets(folder: Path, name: str, *packets: object) -> Findings:
    """The findings with this name about a capture of these scapy packets."""
    path = folder / "made.pcap"
    wrpcap(str(path), list(packets))
    return named(analyze(path).to_dict(), name)

"""One MAC with many addresses: what goes through all flows or all addresses is done as often for 600 as for 300."""

import struct
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from capnet.analysis.engine import analyze
from capnet.analysis.facts import stations
from capnet.analysis.facts.layer2.model import SharedMac, unicast
from capnet.topology import Host, Interface, Topology
from capnet.wire.addresses import mac_value
from tests.bench.floods import FLOODS, write

# One goes through all flows, one sorts all addresses of a MAC.
WHOLE = (unicast.__code__, SharedMac.ips.func.__code__)


def _udp(number: int) -> bytes:
    """One station speaks for one more address, to one more address."""
    ends = struct.pack("!II", 0x0B000000 + number * 257, 0x0C000000 + number * 509)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1 + number, 0, 64, 17, 0) + ends
    return b"\2\0\0\0\0\2" + b"\2\0\0\0\0\1" + b"\x08\0" + ip + struct.pack("!HHHH", 1024 + number, 53, 8, 0)


def _passes(path: Path, count: int) -> int:
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(count):
            data = _udp(number)
            file.write(struct.pack("<IIII", 1_700_000_000, number * 100, len(data), len(data)) + data)
    passes = 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal passes
        passes += event == "call" and frame.f_code in WHOLE

    sys.setprofile(note)
    try:
        report = analyze([path], compiled=False)
    finally:
        sys.setprofile(None)
    assert report.inputs[0].packets == count
    return passes


def test_more_addresses_of_a_mac_cost_no_more_passes(tmp_path: Path) -> None:
    few, many = (_passes(tmp_path / f"{count}.pcap", count) for count in (300, 600))
    assert 0 < few == many


def test_long_topology_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once for each station: 8,000 stations and a topology of 640 KiB took more than a minute."""
    interfaces = [Interface(f"e{n}", n, f"02:42:00:00:00:{n:02x}", [f"10.0.0.{n}/8"]) for n in range(200)]
    write(tmp_path / "it.pcap", FLOODS["macs"](300))
    interfaces[0].mac = (
        analyze(tmp_path / "it.pcap", compiled=False).stations[0].mac
    )  # else it does not fit the capture
    looked_at: list[str] = []
    monkeypatch.setattr(stations, "mac_value", lambda text: (looked_at.append(text), mac_value(text))[1])
    report = analyze(tmp_path / "it.pcap", Topology(hosts=[Host("h", "", "", interfaces)]), compiled=False)
    assert len(report.stations) == 600
    assert len(looked_at) == 200

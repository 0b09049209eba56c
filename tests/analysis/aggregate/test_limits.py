"""A flood of invented addresses costs no more than a bound, the report says so, and what is real stays in it.

The floods are those of tests.bench.floods, with a few hundred frames, and bounds that are as many times smaller.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from capnet import analyze
from capnet.analysis import pipeline
from capnet.analysis.aggregate import limits
from capnet.report.formats.table import render
from tests.bench.floods import FLOODS, frame, ip, udp, write

MAC, PEER = b"\2\x42\xac\x11\0\2", b"\2\x42\xac\x11\0\3"
SEEN = {  # of 400 frames, what there is of each kind, by construction
    "addresses": {"addresses": 800},
    "macs": {"addresses": 800},
    "arps": {"addresses": 400, "arps": 400},
    "claims": {"addresses": 400, "arps": 400},
    "repeated_elsewhere": {"addresses": 800},
    "repeated_macs": {"addresses": 401},
    "vlans": {"addresses": 401},
    "vnis": {"addresses": 1600, "tunnels": 400},
    "names": {"addresses": 800},
    "syns": {"addresses": 401},
    "handshakes": {"addresses": 402},
    "refused": {"addresses": 403},
    "half_translated": {"addresses": 601, "half": 200},
    "half_translated_names": {"half": 200},
    "one_slot": {"addresses": 800},
    "one_bucket": {"addresses": 800},
    "one_bucket_inside": {"addresses": 401, "tunnels": 400, "inside": 800},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_STATIONS", "MAX_ARPS", "MAX_ADDRESSES_INSIDE", "MAX_HALF_TRANSLATIONS"):
        monkeypatch.setattr(limits, limit, 64)
    monkeypatch.setattr(limits, "MAX_TUNNELS", 8)


def arp(sender: bytes, operation: int, target: bytes, ips: tuple[int, int]) -> bytes:
    body = struct.pack("!HHBBH6sI6sI", 1, 0x800, 6, 4, operation, sender, ips[0], target, ips[1])
    return frame(sender, b"\xff" * 6 if operation == 1 else target, 0x806, body)


def conversation() -> list[bytes]:
    """Two stations that ask for each other, answer, and talk: inside VXLAN they are heard as well."""
    one, two = 0xAC110002, 0xAC110003
    said = [arp(MAC, 1, bytes(6), (one, two)), arp(PEER, 2, MAC, (two, one))]
    for number in range(5):
        there = frame(MAC, PEER, 0x800, ip(one, two, 17, udp(5000, 7000, bytes([number])), number + 1))
        back = frame(PEER, MAC, 0x800, ip(two, one, 17, udp(7000, 5000, bytes([number])), number + 1))
        for inner, ends in ((there, (0xC0A86F80, 0xC0A86F81)), (back, (0xC0A86F81, 0xC0A86F80))):
            wrapped = udp(40_000, 4789, b"\x08\0\0\0" + struct.pack("!I", 4097 << 8) + inner)
            said += [inner, frame(b"\2\0\0\0\1\1", b"\2\0\0\0\1\2", 0x800, ip(*ends, 17, wrapped, number + 1))]
    return said


@pytest.mark.by_turns
@pytest.mark.parametrize("name", FLOODS)
def test_flood_above_limits_is_reported(tmp_path: Path, name: str) -> None:
    write(tmp_path / "it.pcap", FLOODS[name](400))
    report = analyze(tmp_path / "it.pcap", compiled=False)
    facts = [each.facts for each in report.findings if each.name == "not-all-looked-at"]
    wanted: dict[str, object] = dict(SEEN.get(name, {}))
    if not wanted:
        assert facts == []
        return
    assert len(facts) == 1
    assert {key: value for key, value in facts[0].items() if not key.endswith("_looked_at")} == wanted
    for key in wanted:
        assert 0 < facts[0][f"{key}_looked_at"] <= (8 if key == "tunnels" else 64)  # type: ignore[operator]


@pytest.mark.by_turns
@pytest.mark.parametrize("name", FLOODS)
def test_flood_hides_no_real_station(tmp_path: Path, name: str) -> None:
    """Both stations with their address, the tunnel with both its directions, no question without its answer."""
    noise = list(FLOODS[name](400))
    write(tmp_path / "it.pcap", iter([*noise[:200], *conversation(), *noise[200:]]))
    report = analyze(tmp_path / "it.pcap", compiled=False)
    stations = {each.mac: each.ips for each in report.stations}
    assert stations["02:42:ac:11:00:02"] == ["172.17.0.2"]
    assert stations["02:42:ac:11:00:03"] == ["172.17.0.3"]
    (tunnel,) = [each for each in report.tunnels if each.vni == 4097]
    assert tunnel.vteps == ["192.168.111.128", "192.168.111.129"]
    assert (tunnel.one_way, tunnel.frames) == (False, 10)
    assert tunnel.inner_ips == ["172.17.0.2", "172.17.0.3"]
    assert "arp-unanswered" not in {each.name for each in report.findings}
    assert report.coverage.frames == 422


def _calls(path: Path) -> int:
    """How many Python functions the steps of the pipeline call, sentences and tables included."""
    calls = 0

    def note(_: FrameType, event: str, __: Any) -> None:
        nonlocal calls
        calls += event == "call"

    def begin(*given: Any) -> Any:
        sys.setprofile(note)
        return run_steps(*given)

    run_steps = pipeline.run_steps
    pipeline.run_steps = begin
    try:
        render(analyze(path, compiled=False).to_dict())
    finally:
        sys.setprofile(None)
        pipeline.run_steps = run_steps
    return calls


@pytest.mark.by_turns
@pytest.mark.parametrize("name", sorted({*FLOODS} - {"repeated"}))
def test_twice_the_flood_costs_no_more_calls(tmp_path: Path, name: str) -> None:
    write(tmp_path / "few.pcap", FLOODS[name](400))
    write(tmp_path / "many.pcap", FLOODS[name](800))
    # Of connections opened by one side alone, each is looked up once; of translations, each is told.
    share = {"handshakes": 1.6, "half_translated": 2.1, "half_translated_names": 2.1, "refused": 2.1}.get(name, 1.2)
    assert _calls(tmp_path / "many.pcap") < share * _calls(tmp_path / "few.pcap")

"""encryption-one-side: recorded on the node that encrypts, beside one that does not."""

from __future__ import annotations

from pathlib import Path
from shutil import copy

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import named

NAME = "encryption-one-side"
RECORDED = Path(__file__).parent / "recorded"


def test_frames_in_clear_that_are_dropped_is_told() -> None:
    report = analyze(RECORDED / "one-side.pcapng").to_dict()
    (finding,) = named(report, NAME)
    assert finding["says"].startswith(
        "network enc is to be encrypted, but its frames cross A/ens33 in clear (VNI 4097), and none comes out of the "
        "tunnel at A/overlay:enc/br0: that host takes encrypted ones only; iptables filter INPUT rule 1 on A dropped"
    )
    assert [each["name"] for each in report["findings"] if each["level"] != "info"] == [NAME]


def test_network_without_the_option_is_silent(tmp_path: Path) -> None:
    """Then it is `tunnel-not-decapsulated`, by whatever rule."""
    for file in ("one-side.pcapng", "one-side.topology.json"):
        copy(RECORDED / file, tmp_path / file)
    topology = tmp_path / "one-side.topology.json"
    topology.write_text(topology.read_text().replace('"encrypted"', '"other"'))
    report = analyze(tmp_path / "one-side.pcapng").to_dict()
    assert not named(report, NAME) and named(report, "tunnel-not-decapsulated")


def test_network_that_encrypts_both_ways_is_silent() -> None:
    assert named(analyze(RECORDED / "healthy.pcapng").to_dict(), NAME) == []

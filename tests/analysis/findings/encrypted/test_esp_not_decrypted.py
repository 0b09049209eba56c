"""esp-not-decrypted: recorded on one node of a swarm, whose kernel counts what it cannot open."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copy

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named

NAME = "esp-not-decrypted"
RECORDED = Path(__file__).parent / "recorded"


def findings(capture: Path) -> Findings:
    return named(analyze(capture).to_dict(), NAME)


def copied(tmp_path: Path, name: str) -> Path:
    for file in (f"{name}.pcapng", f"{name}.topology.json"):
        copy(RECORDED / file, tmp_path / file)
    return tmp_path / f"{name}.pcapng"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("without-key", "B has no key for them (XfrmInNoStates +3)"),
        ("other-key", "B cannot open them with the key that it has (XfrmInStateProtoError +3)"),
    ],
)
def test_esp_that_a_host_cannot_open_is_told(name: str, why: str) -> None:
    (finding,) = findings(RECORDED / f"{name}.pcapng")
    assert finding["level"] == "error"
    assert finding["says"] == (
        "3 ESP packets from 192.168.111.128 to B reach B/ens33, and nothing comes out at B/overlay:enc/br0 and "
        f"B/overlay:enc/vxlan0, inside the encrypted overlay: {why}"
    )
    report = analyze(RECORDED / f"{name}.pcapng").to_dict()
    assert [each["name"] for each in report["findings"] if each["level"] != "info"] == [NAME]


def test_without_counters_is_told_without_cause(tmp_path: Path) -> None:
    (finding,) = findings(copied(tmp_path, "without-key"))
    assert finding["says"].endswith("inside the encrypted overlay") and finding["facts"]["counters"] == {}
    assert finding["level"] == "warning"  # the ESP may be of another VPN


def test_esp_that_the_kernel_has_opened_is_silent(tmp_path: Path) -> None:
    """The counters were asked, and none rose: it is the ESP of another VPN, or is dropped inside."""
    capture = copied(tmp_path, "without-key")
    text = (RECORDED / "without-key.witnesses.json").read_text()
    assert "XfrmInNoStates" in text
    (tmp_path / "without-key.witnesses.json").write_text(text.replace("XfrmInNoStates", "XfrmInNoOther"))
    assert findings(capture) == []


def test_esp_that_comes_out_is_silent() -> None:
    assert findings(RECORDED / "healthy.pcapng") == []


def test_further_encrypted_network_is_silent(tmp_path: Path) -> None:
    """The packets may be of another network, whose device was not captured."""
    capture = copied(tmp_path, "without-key")
    file = tmp_path / "without-key.topology.json"
    topology = json.loads(file.read_text())
    (enc,) = (network for network in topology["networks"] if network["name"] == "enc")
    topology["networks"].append({**enc, "name": "other", "id": "f" * 25, "vni": 4098})
    (right,) = (container for container in topology["containers"] if container["name"] == "right")
    (end,) = (end for end in right["endpoints"] if end["network"] == "enc")
    right["endpoints"].append({**end, "network": "other", "network_id": "f" * 25, "interface": "eth9", "mac": None})
    file.write_text(json.dumps(topology))
    assert findings(capture) == []


def test_network_without_the_option_is_silent(tmp_path: Path) -> None:
    capture = copied(tmp_path, "without-key")
    file = tmp_path / "without-key.topology.json"
    file.write_text(file.read_text().replace('"encrypted"', '"other"'))
    assert findings(capture) == []

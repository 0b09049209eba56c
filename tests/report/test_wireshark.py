"""Display filters: as text, and (when tshark is there) as what tshark finds in the golden captures."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from capnet.report import wireshark
from capnet.wire.protocols import TUNNEL_KINDS
from tests.report import sample

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")


def test_nat_filter_uses_the_end_that_stayed():
    snat, dnat, icmp = sample.bridge().to_dict()["nat"]
    assert wireshark.nat(snat) == "ip.addr == 192.168.111.129 && tcp.port == 7000 && tcp.port == 5555"
    assert wireshark.nat(dnat) == "ip.addr == 192.168.111.129 && tcp.port == 51514 && tcp.port in {80, 8080}"
    assert wireshark.nat(icmp) == "ip.addr == 192.168.111.129 && icmp.ident in {4242, 51554}"


def test_nat_filter_of_both_ends_has_both_forms():
    row = sample.bridge().to_dict()["nat"][0]
    row["after"] = {"src": "172.17.0.1", "sport": 5555, "dst": "172.17.0.2", "dport": 80, "point": "A/docker0"}
    assert wireshark.nat(row) == (
        "(ip.addr == 172.17.0.3 && ip.addr == 192.168.111.129 && tcp.port == 5555 && tcp.port == 7000)"
        " || (ip.addr == 172.17.0.1 && ip.addr == 172.17.0.2 && tcp.port == 5555 && tcp.port == 80)"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "vxlan.vni == 4097"),
        ({"port": 8472}, "udp.port == 8472 && ip.addr == 192.168.111.128 && ip.addr == 192.168.111.129"),
        ({"kind": "geneve", "vni": 5, "port": 6081}, "geneve.vni == 5"),
        (
            {"kind": "gre", "vni": 0x12345678},
            "gre.key == 305419896 && ip.addr == 192.168.111.128 && ip.addr == 192.168.111.129",
        ),
        (
            {"kind": "gre", "vni": 7},
            "(gre.key == 7 || gre.key.call_id == 7 || erspan.spanid == 7)"
            " && ip.addr == 192.168.111.128 && ip.addr == 192.168.111.129",
        ),
        ({"kind": "esp", "vni": None}, "esp && ip.addr == 192.168.111.128 && ip.addr == 192.168.111.129"),
        (
            {"kind": "ipip", "vni": None, "vteps": ["fd00::1", "fd00::2"]},
            "(ip.proto in {4, 41} || ipv6.nxt in {4, 41} || ipv6.dstopts.nxt in {4, 41} || ah.next_header in {4, 41})"
            " && ipv6.addr == fd00::1 && ipv6.addr == fd00::2",
        ),
    ],
)
def test_tunnel_filter_of_each_kind(change, expected):
    assert wireshark.tunnel(sample.overlay().to_dict()["tunnels"][0] | change) == expected


def test_best_filter_shows_the_worst_finding():
    assert wireshark.best(sample.overlay().to_dict()) == ("mtu-blackhole", "frame.number in {17, 19}")
    assert wireshark.best(sample.overlay().to_dict(only=["tunnels"])) == ("the vxlan tunnel", "vxlan.vni == 4097")
    assert wireshark.best(sample.empty().to_dict()) is None


def found_by_tshark(capture: Path, display_filter: str) -> set[int]:
    done = subprocess.run(
        ["tshark", "-r", capture, "-Y", display_filter, "-T", "fields", "-e", "frame.number"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return {int(line) for line in done.stdout.split()}


@needs_tshark
@pytest.mark.parametrize("name", ["bridge", "overlay"])
def test_tshark_finds_evidence_by_filter(name):
    from capnet.analysis.engine import analyze

    capture = PCAPS / f"{name}.pcapng"
    plain = json.loads(json.dumps(analyze([capture]).to_dict()))
    assert plain["nat"]
    for row, display_filter in [
        *((row, wireshark.nat(row)) for row in plain["nat"]),
        *((row, wireshark.tunnel(row)) for row in plain["tunnels"]),
        *((row, wireshark.flow(row["proto"], row["flow"])) for row in plain["paths"][:4]),
    ]:
        frames = found_by_tshark(capture, display_filter)
        first = row["evidence"][0]["frame"] if "flow" in row else None
        expected = {first} if first else {each["frame"] for each in row["evidence"]}
        assert expected <= frames, display_filter


@needs_tshark
@pytest.mark.parametrize(
    "display_filter",
    [
        wireshark.flow("icmpv6", {"src": "fd00::1", "sport": None, "dst": "fd00::2", "dport": None, "id": 3}),
        wireshark.flow("sctp", {"src": "10.0.0.1", "sport": 1, "dst": "10.0.0.2", "dport": 2}),
        *(
            wireshark.tunnel({"kind": kind.name, "vni": vni, "port": None, "vteps": ["10.0.0.1", "10.0.0.2"]})
            for kind in TUNNEL_KINDS
            for vni in (None, 9)
        ),
        wireshark.frames([{"frame": 3}, {"frame": 1}]),
    ],
)
def test_tshark_takes_every_form_of_filter(display_filter):
    found_by_tshark(PCAPS / "bridge.pcapng", display_filter)

"""Display filters: as text, and (when tshark is there) as what tshark finds in the golden captures."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from capnet.report import wireshark
from capnet.report.drawing import routes
from capnet.wire.protocols import TUNNEL_KINDS
from tests.conftest import GOLDENS
from tests.report import sample
from tests.report.golden_documents import document

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
        "ip.addr in {172.17.0.3, 172.17.0.1} && ip.addr in {192.168.111.129, 172.17.0.2}"
        " && tcp.port == 5555 && tcp.port in {80, 7000}"
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
            "(gre.key == 7 || gre.key.call_id == 7) && ip.addr == 192.168.111.128 && ip.addr == 192.168.111.129",
        ),
        (
            {"kind": "erspan", "vni": 7},
            "erspan.spanid == 7 && ip.addr == 192.168.111.128 && ip.addr == 192.168.111.129",
        ),
        ({"kind": "esp", "vni": None}, "esp && ip.addr == 192.168.111.128 && ip.addr == 192.168.111.129"),
        (
            {"kind": "ipip", "vni": None, "vteps": ["fd00::1", "fd00::2"]},
            "(ip.proto == 4 || ipv6.nxt == 4 || ipv6.dstopts.nxt == 4 || ah.next_header == 4)"
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


def counted_by_tshark(capture: Path, filters: list[str], decode_as: str) -> list[int]:
    """How many frames each filter selects; the filters are counted in one run, which needs them without commas."""
    plain = [re.sub(r"([\w.]+) in \{([\da-f.:, ]+)\}", _alternatives, text) for text in filters]
    words = [part for text in plain for part in ("-z", f"io,stat,0,{text}")]
    words = ["tshark", "-q", "-r", str(capture), *decode_as.split(), *words]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    counts = [int(count) for count in re.findall(r"<> .*?\|\s*(\d+) \|", done.stdout)]
    return counts[::-1]  # the last filter is printed first


def _alternatives(match: re.Match[str]) -> str:
    return "(" + " || ".join(f"{match[1]} == {value}" for value in match[2].split(", ")) + ")"


@pytest.mark.by_turns
@needs_tshark
@pytest.mark.parametrize("capture", GOLDENS, ids=lambda path: path.stem)
def test_suggested_filters_select_their_evidence(capture):
    """Every filter of a page: of translations, tunnels, and paths that are drawn as one.

    Of paths, all packets at all points, in both directions.
    """
    plain = document(capture)
    groups = routes.same_route([path for path in plain["paths"] if len(path["hops"]) > 1])
    suggested = [
        *((wireshark.nat(row), row["evidence"], 0) for row in plain["nat"]),
        *((wireshark.tunnel(row), row["evidence"], row["frames"]) for row in plain["tunnels"]),
        *((wireshark.paths(group).text, frames_of(group), packets_of(group)) for group in groups),
    ]
    filters = [text for text, _, _ in suggested]
    of_evidence = [f"({text}) && ({wireshark.frames(evidence)})" for text, evidence, _ in suggested]
    counts = counted_by_tshark(capture, filters + of_evidence, wireshark.decode_as(plain)) if suggested else []
    for (text, evidence, least), total, selected in zip(
        suggested, counts[: len(filters)], counts[len(filters) :], strict=True
    ):
        assert selected == len({each["frame"] for each in evidence}), text
        assert total >= least, text


def frames_of(group: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [frame for path in group for frame in path["evidence"]]


def packets_of(group: list[dict[str, Any]]) -> int:
    """Packets of these paths at all their points; points of one path are different interfaces."""
    return sum(hop["packets"] for path in group for hop in path["hops"])


def test_path_filter_has_every_form_of_each_flow():
    """The first hop's form alone finds no packet that was translated."""
    first, second = sample.bridge().to_dict()["paths"][:2]
    text = wireshark.paths([first, second]).text
    for hop in (*first["hops"], *second["hops"]):
        assert wireshark.address(hop["src"]) in text and wireshark.address(hop["dst"]) in text


def test_path_filter_of_many_flows_is_wider():
    path = sample.bridge().to_dict()["paths"][0]
    many = [{**path, "hops": [{**hop, "sport": 5000 + number} for hop in path["hops"]]} for number in range(40)]
    found = wireshark.paths(many)
    assert found.is_wider and len(found.text) < 400
    assert not wireshark.paths(many[:2]).is_wider


@pytest.mark.by_turns
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

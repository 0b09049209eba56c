"""ptp: pods of Calico, recorded; and what is routed between two bridges, which is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import Source, analyze
from capnet.report.formats import render
from capnet.topology import Topology
from tests.analysis.facts.models.stations import MAC_1, MAC_2, B, arp_everywhere, likely, weights
from tests.conftest import PROJECT
from tests.stories import Network, ping
from tests.story_reports import read

RECORDED = PROJECT / "tests" / "analysis" / "findings" / "recorded" / "routed-pods"
APP, OTHER = "10.90.2.14", "10.90.2.20"
VETH, VETH_2 = "02:00:00:00:0a:01", "02:00:00:00:0a:02"  # the host's ends
FIRST, SECOND = "10.244.1.2", "10.244.1.3"


def recorded(*points: str) -> dict[str, Any]:
    files = points or ("node__veth-app.pcap", "node__veth-other.pcap")
    return analyze([Source(RECORDED / name) for name in files]).to_dict()


def routed(net: Network, *, gateways: tuple[str, str], servers: str = SECOND, ttl: int = 63) -> None:
    """FIRST pings over its own veth; the host passes it on over another one, with a MAC of its own there."""
    for point, mac, gateway in zip(("if0", "if1"), (VETH, VETH_2), gateways, strict=True):
        arp_everywhere(net, [point], mac, gateway, FIRST if point == "if0" else servers, operation=2)
    for number in range(1, 4):
        request = ping(f"{FIRST} > {servers}", 7, number, ident=number, smac=MAC_1, dmac=VETH)
        net.pass_by(("if0", request), ("if1", request.but(ttl=ttl, smac=VETH_2, dmac=MAC_2)))
        answer = ping(f"{servers} > {FIRST}", 7, number, icmp=(0, 0), ident=number + 9, smac=MAC_2, dmac=VETH_2)
        net.pass_by(("if1", answer), ("if0", answer.but(ttl=ttl, smac=VETH, dmac=MAC_1)))


@pytest.mark.parametrize("point", ["node__veth-app.pcap", "node__veth-other.pcap"])
def test_one_veth_of_calico_is_enough(point: str) -> None:
    """Who is a pod is told as well: what sends to the MAC that Calico gives its veths."""
    report = recorded(point)
    assert likely(report) == ["ptp"]
    ip = APP if "app" in point else OTHER
    kinds = {station["kind"]: (station["mac"], station["ips"]) for station in report["stations"]}
    assert kinds["container"][1] == [ip]
    assert kinds["host"][0] == "ee:ee:ee:ee:ee:ee"


def test_summary_says_that_pods_are_routed() -> None:
    files = [Source(RECORDED / f"node__veth-{pod}.pcap") for pod in ("app", "other")]
    text = " ".join(render(analyze(files)).split())
    assert "talk to each other, routed (TTL lowered by 1): no NAT, no encapsulation. There is no bridge" in text


def test_name_of_a_veth_shows_a_routed_pod(tmp_path: Path) -> None:
    net = Network(["node/cali0123456789a"])
    net.pass_by((net.points[0], ping(f"{FIRST} > {B}", 7, 1, ident=1, smac=MAC_1, dmac=VETH)))
    assert likely(read(net, tmp_path)) == ["ptp"]


def test_gateway_with_a_mac_at_each_veth_is_told(tmp_path: Path) -> None:
    """Nothing shows containers here: virtual machines are joined so as well."""
    net = Network(["if0", "if1"])
    routed(net, gateways=("10.244.1.1", "10.244.1.1"))
    report = read(net, tmp_path)
    assert weights(report) == {"gateway-at-each-veth"}
    assert likely(report) == []


def test_two_bridges_are_silent(tmp_path: Path) -> None:
    net = Network(["if0", "if1"])
    routed(net, gateways=("10.244.1.1", "10.244.2.1"), servers="10.244.2.2")
    assert read(net, tmp_path)["models"] == []


def test_pod_that_is_silent_is_not_without_a_network(tmp_path: Path) -> None:
    """Docker runs its container with `--network none`: a plugin of CNI gives it one."""
    topology = Topology.load(PROJECT / "pcaps" / "cni-ptp.topology.json")
    silent = tmp_path / "silent.pcap"
    silent.write_bytes((RECORDED / "node__veth-app.pcap").read_bytes()[:24])
    assert analyze(silent, topology).models == []


def test_host_with_calicos_mac_is_no_gateway(tmp_path: Path) -> None:
    """A MAC that was made up: it forwards for none, and has no address of a gateway."""
    net = Network(["if0"])
    for number in range(1, 4):
        calico = "ee:ee:ee:ee:ee:ee"
        net.pass_by(("if0", ping(f"{FIRST} > {SECOND}", 7, number, ident=number, smac=MAC_1, dmac=calico)))
        answer = ping(f"{SECOND} > {FIRST}", 7, number, icmp=(0, 0), ident=number + 9, smac=calico, dmac=MAC_1)
        net.pass_by(("if0", answer))
    report = read(net, tmp_path)
    assert report["models"] == []
    assert {station["kind"] for station in report["stations"]} == {"unknown"}

"""Containers behind pasta and slirp4netns.

rootless-podman.pcapng was recorded by `capnet capture web slirp` as root, of rootless podman 5.4.2 in a network
namespace: web is behind pasta with port 18080 → 80, slirp behind slirp4netns with 18082 → 80. A host with the
addresses 192.168.111.1 and .129 asked both by HTTP, and both asked it. tshark shows at P/web/ens33 that one MAC,
9a:55:9a:55:9a:55, answers ARP for each of the two, and at P/slirp/lo the connection that rootlessport made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from capnet.analysis.core.contract.document import Document
from capnet.analysis.engine import analyze
from capnet.report.summary import topics
from capnet.report.words import Words
from tests.stories import Network, arp, tcp
from tests.story_reports import read

RECORDED = Path(__file__).with_name("rootless-podman.pcapng")
PASTA, SLIRP = "9a:55:9a:55:9a:55", "52:55:0a:00:02:02"


@pytest.fixture(params=["with its topology", "alone"])
def report(request: pytest.FixtureRequest, tmp_path: Path) -> Document:
    if request.param == "alone":
        return analyze(shutil.copy(RECORDED, tmp_path)).to_dict()
    return analyze(RECORDED).to_dict()


def test_process_is_no_container_and_owns_no_address(report: Document) -> None:
    stations = {row["mac"]: (row["kind"], row["names"]) for row in report["stations"]}
    assert stations[PASTA] == ("router", ["pasta"]) and stations[SLIRP] == ("router", ["slirp4netns"])
    roles = {mac: row["verdict"] for row in report["macs"] for mac in row["macs"]}
    assert roles[PASTA] == roles[SLIRP] == "router"
    containers = {row["mac"] for row in report["stations"] if row["kind"] == "container"}
    assert containers == {"ee:7c:1e:40:23:29", "ba:0d:dd:3c:52:6e"}


def test_rootlessport_is_no_second_container() -> None:
    """It connects to slirp's port over slirp's own loopback."""
    report = analyze(RECORDED).to_dict()
    assert "container" not in {row["model"] for row in report["models"]}
    (who,) = dict(topics(report, Words.of(report)))["Who"]
    assert who.startswith("slirp and web are behind pasta and slirp4netns, processes that open connections")


def test_no_finding_of_an_address_that_host_and_container_have(report: Document) -> None:
    assert {row["name"] for row in report["findings"]} <= {"checksum-offload"}


def test_mac_of_a_host_with_two_addresses_is_its_own(tmp_path: Path) -> None:
    """What looks alike at the interface of a container on a bridge."""
    mac, web = "9a:55:9a:55:9a:56", "ee:7c:1e:40:23:29"
    net = Network(["A/web/eth0"])
    for other in ("10.0.0.1", "10.0.0.129"):
        net.at(net.now, "A/web/eth0", arp(1, web, "10.0.0.128", other))
        net.at(net.now + 5, "A/web/eth0", arp(2, mac, other, "10.0.0.128", to=web))
        net.pass_by(("A/web/eth0", tcp(f"10.0.0.128:4000 > {other}:80", smac=web, dmac=mac)))
        net.pass_by(("A/web/eth0", tcp(f"{other}:80 > 10.0.0.128:4000", smac=mac, dmac=web)))
    report = read(net, tmp_path)
    assert {row["mac"]: row["ips"] for row in report["stations"]}[mac] == ["10.0.0.1", "10.0.0.129"]
    assert "behind" not in str(topics(report, Words.of(report)))

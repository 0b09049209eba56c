"""What a station is: a container, a bridge's own interface, a host."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.conftest import PROJECT
from tests.stories import Network, arp, ping, udp
from tests.story_reports import read

POD = "10.244.1.3"
POD_MAC, STATION_MAC = "8e:b6:cb:66:54:22", "ea:ac:98:c4:44:5c"


@pytest.mark.parametrize(
    ("target", "station", "kind"),
    [
        ("10.96.0.10", "10.244.1.7", "bridge"),
        ("10.244.1.9", "10.244.1.7", "container"),
        ("10.244.1.9", "10.244.1.1", "bridge"),
    ],
    ids=["forwards", "has had the address before", "has the first address"],
)
def test_station_asked_to_forward_is_a_gateway(tmp_path: Path, target: str, station: str, kind: str) -> None:
    """Nothing comes back through it. The first address of a container network is the bridge's own."""
    net = Network(["A/cni0"])
    for number in range(3):
        net.at(net.now, "A/cni0", arp(1, POD_MAC, POD, station))
        net.at(net.now + 5, "A/cni0", arp(2, STATION_MAC, station, POD, to=POD_MAC))
        net.pass_by(("A/cni0", udp(f"{POD}:4000 > {target}:53", b"%d" % number, smac=POD_MAC, dmac=STATION_MAC)))
        net.pass_by(("A/cni0", ping(f"{station} > {POD}", 1, number, smac=STATION_MAC, dmac=POD_MAC)))
    kinds = {row["mac"]: row["kind"] for row in read(net, tmp_path)["stations"]}
    assert (kinds[POD_MAC], kinds[STATION_MAC]) == ("container", kind)


@pytest.mark.parametrize("golden", ["bridge", "overlay", "bridge-user-defined", "cni-bridge"])
def test_hosts_end_of_a_veth_is_no_container_without_a_topology(tmp_path: Path, golden: str) -> None:
    """It asks for routers by its link-local address, as a container does; the golden's topology says whose it is."""
    shutil.copy(PROJECT / "pcaps" / f"{golden}.pcapng", tmp_path)
    topology = json.loads((PROJECT / "pcaps" / f"{golden}.topology.json").read_text())
    containers = {each["mac"] for container in topology["containers"] for each in container["endpoints"]}
    stations = analyze(tmp_path / f"{golden}.pcapng").stations
    assert {row.mac for row in stations if row.kind == "container"} <= containers

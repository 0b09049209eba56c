"""What a station is: a container, a bridge's own interface, a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import Network, arp, ping, udp
from tests.story_reports import read

POD, GATEWAY = "10.244.1.3", "10.244.1.1"
POD_MAC, GATEWAY_MAC = "8e:b6:cb:66:54:22", "ea:ac:98:c4:44:5c"


@pytest.mark.parametrize(("target", "kind"), [("10.96.0.10", "bridge"), ("10.244.1.9", "container")])
def test_station_asked_to_forward_is_a_gateway(tmp_path: Path, target: str, kind: str) -> None:
    """Nothing comes back through it. Of packets for its own network, it may have had the address before."""
    net = Network(["A/cni0"])
    for number in range(3):
        net.at(net.now, "A/cni0", arp(1, POD_MAC, POD, GATEWAY))
        net.at(net.now + 5, "A/cni0", arp(2, GATEWAY_MAC, GATEWAY, POD, to=POD_MAC))
        net.pass_by(("A/cni0", udp(f"{POD}:4000 > {target}:53", b"%d" % number, smac=POD_MAC, dmac=GATEWAY_MAC)))
        net.pass_by(("A/cni0", ping(f"{GATEWAY} > {POD}", 1, number, smac=GATEWAY_MAC, dmac=POD_MAC)))
    kinds = {row["mac"]: row["kind"] for row in read(net, tmp_path)["stations"]}
    assert (kinds[POD_MAC], kinds[GATEWAY_MAC]) == ("container", kind)

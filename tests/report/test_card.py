"""The card of a container. Truth: the topology beside a golden, by docker inspect, and the connection tables in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.analysis.facts.nat.conntrack import parse
from capnet.report.card.card import Card, card
from capnet.report.card.text import render
from capnet.report.text import columns
from capnet.topology import Topology, topology_path
from tests.conftest import GOLDENS, PROJECT

BRIDGE = PROJECT / "pcaps" / "bridge.pcapng"


def card_of(path: Path, name: str) -> Card:
    made = card(analyze(path).to_dict(), name)
    assert made is not None
    return made


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_card_has_the_addresses_that_docker_has(path: Path) -> None:
    """Of those, all that the report names; no address or MAC of another container."""
    document = analyze(path).to_dict()
    topology = Topology.load(topology_path(path))
    for container in topology.containers:
        made = card(document, container.name)
        if made is None:
            continue
        addresses = {address.split("/")[0] for each in container.endpoints for address in each.addresses}
        macs = {each.mac for each in container.endpoints}
        assert set(made.addresses) <= addresses
        if "ipvlan" not in path.stem and container.endpoints:
            assert set(made.macs) <= macs


def test_card_appears_as_conntrack_says() -> None:
    topology = Topology.load(topology_path(BRIDGE))
    entries = [entry for host in topology.hosts for line in host.conntrack if (entry := parse(line))]
    seen = {entry.after.src for entry in entries if entry.before.src == "172.17.0.3" != entry.after.src}
    (line,) = card_of(BRIDGE, "bbox").appears_as
    assert seen == {"192.168.111.128"} and line == "A (192.168.111.128), to B (source NAT, tcp, icmp and udp)"
    assert card_of(BRIDGE, "web").appears_as == []


def test_card_has_the_published_port() -> None:
    web = card_of(BRIDGE, "web")
    assert web.ports == ["80/tcp, published as A:8080: 2 of 2 flows answered"]
    assert web.reached_by == [
        "tcp from bbox, at web:80: answered", "tcp from B, at A:8080, translated to port 80: answered",
    ]  # fmt: skip
    assert web.fails == []


def test_card_by_address_is_that_of_its_name() -> None:
    assert card_of(BRIDGE, "172.17.0.2") == card_of(BRIDGE, "web")


def test_card_says_where_it_fails() -> None:
    path = PROJECT / "pcaps" / "faults" / "stops-between.pcapng"
    app = card_of(path, "app")
    assert app.reaches == ["tcp to B:80: stops at A/docker0, due at A/ens33"]
    assert app.fails[0].startswith("error stops-between: ")
    assert card_of(path, "other").fails == []


def test_card_has_the_mtu_that_a_router_names() -> None:
    """pmtu-icmp-lost: the router's link has 1300 bytes, and web's answers are larger."""
    web = card_of(PROJECT / "pcaps" / "faults" / "pmtu-icmp-lost.pcapng", "web")
    (line,) = web.mtu
    assert line == "router answers 'fragmentation needed': packets from web to client may have at most 1300 bytes"
    (lost,) = web.reaches
    assert lost.startswith("tcp answers of port 80 to client: ") and "lost" in lost
    assert card_of(BRIDGE, "web").mtu == []


def test_card_names_have_their_addresses() -> None:
    assert card_of(BRIDGE, "web").legend == [("A", "192.168.111.128"), ("B", "192.168.111.129"), ("bbox", "172.17.0.3")]
    assert "\nNames  B 192.168.111.129 · web 172.17.0.2\n" in render(card_of(BRIDGE, "bbox"))


def test_two_containers_with_one_address_are_kept_apart() -> None:
    """overlay: left on host A and right on host B both have 172.20.0.3 on docker_gwbridge."""
    path = PROJECT / "pcaps" / "overlay.pcapng"
    left, right = card_of(path, "left"), card_of(path, "right")
    assert any(line.startswith("A (") for line in left.appears_as)
    assert all(line.startswith("B (") for line in right.appears_as)
    assert all(line.startswith("A (") for line in left.appears_as)


def test_nobody_has_no_card() -> None:
    assert card(analyze(BRIDGE).to_dict(), "nobody") is None
    command = [sys.executable, "-m", "capnet", "explain", "wbe", str(BRIDGE)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 2 and "did you mean web?" in done.stderr


@pytest.mark.parametrize("width", [60, 100])
def test_card_fits(width: int) -> None:
    for name in ("web", "bbox"):
        assert max(map(columns, render(card_of(BRIDGE, name), width).splitlines())) <= width


def test_card_of_a_failing_flow_does_not_deny_it() -> None:
    """B has no finding of its own, but its SYNs are not answered."""
    made = card_of(PROJECT / "pcaps" / "faults" / "docker-user-drop.pcapng", "B")
    assert made.fails == [] and "no answer" in made.reaches[0]
    assert "fails" not in render(made)
    assert "Nothing that was captured of it fails." in render(card_of(BRIDGE, "web"))

"""container-routed-away: routes of a VPN that take the addresses of a Docker network. Recorded with a tun device."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.engine import analyze
from capnet.topology import topology_path
from tests.analysis.findings.reported import Findings, named, of_capture
from tests.conftest import PROJECT

NAME = "container-routed-away"
RECORDED = "tests/analysis/facts/kernel/recorded"
ANSWERS = "vpn-over-network-answers"
WITHOUT_ADDRESS = "bridge-without-address"


def above_info(name: str) -> list[str]:
    report = analyze(PROJECT / RECORDED / f"{name}.pcapng").to_dict()
    return [finding["name"] for finding in report["findings"] if finding["level"] != "info"]


@pytest.mark.parametrize(
    ("name", "container", "address", "packets"),
    [("vpn-over-network", "web", "192.168.112.2", 6), (ANSWERS, "cli", "192.168.112.3", 8)],
)
def test_container_behind_a_route_of_the_vpn_is_told(name: str, container: str, address: str, packets: int) -> None:
    """SYNs for a published port, and answers to what the container asked; nothing else is said of them."""
    (finding,) = of_capture(f"{RECORDED}/{name}.pcapng", NAME)
    facts = finding["facts"]
    assert (facts["container"], facts["address"], facts["packets"]) == (container, address, packets)
    assert (facts["host"], facts["point"], facts["bridge"], facts["network"]) == (
        "A", "A/tun0", "br-0c118f32c8d1", "front",
    )  # fmt: skip
    assert above_info(name) == [NAME]


def test_container_of_a_bridge_without_its_address_is_told() -> None:
    """The default route leads the packets back out of the interface that they came in by."""
    findings = of_capture(f"{RECORDED}/{WITHOUT_ADDRESS}.pcapng", NAME)
    facts = [finding["facts"] for finding in findings]
    assert [(each["container"], each["packets"], each["missing_address"]) for each in facts] == [
        ("cli", 4, "172.21.0.1"), ("web", 3, "172.21.0.1"),
    ]  # fmt: skip
    assert all("has no address of 172.21.0.0/16" in finding["says"] for finding in findings)
    assert all(finding["fix"].startswith("`ip address add 172.21.0.1/16 dev br-") for finding in findings)
    assert set(above_info(WITHOUT_ADDRESS)) == {NAME}


def test_packets_sent_back_with_the_bridge_in_order_is_silent(tmp_path: Path) -> None:
    """The bridge has its address: something else leads them back, a bridge that is down for example."""
    assert altered(with_address, tmp_path, WITHOUT_ADDRESS) == []
    assert of_capture(f"{RECORDED}/bridge-down.pcapng", NAME) == []


def test_same_network_without_the_route_is_silent() -> None:
    assert of_capture(f"{RECORDED}/vpn-over-network.healthy.pcapng", NAME) == []
    assert above_info("vpn-over-network.healthy") == []


def with_address(topology: dict[str, Any]) -> None:
    """The bridge has its address."""
    for interface in topology["hosts"][0]["interfaces"]:
        if interface["name"] == "br-30990234e58c":
            interface["addresses"].append("172.21.0.1/16")


def without_container(topology: dict[str, Any]) -> None:
    """The address is not known to be a container's: it may be of the VPN."""
    topology["containers"] = [each for each in topology["containers"] if each["name"] != "web"]


def on_macvlan(topology: dict[str, Any]) -> None:
    """Its packets leave by the card."""
    for container in topology["containers"]:
        for endpoint in container["endpoints"]:
            endpoint["kind"] = "macvlan"


def of_other_host(topology: dict[str, Any]) -> None:
    """Another host has the same network; its container is behind the tunnel."""
    for container in topology["containers"]:
        container["host"] = "C"
    topology["hosts"].append({**topology["hosts"][0], "name": "C"})


@pytest.mark.parametrize("alter", [without_container, on_macvlan, of_other_host])
def test_address_of_no_own_bridge_is_silent(alter: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    assert altered(alter, tmp_path) == []


def altered(alter: Callable[[dict[str, Any]], None], folder: Path, name: str = "vpn-over-network") -> Findings:
    source = PROJECT / RECORDED / f"{name}.pcapng"
    path = Path(shutil.copy(source, folder))
    topology = json.loads(topology_path(source).read_text(encoding="utf-8"))
    alter(topology)
    topology_path(path).write_text(json.dumps(topology), encoding="utf-8")
    return named(analyze(path).to_dict(), NAME)

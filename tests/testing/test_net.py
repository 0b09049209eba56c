"""Assertions on stored captures. Truth: the scenarios' own descriptions (docs/scenarios.md) and conntrack's entries."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.findings import finding_modules
from capnet.scenario.faults.library import load
from capnet.testing import CannotTell, Net, NoSuchFlow, net_of
from capnet.topology import topology_path
from tests.conftest import PROJECT

PCAPS = PROJECT / "pcaps"


def net(name: str) -> Net:
    return net_of(PCAPS / f"{name}.pcapng")


@pytest.mark.parametrize(
    ("capture", "source", "destination", "is_translated", "is_kept"),
    [
        ("bridge", "B", "A:8080", True, True),  # DNAT of a published port keeps the client
        ("bridge", "B", "web:80", True, True),  # the same flow, by its form behind the translation
        ("bridge", "192.168.111.129", "172.17.0.2:80", True, True),
        ("bridge", "bbox", "B:7000", True, False),  # masquerade
        ("bridge", "bbox", "web:80", False, True),  # switched on one bridge
        ("bridge-hairpin", "bbox", "A:8080", True, False),  # docker-proxy makes a connection of its own
        ("overlay", "left", "right:80", False, True),
    ],
)
def test_flow_between_names(capture: str, source: str, destination: str, is_translated: bool, is_kept: bool) -> None:
    flow = net(capture).flow(source, destination)
    assert flow.delivered
    assert (flow.translated, flow.client_address_kept) == (is_translated, is_kept)


@pytest.mark.parametrize(("capture", "is_encrypted"), [("overlay-encrypted", True), ("overlay", False)])
def test_encryption_is_that_between_hosts(capture: str, is_encrypted: bool) -> None:
    assert net(capture).flow("left", "right:80").encrypted is is_encrypted


def test_encryption_on_one_host_cannot_be_told() -> None:
    with pytest.raises(CannotTell, match="two hosts"):
        _ = net("bridge").flow("bbox", "web:80").encrypted


def altered(name: str, folder: Path, alter: Callable[[dict[str, Any]], None]) -> Net:
    """A stored capture with another topology beside it."""
    path = Path(shutil.copy(PCAPS / f"{name}.pcapng", folder))
    topology = json.loads(topology_path(PCAPS / f"{name}.pcapng").read_text(encoding="utf-8"))
    alter(topology)
    topology_path(path).write_text(json.dumps(topology), encoding="utf-8")
    return net_of(path)


def without_option(topology: dict[str, Any]) -> None:
    for network in topology["networks"]:
        network["options"].pop("encrypted", None)


def with_other_hosts(topology: dict[str, Any]) -> None:
    """The ESP is between others, as that of a VPN that is routed by the same NICs."""
    for host in topology["hosts"]:
        for interface in host["interfaces"]:
            interface["addresses"] = [text.replace("192.168.111.", "192.168.112.") for text in interface["addresses"]]


@pytest.mark.parametrize(
    ("alter", "missing"), [(without_option, "Docker encrypts"), (with_other_hosts, "packets of ESP")]
)
def test_encryption_by_others_cannot_be_told(
    alter: Callable[[dict[str, Any]], None], missing: str, tmp_path: Path
) -> None:
    """ESP between hosts may be of any VPN: it has to be of this flow's network and hosts."""
    flow = altered("overlay-encrypted", tmp_path, alter).flow("10.0.1.2", "10.0.1.4:80")
    with pytest.raises(CannotTell, match=missing):
        _ = flow.encrypted


@pytest.mark.by_turns
@pytest.mark.parametrize(
    "fault", sorted(PCAPS.glob("faults/*.healthy.pcapng")), ids=lambda path: path.name.split(".")[0]
)
def test_findings_are_those_of_faults_alone(fault: Path) -> None:
    """Truth: the finding that the fault's scenario names, unless that is one of level info alone."""
    name = fault.name.removesuffix(".healthy.pcapng")
    expected = load(name).finding
    levels = {module.NAME: module.LEVELS for module in finding_modules()}[expected]
    healthy, broken = net_of(fault), net_of(fault.with_name(f"{name}.pcapng"))
    assert (expected in [each.name for each in broken.findings]) == (levels != ("info",))
    assert expected not in [each.name for each in healthy.findings]


def test_findings_of_an_empty_capture_cannot_be_told(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
    with pytest.raises(CannotTell, match="no packet was captured"):
        _ = net_of(path).findings


@pytest.mark.parametrize(
    ("fault", "source", "destination", "outcome"),
    [
        ("published-port-blocked", "B", "A:8080", "stops at A/ens33"),
        ("docker-user-drop", "B", "A:8080", "repeated at A/ens33"),
        ("stops-between", "app", "B:80", "stops at A/docker0"),
        ("no-return-route", "client", "B:80", "answered-by none at B/ens33"),  # arrives, and is never answered
        ("not-masqueraded", "app", "B:80", "answered-by none at B/ens33"),
        ("hairpin-off", "web", "172.17.0.1:8080", "answered-by none at A/web/eth0"),
        ("listen-queue-full", "B", "A:8080", "answered-by none at A/web/eth0"),
        ("connection-refused", "B", "A:8080", "answered-by reset at A/web/eth0"),
        ("dead-service", "app", "10.96.0.10:80", "answered-by icmp-error at A/app/eth0"),
        ("mtu-blackhole", "client", "B:80", "tcp B:80 → client:46587: loses at B/ens33"),  # of the answers
    ],
)
def test_flow_of_a_fault_is_not_delivered(fault: str, source: str, destination: str, outcome: str) -> None:
    """Truth: scenarios/faults. The same flow is delivered where nothing is broken."""
    flow = net(f"faults/{fault}").flow(source, destination)
    assert not flow.delivered
    assert outcome in repr(flow)
    assert net(f"faults/{fault}.healthy").flow(source, destination).delivered


def as_one_host(topology: dict[str, Any]) -> None:
    """C's address is another one of B."""
    host_b, host_c = topology["hosts"][1:]
    host_b["interfaces"] += host_c["interfaces"][1:]
    topology["hosts"].remove(host_c)


def test_connection_that_stops_beside_others_is_not_hidden(tmp_path: Path) -> None:
    """One stops at the first point, and so has no path; two from another address pass all points."""
    flow = altered("faults/published-port-blocked", tmp_path, as_one_host).flow("B", "A:8080")
    assert (len(flow.paths), len(flow)) == (2, 3)
    assert not flow.delivered
    assert repr(flow).startswith("<flow B → A:8080: tcp B:43449 → A:8080: stops at A/ens33; ")


def test_missing_flow_names_those_there_are() -> None:
    with pytest.raises(NoSuchFlow, match=r"no flow web → B:1; there are .*bbox → web:80"):
        net("bridge").flow("web", "B:1")


def test_unknown_name_lists_names() -> None:
    with pytest.raises(NoSuchFlow, match=r"shop is no address.*bbox.*web"):
        net("bridge").flow("shop", "web")


def test_one_point_knows_fates_but_no_path() -> None:
    capture = net_of(PCAPS / ".." / "tests" / "analysis" / "core" / "rings" / "dumpcap.pcapng")
    flow = capture.flow("127.0.0.1", "127.0.0.1:8080")
    assert (flow.delivered, len(flow)) == (True, 3)
    with pytest.raises(CannotTell, match="one point"):
        _ = flow.client_address_kept


def test_evidence_is_a_packet_of_scapy() -> None:
    capture = net("bridge")
    evidence = next(each for path in capture.flow("B", "A:8080").paths for each in path.evidence)
    packet = evidence.packet()
    assert (packet["IP"].src, packet["IP"].dst, packet["TCP"].dport) == ("192.168.111.129", "192.168.111.128", 8080)

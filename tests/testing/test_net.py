"""Assertions on stored captures. Truth: the scenarios' own descriptions (docs/scenarios.md) and conntrack's entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.testing import CannotTell, Net, NoSuchFlow, net_of
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


@pytest.mark.parametrize(
    "fault", sorted(PCAPS.glob("faults/*.healthy.pcapng")), ids=lambda path: path.name.split(".")[0]
)
def test_findings_are_those_of_faults_alone(fault: Path) -> None:
    healthy, broken = net_of(fault), net_of(fault.with_name(fault.name.replace(".healthy", "")))
    assert [each for each in healthy.findings if each.level == "error"] == []
    levels = {each.level for each in broken.report.findings}
    assert bool(broken.findings) == bool(levels & {"error", "warning"})


def test_lost_flow_is_not_delivered() -> None:
    flow = net("faults/published-port-blocked").flow("192.168.111.129", "192.168.111.128:8080")
    assert not flow.delivered
    assert "stops at A/ens33" in repr(flow) or "A/ens33" in repr(flow)


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

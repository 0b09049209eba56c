"""A clue to SYNs without an answer: accepted ones leave the host by another interface."""

from __future__ import annotations

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named
from tests.conftest import PROJECT

RECORDED = PROJECT / "tests" / "analysis" / "findings" / "recorded" / "dead-next-hop"


def of_points(*interfaces: str) -> Findings:
    """Recorded: a node with two next hops, by eth0 and by eth1; that by eth1 is dead."""
    report = analyze([RECORDED / f"node__{interface}.pcap" for interface in interfaces])
    return named(report.to_dict(), "connection-unanswered")


def test_accepted_syns_of_another_interface_is_told() -> None:
    (finding,) = of_points("cni0", "eth0", "eth1")
    assert ", which left by node/eth0, these by node/eth1: by another interface" in finding["says"]
    assert finding["fix"].startswith("look behind node/eth1: its next hop does not pass these packets on")


@pytest.mark.parametrize("interfaces", [("cni0",), ("eth1",), ("cni0", "eth1")], ids="+".join)
def test_interface_of_accepted_syns_not_captured_is_silent(interfaces: tuple[str, ...]) -> None:
    (finding,) = of_points(*interfaces)
    assert "by another interface" not in finding["says"] and "look behind" not in finding["fix"]

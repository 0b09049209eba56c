"""A rule that resets connections between two containers of a bridge, recorded with Docker (recorded/README.md)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from capnet.analysis.core.results import Finding
from capnet.analysis.engine import analyze

RECORDED = Path(__file__).with_name("recorded")
RULE = "iptables filter DOCKER-USER rule 1 on A refused them: -A DOCKER-USER -p tcp -m tcp --dport 80 -j REJECT"
BETWEEN = "from A/br-c346c5daa948 to A/web/eth0"


def problem(folder: Path, name: str, *beside: str) -> Finding:
    """The only problem of a recording, with these of the files that were written beside it."""
    path = Path(shutil.copy(RECORDED / f"{name}.pcapng", folder))
    for ending in beside:
        shutil.copy(RECORDED / f"{name}.{ending}.json", folder)
    (finding,) = [finding for finding in analyze(path).findings if finding.level != "info"]
    return finding


@pytest.mark.parametrize(
    ("name", "finding"), [("reset-by-rule", "connection-refused"), ("reset-unseen", "isolated-on-bridge")]
)
def test_rule_that_resets_is_named(tmp_path: Path, name: str, finding: str) -> None:
    """Its counter rose by the three SYNs. Of web alone, no point shows a RST."""
    found = problem(tmp_path, name, "topology", "witnesses")
    assert (found.name, RULE in found.says) == (finding, True)
    assert found.fix is not None and found.fix.startswith("change iptables filter DOCKER-USER rule 1")


def test_interface_by_topology_is_not_reached(tmp_path: Path) -> None:
    """Only ARP was captured at web's eth0; that it is the interface of web's MAC, the topology says."""
    found = problem(tmp_path, "reset-by-rule", "topology")
    assert f"they do not get {BETWEEN}, its own interface: a firewall in between refuses them" in found.says


def test_server_is_not_cleared_without_the_topology(tmp_path: Path) -> None:
    found = problem(tmp_path, "reset-by-rule")
    assert found.says == "172.18.0.2 (web) refused connections to port 80"

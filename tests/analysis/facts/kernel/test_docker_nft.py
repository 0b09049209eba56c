"""Docker's own rules in nftables (Docker 29, firewall backend nftables), by recordings: recorded/README.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.facts.kernel.test_states import RECORDED, altered, findings, same

ISOLATED = "Docker isolates its networks from each other: cli on net1, {} on net2"
REASONS = {
    "nft-isolated": ISOLATED.format("db"),
    "nft-internal": "inner is an internal network: Docker lets its containers reach each other only",
    "nft-no-icc": "quiet was made with enable_icc=false: its containers cannot reach each other",
}


@pytest.mark.parametrize("name", REASONS)
def test_own_rule_of_docker_says_what_it_is_for(name: str) -> None:
    found = findings(RECORDED / f"{name}.pcapng")
    assert found and all(REASONS[name] in finding.says for finding in found)


def rename_table(outputs: dict[str, Any]) -> None:
    """The same rules are in a table of a person's."""
    command = "nft -j list ruleset"
    outputs[command] = outputs[command].replace('"docker-bridges"', '"guard"')


@pytest.mark.parametrize("name", REASONS)
def test_same_rule_in_another_table_is_not_of_docker(name: str, tmp_path: Path) -> None:
    found = altered(name, tmp_path, rename_table)
    assert found and not any("Docker" in finding.says or "network" in finding.says[-80:] for finding in found)
    assert any("nft ip guard filter-forward" in finding.says for finding in found)


def of_version(version: str) -> Callable[[dict[str, Any]], None]:
    def alter(data: dict[str, Any]) -> None:
        for host in data["hosts"]:
            host["docker"] = version

    return alter


@pytest.mark.parametrize(("version", "is_of_docker"), [("20.10.24", False), ("27.5.1", False), ("28.0.1", True)])
def test_direct_access_is_dropped_since_docker_28(version: str, is_of_docker: bool, tmp_path: Path) -> None:
    (finding,) = altered("nft-direct", tmp_path, same, topology=of_version(version))
    assert "raw-PREROUTING rule 1 on A dropped them: ip daddr 172.28.2.2 iifname != br2 counter drop" in finding.says
    assert finding.says.endswith(ISOLATED.format("web")) is is_of_docker


def test_fix_of_a_rule_of_nft_lists_its_chain(tmp_path: Path) -> None:
    """And nothing of iptables, which does not show it."""
    (finding,) = altered("nft-direct", tmp_path, same)
    assert finding.fix is not None and "`nft -a list chain ip docker-bridges raw-PREROUTING` lists it" in finding.fix

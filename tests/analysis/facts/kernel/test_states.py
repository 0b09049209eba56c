"""Interfaces that are down, and what Docker's rules mean: witnesses that were recorded (recorded/README.md)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.core.results import Finding
from capnet.analysis.engine import analyze
from capnet.topology import topology_path, witnesses_path

RECORDED = Path(__file__).with_name("recorded")
BRIDGE = "br-09310cd57003"
RESTART = "`systemctl restart docker` writes its rules again"


def findings(path: Path) -> list[Finding]:
    return [finding for finding in analyze(path).findings if finding.level != "info"]


def altered(
    name: str,
    folder: Path,
    alter: Callable[[dict[str, Any]], None],
    moments: tuple[str, ...] = ("before", "after"),
    topology: Callable[[dict[str, Any]], None] = lambda data: None,
) -> list[Finding]:
    """The findings of a recording whose host printed something else."""
    path = Path(shutil.copy(RECORDED / f"{name}.pcapng", folder))
    data = json.loads(witnesses_path(RECORDED / f"{name}.pcapng").read_text(encoding="utf-8"))
    (host,) = [namespace for namespace in data["namespaces"] if namespace["name"] == "A"]
    for moment in moments:
        alter(host[moment]["outputs"])
    witnesses_path(path).write_text(json.dumps(data), encoding="utf-8")
    facts = json.loads(topology_path(RECORDED / f"{name}.pcapng").read_text(encoding="utf-8"))
    topology(facts)
    topology_path(path).write_text(json.dumps(facts), encoding="utf-8")
    return findings(path)


def set_up(outputs: dict[str, Any]) -> None:
    """The bridge is up."""
    interfaces = json.loads(outputs["ip -s -j address"])
    (bridge,) = [interface for interface in interfaces if interface["ifname"] == BRIDGE]
    assert "UP" not in bridge["flags"]
    bridge["flags"].append("UP")
    outputs["ip -s -j address"] = json.dumps(interfaces)


def call_docker(outputs: dict[str, Any]) -> None:
    """FORWARD jumps to a chain of Docker again, which lets nothing pass."""
    policy = ":FORWARD DROP"
    saved = outputs["iptables-save -c"]
    table = saved.index("*filter")
    commit = saved.index("COMMIT", table)
    assert policy in saved[table:commit] and ":DOCKER-USER" in saved[table:commit]
    outputs["iptables-save -c"] = f"{saved[:commit]}[0:0] -A FORWARD -j DOCKER-USER\n{saved[commit:]}"


def test_bridge_that_is_down_is_named() -> None:
    between, to_web, of_cli = findings(RECORDED / "bridge-down.pcapng")
    assert between.says.endswith(f"{BRIDGE} in A, on the way to container web, is down")
    assert to_web.says.endswith(f"{BRIDGE} in A, on the way to container web, is down")
    assert of_cli.says.endswith(f"{BRIDGE} in A, on the way to container cli, is down")
    assert to_web.fix is not None and to_web.fix.startswith(f"`ip link set {BRIDGE} up` in A")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_bridge_that_is_up_for_a_time_is_not(moment: str, tmp_path: Path) -> None:
    found = altered("bridge-down", tmp_path, set_up, (moment,))
    assert found and not any("is down" in finding.says for finding in found)


def test_bridge_of_others_that_is_down_is_not_named(tmp_path: Path) -> None:
    """The network of these containers is another one."""

    def rename(data: dict[str, Any]) -> None:
        for network in data["networks"]:
            network["bridge"] = network["bridge"] and "br-0123456789ab"

    found = altered("bridge-down", tmp_path, same, topology=rename)
    assert found and not any("is down" in finding.says for finding in found)


def test_internal_network_is_named() -> None:
    (finding,) = findings(RECORDED / "internal.pcapng")
    assert finding.name == "kernel-drop"
    assert finding.says.endswith("inner is an internal network: Docker lets its containers reach each other only")
    assert finding.fix is not None and "make inner without --internal" in finding.fix


def test_isolation_rule_of_usual_network_has_no_remark(tmp_path: Path) -> None:
    def usual(data: dict[str, Any]) -> None:
        for network in data["networks"]:
            network["internal"] = False

    (finding,) = altered("internal", tmp_path, same, topology=usual)
    assert "DOCKER-ISOLATION-STAGE-1 rule 2" in finding.says and "internal network" not in finding.says


def test_forward_without_rules_of_docker_is_named() -> None:
    found = findings(RECORDED / "forward-flushed.pcapng")
    assert {finding.name for finding in found} == {"published-port-blocked", "stops-between"}
    assert all(finding.says.endswith("FORWARD has no rule of Docker any more") for finding in found)
    assert all(finding.fix and finding.fix.startswith(RESTART) for finding in found)


def test_policy_behind_rules_of_docker_has_no_remark(tmp_path: Path) -> None:
    found = altered("forward-flushed", tmp_path, call_docker)
    assert found and not any("rule of Docker" in finding.says for finding in found)
    assert any("iptables filter FORWARD policy" in finding.says for finding in found)


def test_policy_of_host_without_bridge_networks_has_no_remark(tmp_path: Path) -> None:
    def podman(data: dict[str, Any]) -> None:
        for network in data["networks"]:
            network["bridge"] = "podman0"

    found = altered("forward-flushed", tmp_path, same, topology=podman)
    assert found and not any("rule of Docker" in finding.says for finding in found)


@pytest.mark.parametrize(("table", "is_of_docker"), [("docker-bridges", True), ("guard", False)])
def test_nft_table_of_docker_is_its_rules(table: str, is_of_docker: bool, tmp_path: Path) -> None:
    """With "firewall-backend": "nftables", Docker 29 has rules in no chain of iptables."""

    def add(outputs: dict[str, Any]) -> None:
        chain = {"family": "ip", "table": table, "name": "filter-FORWARD", "hook": "forward", "prio": 0}
        ruleset = json.loads(outputs.get("nft -j list ruleset") or '{"nftables": []}')
        ruleset["nftables"].append({"chain": {**chain, "type": "filter", "policy": "accept"}})
        outputs["nft -j list ruleset"] = json.dumps(ruleset)

    found = altered("forward-flushed", tmp_path, add)
    assert found and any("no rule of Docker" in finding.says for finding in found) is not is_of_docker


def same(outputs: dict[str, Any]) -> None:
    """The host printed what it printed."""


@pytest.mark.parametrize(
    ("name", "finding", "address"),
    [("vacant-syn", "connection-unanswered", "172.18.0.2"), ("vacant-arp", "arp-unanswered", "172.18.0.9")],
)
def test_address_that_no_container_has_is_named(name: str, finding: str, address: str) -> None:
    (named,) = findings(RECORDED / f"{name}.pcapng")
    assert named.name == finding
    assert named.says.endswith(f"no container of network shop has {address}")
    assert named.fix is not None and named.fix.startswith("ask by name, and look the name up again")


def taken(data: dict[str, Any]) -> None:
    """A container that was not captured has the address."""
    (endpoint,) = [
        end for container in data["containers"] if container["name"] == "web" for end in container["endpoints"]
    ]
    endpoint["addresses"] = ["172.18.0.9/16"]


def with_a_card(data: dict[str, Any]) -> None:
    """The host's own card is a port of the bridge: machines of the LAN may have addresses of the network."""
    card = next(each for each in data["hosts"][0]["interfaces"] if each["name"] == "ens33")
    card["master"], card["kind"] = BRIDGE, None


def of_macvlan(data: dict[str, Any]) -> None:
    for network in data["networks"]:
        network["driver"] = "macvlan"


@pytest.mark.parametrize("alter", [taken, with_a_card, of_macvlan])
def test_address_that_others_may_have_is_not_named(alter: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    (finding,) = altered("vacant-arp", tmp_path, same, topology=alter)
    assert finding.name == "arp-unanswered" and "no container" not in finding.says


def unanswered(found: list[Finding]) -> str:
    (finding,) = [finding for finding in found if finding.name == "connection-unanswered"]
    return finding.says


def keep_veth(outputs: dict[str, Any]) -> None:
    """The host end of web is still there."""
    interfaces = json.loads(outputs["ip -s -j address"])
    interfaces.append(interfaces[0] | {"ifname": "veth0269582"})
    outputs["ip -s -j address"] = json.dumps(interfaces)


def test_container_that_left_meanwhile_is_named() -> None:
    says = unanswered(findings(RECORDED / "stopped-meanwhile.pcapng"))
    assert says.endswith(
        "container web left the network meanwhile (veth0269582 is gone): it stopped, restarted or was disconnected"
    )


def test_container_whose_host_end_stays_is_not(tmp_path: Path) -> None:
    assert "left the network" not in unanswered(altered("stopped-meanwhile", tmp_path, keep_veth, ("after",)))


def test_other_container_that_left_is_not(tmp_path: Path) -> None:
    """cli asks another address: who left is not the one that is missed."""

    def renumber(data: dict[str, Any]) -> None:
        web = next(container for container in data["containers"] if container["name"] == "web")
        web["endpoints"][0]["addresses"] = ["172.29.0.77/16"]

    assert "left the network" not in unanswered(altered("stopped-meanwhile", tmp_path, same, topology=renumber))


UNCOUNTED = "it has no counter; 4 packets were not sent on, as many, and no other rule can stop them"


def in_nft(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def alter(outputs: dict[str, Any]) -> None:
        assert old in outputs["nft -j list ruleset"]
        outputs["nft -j list ruleset"] = outputs["nft -j list ruleset"].replace(old, new)

    return alter


@pytest.mark.parametrize(
    ("name", "rule"), [("nft-policy", "through policy"), ("nft-uncounted", "through rule 1")], ids=["policy", "rule"]
)
def test_nft_rule_without_a_counter_is_named(name: str, rule: str) -> None:
    """What the IP layer did not send on is as much, and no other rule can have stopped it."""
    (finding,) = findings(RECORDED / f"{name}.pcapng")
    assert finding.name == "published-port-blocked"
    assert f"nft inet guard {rule} on A dropped them" in finding.says and UNCOUNTED in finding.says
    assert finding.fix is not None and "`nft -a list chain inet guard through` lists it" in finding.fix


@pytest.mark.parametrize(
    ("old", "new"), [('"drop": null', '"accept": null'), ('"right": 80', '"right": 81'), ("ens33", "ens34")],
    ids=["accepts", "other-port", "other-interface"],
)  # fmt: skip
def test_nft_rule_that_cannot_stop_them_is_not_named(old: str, new: str, tmp_path: Path) -> None:
    (finding,) = altered("nft-uncounted", tmp_path, in_nft(old, new), ("after",))
    assert UNCOUNTED not in finding.says

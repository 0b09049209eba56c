"""What people ask about their containers, recorded with real engines: which rule, why it is there, what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from capnet.analysis.core.results import Finding
from capnet.analysis.engine import analyze
from capnet.topology import topology_path, witnesses_path

RECORDED = Path(__file__).with_name("recorded")


def findings(path: Path) -> list[Finding]:
    return [finding for finding in analyze(path).findings if finding.level != "info"]


def told(name: str) -> Finding:
    """The one finding of a recording."""
    (finding,) = findings(RECORDED / f"{name}.pcapng")
    assert finding.fix is not None
    return finding


def altered(name: str, folder: Path, old: str, new: str) -> list[Finding]:
    """The findings of a recording of which the topology and the kernels say something else."""
    path = Path(shutil.copy(RECORDED / f"{name}.pcapng", folder))
    is_altered = False
    for beside in (topology_path, witnesses_path):
        text = beside(RECORDED / path.name).read_text(encoding="utf-8")
        quoted = [json.dumps(part)[1:-1] for part in (old, new)]
        is_altered |= quoted[0] in text
        beside(path).write_text(text.replace(*quoted), encoding="utf-8")
    assert is_altered
    return findings(path)


def test_rule_that_stops_answers_is_named() -> None:
    """The address of A is translated back to that of cli before FORWARD. One frame came after the counters."""
    finding = told("answers-dropped")
    assert finding.name == "handshake-unfinished"
    assert "DOCKER-USER rule 1 on A dropped 9 of 10: -A DOCKER-USER ! -s 192.168.111.0/24 -i ens33" in finding.says
    assert "no rule before it lets established ones pass" in finding.says
    assert "`iptables -I DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN`" in str(finding.fix)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-i ens33 -j DROP", "-i ens33 -m conntrack --ctstate NEW -j DROP"),
        ("-i ens33 -j DROP", "-d 192.168.111.128/32 -i ens33 -j DROP"),
        ("-i ens33 -j DROP", "-i ens34 -j DROP"),
    ],
    ids=["rule with a state", "address before it is translated", "other interface"],
)
def test_rule_that_lets_answers_pass_is_not_named(old: str, new: str, tmp_path: Path) -> None:
    found = altered("answers-dropped", tmp_path, old, new)
    assert found and not any("lets established ones pass" in finding.says for finding in found)


def test_accepted_port_of_the_host_behind_dnat_is_named() -> None:
    finding = told("host-port-rule")
    assert finding.says.endswith(
        "rule 2 before it lets port 8080 pass, but this chain meets the container's port: DNAT has changed 8080 to 80"
    )
    assert "use `--dport 80`" in str(finding.fix) and "`-m conntrack --ctorigdstport 8080`" in str(finding.fix)


@pytest.mark.parametrize(
    ("old", "new"), [("--dport 8080 -j ACCEPT", "--dport 8443 -j ACCEPT"), ("--dport 8080 -j ACCEPT", "-j LOG")]
)
def test_rule_for_another_port_is_not_named(old: str, new: str, tmp_path: Path) -> None:
    (finding,) = altered("host-port-rule", tmp_path, old, new)
    assert "DOCKER-USER rule 3" in finding.says and "lets port" not in finding.says


def test_isolation_of_networks_names_the_shared_one() -> None:
    finding = told("other-network")
    assert finding.says.endswith("Docker isolates its networks from each other: cli on front, app on back")
    assert str(finding.fix).startswith("ask for app by its name, or at 172.21.0.4, its address on front")


def test_isolation_without_a_shared_network_connects_one(tmp_path: Path) -> None:
    path = Path(shutil.copy(RECORDED / "other-network.pcapng", tmp_path))
    shutil.copy(witnesses_path(RECORDED / path.name), witnesses_path(path))
    topology = json.loads(topology_path(RECORDED / path.name).read_text(encoding="utf-8"))
    (app,) = [container for container in topology["containers"] if container["name"] == "app"]
    app["endpoints"] = [endpoint for endpoint in app["endpoints"] if endpoint["network"] == "back"]
    topology_path(path).write_text(json.dumps(topology), encoding="utf-8")
    (finding,) = findings(path)
    assert "Docker isolates its networks" in finding.says
    assert "`docker network connect back cli`" in str(finding.fix)


def test_isolation_is_not_said_of_unknown_addresses(tmp_path: Path) -> None:
    (finding,) = altered("other-network", tmp_path, "172.22.0.2/16", "172.22.0.9/16")
    assert "DOCKER-ISOLATION-STAGE-2 rule 2" in finding.says and "Docker isolates" not in finding.says


def test_network_without_icc_is_named(tmp_path: Path) -> None:
    finding = told("without-icc")
    assert "noicc was made with enable_icc=false: its containers cannot reach each other" in finding.says
    assert "without `com.docker.network.bridge.enable_icc=false`" in str(finding.fix)
    (usual,) = altered("without-icc", tmp_path, "bridge.enable_icc", "bridge.enable_other")
    assert "enable_icc" not in usual.says


def test_container_that_does_not_forward_is_no_isolation(tmp_path: Path) -> None:
    """The destinations are on other networks; the packets end in the container that should route them."""
    finding = told("container-that-routes")
    assert finding.name == "kernel-drop" and "net.ipv4.ip_forward = 0" in finding.says
    path = Path(shutil.copy(RECORDED / "container-that-routes.pcapng", tmp_path))
    shutil.copy(topology_path(RECORDED / path.name), topology_path(path))
    assert not any(finding.name == "different-networks" for finding in findings(path))


def test_default_route_of_another_network_is_told_inside() -> None:
    """The container's own interfaces are captured, too: the SYNs were last seen there, the answers at its bridge."""
    finding = told("two-networks")
    assert finding.name == "answers-by-other-network"
    assert "reach 192.168.16.2:80 at A/web/eth0, and the container answers at A/br-03d5187678d6" in finding.says
    assert "net.ipv4.conf.br-03d5187678d6.rp_filter=2" in str(finding.fix)


def test_vpn_of_a_host_that_takes_answers_is_told() -> None:
    """They are routed with the container's address, so a rule for the host's does not help."""
    finding = told("vpn-of-host")
    assert finding.name == "asymmetric-path"
    assert "way there and A/tun0 on the way back; the answers do not reach the client, so none" in finding.says
    assert "`ip rule add from 192.168.112.2 lookup TABLE`" in str(finding.fix)


def test_rule_that_stops_questions_to_podmans_dns_is_the_fix() -> None:
    """aardvark-dns listens on the bridge's address: a firewall of the host drops what containers ask it."""
    (finding, _) = findings(RECORDED / "podman-dns-input.pcapng")
    assert finding.name == "dns-failure"
    assert "INPUT rule 1 on vm dropped them: -A INPUT -i podman1 -j DROP" in finding.says
    assert str(finding.fix).startswith("change iptables filter INPUT rule 1")


def test_isolation_is_named_where_the_caller_alone_is_captured() -> None:
    """The bridge of the other network is no point: the topology says that the host sends by it."""
    finding = told("caller-alone")
    assert finding.name == "connection-unanswered"
    assert "DOCKER-ISOLATION-STAGE-2 rule 1 on A dropped 5 of 6" in finding.says
    assert finding.says.endswith("shop-worker-1 on shop_default, shop-db-1 on shop_back")
    assert str(finding.fix).startswith("put both on one network, `docker network connect shop_back shop-worker-1`")


def test_isolation_is_not_named_for_an_address_of_no_container(tmp_path: Path) -> None:
    (finding,) = altered("caller-alone", tmp_path, "172.20.0.2/16", "172.20.0.9/16")
    assert finding.name == "connection-unanswered" and "ISOLATION" not in finding.says

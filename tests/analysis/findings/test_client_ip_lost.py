"""client-ip-lost: translations of both ends, and proxies."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.findings.reported import of_capture, of_story
from tests.stories import Network, tcp
from tests.story_reports import A, B

INGRESS = "10.0.0.2"


def requests(source: str) -> Network:
    """Connections of B to a published port of A, which reach the task from `source`."""
    net = Network(["A/ens33", "A/docker_gwbridge"])
    for number in range(3):
        request = tcp(f"{B}:5000 > {A}:8080", b"%d" % number, seq=100 + number, ident=number + 1)
        inside = request.routed(ends=f"{source}:5000 > 10.0.0.5:80")
        answer = tcp(f"10.0.0.5:80 > {source}:5000", b"%d" % number, seq=900 + number, ident=number + 50)
        net.pass_by(("A/ens33", request), ("A/docker_gwbridge", inside))
        net.pass_by(("A/docker_gwbridge", answer), ("A/ens33", answer.routed(ends=f"{A}:8080 > {B}:5000")))
    return net


def test_client_behind_ingress_address_is_told(tmp_path: Path) -> None:
    (finding,) = of_story(requests(INGRESS), tmp_path, "client-ip-lost")
    assert finding["facts"] == {"seen_as": INGRESS, "clients": [B], "connections": 1}
    assert finding["level"] == "info" and INGRESS in finding["says"]


def test_fix_of_a_node_port_is_that_of_kubernetes() -> None:
    """Truth: the golden's service has node ports 30080 (Cluster) and 30081 (Local), which keeps the client."""
    findings = of_capture("pcaps/kubernetes-service.pcapng", "client-ip-lost")
    assert {finding["facts"]["seen_as"] for finding in findings} == {"10.244.1.0", "10.244.1.1"}
    assert all("30080" in finding["fix"] and "externalTrafficPolicy: Local" in finding["fix"] for finding in findings)


def test_client_behind_docker_proxy_is_told() -> None:
    """The scenario's client is another container; conntrack has both connections of the proxy, untranslated."""
    findings = of_capture("pcaps/bridge-hairpin.pcapng", "client-ip-lost")
    assert [finding["facts"]["seen_as"] for finding in findings] == ["172.17.0.1"]


def test_client_kept_by_dnat_is_silent(tmp_path: Path) -> None:
    assert of_story(requests(B), tmp_path, "client-ip-lost") == []

"""Services of Kubernetes by kube-proxy's rules.

Truth: rules that kube-proxy 1.20 wrote for services made by hand, as `iptables-save -t nat` prints them; of ports with
names and of load balancers, kubernetes' pkg/proxy/iptables/proxier.go. Of mode nftables: the maps that kubernetes'
pkg/proxy/nftables/proxier_test.go expects, loaded into a kernel and listed by nft 1.0.6.
"""

from __future__ import annotations

import pytest

from capnet.record.find.runtimes.kube_services import kube_services
from capnet.topology import Service, ServicePort, VirtualAddress

WEB = """
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j KUBE-MARK-MASQ
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j KUBE-SVC-LOLE4ISW44XBNF3G
-A KUBE-SERVICES ! -s 10.244.0.0/16 -d 10.96.0.10/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-LOLE4ISW44XBNF3G
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
"""  # noqa: E501
DNS = """
-A KUBE-SERVICES -d 10.96.0.2/32 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-TCOU7JCQXEZGVUNU
-A KUBE-SERVICES -d 10.96.0.2/32 -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp cluster IP" -m tcp --dport 53 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-SERVICES -d fd00:96::2/128 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-TCOU7JCQXEZGVUNU
-A KUBE-SERVICES -d 203.0.113.5/32 -p tcp -m comment --comment "kube-system/kube-dns:dns-tcp loadbalancer IP" -m tcp --dport 53 -j KUBE-FW-ERIFXISQEP7F7OF4
"""  # noqa: E501

NFT = """
{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"map": {"family": "ip", "name": "service-ips", "table": "kube-proxy", "type": ["ipv4_addr", "inet_proto", "inet_service"], "comment": "ClusterIP, ExternalIP and LoadBalancer IP traffic", "map": "verdict", "elem": [[{"concat": ["172.30.0.47", "sctp", 7]}, {"goto": {"target": "service-AAAAAAAA-ns7/no.name/sctp/"}}], [{"concat": ["172.30.0.10", "tcp", 53]}, {"goto": {"target": "service-NJJR2PVZ-kube-system/kube-dns/tcp/dns-tcp"}}], [{"concat": ["172.30.0.10", "udp", 53]}, {"goto": {"target": "service-X2OUG5QO-kube-system/kube-dns/udp/dns"}}], [{"concat": ["1.2.3.4", "tcp", 80]}, {"goto": {"target": "external-MHHHYRWA-ns2/svc2/tcp/p80"}}], [{"concat": ["172.30.0.42", "tcp", 80]}, {"goto": {"target": "service-MHHHYRWA-ns2/svc2/tcp/p80"}}]]}}]}
{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"map": {"family": "ip", "name": "service-nodeports", "table": "kube-proxy", "type": ["inet_proto", "inet_service"], "comment": "NodePort traffic", "map": "verdict", "elem": [[{"concat": ["tcp", 3001]}, {"goto": {"target": "external-MHHHYRWA-ns2/svc2/tcp/p80"}}]]}}]}
{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"map": {"family": "ip", "name": "no-endpoint-services", "table": "kube-proxy", "type": ["ipv4_addr", "inet_proto", "inet_service"], "comment": "vmap to drop or reject packets to services with no endpoints", "map": "verdict", "elem": [[{"elem": {"val": {"concat": ["192.168.99.22", "tcp", 80]}, "comment": "ns2/svc2:p80"}}, {"drop": null}], [{"elem": {"val": {"concat": ["172.30.0.46", "tcp", 80]}, "comment": "ns6/svc6:p80"}}, {"goto": {"target": "reject-chain"}}]]}}]}
{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"map": {"family": "ip", "name": "no-endpoint-nodeports", "table": "kube-proxy", "type": ["inet_proto", "inet_service"], "comment": "vmap to drop or reject packets to service nodeports with no endpoints", "map": "verdict", "elem": [[{"elem": {"val": {"concat": ["tcp", 3004]}, "comment": "ns6/svc6:p80"}}, {"goto": {"target": "reject-chain"}}]]}}]}
"""  # noqa: E501


def test_service_has_its_cluster_ip_and_node_port() -> None:
    assert kube_services(WEB.splitlines()) == [
        Service(
            "web.default", None, "vip", [VirtualAddress("services", "10.96.0.10")],
            [ServicePort("tcp", 30080, 80, "ingress")], namespace="default",
        )
    ]  # fmt: skip


def test_ports_with_names_are_of_one_service() -> None:
    (service,) = kube_services(DNS.splitlines())
    assert (service.name, service.ports) == ("kube-dns.kube-system", [])
    assert [vip.address for vip in service.vips] == ["10.96.0.2", "fd00:96::2", "203.0.113.5"]


def test_rules_of_both_backends_count_once() -> None:
    assert kube_services([*WEB.splitlines(), *WEB.splitlines()]) == kube_services(WEB.splitlines())


def test_rule_with_a_foreign_comment_is_no_service() -> None:
    foreign = '-A KUBE-SERVICES -d 10.0.0.1/32 -p tcp -m comment --comment "see a/b, ask c" -m tcp --dport 1 -j ACCEPT'
    assert kube_services([foreign, '-A KUBE-SERVICES --comment "unclosed', "", "-A KUBE-SERVICES -j RETURN"]) == []


def test_service_without_endpoints_has_its_name() -> None:
    """Whose address is rejected is what people ask then."""
    rejected = (
        '-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "default/web has no endpoints" -m tcp '
        "--dport 80 -j REJECT --reject-with icmp-port-unreachable"
    )
    (service,) = kube_services([rejected])
    assert (service.name, service.vips) == ("web.default", [VirtualAddress("services", "10.96.0.10")])


def test_services_are_in_the_maps_of_nftables() -> None:
    services = {service.name: service for service in kube_services(NFT.splitlines())}
    assert sorted(services) == ["kube-dns.kube-system", "no.name.ns7", "svc2.ns2", "svc6.ns6"]
    addresses = {name: sorted(vip.address for vip in service.vips) for name, service in services.items()}
    assert addresses["kube-dns.kube-system"] == ["172.30.0.10"]
    assert addresses["svc2.ns2"] == ["1.2.3.4", "172.30.0.42", "192.168.99.22"]
    assert services["svc2.ns2"].ports == [ServicePort("tcp", 3001, 80, "ingress")]
    assert services["svc6.ns6"].ports == [ServicePort("tcp", 3004, 80, "ingress")]  # without endpoints
    assert {service.namespace for service in services.values()} == {"kube-system", "ns7", "ns2", "ns6"}


@pytest.mark.parametrize(
    "line",
    ["{", '{"nftables": [{"map": {"table": "kube-proxy", "name": "service-ips", "elem": [["x"]]}}]}', '{"nftables": 1}',
     '{"nftables": [{"map": {"table": "mine", "name": "service-ips", "elem": [["x", {"accept": null}]]}}]}'],
)  # fmt: skip
def test_other_listing_of_nft_is_no_service(line: str) -> None:
    assert kube_services([line]) == []

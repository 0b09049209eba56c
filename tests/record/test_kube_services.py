"""Services of Kubernetes by kube-proxy's rules.

Truth: rules that kube-proxy 1.20 wrote for services made by hand, as `iptables-save -t nat` prints them; of ports with
names and of load balancers, kubernetes' pkg/proxy/iptables/proxier.go.
"""

from __future__ import annotations

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

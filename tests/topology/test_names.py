"""Names of addresses, on hosts by construction."""

from __future__ import annotations

from capnet.topology import Container, Endpoint, Host, Interface, Service, Topology, VirtualAddress


def swarm() -> Topology:
    """Two hosts whose load balancers have a service's virtual IP as well, as on kernels with IPVS."""
    containers = [
        Container(
            host, "lb-vx", f"lb_{host}", "", "vx",
            [Endpoint("vx", "eth0", None, [f"10.0.1.{last}/24", "10.0.1.4/32"])], balances="vx",
        )
        for host, last in (("A", 3), ("B", 7))
    ]  # fmt: skip
    containers.append(Container("A", "svc.1", "f", "busybox", "vx", [Endpoint("vx", "eth0", None, ["10.0.1.6/24"])]))
    hosts = [Host(name, "", "", [Interface("docker0", 3, None, ["172.17.0.1/16"], "bridge")]) for name in "AB"]
    return Topology(hosts=hosts, containers=containers)


def test_virtual_ip_has_the_name_of_its_service() -> None:
    topology = swarm()
    topology.services = [Service("svc", None, "vip", [VirtualAddress("vx", "10.0.1.4")])]
    assert topology.names() == {"10.0.1.3": "lb-vx", "10.0.1.7": "lb-vx", "10.0.1.6": "svc.1", "10.0.1.4": "svc"}


def test_virtual_ip_of_no_known_service_is_the_balancers() -> None:
    """Recordings of earlier versions do not name services."""
    assert swarm().names()["10.0.1.4"] == "lb-vx"


def test_address_of_both_hosts_is_named_at_each() -> None:
    topology = swarm()
    assert "172.17.0.1" not in topology.names()
    assert topology.names_by_host()["B"] == {"172.17.0.1": "B/docker0"}
    assert topology.names_at("B/docker0")["172.17.0.1"] == "B/docker0"
    assert "172.17.0.1" not in topology.names_at("B/ens33")  # on the wire, it may be either

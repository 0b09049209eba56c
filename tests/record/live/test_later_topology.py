"""What the topology of a running capture becomes when containers start, restart or go."""

from __future__ import annotations

from capnet.record.live.later_topology import add_later
from capnet.topology import Container, Endpoint, Host, Interface, Network, Topology


def container(name: str, identity: str, address: str, veth: str) -> Container:
    return Container("A", name, identity, "busybox", "bridge", [Endpoint("bridge", "eth0", None, [address], veth)])


def host(*interfaces: str) -> Host:
    return Host("A", "28", "6", [Interface(name, number, None, []) for number, name in enumerate(interfaces)])


def test_container_that_has_gone_stays():
    topology = Topology(hosts=[host("lo")], containers=[container("old", "1", "172.17.0.2/16", "veth1")])
    add_later(topology, Topology(hosts=[host("lo")], containers=[container("new", "2", "172.17.0.3/16", "veth2")]))
    assert [each.name for each in topology.containers] == ["old", "new"]
    assert topology.names() == {"172.17.0.2": "old", "172.17.0.3": "new"}


def test_address_that_two_had_in_turn_names_neither():
    topology = Topology(hosts=[host("lo")], containers=[container("old", "1", "172.17.0.2/16", "veth1")])
    add_later(topology, Topology(hosts=[host("lo")], containers=[container("new", "2", "172.17.0.2/16", "veth2")]))
    assert topology.names() == {}


def test_restarted_container_is_one_with_all_its_addresses():
    topology = Topology(hosts=[host("lo")], containers=[container("web", "1", "172.17.0.2/16", "veth1")])
    add_later(topology, Topology(hosts=[host("lo")], containers=[container("web", "1", "172.17.0.9/16", "veth2")]))
    (web,) = topology.containers
    assert [end.veth for end in web.endpoints] == ["veth2", "veth1"]
    assert topology.names() == {"172.17.0.2": "web", "172.17.0.9": "web"}


def test_restart_with_the_same_address_has_the_new_veth():
    topology = Topology(hosts=[host("lo")], containers=[container("web", "1", "172.17.0.2/16", "veth1")])
    add_later(topology, Topology(hosts=[host("lo")], containers=[container("web", "1", "172.17.0.2/16", "veth2")]))
    assert [end.veth for end in topology.containers[0].endpoints] == ["veth2"]


def test_networks_and_interfaces_come_once():
    back = Network("back", "77", "bridge", "A")
    topology = Topology(hosts=[host("lo", "veth1")], networks=[back])
    add_later(topology, Topology(hosts=[host("lo", "veth2")], networks=[back, Network("more", "78", "bridge", "A")]))
    assert [each.name for each in topology.networks] == ["back", "more"]
    assert [each.name for each in topology.hosts[0].interfaces] == ["lo", "veth1", "veth2"]

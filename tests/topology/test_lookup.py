"""What names, addresses and interfaces mean, on the recorded outputs of two hosts (tests/record/saved)."""

from __future__ import annotations

from functools import cache

import pytest

from capnet.record.saved.saved_outputs import topology_of_files
from capnet.report.inventory.answers import answer, unknown
from capnet.topology import Container, Endpoint, Host, Topology
from capnet.topology.lookup import look_up
from tests.conftest import PROJECT
from tests.record.saved_hosts import ARCHIVE, raw


@cache
def hosts() -> Topology:
    return topology_of_files([ARCHIVE])[0]


def answers(asked: str, topology: Topology | None = None) -> list[str]:
    topology = topology or hosts()
    return [answer(topology, asked, match).removeprefix(asked + " ") for match in look_up(topology, asked)]


def veth_of(folder: str, name: str = "eth0") -> str:
    """The host's interface whose number the container's interface names."""
    (inside,) = [entry for entry in raw(f"A/{folder}/ip-address.json") if entry["ifname"] == name]
    (other,) = [entry for entry in raw("A/ip-address.json") if entry["ifindex"] == inside["link_index"]]
    return str(other["ifname"])


def test_veth_is_the_host_end_of_its_container() -> None:
    assert answers(veth_of("web")) == [
        "on host A is the host end of eth0 in container web (172.17.0.2, 02:42:ac:11:00:02), network bridge; "
        "it is a port of bridge docker0."
    ]


@pytest.mark.parametrize("spelling", ["02:42:ac:11:00:02", "02-42-AC-11-00-02", "0242.ac11.0002"])
def test_mac_in_any_spelling_is_its_interface(spelling: str) -> None:
    assert answers(spelling) == [
        f"is eth0 in container web on host A, on network bridge; its host end is {veth_of('web')}; shared with side."
    ]


@pytest.mark.parametrize("spelling", ["fd00:50::2", "FD00:50:0:0::2", "fd00:50::2/64", "fd00:50::2%eth0"])
def test_ipv6_address_in_any_spelling_is_its_interface(spelling: str) -> None:
    (sentence,) = answers(spelling)
    assert sentence.startswith("is eth0 in container multi on host A, on network blue (bridge)")


def test_address_that_two_hosts_have_is_both() -> None:
    """docker0 of each."""
    both = answers("172.17.0.1")
    assert [sentence.partition(" on host ")[2][0] for sentence in both] == ["A", "B"]
    assert all(sentence.startswith("is docker0, the Linux bridge of network bridge") for sentence in both)


@pytest.mark.parametrize(
    ("asked", "sentences"),
    [
        ("A/web/eth0", ["is eth0 in container web on host A, on network bridge; its host end is "]),
        ("A/web", ["is container web (image busybox) on host A: eth0 on network bridge."]),
        ("side", ["is a container (image busybox) on host A: it uses the network namespace of container web."]),
        ("hostmode", ["is a container (image busybox) on host A: it uses the host's own interfaces."]),
        ("alone", ["is a container (image busybox) on host A: it has loopback only."]),
        ("db", ["is container multi (service shop/db, image busybox) on host A: eth0 on network blue (bridge); eth1 "]),
        ("shop", ["is a Compose project or stack of 1 container: multi."]),
        ("svc", ["is a service of the swarm: virtual IP 10.0.0.4 on ingress, 10.0.1.4 on vx; published 8088->80/tcp"]),
        ("10.0.1.4", ["is the virtual IP of service svc on network vx; its tasks here: svc.2, svc.1."]),
        ("4097", ["is the VNI of overlay network vx (10.0.1.0/24); on it: svc.2, ov1, lb-vx, rr.1, svc.1."]),
        ("vx", ["is an overlay network (10.0.1.0/24, VNI 4097); on it: svc.2, ov1, lb-vx, rr.1, svc.1."]),
        ("172.18.0.0/16", ["is the subnet of bridge network inner", "is the subnet of bridge network docker_gwbridge"]),
        ("8080", ["is published by container web on host A: 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp."]),
        (":5353", ["is published by container web on host A: 127.0.0.1:5353->53/udp."]),
        ("8088", ["is published by service svc: 8088->80/tcp on every node."]),
        ("A/ens33", ["is ens33, an interface of host A (veth, 02:00:c0:a8:6f:80, 192.168.111.128/24, "]),
        ("B/overlay:vx/vxlan0", ["is vxlan0, the VXLAN device (VNI 4097) in the namespace of overlay network vx on "]),
        ("lb-vx", ["is the load balancer of network vx on host A.", "is the load balancer of network vx on host B."]),
        ("192.168.111.200", ["is eth0 in container mac1 on host A, on network mv (macvlan); its parent is ens33."]),
        ("192.168.111.129", ["is ens33, an interface of host B"]),
        ("10.60.0.1", ["is the gateway of overlay network vx6."]),
    ],
)
def test_name_is_told_in_a_sentence(asked: str, sentences: list[str]) -> None:
    told = answers(asked)
    assert len(told) == len(sentences)
    for sentence, expected in zip(told, sentences, strict=True):
        assert sentence.startswith(expected), sentence


def test_parent_lists_the_containers_on_it() -> None:
    assert answers("A/ens33")[0].endswith("; parent of macvlan network mv: mac1.")


def test_number_behind_an_at_sign_is_the_other_end() -> None:
    """`ip link` in the container prints eth0@if40."""
    ifindex = next(entry["link_index"] for entry in raw("A/web/ip-address.json") if entry["ifname"] == "eth0")
    assert answers(f"eth0@if{ifindex}")[0].startswith("on host A is the host end of eth0 in container web")
    assert answers(f"if{ifindex}") == answers(f"@if{ifindex}")


def test_veth_of_an_overlay_is_told_with_its_namespace() -> None:
    told = answers("veth1")
    assert all(" in the namespace of overlay network " in f" {sentence}" for sentence in told)
    assert any("is the host end of eth0 in container ov1" in sentence for sentence in told)


def test_id_that_is_begun_is_its_container() -> None:
    identity = next(each["Id"] for each in raw("A/docker-inspect.json") if each["Name"] == "/web")
    assert answers(identity[:12]) == answers(identity)
    assert answers(identity[:12])[0].startswith("is container web")
    assert look_up(hosts(), identity[:2]) == []  # too short for an id


def test_eth0_is_that_of_every_container() -> None:
    assert len(look_up(hosts(), "eth0")) == 11  # web, multi, ov1, mac1, rr.1, svc.1, svc.2, four load balancers


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("wbe", "nothing on A or B is called wbe; nearest: web"),
        ("veth12345", "; nearest: veth"),
        ("172.17.0.99", "has 172.17.0.99, an address of network bridge (172.17.0.0/16); in use there: 172.17.0.2"),
        ("02:42:ac:11:00:03", "nothing on A or B has 02:42:ac:11:00:03; nearest: 02:42:ac:11:00:02"),
        ("1.2.3.4", "nothing on A or B has 1.2.3.4"),
        ("", "nothing on A or B is called "),
    ],
)
def test_unknown_name_is_told_with_the_nearest(asked: str, says: str) -> None:
    assert look_up(hosts(), asked) == []
    assert says in unknown(hosts(), asked)


def test_name_of_hex_digits_is_no_mac() -> None:
    """A container called like a MAC without colons, or with dashes."""
    names = ["0242ac110009", "aabbcc-ddeeff"]
    topology = Topology(hosts=[Host("A", "", "")], containers=[Container("A", n, "f", "i", "none") for n in names])
    for name in names:
        assert answers(name, topology) == ["is a container (image i): it has loopback only."]


def test_ipvlan_parent_has_the_containers_mac() -> None:
    """All interfaces on an ipvlan parent have its MAC, so a MAC is several owners'. Recorded in User-Mode Linux."""
    topology = Topology.load(PROJECT / "pcaps" / "ipvlan-l2.topology.json")
    told = answers("02:00:c0:a8:6f:80", topology)
    assert [sentence.split(",")[0] for sentence in told] == [
        "is eth0 in container one on host A",
        "is eth0 in container two on host A",
        "is ens33",
    ]
    assert answers("ens33", topology)[0].endswith("; parent of ipvlan l2 network ipvlanA: one, two.")


def test_interface_that_docker_does_not_know_is_told() -> None:
    """A tunnel that a VPN client made in its container."""
    endpoint = Endpoint("", "wg0", None, ["10.9.0.2/32"])
    topology = Topology(hosts=[Host("A", "", "")], containers=[Container("A", "vpn", "f", "i", "bridge", [endpoint])])
    assert answers("10.9.0.2", topology) == ["is wg0 in container vpn, on a network that Docker does not know."]


WEB = "is published by container web on host A: 0.0.0.0:8080->80/tcp"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("8080", WEB),
        (":8080", WEB),
        ("8080/tcp", WEB),
        ("*:8080", WEB),
        ("127.0.0.1:8080", WEB),
        ("0.0.0.0:8080->80/tcp", WEB),
        ("[::]:8080/TCP", WEB),
        ("5353/udp", "is published by container web on host A: 127.0.0.1:5353->53/udp"),
        ("192.168.111.128:5353", "is not published: container web on host A publishes 127.0.0.1:5353->53/udp"),
        ("53/udp", "is a port inside container web on host A, published as 127.0.0.1:5353->53/udp"),
        ("172.17.0.2:80", "is eth0 in container web on host A"),
        ("8088/tcp", "is published by service svc: 8088->80/tcp on every node"),
    ],
)
def test_port_as_programs_write_it_is_its_publisher(asked: str, expected: str) -> None:
    """As ss, docker ps, docker port and a client's error write ports."""
    (sentence,) = answers(asked)
    assert sentence.startswith(expected)


@pytest.mark.parametrize("asked", ["9999", "9999/tcp", "8080/udp", "192.168.111.128:9999", "8080->81/tcp"])
def test_port_of_none_names_those_that_are_published(asked: str) -> None:
    assert look_up(hosts(), asked) == []
    assert unknown(hosts(), asked).endswith(
        f"publishes port {asked}; published: 5353/udp (web), 8080/tcp (web), 8088/tcp (svc)"
    )


@pytest.mark.parametrize("asked", ["0", "70000", "300.1.1.1:80", "[web]:80", "8080/icmp", "80:80"])
def test_what_is_no_port_means_nothing(asked: str) -> None:
    assert look_up(hosts(), asked) == []
    assert "publishes port" not in unknown(hosts(), asked)


def test_docker_dns_is_on_lo_of_networks_with_names() -> None:
    (sentence,) = answers("127.0.0.11")
    assert sentence.startswith("is Docker's name server.")
    named = sentence.rpartition(": ")[2]
    assert "multi" in named and "web" not in named and "alone" not in named

"""Names of points, as people call files of captures."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.core.point_names import PointName, file_stem, name_of_point, name_of_stem
from capnet.analysis.engine import analyze
from capnet.topology import role_from_name
from capnet.wire.formats.pcapng_writer import interface, names, packet, section
from tests.stories import Network, udp

READ = {  # file → name, host, container, interface
    "hostA__docker0.pcap": ("hostA/docker0", "hostA", None, "docker0"),
    "hostA-docker0.pcap": ("hostA/docker0", "hostA", None, "docker0"),
    "node_eth0.cap.zst": ("node/eth0", "node", None, "eth0"),
    "lb-sbox__eth0.pcap": ("lb-sbox/eth0", "lb-sbox", None, "eth0"),
    "hostB__flannel.1.pcap": ("hostB/flannel.1", "hostB", None, "flannel.1"),
    "w1-flannel.1.pcap": ("w1/flannel.1", "w1", None, "flannel.1"),
    "w1-vxlan.calico.pcap": ("w1/vxlan.calico", "w1", None, "vxlan.calico"),
    "w1-cali0123456789a.pcap": ("w1/cali0123456789a", "w1", None, "cali0123456789a"),
    "w1-br-0123456789ab.pcap": ("w1/br-0123456789ab", "w1", None, "br-0123456789ab"),
    "a-b-veth12ab34f.pcapng": ("a-b/veth12ab34f", "a-b", None, "veth12ab34f"),
    "w1-podman0.pcap": ("w1/podman0", "w1", None, "podman0"),
    "w1-cni0.pcap": ("w1/cni0", "w1", None, "cni0"),
    "w1-lo.pcap": ("w1/lo", "w1", None, "lo"),
    "w1-any.pcap": ("w1/any", "w1", None, "any"),
    "a.example.org-eth0.pcap": ("a.example.org/eth0", "a.example.org", None, "eth0"),
    "container-web__eth0.pcap": ("container-web/eth0", None, "web", "eth0"),
    "container-web-eth0.pcap": ("container-web/eth0", None, "web", "eth0"),
    "hostA__web.1__eth0.pcap": ("hostA/web.1/eth0", "hostA", "web.1", "eth0"),
    "A__overlay:net__vxlan0.pcap": ("A/overlay:net/vxlan0", "A", None, "vxlan0"),
    "ens33.10.pcap": ("ens33.10", None, None, "ens33.10"),
    "w1-ens33.10.pcap.gz": ("w1/ens33.10", "w1", None, "ens33.10"),
    "ens33_00001_20261128101010.pcapng": ("ens33", None, None, "ens33"),
    "host1.example.com.pcapng": ("host1.example.com", "host1.example.com", None, None),
}
PLAIN = [
    "overlay-two.pcap", "bridge-hairpin-noproxy.pcapng", "macvlan-vlan.pcap", "host-california.pcap", "10.0.0.1.pcap",
    "test-vethernet.pcap", "foo-en-route.pcap", "tcpdump__tests__vxlan.pcap", "web-eth0-1.pcap", "dump.2026.01.02.pcap",
    "scapy__test__pcaps__ipfix.pcap", "left__a-name-longer-than-ifnamsiz.pcap",
]  # fmt: skip


@pytest.mark.parametrize("file", READ)
def test_file_name_is_split_before_an_interface(file: str) -> None:
    """Two underscores split anyway, a hyphen only before what an interface is called."""
    assert name_of_stem(file_stem(file)) == PointName(*READ[file])


@pytest.mark.parametrize("file", PLAIN)
def test_file_name_without_interface_names_no_host(file: str) -> None:
    """Nothing in these names is called as an interface is."""
    assert name_of_stem(file_stem(file)) == PointName(file_stem(file))


def test_point_names_in_captures_keep_their_parts() -> None:
    """What recordings call their points."""
    assert name_of_point("A/web/eth0") == PointName("A/web/eth0", "A", "web", "eth0")
    assert name_of_point("A/docker0") == PointName("A/docker0", "A", None, "docker0")


def test_roles_of_names_in_the_wild() -> None:
    """Names that podman, flannel, Calico, Cilium, Amazon's VPC CNI and Incus give, and a file of a container's name."""
    roles = {
        "container-web/eth0": "container", "n1/podman0": "bridge", "n1/flannel.1": "overlay", "n1/ens33.10": "parent",
        "n1/cali0123456789a": "veth", "n1/docker0": "bridge", "n1/lxc0123456789ab": "veth", "n1/incusbr0": "bridge",
        "n1/eni0123456789a": "veth",
    }  # fmt: skip
    assert {name: role_from_name(name) for name in roles} == roles


def test_files_of_one_host_are_one_host(tmp_path: Path) -> None:
    """Both files are named in different ways; one packet of A passes from one to the other."""
    net = Network(["docker0", "ens33"], files={"docker0": "hostA__docker0.pcapng", "ens33": "hostA-ens33.pcapng"})
    for number in range(4):
        packet = udp("172.17.0.2:5000 > 192.168.111.129:7000", b"%d" % number, ident=number + 1)
        net.pass_by(("docker0", packet), ("ens33", packet.routed(src="192.168.111.128")))
    report = analyze(net.write(tmp_path))
    assert [(point.name, point.host, point.device, point.named_by) for point in report.points] == [
        ("hostA/docker0", "hostA", "docker0", "file"),
        ("hostA/ens33", "hostA", "ens33", "file"),
    ]
    (row,) = report.nat
    assert row.latency_us is not None  # one host has one clock, so one direction is enough


GUID = "\\Device\\NPF_{C84B66C7-D757-4F20-BAAB-065088BCD72E}"


@pytest.mark.parametrize(
    ("name", "description", "expected"),
    [
        ("Unknown/not available in original file format(libpcap)", "", ("web", None, "file")),
        (GUID, "Ethernet 2", ("Ethernet 2", None, "interface")),
        (GUID, "", (GUID, None, "interface")),
        ("ens33", "the card", ("ens33", None, "interface")),
    ],
    ids=["merged by mergecap", "Windows", "Windows, no description", "Linux"],
)
def test_interface_has_the_name_that_people_know(
    tmp_path: Path, name: str, description: str, expected: tuple[str, str | None, str]
) -> None:
    path = tmp_path / "web.pcapng"
    frame = udp("172.17.0.2:5000 > 192.168.111.129:7000", b"1").frame()
    path.write_bytes(section() + interface(name, description=description) + packet(0, 1, frame))
    (point,) = analyze(path).points
    assert (point.name, point.host, point.named_by) == expected


def test_unspecified_address_gets_no_name(tmp_path: Path) -> None:
    """A resolver that blocks a name answers 0.0.0.0; DHCP is sent from there."""
    path = tmp_path / "web.pcapng"
    frame = udp("0.0.0.0:68 > 255.255.255.255:67", b"discover").frame()
    resolved = names([("0.0.0.0", "ads.example"), ("::", "ads.example"), ("192.0.2.1", "web.example")])
    path.write_bytes(section() + interface("ens33") + resolved + packet(0, 1, frame))
    assert analyze(path).names == {"192.0.2.1": "web.example"}

"""Topologies from saved outputs. Truth: the outputs themselves, read here by name of file and folder."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capnet.errors import UnreadableInput
from capnet.record.saved import files, saved_outputs
from capnet.record.saved.saved_outputs import Skipped, topology_of_files
from capnet.topology import Container, Topology
from tests.record.saved_hosts import ARCHIVE, raw, texts, unpacked

LINK_LOCAL = "fe80"


def read(*paths: Path) -> Topology:
    return topology_of_files(paths)[0]


def container(topology: Topology, name: str, host: str = "A") -> Container:
    return next(each for each in topology.containers if (each.host, each.name) == (host, name))


def inspected() -> Iterator[tuple[str, dict[str, Any]]]:
    for host in ("A", "B"):
        for each in raw(f"{host}/docker-inspect.json"):
            yield host, each


def veth_ends(host: str, folder: str) -> dict[str, str]:
    """Interface in a container's folder → the interface of the host, or of an overlay's folder, of mutual numbers."""
    inside = {entry["ifname"]: entry for entry in raw(f"{host}/{folder}/ip-address.json")}
    ends = {}
    for name, entry in inside.items():
        for path in texts():
            if path == f"{host}/ip-address.json" or (
                path.startswith(f"{host}/1-") and path.endswith("ip-address.json")
            ):
                for other in raw(path):
                    mutual = (other["ifindex"], other.get("link_index")) == (entry.get("link_index"), entry["ifindex"])
                    same_mtu = other["mtu"] == entry["mtu"]  # overlays have 1450: numbers alone may agree by chance
                    if mutual and same_mtu and "link_netnsid" in other:
                        ends[name] = other["ifname"]
    return ends


def test_saved_containers_have_dockers_addresses() -> None:
    topology = read(ARCHIVE)
    for host, each in inspected():
        name = each["Name"].removeprefix("/")
        shown = next(c for c in topology.containers if c.id == each["Id"])
        assert (shown.host, shown.full_name or shown.name, shown.pid) == (host, name, each["State"]["Pid"])
        networks = each["NetworkSettings"]["Networks"]
        expected = {
            (network, entry["MacAddress"], f"{entry['IPAddress']}/{entry['IPPrefixLen']}")
            for network, entry in networks.items()
            if entry["IPAddress"]
        }
        endpoints = {
            (endpoint.network, endpoint.mac, address) for endpoint in shown.endpoints for address in endpoint.addresses
        }
        assert expected <= endpoints
        others = {network for network, _, address in endpoints - expected if ":" not in address}
        assert others <= {"docker_gwbridge"}  # of which `docker inspect` says nothing


def test_saved_endpoints_have_the_host_ends_of_ip() -> None:
    topology = read(ARCHIVE)
    compared = 0
    for host, each in inspected():
        name = each["Name"].removeprefix("/")
        if f"{host}/{name}/ip-address.json" not in texts():
            continue
        ends = veth_ends(host, name)
        shown = next(c for c in topology.containers if c.id == each["Id"])
        assert {e.interface: e.veth for e in shown.endpoints if e.veth} == ends
        compared += len(ends)
    assert compared == 13  # web 1, multi 2, ov1 2, rr.1 2, both tasks of svc 3


def test_saved_networks_have_bridge_parent_and_vni() -> None:
    networks = {(each.host, each.name): each for each in read(ARCHIVE).networks}
    assert networks["A", "bridge"].bridge == networks["B", "bridge"].bridge == "docker0"
    assert networks["A", "blue"].subnets == ["10.50.0.0/24", "fd00:50::/64"]
    assert networks["A", "inner"].internal
    assert networks["A", "mv"].parent == "ens33"
    assert networks[None, "vx"].vni == 4097 and networks[None, "ingress"].ingress
    assert networks[None, "vx"].peers == ["192.168.111.128", "192.168.111.129"]


@pytest.mark.parametrize(
    ("name", "mode", "endpoints"),
    [("hostmode", "host", 0), ("alone", "none", 0), ("side", "container:", 0), ("mac1", "mv", 1), ("multi", "blue", 2)],
)
def test_saved_container_of_each_model(name: str, mode: str, endpoints: int) -> None:
    shown = container(read(ARCHIVE), name)
    assert shown.network_mode.startswith(mode) and len(shown.endpoints) == endpoints
    assert shown.shares_network_with == ("web" if name == "side" else None)
    assert [endpoint.parent for endpoint in shown.endpoints if endpoint.kind == "macvlan"] == ["ens33"] * (
        name == "mac1"
    )


def test_saved_overlay_namespaces_have_their_vxlan_device() -> None:
    shown = {(each.host, each.network): each for each in read(ARCHIVE).namespaces if each.network}
    assert set(shown) == {(host, network) for host in "AB" for network in ("ingress", "vx")}
    device = next(each for each in shown["B", "vx"].interfaces if each.kind == "vxlan")
    assert (device.name, device.vni, device.udp_port, device.master) == ("vxlan0", 4097, 4789, "br0")
    assert container(read(ARCHIVE), "ov1").endpoints[0].veth_netns == shown["A", "vx"].netns


def test_saved_services_have_their_virtual_ips() -> None:
    services = {service.name: service for service in read(ARCHIVE).services}
    assert [(vip.network, vip.address) for vip in services["svc"].vips] == [("ingress", "10.0.0.4"), ("vx", "10.0.1.4")]
    assert [(port.published_port, port.target_port) for port in services["svc"].ports] == [(8088, 80)]
    assert services["rr"].endpoint_mode == "dnsrr" and services["rr"].vips == []


def test_worker_alone_knows_services_of_its_networks(tmp_path: Path) -> None:
    """B is no manager; `docker network inspect -v` has the names and VIPs."""
    topology = read(unpacked(tmp_path, lambda path: path.startswith("B/")))
    assert [host.name for host in topology.hosts] == ["B"]
    services = {service.name: service for service in topology.services}
    assert services["svc"].id is None
    assert {(vip.network, vip.address) for vip in services["svc"].vips} == {("ingress", "10.0.0.4"), ("vx", "10.0.1.4")}


def test_load_balancers_are_containers_of_their_network() -> None:
    balancers = {(each.host, each.name): each for each in read(ARCHIVE).containers if each.balances}
    assert set(balancers) == {(host, name) for host in "AB" for name in ("ingress-sbox", "lb-vx")}
    assert [endpoint.network for endpoint in balancers["A", "ingress-sbox"].endpoints] == ["ingress", "docker_gwbridge"]


def test_routes_and_tables_are_kept_where_they_were_saved() -> None:
    topology = read(ARCHIVE)
    host = topology.hosts[0]
    assert (host.routes[0].destination, host.routes[0].via, host.routes[0].interface) == (
        "default", "192.168.111.1", "ens33",
    )  # fmt: skip
    web = next(each for each in topology.namespaces if each.container == "web")
    assert (web.neighbours[0].address, web.neighbours[0].mac) == ("172.17.0.1", raw("A/web/ip-neigh.json")[0]["lladdr"])
    assert set(host.outputs) == {"iptables-save -c", "nft -j list ruleset", "sysctl -a"}
    assert host.outputs["iptables-save -c"] == texts()["A/iptables-save.txt"]
    assert len(host.conntrack) == len(texts()["A/conntrack.txt"].splitlines())
    assert host.surveyed and host.surveyed.startswith(raw("A/docker-info.json")["SystemTime"][:19])


def test_files_that_are_no_output_are_listed() -> None:
    assert topology_of_files([ARCHIVE])[1] == [
        Skipped("A/docker-ps.txt", "a text of an unknown kind"),
        Skipped("A/ip-a.txt", "output of ip without -j: save `ip -j -d address`"),
    ]


def test_folder_and_archives_give_the_same_topology(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "unpacked")
    with tarfile.open(tmp_path / "plain.tar", "w") as archive:
        archive.add(folder, "./support/2026")
    expected = read(ARCHIVE)
    assert read(folder) == expected
    packed = read(tmp_path / "plain.tar")
    assert packed.containers[0].endpoints == expected.containers[0].endpoints
    assert [host.name for host in packed.hosts] == ["A", "B"]


def test_namespaces_are_told_by_content_not_by_name(tmp_path: Path) -> None:
    """Folders of namespaces are called x1, x2 …; only that of container alone, with loopback only, is lost."""
    folders: dict[str, str] = {}
    for path, text in texts().items():
        parts = path.split("/")
        if len(parts) == 3:
            parts[1] = folders.setdefault(parts[1], f"x{len(folders)}")
        target = tmp_path.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    renamed, expected = read(tmp_path), read(ARCHIVE)

    def shown(topology: Topology) -> Any:
        return [
            (
                each.name,
                [(e.network, e.interface, e.mac, e.addresses, e.veth, e.bridge, e.parent) for e in each.endpoints],
            )
            for each in sorted(topology.containers, key=lambda each: (each.host, each.id[:12].replace("lb_", "")))
            if not each.balances
        ]

    assert shown(renamed) == shown(expected)
    assert len([each for each in renamed.containers if each.balances]) == 4
    assert len([each for each in renamed.namespaces if each.network]) == 4


def test_docker_alone_gives_addresses_without_interfaces(tmp_path: Path) -> None:
    topology = read(unpacked(tmp_path, lambda path: path.startswith("A/docker")))
    (endpoint,) = container(topology, "web").endpoints
    assert (endpoint.network, endpoint.interface, endpoint.addresses, endpoint.bridge) == (
        "bridge", "", ["172.17.0.2/16"], "docker0",
    )  # fmt: skip
    ov1 = {each.network: each.addresses for each in container(topology, "ov1").endpoints}
    assert ov1 == {"vx": ["10.0.1.2/24"], "docker_gwbridge": ["172.19.0.3/16"]}
    multi = container(topology, "multi").endpoints[0]
    assert multi.addresses == ["10.50.0.2/24", "fd00:50::2/64"]


def test_single_files_are_one_host(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, lambda path: path.startswith("A/"))
    names = ["docker-inspect.json", "docker-network-inspect.json", "ip-address.json", "web/ip-address.json"]
    topology = read(*(folder / "A" / name for name in names))
    assert [host.name for host in topology.hosts] == ["host"]  # nothing tells its name
    assert container(topology, "web", "host").endpoints[0].bridge == "docker0"


def test_link_and_address_of_ip_complete_each_other(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, lambda path: path.startswith("A/"))
    entries = raw("A/web/ip-address.json")
    links = [{key: value for key, value in entry.items() if key != "addr_info"} for entry in entries]
    plain = [{key: entry[key] for key in ("ifindex", "ifname", "address", "addr_info", "mtu")} for entry in entries]
    (folder / "A/web/ip-address.json").write_text(json.dumps(plain))
    (folder / "A/web/a-link.json").write_text(json.dumps(links))
    endpoint = container(read(folder), "web").endpoints[0]
    assert endpoint.veth == container(read(ARCHIVE), "web").endpoints[0].veth
    assert endpoint.addresses == ["172.17.0.2/16"]


def test_topology_files_are_read_and_joined(tmp_path: Path) -> None:
    read(ARCHIVE).save(tmp_path / "all.topology.json")
    assert read(tmp_path) == read(ARCHIVE)


def test_topology_of_saved_outputs_survives_its_file(tmp_path: Path) -> None:
    read(ARCHIVE).save(tmp_path / "all.json")
    assert Topology.load(tmp_path / "all.json") == read(ARCHIVE)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b"\n \n", "empty"),
        ("a.bin", b"\x7fELF\0\0", "no text"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.json", b'{"a": 1', "not JSON"),
        ("a.json", b'[1, "x"]', "JSON of an unknown kind"),
        ("a.json", b'{"Id": 7}', "JSON of an unknown kind"),
        ("a.txt", b"Dear support,\nit does not work.\n", "a text of an unknown kind"),
        ("a.json", b'{"schema": "capnet.topology/1", "hosts": 5}', "a damaged topology"),
    ],
)
def test_file_of_no_use_is_skipped_with_its_reason(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    (tmp_path / "networks.json").write_text(texts()["A/docker-network-inspect.json"])
    (skipped,) = topology_of_files([tmp_path])[1]
    assert skipped.path == name and skipped.reason.startswith(reason)


def test_nothing_of_use_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(UnreadableInput, match=r"nothing that Docker, ip, .* printed"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["missing", "missing.tar.gz"])
def test_missing_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableInput, match="No such file"):
        read(tmp_path / name)


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_damaged_archive_is_an_error(tmp_path: Path, keep: int) -> None:
    (tmp_path / "a.tar.gz").write_bytes(ARCHIVE.read_bytes()[:keep])
    with pytest.raises(UnreadableInput, match=r"a\.tar\.gz: "):
        read(tmp_path / "a.tar.gz")


def test_docker_output_without_a_key_is_an_error_that_names_it(tmp_path: Path) -> None:
    containers = raw("A/docker-inspect.json")
    del containers[0]["HostConfig"]["NetworkMode"]
    (tmp_path / "c.json").write_text(json.dumps(containers))
    with pytest.raises(UnreadableInput, match=r"c\.json: not as Docker and ip print it"):
        read(tmp_path)


def test_archive_cannot_write_or_read_outside(tmp_path: Path) -> None:
    """Members with .., absolute names and links are read as plain files, or not at all."""
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        for name in ("../../outside.json", "/etc/outside.json"):
            data = texts()["A/docker-network-inspect.json"].encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("passwd.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    topology, skipped = topology_of_files([tmp_path / "evil.tar"])
    assert skipped == [] and len(topology.networks) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["evil.tar"]


def test_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "bundle", lambda path: path.startswith("A/docker"))
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "loop").symlink_to(folder)
    assert topology_of_files([folder])[1] == [Skipped("A/docker-ps.txt", "a text of an unknown kind")]


def test_too_much_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = unpacked(tmp_path)
    monkeypatch.setattr(files, "MAX_FILES", 10)
    with pytest.raises(UnreadableInput, match="more than 10 files"):
        read(folder)
    monkeypatch.setattr(files, "MAX_FILES", 1000)
    monkeypatch.setattr(files, "MAX_ALL_BYTES", 1 << 16)
    with pytest.raises(UnreadableInput, match="more than"):
        read(folder)


def test_long_table_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_outputs, "MAX_OUTPUT_CHARACTERS", 100)
    topology, skipped = topology_of_files([ARCHIVE])
    assert len(topology.hosts[0].outputs["iptables-save -c"]) == 100
    assert Skipped("iptables-save -c", "only its first 100 characters are kept") in skipped


def test_podman_bridges_are_found_by_their_gateway() -> None:
    """podman calls its bridges podman0, podman1, and Docker's API does not say so."""
    topology = read(ARCHIVE.with_name("podman.tar.gz"))
    assert {network.name: network.bridge for network in topology.networks} == {"podman": "podman0", "blue": "podman1"}
    web = container(topology, "web", "P")
    assert [(e.network, e.interface, e.veth, e.bridge) for e in web.endpoints] == [
        ("podman", "eth0", "veth0", "podman0")
    ]
    assert [(port.host_ip, port.host_port, port.container_port) for port in web.ports] == [("0.0.0.0", 8080, 80)]
    assert container(topology, "side", "P").shares_network_with == "web"
    modes = {each.name: each.network_mode for each in topology.containers if not each.endpoints}
    assert (modes["hostmode"], modes["alone"]) == ("host", "none")

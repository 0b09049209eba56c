"""The file of a topology: what is written is read again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Namespace, Topology
from tests.conftest import PROJECT


@pytest.mark.parametrize("process", ["22882", "self"])
def test_namespaces_are_files_of_their_host(tmp_path: Path, process: str) -> None:
    """A daemon's mounts are reached through its process; its number means nothing to who reads the file."""
    file = "/run/docker/netns/1-shop"
    endpoint = Endpoint("shop", "eth0", None, [], "veth1", veth_netns=f"/proc/{process}/root{file}")
    topology = Topology(
        containers=[Container("A", "web", "1", "", "shop", [endpoint])],
        namespaces=[Namespace("A", f"/proc/{process}/root{file}", "shop")],
    )
    (tmp_path / "x.topology.json").write_text(topology.to_json())
    written = Topology.load(tmp_path / "x.topology.json")
    assert written.namespaces[0].netns == written.containers[0].endpoints[0].veth_netns == file
    assert topology.namespaces[0].netns == f"/proc/{process}/root{file}"  # by which it is entered


@pytest.mark.parametrize(
    ("whole", "damaged", "words"),
    [
        (r"172\.17\.0\.3/16", "172.17.0.300/16", "does not appear to be an IPv4 or IPv6"),
        (r"(?<=\"mac\": \")[^\"]*", "02:42:ac:11:00", "is no MAC address"),
        (r"(?<=\"host_ip\": \")[^\"]*", "10.0.0.0/8", "does not appear to be an IPv4 or IPv6"),
    ],
)
def test_damaged_address_in_a_file_is_told(tmp_path: Path, whole: str, damaged: str, words: str) -> None:
    """Of a container, of an interface, and of a published port: later steps rely on them."""
    written = (PROJECT / "pcaps" / "bridge.topology.json").read_text()
    text, count = re.subn(whole, damaged, written, count=1)
    file = tmp_path / "x.topology.json"
    file.write_text(text)
    assert count == 1
    with pytest.raises(ValueError, match=words):
        Topology.load(file)

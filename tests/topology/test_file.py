"""The file of a topology: what is written is read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Namespace, Topology


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

"""container: what tells two containers in one namespace from a host that calls itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from capnet.topology import Topology
from tests.analysis.facts.models.stations import (
    B_MAC,
    HOST,
    HOST_MAC,
    LO_MAC,
    B,
    Socket,
    exchange,
    likely,
    masqueraded,
    talk_over_loopback,
)
from tests.stories import Network, udp
from tests.story_reports import read


def test_container_address_on_loopback_is_shared(tmp_path: Path) -> None:
    """The bridge is explained by it: it is the way out of the shared namespace."""
    net = Network(["if0", "if1", "if2"])
    talk_over_loopback(net, "if0", "172.17.0.2")
    masqueraded(net, "172.17.0.2", "if1", "if2")
    report = read(net, tmp_path)
    assert likely(report) == ["container"]
    assert [(model["model"], model["confidence"]) for model in report["models"][1:]] == [("bridge", 0.4)]


def test_host_address_on_loopback_is_no_container(tmp_path: Path) -> None:
    net = Network(["if0", "if1", "if2"])
    talk_over_loopback(net, "if0", HOST)
    exchange(net, Socket(HOST_MAC, HOST, 40000), Socket(B_MAC, B, 80), "if1", "if2")
    assert "container" not in likely(read(net, tmp_path))


def test_docker_dns_on_loopback_is_no_conversation(tmp_path: Path) -> None:
    net = Network(["if0", "if1", "if2"])
    query = udp("127.0.0.1:40000 > 127.0.0.11:41234", b"query", ident=1, smac=LO_MAC, dmac=LO_MAC)
    net.pass_by(("if0", query))
    net.pass_by(("if0", query.but(ends="127.0.0.11:53 > 127.0.0.1:40000", payload=b"answer", ident=2)))
    masqueraded(net, "172.18.0.2", "if1", "if2")
    assert likely(read(net, tmp_path)) == ["bridge"]


@pytest.mark.parametrize(("runtime", "sentence"), [(None, "Docker runs"), ("containerd", "containerd runs")])
def test_runtime_is_named_that_shares_the_namespace(tmp_path: Path, runtime: str | None, sentence: str) -> None:
    """A golden of Docker, and the same with the topology of a pod: the reader looks for the runtime that is named."""
    topology = Topology.load("pcaps/container.topology.json")
    for container in topology.containers:
        container.runtime = runtime
    topology.save(tmp_path / "container.topology.json")
    shutil.copy("pcaps/container.pcapng", tmp_path)
    models = analyze(tmp_path / "container.pcapng").to_dict()["models"]
    (model,) = [each for each in models if each["model"] == "container"]
    assert any(reason.startswith(sentence) for reason in model["because"])
    assert all(runtime is None or "Docker" not in reason for reason in model["because"])

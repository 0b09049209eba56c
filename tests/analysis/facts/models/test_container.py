"""container: what tells two containers in one namespace from a host that calls itself."""

from __future__ import annotations

from pathlib import Path

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

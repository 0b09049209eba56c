"""stops-between and lost-on-the-wire between pods: a CNI that routes to each pod by a link of its own, and a VPN."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import of_capture, of_story
from tests.stories import ACK, SYN, Network, Packet, arp, tcp
from tests.story_reports import read

APP, OTHER, DB = "10.90.2.14", "10.90.2.15", "10.90.2.20"
APP_MAC, DB_MAC, NODE_MAC = "4a:00:00:00:00:14", "4a:00:00:00:00:20", "ee:ee:ee:ee:ee:ee"
APP_LINK, DB_LINK = "n1/cali4d72d1c9af0", "n1/cali7ecbd0561e6"
ROUTED = {"smac": NODE_MAC, "dmac": DB_MAC}


def serve(net: Network, client: str, port: int, db: str = DB) -> None:
    """A client whose own link was not captured asks the database, and gets an answer."""
    there, back = f"{client}:{port} > {db}:5432", f"{db}:5432 > {client}:{port}"
    for packet in (
        tcp(there, flags=SYN, seq=port, ttl=63, ident=port, **ROUTED),
        tcp(back, flags=SYN | ACK, seq=9, ack=port + 1, ident=port + 1, smac=DB_MAC, dmac=NODE_MAC),
        tcp(there, b"ask", seq=port + 1, ack=10, ttl=63, ident=port + 2, **ROUTED),
        tcp(back, b"ok", seq=10, ack=port + 4, ident=port + 3, smac=DB_MAC, dmac=NODE_MAC),
    ):
        net.pass_by((DB_LINK, packet))


def call(net: Network, *behind: tuple[str, Packet], times: int = 4) -> None:
    syn = tcp(f"{APP}:41000 > {DB}:5432", flags=SYN, seq=7000, smac=APP_MAC, dmac=NODE_MAC)
    for number in range(times):
        sent = syn.but(ident=70 + number)
        net.pass_by((APP_LINK, sent), *((point, packet.but(ident=70 + number)) for point, packet in behind), gap=1e6)


def test_policy_between_two_pods_is_told(tmp_path: Path) -> None:
    """The database's link shows another client, and none of these SYNs. Both pods are of one network."""
    net = Network([APP_LINK, DB_LINK])
    net.at(net.now, DB_LINK, arp(1, DB_MAC, DB, "169.254.1.1"))
    serve(net, OTHER, 40000)
    call(net)
    serve(net, OTHER, 40010)
    report = read(net, tmp_path)
    (finding,) = [row for row in report["findings"] if row["level"] != "info"]
    assert (finding["name"], finding["level"]) == ("stops-between", "error")
    assert (finding["facts"]["point"], finding["facts"]["next"]) == (APP_LINK, DB_LINK)


@pytest.mark.parametrize("source", [APP, "10.90.2.1"], ids=["unchanged", "by SNAT"])
def test_call_that_comes_to_the_pod_is_silent(tmp_path: Path, source: str) -> None:
    """The database gets it, perhaps from another address, and says nothing."""
    net = Network([APP_LINK, DB_LINK])
    net.at(net.now, DB_LINK, arp(1, DB_MAC, DB, "169.254.1.1"))
    serve(net, OTHER, 40000)
    call(net, (DB_LINK, tcp(f"{source}:41000 > {DB}:5432", flags=SYN, seq=7000, ttl=63, **ROUTED)))
    serve(net, OTHER, 40010)
    assert of_story(net, tmp_path, "stops-between") == []


def through(net: Network, client: str, port: int, arrives: bool) -> None:
    """A connection through a VPN, recorded at the tun devices of both of its ends."""
    there, back = f"{client}:{port} > 10.88.2.7:8080", f"10.88.2.7:8080 > {client}:{port}"
    if not arrives:
        for number in range(4):
            net.pass_by(("n1/wg0", tcp(there, flags=SYN, seq=port, ttl=63, ident=port + number)), gap=1e6)
        return
    for packet in (
        tcp(there, flags=SYN, seq=port, ttl=63, ident=port),
        tcp(back, flags=SYN | ACK, seq=9, ack=port + 1, ttl=63, ident=port + 1),
        tcp(there, b"ask", seq=port + 1, ack=10, ttl=63, ident=port + 2),
        tcp(back, b"ok", seq=10, ack=port + 4, ttl=63, ident=port + 3),
    ):
        points = ("n1/wg0", "n2/wg0") if packet.dport == 8080 else ("n2/wg0", "n1/wg0")
        net.pass_by(*((point, packet) for point in points))


@pytest.mark.parametrize("is_answered", [False, True])
def test_source_that_a_vpn_does_not_take_is_told(tmp_path: Path, is_answered: bool) -> None:
    """Its far end takes the packets of one pod only, as of AllowedIPs of WireGuard."""
    net = Network(["n1/wg0", "n2/wg0"], tuns={"n1/wg0", "n2/wg0"})
    for number in range(3):
        through(net, "10.88.1.7", 40000 + 10 * number, arrives=True)
    through(net, "10.88.1.9", 41000, arrives=is_answered)
    through(net, "10.88.1.7", 42000, arrives=True)
    findings = of_story(net, tmp_path, "lost-on-the-wire")
    assert [finding["facts"]["sources"] for finding in findings] == ([] if is_answered else [["10.88.1.9"]])
    assert all("AllowedIPs" in finding["fix"] for finding in findings)


# Two nodes with kubelet 1.20.2, containerd 1.6.20 and flannel's VXLAN; node B asks port 81 of a pod of node A, where
# `iptables -A FORWARD -d 10.244.1.2 -p tcp --dport 81 -j DROP` drops it. Truth: construction, and the kernel's trace.
DROPPED_BY_RULE = "tests/analysis/findings/stops/pods/pod-dropped-by-rule.pcapng"


def test_rule_behind_a_tunnel_is_told() -> None:
    (finding,) = of_capture(DROPPED_BY_RULE, "stops-between")
    assert finding["facts"]["point"] == "node-A/flannel.1"
    assert "none reaches node-A/cni0" in finding["says"]


@pytest.mark.parametrize("name", ["different-networks", "tunnel-one-way"])
def test_rule_behind_a_tunnel_is_silent(name: str) -> None:
    """A cluster's networks are not Docker's, and the tunnel brings the packets."""
    assert of_capture(DROPPED_BY_RULE, name) == []

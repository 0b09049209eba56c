"""ttl-too-small: SYNs whose TTL ends at a router on their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, named
from tests.stories import ACK, SYN, Network, Packet, tcp
from tests.story_reports import A, read

POINT = "A/ens33"
V4, V6 = (A, "10.9.0.5", "192.168.111.1"), ("[2001:db8:1::80]", "[2001:db8:2::5]", "[2001:db8:1::1]")


def peering(folder: Path, ttls: tuple[int, ...], hosts: tuple[str, str, str] = V4, answered: bool = False) -> Findings:
    """A speaker tries to connect to a peer behind its router, once with each of these TTLs."""
    client, server, router = hosts
    net = Network([POINT])
    for number, ttl in enumerate(ttls):
        ends = f"{client}:{40000 + number} > {server}:179"
        syn = tcp(ends, seq=9, flags=SYN, ttl=ttl, ident=number + 1)
        net.pass_by((POINT, syn), gap=1e6)
        if answered:
            net.pass_by((POINT, tcp(f"{server}:179 > {client}:{40000 + number}", ack=10, flags=SYN | ACK)))
        else:
            kind = (11, 0) if "." in client else (3, 0)
            error = Packet(
                "icmp", router.strip("[]"), client.strip("[]"), icmp=kind, payload=syn.ip()[:60], ident=number
            )
            net.pass_by((POINT, error))
    return named(read(net, folder), "ttl-too-small")


@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_syns_with_a_ttl_of_one_is_told(tmp_path: Path, hosts: tuple[str, str, str]) -> None:
    """BGP without ebgp-multihop."""
    (finding,) = peering(tmp_path, (1, 1, 1), hosts)
    client, server, router = (host.strip("[]") for host in hosts)
    peer = f"{server}:179" if "." in server else f"[{server}]:179"
    assert finding["level"] == "warning"
    assert finding["says"] == (f"{client} sends 3 SYNs to {peer} with a TTL of 1, which ends at {router}: no answer")


def test_traceroute_over_tcp_is_silent(tmp_path: Path) -> None:
    assert peering(tmp_path, (1, 2, 3)) == []


def test_syns_that_a_near_peer_answers_is_silent(tmp_path: Path) -> None:
    """A TTL of 1 reaches all on the same network."""
    assert peering(tmp_path, (1, 1, 1), answered=True) == []

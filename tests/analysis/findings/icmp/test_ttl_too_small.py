"""ttl-too-small: SYNs whose TTL ends at a router on their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.analysis.findings.reported import Findings, named
from tests.conftest import PROJECT
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


def trace(net: Network, ttls: tuple[int, ...], answered_from: int) -> None:
    """`mtr --tcp`: each step from a new port; the first router alone sends errors, the server answers from a TTL on."""
    client, server, router = V4
    for number, ttl in enumerate(ttls * 3):
        ends, back = f"{client}:{33000 + number} > {server}:443", f"{server}:443 > {client}:{33000 + number}"
        syn = tcp(ends, seq=9 + number, flags=SYN, ttl=ttl, ident=number + 1)
        net.pass_by((POINT, syn))
        if ttl >= answered_from:
            net.pass_by((POINT, tcp(back, seq=7, ack=10 + number, flags=SYN | ACK)))
        elif ttl == 1:
            error = Packet("icmp", router, client, icmp=(11, 0), payload=syn.ip()[:60], ident=number)
            net.pass_by((POINT, error), gap=1e6)


@pytest.mark.parametrize(("ttls", "answered_from"), [((1, 2), 2), ((1, 2, 3, 4), 9)], ids=["two hops", "one router"])
def test_steps_of_a_traceroute_without_errors_is_silent(
    tmp_path: Path, ttls: tuple[int, ...], answered_from: int
) -> None:
    """Only the first step draws errors: the server answers the second one, or routers behind send none."""
    net = Network([POINT])
    trace(net, ttls, answered_from)
    assert named(read(net, tmp_path), "ttl-too-small") == []


def test_syns_that_a_near_peer_answers_is_silent(tmp_path: Path) -> None:
    """A TTL of 1 reaches all on the same network."""
    assert peering(tmp_path, (1, 1, 1), answered=True) == []


def metadata(folder: Path, ttl: int, errors: int, server: str = "169.254.169.254", routers: int = 1) -> Findings:
    """A client behind a router asks a server, whose SYN-ACKs have this TTL; so many of them end at the router."""
    net = Network([POINT])
    answer = tcp(f"{server}:80 > {A}:40000", seq=7, ack=10, flags=SYN | ACK, ttl=ttl)
    for number in range(3):
        net.pass_by((POINT, tcp(f"{A}:40000 > {server}:80", seq=9, flags=SYN, ident=number + 1)))
        net.pass_by((POINT, answer.but(ident=number + 1)))
        if number < errors:
            sender = f"10.0.0.{number % routers + 1}"
            error = Packet("icmp", sender, server, icmp=(11, 0), payload=answer.ip()[:60], ident=number)
            net.pass_by((POINT, error), gap=1e6)
    return named(read(net, folder), "ttl-too-small")


@pytest.mark.parametrize(
    ("server", "fix"), [("169.254.169.254", "http-put-response-hop-limit 2"), ("10.9.0.5", "ip_default_ttl")]
)
def test_answers_with_a_ttl_of_one_is_told(tmp_path: Path, server: str, fix: str) -> None:
    """A cloud's metadata service whose hop limit reaches the machine, and not the container behind its bridge."""
    (finding,) = metadata(tmp_path, 1, 3, server)
    assert finding["says"] == (
        f"{server}:80 answers {A} with a TTL of 1, which ends at 10.0.0.1: 3 answers went no further"
    )
    assert fix in finding["fix"]
    assert (finding["facts"]["ttl"], finding["facts"]["answers"]) == (1, 3)


@pytest.mark.parametrize(
    ("ttl", "errors", "routers"),
    [(1, 0, 1), (1, 1, 1), (64, 3, 1), (1, 3, 2)],
    ids=["no error", "one error", "usual TTL", "errors of two routers"],
)
def test_answers_that_no_router_drops_is_silent(tmp_path: Path, ttl: int, errors: int, routers: int) -> None:
    assert metadata(tmp_path, ttl, errors, routers=routers) == []


def test_ttl_that_a_host_sets_is_told() -> None:
    """Recorded: the same SYNs leave the bridge with 64."""
    paths = sorted((PROJECT / "tests/analysis/findings/recorded/ttl-set").glob("*.pcap"))
    (finding,) = [finding for finding in analyze(paths).findings if finding.name == "ttl-too-small"]
    assert finding.says.endswith("at node/cni0 they still have 64: what forwards them sets it")
    assert "`-j TTL`" in (finding.fix or "")


def test_other_connection_from_the_same_port_is_silent(tmp_path: Path) -> None:
    """Another client, at the bridge, has the port by chance: nothing sets the TTL."""
    client, server, router = V4
    net = Network(["A/br0", POINT])
    for number in range(3):
        syn = tcp(f"{client}:{40000 + number} > {server}:179", seq=9 + number, flags=SYN, ttl=1, ident=number + 1)
        net.pass_by((POINT, syn))
        error = Packet("icmp", router, client, icmp=(11, 0), payload=syn.ip()[:60], ident=number)
        net.pass_by((POINT, error), gap=1e6)
    net.pass_by(("A/br0", tcp(f"172.17.0.9:40000 > {server}:179", seq=777, flags=SYN, ident=99)))
    (finding,) = named(read(net, tmp_path), "ttl-too-small")
    assert finding["says"].endswith("no answer") and "ebgp-multihop" in finding["fix"]

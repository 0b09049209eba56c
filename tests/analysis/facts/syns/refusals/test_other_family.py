"""A clue to a port that refuses: the same server accepts it at its address of the other family."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_story
from tests.stories import ACK, RST, SYN, Network, tcp

NAME = "connection-refused"


@pytest.mark.parametrize("accepts", [True, False], ids=["127.0.0.1 accepts", "127.0.0.1 refuses too"])
def test_server_on_one_family_of_localhost_is_an_info(tmp_path: Path, accepts: bool) -> None:
    """A client of localhost tries ::1 first: nothing has to be started."""
    net = Network(["host/lo"])
    for number in range(2):
        for client, server, flags in (
            (f"[::1]:{5000 + number}", "[::1]:8000", RST | ACK),
            (f"127.0.0.1:{5000 + number}", "127.0.0.1:8000", SYN | ACK if accepts else RST | ACK),
        ):
            net.pass_by(("host/lo", tcp(f"{client} > {server}", seq=7, flags=SYN, ident=number)), gap=100)
            net.pass_by(("host/lo", tcp(f"{server} > {client}", seq=3, ack=8, flags=flags)), gap=100)
    findings = of_story(net, tmp_path, NAME)
    assert {of["level"] for of in findings} == {"info" if accepts else "warning"}
    assert [of["facts"].get("accepted_by") for of in findings] == (["127.0.0.1"] if accepts else [None])
    assert all("publish" not in of["fix"] for of in findings)


def on_ipv6(folder: Path, *, hops: int = 0, end: str = "02") -> Findings:
    """A client is refused by IPv4 and accepted by IPv6, by a MAC with this end, from behind so many routers."""
    net, mac = Network(["p2/eth0"]), f"02:00:00:00:00:{end}"
    for number in range(2):
        for client, server, flags, there in (
            (f"10.77.1.8:{5000 + number}", "10.77.1.7:8080", RST | ACK, "02:00:00:00:00:02"),
            (f"[fd00::8]:{5000 + number}", "[fd00::7]:8080", SYN | ACK, mac),
        ):
            syn = tcp(f"{client} > {server}", seq=7, flags=SYN, ident=number, smac="02:00:00:00:00:01", dmac=there)
            net.pass_by(("p2/eth0", syn), gap=100)
            back = tcp(f"{server} > {client}", seq=3, ack=8, flags=flags, ttl=64 - hops, smac=there, dmac=syn.smac)
            net.pass_by(("p2/eth0", back), gap=100)
    return of_story(net, folder, NAME)


def test_server_that_listens_on_ipv6_only_is_told(tmp_path: Path) -> None:
    """One host of the link has both addresses."""
    (finding,) = on_ipv6(tmp_path)
    assert (finding["level"], finding["facts"]["accepted_by"]) == ("warning", "fd00::7")
    assert "the server listens on IPv6 only" in finding["says"]


@pytest.mark.parametrize(("hops", "end"), [(1, "02"), (0, "09")], ids=["behind a router", "another MAC"])
def test_server_that_may_be_another_host_is_silent(tmp_path: Path, hops: int, end: str) -> None:
    (finding,) = on_ipv6(tmp_path, hops=hops, end=end)
    assert finding["level"] == "warning" and "accepted_by" not in finding["facts"]
    assert "the server listens on IPv6 only" not in finding["says"]

"""What the MACs at a point mean: routers, and addresses that several stations claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import Network, arp, ping
from tests.story_reports import read

HOST, GATEWAY, OTHER = "00:50:56:00:00:01", "00:50:56:00:00:02", "00:50:56:00:00:03"
NAT_TTL = 64  # the NAT of VirtualBox opens connections of its own: answers have the TTL of what begins next to the host
SECOND = 1e6  # µs


def verdicts(net: Network, folder: Path) -> list[tuple[str, list[str], list[str]]]:
    """Verdict, MACs and addresses of each row."""
    return [(row["verdict"], row["macs"], row["ips"]) for row in read(net, folder)["macs"]]


def answers(addresses: list[str]) -> Network:
    """A host pings these addresses, and one MAC answers for all of them with an initial TTL."""
    net = Network(["host/enp0s3"])
    for number, address in enumerate(addresses):
        request = ping(f"10.0.2.15 > {address}", 7, number, ident=number + 1, smac=HOST, dmac=GATEWAY)
        net.pass_by(("host/enp0s3", request))
        reply = ping(f"{address} > 10.0.2.15", 7, number, icmp=(0, 0), ttl=NAT_TTL, ident=900 + number)
        net.pass_by(("host/enp0s3", reply.but(smac=GATEWAY, dmac=HOST)))
    return net


def test_mac_of_many_public_networks_is_a_router(tmp_path: Path) -> None:
    addresses = ["8.8.8.8", "93.184.216.34", "151.101.1.69"]
    assert verdicts(answers(addresses), tmp_path) == [("router", [GATEWAY], addresses)]


def test_mac_of_two_public_networks_has_no_verdict(tmp_path: Path) -> None:
    """A router, or a server with addresses of two providers."""
    assert verdicts(answers(["8.8.8.8", "93.184.216.34"]), tmp_path) == []


def test_mac_of_private_networks_is_shared(tmp_path: Path) -> None:
    addresses = ["10.0.2.20", "10.0.2.21", "10.0.2.22"]
    assert verdicts(answers(addresses), tmp_path) == [("shared", [GATEWAY], addresses)]


@pytest.mark.parametrize(
    ("order", "is_duplicate"), [((HOST, HOST, OTHER, OTHER), False), ((HOST, OTHER, HOST, OTHER), True)],
    ids=["container made anew", "two at once"],
)  # fmt: skip
def test_address_that_moved_is_no_duplicate(tmp_path: Path, order: tuple[str, ...], is_duplicate: bool) -> None:
    """Questions of one address from two MACs, one after the other or in turn."""
    net = Network(["A/docker0"])
    for number, mac in enumerate(order):
        net.at(number * 20 * SECOND, "A/docker0", arp(1, mac, "172.18.0.3", "172.18.0.1"))
    expected = [("duplicate-ip", [HOST, OTHER], ["172.18.0.3"])] if is_duplicate else []
    assert verdicts(net, tmp_path) == expected

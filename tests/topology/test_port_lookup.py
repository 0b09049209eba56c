"""At which addresses of a host a published port is reached: as `docker ps` and `ss -ltn` show it, by hand."""

from __future__ import annotations

import pytest

from capnet.topology import Host, Interface, PublishedPort
from capnet.topology.port_lookup import addresses_reaching, is_on_all_addresses, is_reached_at

HOST = Host(
    "A",
    "27.0",
    "6.1",
    [
        Interface("ens33", 2, None, ["192.168.111.128/24", "2001:db8::128/64"]),
        Interface("docker0", 3, None, ["172.17.0.1/16"]),
    ],
)
V4, V6 = ["192.168.111.128", "172.17.0.1"], ["2001:db8::128"]


def at(address: str) -> PublishedPort:
    return PublishedPort("tcp", address, 8080, 80)


@pytest.mark.parametrize(
    ("bound", "reaching"),
    [
        ("0.0.0.0", V4),
        ("::", V6),
        ("", ["192.168.111.128", "2001:db8::128", "172.17.0.1"]),
        ("172.17.0.1", ["172.17.0.1"]),
        ("192.168.111.130", ["192.168.111.130"]),  # of another node now, as a floating address is
    ],
)
def test_addresses_reaching_a_published_port(bound: str, reaching: list[str]) -> None:
    assert list(addresses_reaching(at(bound), HOST)) == reaching


@pytest.mark.parametrize(
    ("bound", "address", "is_reached"),
    [
        ("0.0.0.0", "192.168.111.128", True),
        ("0.0.0.0", "2001:db8::128", False),
        ("::", "192.168.111.128", False),
        ("", "2001:db8::128", True),
        ("127.0.0.1", "192.168.111.128", False),
        ("127.0.0.1", "0.0.0.0", True),  # as it is written in `ss -ltn`: any
        ("127.0.0.1", None, True),
    ],
)
def test_port_is_reached_at_an_address(bound: str, address: str | None, is_reached: bool) -> None:
    assert is_reached_at(at(bound), address) is is_reached


def test_port_at_one_address_is_not_on_all() -> None:
    assert [is_on_all_addresses(at(bound)) for bound in ("", "0.0.0.0", "::", "127.0.0.1")] == [True] * 3 + [False]

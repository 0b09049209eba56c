"""New addresses mean what the old ones meant: subnets, private and global, gateways, MACs made of addresses."""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network

import pytest

from capnet.analysis.core.flow_rows import is_private
from capnet.reduce.anonymise.addresses import Addresses

SEEN = [
    "172.17.0.1", "172.17.0.2", "172.17.0.3", "172.17.255.255", "172.18.0.2", "10.0.1.2", "10.0.1.9", "10.0.2.2",
    "192.168.1.1", "192.168.1.77", "192.168.1.255", "100.64.3.4", "169.254.7.7", "8.8.8.8", "8.8.4.4", "9.9.9.9",
    "20.30.40.50", "20.30.41.50", "fd00:1::1", "fd00:1::2", "fd00:2::2", "2a00:1450::5", "fe80::42:acff:fe11:2",
    "fe80::1234:5678:9abc:def0", "fd00:1::1234:5678:9abc:def0", "::ffff:172.17.0.2", "ff02::1:ff11:2",
    "64:ff9b::808:808",
]  # fmt: skip
KEPT = ["0.0.0.0", "127.0.0.11", "255.255.255.255", "224.0.0.251", "::", "::1", "ff02::1", "ff02::fb"]
SUBNETS = ["172.17.0.0/16", "192.168.1.0/24"]
DOCKER, VETH = bytes.fromhex("0242ac110002"), bytes.fromhex("0242deadbeef")


@pytest.fixture(params=range(5))
def addresses(request) -> Addresses:
    made = Addresses(SUBNETS, random.Random(request.param).randrange)
    for text in [*SEEN, *KEPT]:
        made.text(text)
    for mac in (DOCKER, VETH, bytes.fromhex("0050569abcde"), bytes.fromhex("3333ff110002")):
        made.mac(mac)
    made.assign()
    return made


def test_addresses_are_new_and_one_for_one(addresses):
    new = [addresses.text(text) for text in SEEN]
    assert len(set(new)) == len(SEEN)
    assert not set(new) & set(SEEN)
    assert [addresses.text(text) for text in KEPT] == KEPT


def test_private_addresses_stay_in_their_network(addresses):
    for network in ("172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "fe80::/10"):
        for text in SEEN:
            assert (ip_address(text) in ip_network(network)) == (
                ip_address(addresses.text(text)) in ip_network(network)
            )
    assert [is_private(addresses.text(text)) for text in SEEN] == [is_private(text) for text in SEEN]


def test_subnets_and_their_special_hosts_stay(addresses):
    def net(text: str, length: int) -> object:
        return ip_network(f"{addresses.text(text)}/{length}", strict=False)

    assert net("172.17.0.2", 16) == net("172.17.0.3", 16) != net("172.18.0.2", 16)
    assert net("10.0.1.2", 24) == net("10.0.1.9", 24) != net("10.0.2.2", 24)
    assert net("fd00:1::1", 64) == net("fd00:1::2", 64) != net("fd00:2::2", 64)
    assert addresses.text("172.17.0.1").endswith(".0.1")
    assert addresses.text("172.17.255.255").endswith(".255.255")
    assert addresses.text("192.168.1.255").endswith(".255")
    assert net("20.30.40.50", 24) != net("20.30.41.50", 24)


def test_macs_and_addresses_made_of_each_other_agree(addresses):
    new = addresses.mac(DOCKER)
    assert new == b"\x02\x42" + ip_address(addresses.text("172.17.0.2")).packed
    link_local = ip_address(addresses.text("fe80::42:acff:fe11:2")).packed
    assert link_local[8:] == bytes([new[0] ^ 2]) + new[1:3] + b"\xff\xfe" + new[3:]
    group = ip_address(addresses.text("ff02::1:ff11:2")).packed
    assert group[13:] == link_local[13:]
    assert addresses.mac(bytes.fromhex("3333ff110002")) == b"\x33\x33\xff" + group[13:]
    mapped = ip_address(addresses.text("::ffff:172.17.0.2"))
    assert mapped == ip_address(f"::ffff:{addresses.text('172.17.0.2')}")
    halves = [addresses.text(text)[-19:] for text in ("fe80::1234:5678:9abc:def0", "fd00:1::1234:5678:9abc:def0")]
    assert halves[0] == halves[1]


def test_docker_mac_without_address_stays_one_of_a_bridge(addresses):
    new = addresses.mac(VETH)
    assert new != VETH
    assert new[:2] == b"\x02\x42"
    assert not is_private(str(ip_address(new[2:])))
    assert addresses.mac(bytes.fromhex("0050569abcde"))[0] & 3 == 0
    for mac in ("ffffffffffff", "01005e0000fb", "333300000001", "00005e000105", "000000000000"):
        assert addresses.mac(bytes.fromhex(mac)).hex() == mac


def test_address_that_comes_late_is_replaced_too(addresses):
    late = addresses.text("172.17.0.99")
    assert late not in {addresses.text(text) for text in SEEN}
    assert ip_address(late) in ip_network(f"{addresses.text('172.17.0.2')}/16", strict=False)

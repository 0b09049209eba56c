"""Tunnel facts of made captures: what they must say is known by construction (tests/made/make_*.py)."""

from __future__ import annotations

from capnet.analyze.engine import analyze
from capnet.analyze.facts import Tunnel
from tests.conftest import PROJECT


def tunnels(name: str) -> list[Tunnel]:
    return analyze([PROJECT / "tests" / "made" / name], compiled=False).tunnels


def test_esp_is_one_fact_per_pair_whatever_its_keys() -> None:
    pair, six, one_way = tunnels("esp.pcap")
    assert (pair.kind, pair.vni, pair.port, pair.encrypted, pair.one_way) == ("esp", None, None, True, False)
    assert pair.vteps == ["192.168.111.128", "192.168.111.129"]
    assert pair.spis == [0xBEEF0002, 0xC0FFEE01, 0xC0FFEE77]
    assert (pair.frames, pair.bytes) == (4, 170 + 170 + 106 + 106)
    # Nothing inside can be read, so nothing is said about it.
    assert (pair.inner_bytes, pair.overhead_percent, pair.inner_macs, pair.inner_ips, pair.largest_inner_ip) == (
        (0, 0.0, [], [], 0)
    )
    assert [each.frame for each in pair.evidence] == [1, 2, 4]
    assert (six.vteps, six.spis, six.frames) == (["fd01::128", "fd01::129"], [0xFFFFFFFF], 1)
    assert (one_way.vteps[1], one_way.spis, one_way.one_way) == ("192.168.111.130", [256], True)


def test_esp_inside_udp_is_one_fact_both_ways() -> None:
    (pair,) = tunnels("esp_nat.pcap")
    assert (pair.kind, pair.port, pair.frames, pair.one_way) == ("esp", 4500, 2, False)
    assert pair.spis == [0xBEEF0002, 0xC0FFEE01]


def test_authentication_alone_is_no_tunnel() -> None:
    (behind,) = tunnels("ah.pcap")  # the one packet in which ESP follows
    assert (behind.kind, behind.spis) == ("esp", [0xC0FFEE01])

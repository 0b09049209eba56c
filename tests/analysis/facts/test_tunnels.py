"""Tunnel facts of made captures. Truth: what tests/made/make_*.py put into them."""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.results import Tunnel
from capnet.analysis.engine import Options, analyze, study
from capnet.wire.fields import MAX_DEPTH
from tests.conftest import PROJECT


def tunnels(name: str) -> list[Tunnel]:
    return analyze([PROJECT / "tests" / "made" / name], compiled=False).tunnels


def test_esp_with_several_spis_is_one_row_per_pair() -> None:
    pair, six, one_way = tunnels("esp.pcap")
    assert (pair.kind, pair.vni, pair.port, pair.encrypted, pair.one_way) == ("esp", None, None, True, False)
    assert pair.vteps == ["192.168.111.128", "192.168.111.129"]
    assert pair.spis == [0xBEEF0002, 0xC0FFEE01, 0xC0FFEE77]
    assert (pair.frames, pair.bytes) == (4, 170 + 170 + 106 + 106)
    # The payload cannot be decrypted.
    assert (pair.inner_bytes, pair.overhead_percent, pair.inner_macs, pair.inner_ips, pair.largest_inner_ip) == (
        (0, 0.0, [], [], 0)
    )
    assert [tunnel.frame for tunnel in pair.evidence] == [1, 2, 4]
    assert (six.vteps, six.spis, six.frames) == (["fd01::128", "fd01::129"], [0xFFFFFFFF], 1)
    assert (one_way.vteps[1], one_way.spis, one_way.one_way) == ("192.168.111.130", [256], True)


def test_esp_in_udp_is_one_row_for_both_directions() -> None:
    (pair,) = tunnels("esp_nat.pcap")
    assert (pair.kind, pair.port, pair.frames, pair.one_way) == ("esp", 4500, 2, False)
    assert pair.spis == [0xBEEF0002, 0xC0FFEE01]


def test_ah_without_esp_is_no_tunnel() -> None:
    (behind,) = tunnels("ah.pcap")  # the one packet in which ESP follows
    assert (behind.kind, behind.spis) == ("esp", [0xC0FFEE01])


def test_geneve_has_one_row_per_vni() -> None:
    geneve = tunnels("geneve.pcap")
    assert [(tunnel.kind, tunnel.vni, tunnel.port, tunnel.one_way) for tunnel in geneve] == [
        ("geneve", 4097, 6081, False), ("geneve", 0xFFFFFF, 6081, True), ("geneve", 0, 6081, True),
        ("geneve", 5, 6081, True), ("geneve", 6, 6081, True), ("geneve", 7, 6081, True),
    ]  # fmt: skip
    assert geneve[0].inner_macs == ["02:42:ac:11:00:02", "02:42:ac:11:00:03"]
    assert geneve[0].inner_ips == ["10.0.1.2", "10.0.1.3"]
    # IP right behind the header has addresses though it has no MACs.
    assert (geneve[4].inner_macs, geneve[4].inner_ips) == ([], ["10.0.1.2", "10.0.1.3"])
    assert geneve[5].inner_ips == ["fd00::2", "fd00::3"]
    # 54 bytes inside, 14 + 20 + 8 + 8 around them, twice.
    assert (geneve[0].frames, geneve[0].inner_bytes, geneve[0].bytes) == (2, 108, 208)


def test_gtpu_with_a_teid_per_direction_is_not_one_way() -> None:
    """Each end chooses the TEID that it receives: a row of the table is one direction, the pair of hosts has both."""
    gtpu = tunnels("gtpu.pcap")
    assert [(tunnel.vni, tunnel.frames, tunnel.port, tunnel.one_way) for tunnel in gtpu] == [
        (7, 4, 2152, False), (0x80000001, 1, 2152, False), (8, 1, 2152, False), (9, 1, 2152, False),
        (0xFFFFFFFF, 1, 2152, True),
    ]  # fmt: skip
    assert gtpu[0].inner_ips == ["10.0.1.3", "10.45.0.2"]


def test_gtpu_answer_with_another_teid_is_a_reply() -> None:
    context = study([PROJECT / "tests" / "made" / "gtpu.pcap"], options=Options(compiled=False)).context
    via_vni = context.flows[:, schema.FLOW_VIA_VNI].tolist()
    request, answer = (via_vni.index(teid) for teid in (7, 0x80000001))
    assert (replies(context)[request], replies(context)[answer]) == (answer, request)


def test_gre_has_one_row_per_key() -> None:
    gre = tunnels("gre.pcap")
    assert [(tunnel.vni, tunnel.frames, tunnel.one_way, tunnel.port) for tunnel in gre if "." in tunnel.vteps[0]] == [
        (None, 5, False, None), (77, 1, True, None), (0x123456FF, 1, True, None)
    ]  # fmt: skip
    assert {tunnel.kind for tunnel in gre} == {"gre"}
    assert sorted(gre[0].inner_ips) == ["10.0.1.2", "10.0.1.3", "fd00::2", "fd00::3"]
    assert [tunnel.vni for tunnel in tunnels("erspan.pcap")] == [None, 100, 101, 102]


def test_ip_in_ip_with_any_payload_is_one_tunnel() -> None:
    four, six, within = tunnels("ipip.pcap")
    assert (four.kind, four.vni, four.port, four.frames, four.one_way) == ("ipip", None, None, 4, False)
    assert (four.vteps, six.vteps) == (["192.168.111.128", "192.168.111.129"], ["fd01::128", "fd01::129"])
    assert (within.vteps, within.frames, within.largest_inner_ip) == (["10.0.1.2", "10.0.1.3"], 1, 28)
    assert {"10.9.0.1", "10.9.0.2"} < set(within.inner_ips)  # without a key, all of a point are one


def test_ipv6_in_ip_is_called_by_the_outer_version() -> None:
    """Protocol 41, as iproute2 calls it: sit behind IPv4, ip6ip6 behind IPv6. IPIP is protocol 4."""
    (six_in_four,), (six_in_six,) = tunnels("sit.pcap"), tunnels("ip6ip6.pcap")
    assert (six_in_four.kind, six_in_four.frames, six_in_four.one_way) == ("sit", 5, False)
    assert six_in_four.largest_inner_ip == 40 + 20  # TCP
    assert (six_in_six.kind, six_in_six.frames, six_in_six.vteps) == ("ip6ip6", 3, ["fd01::128", "fd01::129"])


def test_vxlan_on_any_port_is_a_tunnel() -> None:
    (vxlan,) = tunnels("vxlan_any_port.pcap")
    assert (vxlan.kind, vxlan.vni, vxlan.port, vxlan.frames) == ("vxlan", 4097, 7777, 4)
    assert tunnels("not_vxlan.pcap") == []


def test_vxlan_port_option_wins_over_other_tunnels() -> None:
    made = PROJECT / "tests" / "made" / "geneve.pcap"
    assert analyze([made], compiled=False, vxlan_port=6081).tunnels == []  # no I flag in any of them
    assert {tunnel.kind for tunnel in analyze([made], compiled=False).tunnels} == {"geneve"}


def test_undecoded_payload_of_a_tunnel_is_counted() -> None:
    undecoded = {}
    for name in ("geneve_odd", "gre_odd", "ipip_odd", "mpls", "pppoe", "vxlan_gpe"):
        report = analyze([PROJECT / "tests" / "made" / f"{name}.pcap"], compiled=False)
        assert report.coverage.decoded + sum(report.coverage.undecoded.values()) == report.coverage.frames
        undecoded[name] = report.coverage.undecoded
    assert undecoded == {
        "geneve_odd": {"cut inside a header": 2},  # options, and labels without end
        "gre_odd": {
            "cut inside a header": 3, "ethertype 0x0000": 1, "ethertype 0x9000": 1, "malformed header": 1,
        },
        "ipip_odd": {"cut inside a header": 1, "malformed header": 1},
        "mpls": {"cut inside a header": 2, "ethertype 0x8847": 1},  # labels without end, and an Ethernet pseudowire
        "pppoe": {"cut inside a header": 1, "ethertype 0x8863": 1, "ethertype 0x8864": 1},
        "vxlan_gpe": {"VXLAN-GPE next protocol 5": 1},
    }  # fmt: skip


def test_tunnels_in_tunnels_end_at_max_depth() -> None:
    report = analyze([PROJECT / "tests" / "made" / "vxlan_in_vxlan.pcap"], compiled=False)
    assert report.coverage.undecoded == {f"more than {MAX_DEPTH} tunnels inside each other": 2}
    assert max(tunnel.vni or 0 for tunnel in report.tunnels) == 10

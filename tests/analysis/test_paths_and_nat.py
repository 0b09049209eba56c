"""The same packet at several points: paths and NAT, on tables whose story is known."""

from __future__ import annotations

import pytest

from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from tests.analysis.made import ACK, SYN, Seen, Story

C1, C2, B, A = "172.17.0.2", "172.17.0.3", "192.168.111.129", "192.168.111.128"
GATEWAY_MAC, A_MAC, B_MAC = "02:42:00:00:00:01", "aa:00:00:00:00:0a", "aa:00:00:00:00:0b"
BRIDGE_POINTS = ["A/web/eth0", "A/veth1", "A/docker0", "A/ens33", "B/ens33"]


def out(src: str, natted: str, dst: str, mac: str = "02:42:ac:11:00:02") -> list[Seen]:
    """From a container on docker0 through masquerade to host B."""
    inside = [Seen(point, f"{src} > {dst}", 64, mac, GATEWAY_MAC) for point in BRIDGE_POINTS[:3]]
    outside = [Seen(point, f"{natted} > {dst}", 63, A_MAC, B_MAC) for point in BRIDGE_POINTS[3:]]
    return inside + outside


def back(src: str, natted: str, dst: str) -> list[Seen]:
    """The answer of host B."""
    outside = [Seen(point, f"{dst} > {natted}", 64, B_MAC, A_MAC) for point in BRIDGE_POINTS[:2:-1]]
    inside = [Seen(point, f"{dst} > {src}", 63, GATEWAY_MAC, "02:42:ac:11:00:02") for point in BRIDGE_POINTS[2::-1]]
    return outside + inside


def forms(row):
    sides = [
        (side.src, side.sport if side.id is None else side.id, side.dst, side.dport) for side in (row.before, row.after)
    ]
    return (row.kind, row.proto, *sides)


@pytest.fixture
def story() -> Story:
    return Story(BRIDGE_POINTS)


def test_masquerade_of_a_tcp_connection_is_one_row_with_its_path(story):
    inner, outer, server = f"{C1}:5555", f"{A}:5555", f"{B}:7000"
    story.send("tcp", *out(inner, outer, server), flags=SYN)
    story.send("tcp", *back(inner, outer, server), flags=SYN | ACK)
    for _ in range(3):
        story.send("tcp", *out(inner, outer, server))
        story.send("tcp", *back(inner, outer, server))
    context = story.context()

    (row,) = nat_facts(context)
    assert forms(row) == ("snat", "tcp", (C1, 5555, B, 7000), (A, 5555, B, 7000))
    assert (row.before.point, row.after.point) == ("A/docker0", "A/ens33")
    assert (row.ttl_delta, row.packets, row.reply_seen, row.port_rewritten) == (-1, 4, True, False)
    assert (row.method, row.confidence > 0.99) == ("same-packet", True)
    assert row.latency_us.median == 10.0

    there, answer = sorted(path_facts(context), key=lambda path: path.flow.dst, reverse=True)
    assert [hop.point for hop in there.hops] == BRIDGE_POINTS
    assert [hop.change for hop in there.hops] == [[], ["bridged"], ["bridged"], ["routed", "snat"], ["wire"]]
    assert [hop.point for hop in answer.hops] == BRIDGE_POINTS[::-1]
    assert [hop.change for hop in answer.hops] == [[], ["wire"], ["dnat", "routed"], ["bridged"], ["bridged"]]
    assert {path.ends for path in (there, answer)} == {"delivered"}
    assert [hop.lost for hop in there.hops] == [None, 0, 0, 0, 0]


def test_published_port_is_dnat_and_the_port_counts_as_rewritten(story):
    client, public, web = f"{B}:51514", f"{A}:8080", f"{C1}:80"
    story.send(
        "tcp", Seen("A/ens33", f"{client} > {public}", 64), Seen("A/docker0", f"{client} > {web}", 63), flags=SYN
    )
    story.send(
        "tcp", Seen("A/docker0", f"{web} > {client}", 64), Seen("A/ens33", f"{public} > {client}", 63), flags=SYN | ACK
    )
    (row,) = nat_facts(story.context())
    assert forms(row) == ("dnat", "tcp", (B, 51514, A, 8080), (B, 51514, C1, 80))
    assert row.port_rewritten


def test_icmp_ids_that_clash_are_rewritten(story):
    for _ in range(3):
        for src, old, new in ((C1, 4242, 4242), (C2, 4242, 51554)):
            story.send("icmp", Seen("A/docker0", f"{src} > {B} #{old}", 64), Seen("A/ens33", f"{A} > {B} #{new}", 63))
            story.send(
                "icmp",
                Seen("A/ens33", f"{B} > {A} #{new}", 64),
                Seen("A/docker0", f"{B} > {src} #{old}", 63),
                kind=(0, 0),
            )
    rows = nat_facts(story.context())
    assert [forms(row) for row in rows] == [
        ("snat", "icmp", (C1, 4242, B, None), (A, 4242, B, None)),
        ("snat", "icmp", (C2, 4242, B, None), (A, 51554, B, None)),
    ]
    assert [row.port_rewritten for row in rows] == [False, True]
    assert all(row.reply_seen and row.packets == 3 for row in rows)


def test_equal_payloads_of_two_containers_are_kept_apart(story):
    """UDP with equal payload and no IP identification: one digest for all of it."""
    for _ in range(5):
        for src, port in ((C1, 5000), (C2, 5000)):
            new = 5000 if src == C1 else 61000
            story.send(
                "udp",
                Seen("A/docker0", f"{src}:{port} > {B}:7000", 64, f"02:00:00:00:01:0{src[-1]}"),
                Seen("A/ens33", f"{A}:{new} > {B}:7000", 63),
                digest=77,
            )
    rows = nat_facts(story.context())
    assert [forms(row) for row in rows] == [
        ("snat", "udp", (C1, 5000, B, 7000), (A, 5000, B, 7000)),
        ("snat", "udp", (C2, 5000, B, 7000), (A, 61000, B, 7000)),
    ]
    assert all(row.confidence < 0.7 for row in rows)  # said, but not claimed to be sure


def test_equal_payloads_without_nat_are_never_nat():
    story = Story(["A/veth1", "A/veth2"])
    for _ in range(4):
        story.send("udp", Seen("A/veth1", f"{C1}:5000 > {B}:7000", smac="02:00:00:00:01:02"), digest=5)
        story.send("udp", Seen("A/veth2", f"{C2}:5000 > {B}:7000", smac="02:00:00:00:01:03"), digest=5)
    assert nat_facts(story.context()) == []


def test_an_echoed_payload_is_not_the_request_seen_again(story):
    """UDP echo: same payload both ways, through masquerade, the ports equal at both ends."""
    for _ in range(4):
        story.send("udp", *out(f"{C1}:7000", f"{A}:7000", f"{B}:7000"), digest=9)
        story.send("udp", *back(f"{C1}:7000", f"{A}:7000", f"{B}:7000"), digest=9)
    context = story.context()
    (row,) = nat_facts(context)
    assert forms(row) == ("snat", "udp", (C1, 7000, B, 7000), (A, 7000, B, 7000))
    assert {len(path.hops) for path in path_facts(context)} == {5}


def test_the_same_query_to_two_servers_and_multicast_on_two_links_are_not_nat(story):
    for point in ("A/docker0", "A/ens33"):
        story.send("udp", Seen(point, f"{A}:4000 > 8.8.8.8:53"), digest=1)
        story.send("udp", Seen(point, f"{A}:4000 > 8.8.4.4:53"), digest=1)
    story.send("udp", Seen("A/docker0", "172.17.0.1:5353 > 224.0.0.251:5353", 255), digest=2)
    story.send("udp", Seen("A/ens33", f"{A}:5353 > 224.0.0.251:5353", 255), digest=2)
    assert nat_facts(story.context()) == []


def test_a_udp_proxy_is_not_nat(story):
    """docker-proxy for UDP: same payload, both ends new, TTL from the start."""
    story.send(
        "udp",
        Seen("A/ens33", f"{B}:5000 > {A}:5353", 64),
        Seen("A/docker0", f"172.17.0.1:40404 > {C1}:53", 64),
        digest=1,
    )
    assert nat_facts(story.context()) == []


def test_only_the_answers_passed_both_points(story):
    """The request was seen in one form only; the answer shows the translation, turned round."""
    story.send("tcp", Seen("A/ens33", f"{B}:51514 > {A}:8080", 64), flags=SYN)
    story.send(
        "tcp",
        Seen("A/docker0", f"{C1}:80 > {B}:51514", 64),
        Seen("A/ens33", f"{A}:8080 > {B}:51514", 63),
        flags=SYN | ACK,
    )
    (row,) = nat_facts(story.context())
    assert forms(row) == ("dnat", "tcp", (B, 51514, A, 8080), (B, 51514, C1, 80))
    assert (row.before.point, row.after.point, row.method) == ("A/ens33", "A/docker0", "reply-pairing")


def test_both_hosts_own_the_same_container_address():
    story = Story(["A/docker0", "A/ens33", "B/docker0", "B/ens33"])
    for host, own, other in (("A", A, B), ("B", B, A)):
        story.send(
            "tcp",
            Seen(f"{host}/docker0", f"{C1}:5555 > {other}:9", 64),
            Seen(f"{host}/ens33", f"{own}:5555 > {other}:9", 63),
            flags=SYN,
        )
    rows = nat_facts(story.context())
    assert {(row.before.point, row.after.src) for row in rows} == {("A/docker0", A), ("B/docker0", B)}


OVERLAY = ["A/web/eth0", "A/overlay:vxlanA/vxlan0", "A/ens33", "B/ens33", "B/overlay:vxlanA/vxlan0", "B/box/eth0"]


def test_overlay_is_wrapped_and_unwrapped_and_no_nat():
    story = Story(OVERLAY)
    for _ in range(3):
        tuple_ = "10.0.1.2:40000 > 10.0.1.4:80"
        story.send("tcp", *(Seen(point, tuple_, vni=4097 if "ens33" in point else None) for point in OVERLAY))
    story.tunnel("A/ens33", 4097, A, B, 3, 450, 300)
    context = story.context()
    assert nat_facts(context) == []
    (path,) = path_facts(context)
    assert [hop.point for hop in path.hops] == OVERLAY
    assert [hop.change for hop in path.hops[1:]] == [
        ["bridged"],
        ["encapsulated"],
        ["wire"],
        ["decapsulated"],
        ["bridged"],
    ]
    assert [hop.tunnel and hop.tunnel.vni for hop in path.hops] == [None, None, 4097, 4097, None, None]


def test_identical_flows_in_two_vnis_do_not_mix():
    story = Story(["A/ens33", "B/ens33"])
    for _ in range(3):
        for vni in (4097, 4098):
            story.send("udp", *(Seen(point, "10.0.1.2:5 > 10.0.1.4:6", vni=vni) for point in story.points), digest=4)
    found = path_facts(story.context())
    assert sorted([hop.tunnel.vni for hop in path.hops] for path in found) == [[4097, 4097], [4098, 4098]]


def test_loss_at_a_known_hop(story):
    hops = out(f"{C1}:5000", f"{A}:5000", f"{B}:7000")
    for number in range(10):
        story.send("udp", *(hops[:4] if number in (2, 3, 4, 5, 6) else hops))
    (path,) = path_facts(story.context())
    assert [hop.lost for hop in path.hops] == [None, 0, 0, 0, 5]
    assert path.ends == "lost-after A/ens33"


def test_absence_outside_a_points_own_time_proves_nothing(story):
    hops = out(f"{C1}:5000", f"{A}:5000", f"{B}:7000")
    for _ in range(5):
        story.send("udp", *hops[:4])
    late = story.now
    for _ in range(5):
        story.send("udp", *hops)
    context = story.context()
    context.points[4].first = late
    (path,) = path_facts(context)
    assert [hop.lost for hop in path.hops] == [None, 0, 0, 0, 0]


def test_two_clocks_that_disagree_do_not_turn_a_path_round(story):
    story.clocks = {"A/ens33": -420_000_000, "B/ens33": -420_000_000}
    story.files = {"A/ens33": "other.pcap", "B/ens33": "other.pcap"}
    for _ in range(3):
        story.send("tcp", *out(f"{C1}:5555", f"{A}:5555", f"{B}:7000"))
    (path,) = path_facts(story.context())
    assert [hop.point for hop in path.hops] == BRIDGE_POINTS


def test_no_packets_no_conclusions():
    context = Story(["A/ens33"]).context()
    assert path_facts(context) == [] and nat_facts(context) == []

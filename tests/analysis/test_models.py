"""The model is inferred from packets: goldens without names and topology, and stories built to be mistaken."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.core.results import MacVerdict, Model
from capnet.analysis.engine import Source, analyze
from capnet.analysis.facts.layer2.mac_verdicts import mac_verdicts
from capnet.analysis.facts.models import models
from capnet.analysis.findings import encrypted_overlay
from capnet.wire.addresses import address_value
from capnet.wire.protocols.ipsec import TUNNEL_ESP
from tests.analysis.made import ACK, SYN, Seen, Story
from tests.conftest import GOLDENS
from tests.nameless import nameless

NAMES = ("none", "host", "bridge", "container", "overlay", "macvlan", "ipvlan-l2", "ipvlan-l3")
# The scenario's name says which driver Docker was asked for: docker inspect has it in the topology too.
OF = {path: name for path in GOLDENS for name in NAMES if path.stem == name or path.stem.startswith(f"{name}-")}
HOST_MAC, B_MAC, KID1, KID2 = "02:00:00:00:00:80", "02:00:00:00:00:81", "06:11:00:00:00:0a", "06:11:00:00:00:0b"
BROADCAST = "ff:ff:ff:ff:ff:ff"
HOST, B, IP1, IP2 = "192.168.111.128", "192.168.111.129", "192.168.111.10", "192.168.111.11"


@pytest.mark.parametrize("path", OF, ids=lambda path: path.stem)
@pytest.mark.parametrize("names", ["named", "nameless"])
def test_every_golden_is_recognised(path: Path, names: str, tmp_path: Path) -> None:
    report = analyze([Source(path if names == "named" else nameless(path, tmp_path))])
    assert {point.name for point in report.points}.isdisjoint({"A/docker0"}) or names == "named"
    first, *others = report.models
    assert first.model == OF[path]
    assert all(each.confidence < 0.5 for each in others)
    assert all(each.evidence and each.because for each in report.models)
    if names == "named":
        assert first.confidence >= 0.85


def conclude(story: Story) -> tuple[list[Model], list[MacVerdict]]:
    context = story.context()
    return models(context), mac_verdicts(context)


def sure(found: list[Model]) -> list[str]:
    return [each.model for each in found if each.confidence >= 0.5]


def both_ways(
    story: Story, proto: str, one: tuple[str, str], two: tuple[str, str], *points: str, ttl: int = 64
) -> None:
    """A request and its answer between (MAC, end) pairs, at these points in the request's order."""
    for (smac, src), (dmac, dst), way in ((one, two, points), (two, one, points[::-1])):
        story.send(proto, *(Seen(point, f"{src} > {dst}", ttl, smac, dmac) for point in way))


# -- macvlan ------------------------------------------------------------------------------------------
def lan(*, host_reaches_children: bool, veths: bool = False) -> Story:
    """Two children and host B, all on one network, through a point in the middle; the host asks for a child."""
    story = Story(["if0", "if1", "if2", "if3"] + ["if4", "if5"] * veths)
    inward = ["if0", "if4", "if2"] if veths else ["if0", "if2"]
    across = ["if5", "if1"] if veths else ["if1"]
    for mac, ip in ((KID1, IP1), (KID2, IP2), (B_MAC, B)):
        for point in ("if0", "if1", "if2", "if3"):
            story.arp(point, 1, mac, ip, "192.168.111.200")
    both_ways(story, "tcp", (KID1, f"{IP1}:40000"), (KID2, f"{IP2}:80"), *inward, *across)
    both_ways(story, "tcp", (KID1, f"{IP1}:40001"), (B_MAC, f"{B}:80"), *inward, "if3")
    both_ways(story, "tcp", (KID2, f"{IP2}:40001"), (B_MAC, f"{B}:80"), *reversed(across), "if2", "if3")
    for point in ["if0", "if1"] * host_reaches_children + ["if2", "if3"]:
        story.arp(point, 1, HOST_MAC, HOST, IP1, count=3)
    if host_reaches_children:
        for point in ("if0", "if2"):
            story.arp(point, 2, KID1, IP1, HOST)
    both_ways(story, "tcp", (KID1, f"{IP1}:40002"), (B_MAC, f"{B}:80"), *inward, "if3")
    return story


def test_macvlan_is_a_card_whose_host_its_children_cannot_hear() -> None:
    found, verdicts = conclude(lan(host_reaches_children=False))
    assert sure(found) == ["macvlan"]
    assert found[0].confidence > 0.9
    (distinct,) = [each for each in verdicts if each.verdict == "distinct"]
    assert (distinct.point, distinct.macs, distinct.ips) == ("if2", [KID1, KID2], [IP1, IP2])
    assert distinct.evidence


def test_a_bridge_on_the_same_network_repeats_its_hosts_broadcasts() -> None:
    found, verdicts = conclude(lan(host_reaches_children=True))
    assert "macvlan" not in sure(found)
    assert not [each for each in verdicts if each.verdict == "distinct"]


def test_children_behind_veths_are_on_a_bridge() -> None:
    found, _ = conclude(lan(host_reaches_children=True, veths=True))
    assert "macvlan" not in sure(found)


@pytest.mark.parametrize(("gap_ms", "there"), [(1000, True), (60_000, False)])
def test_a_card_watched_alone_needs_repeated_questions(gap_ms: int, there: bool) -> None:
    """An ARP request a minute is a refreshed cache on a switch; three in three seconds found nobody."""
    story = Story(["if0"])
    story.arp("if0", 1, KID1, IP1, B)
    both_ways(story, "tcp", (KID1, f"{IP1}:40001"), (B_MAC, f"{B}:80"), "if0")
    story.arp("if0", 1, HOST_MAC, HOST, IP1, count=3)
    story.arps[-1][8] += 2 * gap_ms * 1_000_000
    found, _ = conclude(story)
    assert ("macvlan" in sure(found)) is there
    assert all(each.confidence <= 0.6 for each in found)


# -- ipvlan -------------------------------------------------------------------------------------------
def test_ipvlan_l2_is_one_mac_at_two_interfaces_that_resolves_for_both() -> None:
    story = Story(["if0", "if1", "if2"])
    for point, ip in (("if0", IP1), ("if1", IP2)):
        story.arp(point, 1, HOST_MAC, ip, B)
        story.arp("if2", 1, HOST_MAC, ip, B)
        both_ways(story, "tcp", (HOST_MAC, f"{ip}:40001"), (B_MAC, f"{B}:80"), point, "if2")
    both_ways(story, "tcp", (HOST_MAC, f"{IP1}:40001"), (HOST_MAC, f"{IP2}:80"), "if0", "if1")
    found, verdicts = conclude(story)
    assert sure(found) == ["ipvlan-l2"]
    assert {each.verdict for each in verdicts} == {"shared"}
    assert ("if2", [IP1, IP2]) in [(each.point, each.ips) for each in verdicts]


def test_ipvlan_l3_sends_everything_to_its_own_mac_and_never_resolves() -> None:
    one, two = "10.0.1.10", "10.0.2.10"
    story = Story(["if0", "if1", "if2"])
    story.arp("if2", 1, HOST_MAC, HOST, B)
    for point, ip in (("if0", one), ("if1", two)):
        out = [
            Seen(point, f"{ip} > {B} #7", 64, HOST_MAC, HOST_MAC),
            Seen("if2", f"{ip} > {B} #7", 64, HOST_MAC, B_MAC),
        ]
        story.send("icmp", *out)
    both_ways(story, "tcp", (HOST_MAC, f"{one}:40001"), (HOST_MAC, f"{two}:80"), "if0", "if1")
    found, verdicts = conclude(story)
    assert sure(found) == ["ipvlan-l3"]
    assert {each.verdict for each in verdicts} == {"shared"}


def test_a_host_with_two_addresses_is_not_sure_to_be_ipvlan() -> None:
    story = Story(["if0"])
    for ip in (IP1, IP2):
        story.arp("if0", 1, HOST_MAC, ip, B)
        both_ways(story, "tcp", (HOST_MAC, f"{ip}:80"), (B_MAC, f"{B}:40000"), "if0")
    found, _ = conclude(story)
    assert [each.model for each in found][:1] == ["ipvlan-l2"] and not sure(found)


def test_a_gateway_is_a_router_and_no_ipvlan() -> None:
    """Behind one MAC, many addresses: their TTL is no longer an initial one."""
    story = Story(["if0"])
    for last in range(1, 9):
        both_ways(story, "tcp", (KID1, f"{IP1}:{40000 + last}"), (B_MAC, f"10.9.{last}.1:80"), "if0", ttl=57)
    found, verdicts = conclude(story)
    assert not sure(found)
    assert "router" in {each.verdict for each in verdicts}
    assert "shared" not in {each.verdict for each in verdicts}


# -- container, host, none --------------------------------------------------------------------------------
def own_talk(story: Story, point: str, ip: str) -> None:
    zero = "00:00:00:00:00:00"
    for text in (f"{ip}:40000 > {ip}:80", f"{ip}:80 > {ip}:40000"):
        story.send("tcp", Seen(point, text, 64, zero, zero), flags=SYN if text.endswith(":80") else ACK)


def masqueraded(story: Story, ip: str, inner: str, outer: str) -> None:
    before = Seen(inner, f"{ip}:5555 > {B}:80", 64, KID1, KID2)
    story.send("tcp", before, Seen(outer, f"{HOST}:5555 > {B}:80", 63, HOST_MAC, B_MAC), flags=SYN)


def test_a_containers_address_that_talks_to_itself_is_shared_by_two() -> None:
    story = Story(["if0", "if1", "if2"])
    own_talk(story, "if0", "172.17.0.2")
    masqueraded(story, "172.17.0.2", "if1", "if2")
    found, _ = conclude(story)
    assert sure(found) == ["container"]
    assert [(each.model, each.confidence) for each in found[1:]] == [("bridge", 0.4)]


def test_a_host_that_talks_to_itself_is_no_container() -> None:
    story = Story(["if0", "if1", "if2"])
    own_talk(story, "if0", HOST)
    both_ways(story, "tcp", (HOST_MAC, f"{HOST}:40000"), (B_MAC, f"{B}:80"), "if1", "if2")
    assert "container" not in sure(conclude(story)[0])


def test_dockers_name_server_on_loopback_is_nobodys_conversation() -> None:
    story = Story(["if0", "if1", "if2"])
    zero = "00:00:00:00:00:00"
    story.send("udp", Seen("if0", "127.0.0.1:40000 > 127.0.0.11:41234", 64, zero, zero))
    story.send("udp", Seen("if0", "127.0.0.11:53 > 127.0.0.1:40000", 64, zero, zero))
    masqueraded(story, "172.18.0.2", "if1", "if2")
    found, _ = conclude(story)
    assert [each.model for each in found] == ["bridge"]


def test_host_stays_a_guess_and_the_bridges_silence_makes_it_a_better_one() -> None:
    confidences = []
    for points in (["if0", "if1"], ["if0", "if1", "A/docker0"]):
        story = Story(points)
        story.arp("if0", 1, HOST_MAC, HOST, "192.168.111.1")
        both_ways(story, "tcp", (HOST_MAC, f"{HOST}:40000"), (B_MAC, f"{B}:80"), "if0", "if1")
        (model,) = conclude(story)[0]
        assert model.model == "host"
        confidences.append(model.confidence)
    assert confidences[0] < 0.5 <= confidences[1]


def test_loopback_alone_proves_little_silence_elsewhere_more() -> None:
    for points, confidence in ((["if0"], 0.3), (["if0", "if1", "if2"], 0.8)):
        story = Story(points)
        zero = "00:00:00:00:00:00"
        story.send("icmp", Seen("if0", "127.0.0.1 > 127.0.0.1 #1", 64, zero, zero))
        (model,) = conclude(story)[0]
        assert (model.model, model.confidence) == ("none", confidence)


# -- NAT and tunnels that are not Docker's -------------------------------------------------------------
def test_a_slow_nat_router_is_not_said_to_be_a_bridge() -> None:
    story = Story(["inside", "outside"])
    story.send(
        "tcp",
        Seen("inside", "192.168.1.20:5555 > 93.184.216.34:443", 64, KID1, KID2),
        Seen("outside", "203.0.113.7:5555 > 93.184.216.34:443", 63, HOST_MAC, B_MAC, after_us=2500),
        flags=SYN,
    )
    found, _ = conclude(story)
    assert [(each.model, each.confidence < 0.5) for each in found] == [("bridge", True)]


def secret(*, plain_inside: bool) -> Story:
    """ESP between two hosts; inside, where it was listened to, the same frames in clear at both ends."""
    inside = ["if0", "if1", "if4", "if5"]
    story = Story(["if0", "if1", "if2", "if3", "if4", "if5"])
    for _ in range(3):
        if plain_inside:
            both_ways(story, "tcp", (KID1, "10.0.1.2:40000"), (KID2, "10.0.1.4:80"), *inside)
        for src, dst, spi in ((HOST, B, 0x1001), (B, HOST, 0x2002)):
            for point in (2, 3):
                key = [point, TUNNEL_ESP, spi, *address_value(src), *address_value(dst), -1]
                story.tunnels.append([*key, story.start, story.now, 6, 900, 0, 1, 0])
    return story


def test_esp_with_the_same_frames_in_clear_at_both_ends_is_an_encrypted_overlay() -> None:
    (model,) = conclude(secret(plain_inside=True))[0]
    assert (model.model, model.confidence) == ("overlay", 0.8)
    assert {"if2", "if0"} <= {each.point for each in model.evidence}
    context = secret(plain_inside=True).context()
    (found,) = encrypted_overlay.diagnose(context)
    assert (found.level, found.facts["hosts"], found.facts["encrypted"]) == ("info", [HOST, B], True)


def test_esp_alone_is_any_vpn() -> None:
    assert conclude(secret(plain_inside=False))[0] == []


def test_docker_proxy_alone_is_a_bridge_too() -> None:
    """Hairpin with the userland proxy: nothing is translated, the gateway carries the connection on."""
    story = Story(["if0", "if1", "if2"])
    gateway = "02:42:00:00:00:01"
    for point in ("if0", "if1"):
        story.arp(point, 2, gateway, "172.17.0.1", "172.17.0.3")
    opened = [("if0", "if1"), "172.17.0.3:40000", "192.168.111.128:8080", KID2, gateway]
    inner = [("if1", "if2"), "172.17.0.1:50000", "172.17.0.2:80", gateway, KID1]
    for size, flags in ((0, SYN), (88, ACK)):
        for where, src, dst, smac, dmac in (opened, inner):
            story.send("tcp", *(Seen(p, f"{src} > {dst}", 64, smac, dmac) for p in where), payload=size, flags=flags)
        for where, src, dst, smac, dmac in (inner, opened):
            answer = [Seen(p, f"{dst} > {src}", 64, dmac, smac) for p in reversed(where)]
            story.send("tcp", *answer, payload=500 * bool(size), flags=flags | ACK)
    closing = [Seen(p, "172.17.0.3:40000 > 192.168.111.128:8080", 64, KID2, gateway) for p in ("if0", "if1")]
    story.send("tcp", *closing, payload=0)
    found, _ = conclude(story)
    assert sure(found) == ["bridge"]

"""group-not-routed: SSDP, mDNS and broadcasts that a bridge network keeps from the network of its host."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Host, Interface, Network, PublishedPort, Topology
from tests import stories
from tests.analysis.findings.reported import CARD_A, CARD_B, named
from tests.stories import udp
from tests.story_reports import A, B, read

NAME = "group-not-routed"
CARD, BRIDGE = "A/ens33", "A/br-0123456789ab"
CLI, CLI_MAC, GATEWAY = "172.18.0.2", "02:42:ac:12:00:02", "172.18.0.1"
SSDP, SSDP_MAC = "239.255.255.250", "01:00:5e:7f:ff:fa"


def topology(*, published: int | None = None) -> Topology:
    end = Endpoint("shop", "eth0", CLI_MAC, [f"{CLI}/16"], network_id="9", kind="veth", bridge="br-0123456789ab")
    ports = [] if published is None else [PublishedPort("udp", "0.0.0.0", published, 1900)]
    interfaces = [
        Interface("ens33", 2, CARD_A, [f"{A}/24"]),
        Interface("br-0123456789ab", 3, None, [f"{GATEWAY}/16"], "bridge"),
    ]
    return Topology(
        hosts=[Host("A", "20.10", "6", interfaces)],
        networks=[Network("shop", "9", "bridge", "A", bridge="br-0123456789ab")],
        containers=[Container("A", "cli", "1", "i", "shop", [end], ports)],
    )


def sent(net: stories.Network, point: str, ends: str, mac: str, dmac: str = SSDP_MAC, times: int = 3) -> None:
    for number in range(times):
        payload = b"M-SEARCH %d" % number
        net.pass_by((point, udp(ends, payload, ident=int(net.now / 1e6) % 60_000 + 1, smac=mac, dmac=dmac)), gap=1e6)


def recording() -> stories.Network:
    """Both points show other packets before what is asked about."""
    net = stories.Network([CARD, BRIDGE])
    go_on(net)
    return net


def go_on(net: stories.Network) -> None:
    """Both points record still."""
    sent(net, CARD, f"{B}:40000 > {A}:9", CARD_B, CARD_A, times=1)
    sent(net, BRIDGE, f"{CLI}:40000 > {GATEWAY}:9", CLI_MAC, "02:42:00:00:00:01", times=1)


def told(net: stories.Network, folder: Path, known: Topology | None) -> list[tuple[str, object, object]]:
    report = read(net, folder, topology=known)
    return [(each["level"], each["facts"]["group"], each["facts"]["point"]) for each in named(report, NAME)]


@pytest.mark.parametrize(
    ("group", "dmac"),
    [
        (f"{SSDP}:1900", SSDP_MAC),
        ("224.0.0.251:5353", "01:00:5e:00:00:fb"),
        ("255.255.255.255:9999", "ff:ff:ff:ff:ff:ff"),
        ("192.168.111.255:9999", "02:42:00:00:00:01"),
    ],
    ids=["SSDP", "mDNS", "all", "broadcast of the host's network"],
)
def test_question_to_a_group_that_stays_inside_is_told(tmp_path: Path, group: str, dmac: str) -> None:
    net = recording()
    sent(net, BRIDGE, f"{CLI}:40000 > {group}", CLI_MAC, dmac)
    go_on(net)
    assert told(net, tmp_path, topology()) == [("warning", group.partition(":")[0], BRIDGE)]


def test_announcement_is_told_as_info(tmp_path: Path) -> None:
    """It comes from the group's own port and wants no answer."""
    net = recording()
    sent(net, BRIDGE, f"{CLI}:5353 > 224.0.0.251:5353", CLI_MAC, "01:00:5e:00:00:fb")
    go_on(net)
    assert told(net, tmp_path, topology()) == [("info", "224.0.0.251", BRIDGE)]


@pytest.mark.parametrize(
    "story", ["relayed", "host", "twice", "own broadcast", "routing", "DHCP", "unknown", "no card", "card has ended"]
)
def test_group_that_is_not_meant_outside_is_silent(tmp_path: Path, story: str) -> None:
    net = stories.Network([BRIDGE]) if story == "no card" else recording()
    source, group, dmac = f"{CLI}:40000", f"{SSDP}:1900", SSDP_MAC
    if story == "host":
        source = f"{GATEWAY}:40000"
    if story == "own broadcast":
        group, dmac = "172.18.255.255:9999", "02:42:00:00:00:01"
    if story == "routing":
        group, dmac = "224.0.0.5:9", "01:00:5e:00:00:05"
    if story == "DHCP":
        source, group, dmac = f"{CLI}:68", "255.255.255.255:67", "ff:ff:ff:ff:ff:ff"
    sent(net, BRIDGE, f"{source} > {group}", CLI_MAC, dmac, times=2 if story == "twice" else 3)
    if story == "relayed":
        sent(net, CARD, f"{A}:40000 > {group}", CARD_A, dmac)
    if story not in ("no card", "card has ended"):
        go_on(net)
    assert told(net, tmp_path, None if story == "unknown" else topology()) == []


def test_question_that_a_neighbour_answers_is_told_as_info(tmp_path: Path) -> None:
    net = recording()
    sent(net, BRIDGE, f"{CLI}:40000 > {SSDP}:1900", CLI_MAC)
    sent(net, BRIDGE, f"172.18.0.3:1900 > {CLI}:40000", "02:42:ac:12:00:03", CLI_MAC)
    go_on(net)
    assert [level for level, *_ in told(net, tmp_path, topology())] == ["info"]


@pytest.mark.parametrize(
    ("port", "group", "is_told"),
    [(1900, SSDP, True), (1901, SSDP, False), (None, SSDP, False), (1900, "192.168.111.255", False)],
    ids=["published", "other port", "nothing published", "broadcast"],
)
def test_group_at_a_published_port_is_told(tmp_path: Path, port: int | None, group: str, is_told: bool) -> None:
    """docker-proxy takes broadcasts, and passes them on as its own."""
    net = recording()
    dmac = SSDP_MAC if group == SSDP else "ff:ff:ff:ff:ff:ff"
    sent(net, CARD, f"{B}:40000 > {group}:1900", CARD_B, dmac)
    go_on(net)
    assert told(net, tmp_path, topology(published=port)) == [("warning", SSDP, CARD)] * is_told

"""The first sentences for each network model: what was seen, with names where there are names, on documents by hand."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from capnet import language
from capnet.analysis.core.contract.model import Model, Weight
from capnet.analysis.core.results import Finding, MacVerdict
from capnet.analysis.engine import analyze
from capnet.report import summary
from capnet.report.words import Words
from tests.conftest import PROJECT
from tests.report import sample
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import read

MACS = ["02:42:ac:11:00:02", "02:42:ac:11:00:03"]


def sentences(
    model: str, *macs: MacVerdict, confidence: float = 0.97, findings: tuple[Finding, ...] = (), beside: str = ""
) -> str:
    reason = f"all that passes is from or to {sample.WEB}, with"
    models = [Model(model, confidence, [reason], sample.at("A/docker0", 1))]
    models += [Model(beside, 0.6, [reason], sample.at("A/docker0", 1))] if beside else []
    bridge = sample.bridge()
    answer = sample.flow("A/docker0", "tcp", (sample.WEB, 80, sample.BBOX, 40100), 40, 9_000)
    flows = replace(bridge.flows, top=[*bridge.flows.top, answer])
    report = replace(
        bridge,
        flows=flows,
        models=models,
        nat=[],
        proxies=[],
        paths=[],
        macs=list(macs),
        findings=list(findings),
    )
    plain = report.to_dict()
    del plain["fates"]  # what becomes of flows is said before
    return " ".join(summary.sentences(plain, Words(plain["names"])))


def verdict(name: str, macs: list[str], ips: list[str]) -> MacVerdict:
    return MacVerdict(name, macs, ips, "A/ens33", "because", sample.at("A/ens33", 1))


def test_ptp_beside_a_bridge_does_not_deny_the_bridge() -> None:
    routed = "talk to each other, routed: no NAT, no encapsulation. "
    assert f"{routed}There is no bridge: each container has a veth of its own" in sentences("ptp")
    assert f"{routed}Besides the containers on a bridge, others have a veth" in sentences("ptp", beside="bridge")


def test_macvlan_names_children_and_their_isolation() -> None:
    distinct = verdict("distinct", MACS, [sample.WEB, sample.BBOX])
    isolated = Finding("macvlan-host-isolation", "info", "says", None, {})
    text = sentences("macvlan", distinct, findings=(isolated,))
    assert text.startswith(
        "Two containers, web (172.17.0.2) and bbox (172.17.0.3), are on the network of A/ens33 itself, each with a MAC "
        "of its own; nothing is rewritten. Their own host cannot reach them."
    )
    assert "cannot reach" not in sentences("macvlan", distinct)


@pytest.mark.parametrize(
    ("model", "tail"),
    [
        ("ipvlan-l2", "on the network of the parent interface."),
        ("ipvlan-l3", "that is not resolved by ARP: others need a route."),
    ],
)
def test_ipvlan_is_one_mac_with_several_addresses(model: str, tail: str) -> None:
    text = sentences(model, verdict("shared", MACS[:1], [sample.WEB, sample.BBOX]))
    assert text.startswith(
        f"Two containers, web (172.17.0.2) and bbox (172.17.0.3), share one MAC, {MACS[0]}, each with an address of "
        f"its own {tail}"
    )


def unclear(*models: Model, stations: bool = True) -> str:
    """What is said of the model, where none is likely."""
    report = replace(sample.bridge(), models=list(models), nat=[], proxies=[], paths=[])
    plain = (report if stations else replace(report, stations=[])).to_dict()
    return " ".join(said for said in summary.sentences(plain, Words(plain["names"])) if "model" in said)


def test_unclear_model_is_said_where_containers_are_seen() -> None:
    shown, unshown = Weight("container-mac", 2.0, True), Weight("loopback-only", 1.0, False)
    hints = [Model(name, 0.4, ["because"], weights=[shown]) for name in ("bridge", "macvlan")]
    assert unclear(*hints) == "The network model is not clear from this capture: bridge or macvlan."
    assert unclear(hints[0]) == "The network model is not clear from this capture: perhaps bridge."
    assert unclear() == "The network model is not clear from this capture."
    assert unclear(replace(hints[0], confidence=0.9)) == ""
    assert unclear(Model("none", 0.4, ["because"], weights=[unshown]), stations=False) == ""


def test_loopback_address_is_no_container() -> None:
    """At `any`, a host's loopback is at the same point as its containers."""
    report = sample.bridge()
    station = next(station for station in report.stations if station.kind == "container")
    others = [replace(station, ips=["127.0.0.1", "::1"], names=[])]
    plain = replace(report, stations=[*report.stations, *others]).to_dict()
    text = " ".join(summary.sentences(plain, Words(plain["names"])))
    assert "web (172.17.0.2)" in text and "127.0.0.1" not in text and "::1" not in text


def test_addresses_without_names_are_stations() -> None:
    text = sentences("ipvlan-l2", verdict("shared", MACS[:1], ["10.9.0.1", "10.9.0.2"]))
    assert text.startswith("Two stations, 10.9.0.1 and 10.9.0.2, share one MAC")


def test_shared_namespace_is_one_station_to_others() -> None:
    text = sentences("container", verdict("shared", MACS[:1], [sample.WEB]))
    assert text.startswith(
        "Two processes or more share the network namespace of web (172.17.0.2): client and server talk over loopback, "
        f"to others they are one MAC, {MACS[0]}, with one address."
    )


def test_host_and_none_models_name_silent_points() -> None:
    models = [Model("none", 0.9, ["because"], sample.at("A/ens33", 1))]
    plain = replace(sample.bridge(), models=models, findings=[]).to_dict()
    del plain["fates"]
    text = " ".join(summary.sentences(plain, Words(plain["names"]))[:2])
    assert text.startswith("Nothing left its network namespace: 100 packets over loopback at A/ens33. ")
    assert text.endswith(" and 2 more.") and "No packets on " in text
    assert sentences("host").startswith("web (172.17.0.2) sends with its interface's own address and MAC")


def test_host_is_named_in_either_language() -> None:
    """Its address is taken from the evidence, whose words Chinese does not separate by spaces."""
    for chosen, start in (("en", "A (192.168.111.128) sends"), ("zh", "A（192.168.111.128）用接口自己的地址")):
        with language.used(chosen):
            plain = analyze("pcaps/host.pcapng").to_dict()
            said = list(summary.sentences(plain, Words(plain["names"])))
            assert any(sentence.startswith(start) for sentence in said), said


@pytest.mark.parametrize("model", ["none", "host", "container", "macvlan", "ipvlan-l2", "ipvlan-l3"])
def test_model_of_low_confidence_has_no_sentence(model: str) -> None:
    shared = verdict("shared", MACS[:1], [sample.WEB, sample.BBOX])
    text = sentences(model, shared, confidence=0.45)
    assert text.startswith("Two containers, web (172.17.0.2) and bbox (172.17.0.3), talk to each other")


def test_container_that_talks_to_none_of_them_is_told_apart(tmp_path: Path) -> None:
    """Without a topology 172.20.0.3, which two hosts use on docker_gwbridge, has no name; it is in no tunnel."""
    capture = shutil.copy(PROJECT / "pcaps" / "overlay.pcapng", tmp_path)
    plain = analyze(capture).to_dict()
    text = " ".join(summary.sentences(plain, Words(plain["names"])))
    assert "Two containers, left (10.0.1.2) and right (10.0.1.4), talk to each other through a tunnel." in text
    assert "Also seen: 172.20.0.3." in text


@pytest.mark.parametrize(("lang", "expected"), [("en", "What 10.1.0.2 sends to"), ("zh", "10.1.0.2 发往")])
def test_redirect_to_a_program_of_the_same_host_is_said(lang: str, expected: str, tmp_path: Path) -> None:
    """As a sidecar's rule REDIRECT does: loopback shows the requests behind it, and the answers before it."""
    net = Network(["pod/lo"])
    net.pass_by(("pod/lo", tcp("10.1.0.2:40000 > 127.0.0.1:15001", flags=SYN, seq=100)))
    net.pass_by(("pod/lo", tcp("10.1.0.3:8080 > 10.1.0.2:40000", flags=SYN | ACK, seq=500, ack=101)))
    with language.used(lang):
        plain = read(net, tmp_path)
        said_of = dict(summary.topics(plain, Words(plain["names"])))
    (sentence,) = said_of["Redirect"]
    assert sentence.startswith(f"{expected} 10.1.0.3:8080") and "127.0.0.1:15001" in sentence
    assert "Inward" not in said_of

"""hairpin-off: a pod that does not reach itself by the address of its own service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_capture, of_story
from tests.stories import ACK, RST, SYN, Network, Packet, tcp

NAME = "hairpin-off"
POD, OTHER, GATEWAY, SERVICE = "10.244.0.5", "10.244.0.6", "10.244.0.1", "10.96.7.7:80"
POD_MAC, OTHER_MAC, BRIDGE_MAC = "0a:58:0a:f4:00:05", "0a:58:0a:f4:00:06", "0a:58:0a:f4:00:01"
WAY = ["A/pod1/eth0", "A/veth1", "A/cni0"]
TO_SERVICE = tcp(f"{POD}:38521 > {SERVICE}", flags=SYN, seq=511784235, tsval=1, smac=POD_MAC, dmac=BRIDGE_MAC)


def attempts(net: Network, asked: Packet, translated: Packet, *, count: int = 4, answer: Packet | None = None) -> None:
    """SYNs sent again after a second each, as Linux does, and their translated form on the bridge."""
    for number in range(count):
        changes = {"ident": number + 1, "tsval": number + 1}
        net.pass_by(
            *((point, asked.but(**changes)) for point in net.points if point != "A/cni0"),
            *((point, translated.but(**changes)) for point in net.points if point == "A/cni0"),
        )
        if answer:
            net.pass_by(("A/cni0", answer))
        net.now += 1e6


def told(
    folder: Path, translated: Packet, asked: Packet = TO_SERVICE, points: list[str] = WAY, **more: int
) -> Findings:
    net = Network(points)
    attempts(net, asked, translated, **more)  # type: ignore[arg-type]
    return of_story(net, folder, NAME)


def test_service_translated_to_its_own_client_is_told(tmp_path: Path) -> None:
    (finding,) = told(tmp_path, TO_SERVICE.but(ends=f"{POD}:38521 > {POD}:8080", dmac=POD_MAC))
    assert finding["level"] == "error"
    assert finding["says"] == (
        f"{POD} calls itself by {SERVICE}: 4 SYNs, translated to {POD} → {POD}:8080 at A/cni0, get no answer"
    )
    assert "MASQUERADE" in finding["fix"] and "hairpin on" in finding["fix"]
    assert finding["facts"] == {
        "client": POD, "port": 8080, "attempts": 4, "masqueraded": False, "service": "10.96.7.7",
    }  # fmt: skip


def test_translated_syns_of_one_point_is_told(tmp_path: Path) -> None:
    """The bridge alone shows no address of the service."""
    itself = TO_SERVICE.but(ends=f"{POD}:38521 > {POD}:8080", dmac=POD_MAC)
    (finding,) = told(tmp_path, itself, points=["A/cni0"])
    assert finding["says"].startswith(f"{POD} calls itself: 4 SYNs, translated to")


def test_masqueraded_source_is_told(tmp_path: Path) -> None:
    """Docker without docker-proxy: the gateway's address is the source; what is missing is the port's mode."""
    masqueraded = TO_SERVICE.routed(ends=f"{GATEWAY}:38521 > {POD}:8080", smac=BRIDGE_MAC, dmac=POD_MAC)
    (finding,) = told(tmp_path, masqueraded)
    assert f"translated to {GATEWAY} → {POD}:8080 at A/cni0" in finding["says"]
    assert finding["facts"]["masqueraded"] and "MASQUERADE" not in finding["fix"]


def test_ipv6_service_translated_to_its_client_is_told(tmp_path: Path) -> None:
    asked = TO_SERVICE.but(ends="[fd00:10:244::5]:38521 > [fd00:10:96::7]:80")
    itself = asked.but(ends="[fd00:10:244::5]:38521 > [fd00:10:244::5]:8080", dmac=POD_MAC)
    (finding,) = told(tmp_path, itself, asked)
    assert finding["facts"]["client"] == "fd00:10:244::5" and "ip6tables" in finding["fix"]


@pytest.mark.parametrize("flags", [SYN | ACK, RST | ACK], ids=["accepted", "refused"])
def test_answered_hairpin_is_silent(tmp_path: Path, flags: int) -> None:
    net = Network(WAY)
    itself = TO_SERVICE.but(ends=f"{POD}:38521 > {POD}:8080", dmac=POD_MAC)
    answer = itself.but(ends=f"{POD}:8080 > {POD}:38521", flags=flags, seq=9, ack=511784236, tsval=None)
    attempts(net, TO_SERVICE, itself, answer=answer)
    assert of_story(net, tmp_path, NAME) == []


def test_service_translated_to_another_pod_is_silent(tmp_path: Path) -> None:
    """It does not answer either, for another reason."""
    assert told(tmp_path, TO_SERVICE.but(ends=f"{POD}:38521 > {OTHER}:8080", dmac=OTHER_MAC)) == []


def test_single_syn_to_itself_is_silent(tmp_path: Path) -> None:
    assert told(tmp_path, TO_SERVICE.but(ends=f"{POD}:38521 > {POD}:8080", dmac=POD_MAC), count=1) == []


def test_land_attack_and_loopback_is_silent(tmp_path: Path) -> None:
    """Forged packets have equal ports (RFC 4953); on a loopback interface every station talks to itself."""
    land = TO_SERVICE.but(ends=f"{POD}:80 > {POD}:80", dmac=POD_MAC)
    assert told(tmp_path, land, points=["A/cni0"]) == []
    local = TO_SERVICE.but(ends=f"{POD}:38521 > {POD}:8080", smac="00:00:00:00:00:00", dmac="00:00:00:00:00:00")
    assert told(tmp_path, local, points=["A/cni0"]) == []


def test_healthy_hairpins_of_docker_is_silent() -> None:
    assert of_capture("pcaps/bridge-hairpin-noproxy.pcapng", NAME) == []

"""password: SYNs with signatures by TCP MD5. Truth of the recordings: TCPMD5Unexpected of `nstat`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.findings.reported import Findings, of_capture, of_story
from tests.stories import ACK, SYN, Network, tcp
from tests.story_reports import A, B

NAME = "connection-unanswered"
RECORDED = "tests/analysis/findings/recorded"


def called(net: Network, ends: str, *, md5: bool, answer: bool = False) -> None:
    asked = tcp(ends, flags=SYN, seq=7, mss=1460, md5=md5)
    for number in range(4):
        net.pass_by(("A/ens33", asked.but(ident=len(net.recorded) + number)), gap=1.02e6)
    if answer:
        client, _, server = ends.partition(" > ")
        net.pass_by(("A/ens33", asked.but(ends=f"{server} > {client}", flags=SYN | ACK, ack=8, ident=77)))


def both(folder: Path, client_signs: bool, server_signs: bool | None) -> Findings:
    """A calls B; None: B does not call A."""
    net = Network(["A/ens33"])
    called(net, f"{A}:40000 > {B}:179", md5=client_signs)
    if server_signs is not None:
        called(net, f"{B}:40001 > {A}:179", md5=server_signs)
    return of_story(net, folder, NAME)


@pytest.mark.parametrize("point", ["left__eth0", "right__eth0"])
@pytest.mark.parametrize(("name", "signs"), [("bgp-password", "client"), ("bgp-passwords", "both")])
def test_password_of_bgp_is_told_once(name: str, signs: str, point: str) -> None:
    (finding,) = of_capture(f"{RECORDED}/{name}/{point}.pcap", NAME)
    assert finding["facts"]["signs"] == signs and "the same password" in finding["fix"]


@pytest.mark.parametrize(
    ("server_signs", "signs"), [(False, "client"), (True, "both"), (None, "client at least")], ids=str
)
def test_signature_of_the_client_is_told(tmp_path: Path, server_signs: bool | None, signs: str) -> None:
    (finding,) = both(tmp_path, True, server_signs)
    assert finding["facts"]["signs"] == signs and "signature by TCP MD5" in finding["says"]


def test_server_that_signs_and_is_answered_is_told(tmp_path: Path) -> None:
    """Its own SYNs are no finding: only the other direction is."""
    net = Network(["A/ens33"])
    called(net, f"{A}:40000 > {B}:179", md5=False)
    called(net, f"{B}:40001 > {A}:179", md5=True, answer=True)
    (finding,) = of_story(net, tmp_path, NAME)
    assert finding["facts"]["signs"] == "server" and f"{B} has a password for {A}" in finding["says"]


def test_syns_without_signatures_is_silent(tmp_path: Path) -> None:
    findings = both(tmp_path, False, False)
    assert findings and all("MD5" not in str(finding) for finding in findings)

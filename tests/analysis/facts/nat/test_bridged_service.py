"""A service's address that a bridge translates to a port of its own: bridged-service.pcapng.

Recorded on Linux 6.18 with bridge-nf-call-iptables = 1, at a pod's veth and at its bridge cni0 (CNI plugin bridge
1.1.1): three HTTP requests of the pod 10.244.1.2 to 10.96.0.10:80, for which nat PREROUTING had `-d 10.96.0.10/32 -p
tcp --dport 80 -j DNAT --to-destination 10.244.1.3:8080`, a pod on the same bridge. bridged-refusal.pcapng is the same
with a pod that has no server: each answer is one RST, of which the bridge's host routes an untranslated copy.
"""

from __future__ import annotations

from pathlib import Path

from capnet.analysis.engine import analyze
from capnet.report.formats import render

RECORDED = Path(__file__).with_name("bridged-service.pcapng")
REFUSED = Path(__file__).with_name("bridged-refusal.pcapng")


def test_translation_has_one_direction() -> None:
    """The reply reaches the pod's veth, translated back, 1 µs before the tap of the bridge shows it as it came."""
    rows = analyze(RECORDED).nat
    ends = {(row.kind, row.before.dst, row.before.dport, row.after.dst, row.after.dport) for row in rows}
    assert ends == {("dnat", "10.96.0.10", 80, "10.244.1.3", 8080)}
    assert len(rows) == 3


def test_containers_behind_it_do_not_talk_directly() -> None:
    text = render(analyze(RECORDED), "table")
    assert "10.244.1.2 reaches 10.244.1.3:8080 through 10.96.0.10:80" in text
    assert "no NAT" not in text.partition("Network model")[0]


def test_refusal_is_translated_as_well() -> None:
    report = analyze(REFUSED)
    assert {(row.kind, row.before.dst, row.after.dst) for row in report.nat} == {("dnat", "10.96.0.10", "10.244.1.3")}
    assert [finding.facts["port"] for finding in report.findings if finding.name == "connection-refused"] == [8080]
    assert "no NAT" not in render(report, "table").partition("Network model")[0]

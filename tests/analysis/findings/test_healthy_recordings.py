"""False alarms: real programs on networks that work, recorded as strangers record them, with kernel 6.18.

A client is a router and 10 ms away from a host that publishes ports of containers by DNAT; one packet of a thousand is
lost on its way. Each capture made a statement that was wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze

RECORDED = Path(__file__).parent / "recorded"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("load-test-end/client__eth0", "load-test-end/server__eth0"), "stops-between"),  # ab; both end in the middle
        (("capture-drops/any",), "packet-loss"),  # wrk: tcpdump drops packets of a connection that stays open
        (("aborted-download/server__docker0",), "duplicate-observation"),  # curl that is ended: equal RSTs
        (("aborted-download/client__eth0", "aborted-download/server__eth0"), "packet-loss"),
        (("blocking-pops/redis",), "server-slow"),  # BLPOP
        (("blocking-pops/beanstalkd",), "server-slow"),  # reserve-with-timeout
        (("dhcp-probes/container",), "arp-unanswered"),  # of another container, to which dnsmasq offers an address
        (("dhcp-probes/cut",), "arp-unanswered"),  # the same with -s 96
        (("dhcp-probes/end",), "arp-unanswered"),  # it ends before the offer
        (("port-scan/eth0",), "dns-failure"),  # nmap -sU
    ],
)
def test_network_that_works_is_silent(files: tuple[str, ...], name: str) -> None:
    report = analyze([RECORDED / f"{file}.pcap" for file in files])
    wrong = [finding for finding in report.findings if finding.level != "info" or finding.name == name]
    assert [finding.says for finding in wrong] == []


def test_dead_target_asked_before_the_capture_is_no_route() -> None:
    """Prometheus: the host's question for the MAC lies before the capture of docker0, which begins in the middle."""
    findings = analyze(RECORDED / "dead-target" / "docker0.pcap").findings
    (finding,) = (finding for finding in findings if finding.name == "host-unreachable")
    assert finding.says == "10.20.0.2 cannot reach 10.20.0.77: 4 messages to 172.17.0.3"

"""Copies that a switch in user space sends on milliseconds later are no retransmissions.

Recorded with `tcpdump -i any -y LINUX_SLL` in network namespaces: frames pass four interfaces of a host, by two
programs that hold them 3 to 7 ms each. In `loses`, one of 25 long frames was lost at each program: the server's
TcpRetransSegs (nstat) was 6, in `whole` 0.
"""

from pathlib import Path

import pytest

from capnet.analysis.engine import analyze
from tests.story_reports import findings_named

RECORDED = Path(__file__).parent / "slow_switch"


@pytest.mark.parametrize(("name", "segments"), [("whole", []), ("loses", [{"loses": 6}])])
def test_copies_of_a_slow_switch_are_not_sent_again(name: str, segments: list[dict[str, int]]) -> None:
    report = analyze(RECORDED / f"{name}.pcap.gz").to_dict()
    assert [finding["facts"]["segments"] for finding in findings_named(report, "retransmissions")] == segments


def test_packet_at_four_interfaces_is_recorded_four_times() -> None:
    (finding,) = findings_named(analyze(RECORDED / "whole.pcap.gz").to_dict(), "duplicate-observation")
    assert (finding["facts"]["packets"], finding["facts"]["times"]) == (202, 4)

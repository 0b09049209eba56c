"""What a capture at `any` dropped is no loss of the network.

Recorded in network namespaces with `tcpdump -i any -B 32`, which was stopped for 60 ms again and again (`starved_ping`)
or had too little time for connections in a burst (`starved_tcp`): it reported 248 and 41 packets dropped, and no packet
was lost. Parts of the files, cut by editcap. In `drop_rule`, which reported none, a rule in the forward chain dropped
one datagram in 20.
"""

from pathlib import Path
from typing import Any

from capnet.analysis.engine import analyze
from tests.conftest import PROJECT
from tests.story_reports import findings_named

RECORDED = Path(__file__).parent / "at_any"


def _report(name: str) -> dict[str, Any]:
    return analyze(RECORDED / name).to_dict()


def test_starved_capture_of_pings_is_silent() -> None:
    """Two echo requests are the last frames before the capture falls silent at all interfaces."""
    report = _report("starved_ping.pcap.gz")
    assert report["correlation"]["fates"] == {"delivered": 1}
    assert not findings_named(report, "packet-loss")


def test_starved_capture_of_connections_is_noted() -> None:
    """Wireshark says "ACKed unseen segment" of the connection whose last segments were dropped."""
    report = _report("starved_tcp.pcap")
    assert report["correlation"]["unrecorded"] == {"starved_tcp": 1}
    assert set(report["correlation"]["fates"]) == {"delivered"}


def test_datagrams_that_a_rule_drops_at_any_is_told() -> None:
    (finding,) = findings_named(_report("drop_rule.pcap"), "packet-loss")
    assert (finding["level"], finding["facts"]["lost"], finding["facts"]["packets"]) == ("warning", 8, 160)


def test_unrecorded_segments_are_those_that_wireshark_misses() -> None:
    """wrk over a bridge: `tcp.analysis.lost_segment` of each interface's frames, all acknowledged, as tshark counts."""
    capture = PROJECT / "tests" / "analysis" / "findings" / "recorded" / "capture-drops" / "any.pcap"
    assert analyze(capture).to_dict()["correlation"]["unrecorded"] == {"if2": 4, "if3": 3, "if4": 3}

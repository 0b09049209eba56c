"""How capture programs are called, and what of their messages is understood: texts as the programs printed them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace

import pytest

from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.shell import Shell
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.capture_program import PROGRAMS

POINT = CapturePoint("A/ens33", "parent", "A", "ens33", "the NIC", Shell("self"), "/proc/self/ns/net")
DUMPCAP, TCPDUMP = PROGRAMS


def test_buffer_is_given_in_the_units_of_the_program() -> None:
    """dumpcap(1): MiB. tcpdump(1): KiB."""
    for program, units in ((DUMPCAP, "64"), (TCPDUMP, "65536")):
        words = program.command(POINT, 262144)
        assert words[words.index("-B") + 1] == units
        assert "--immediate-mode" not in words


def test_promiscuous_mode_is_left_out_where_the_point_says_so() -> None:
    """-p of tcpdump(1) and dumpcap(1)."""
    for program in PROGRAMS:
        assert "-p" not in program.command(POINT, 262144)
        words = program.command(replace(POINT, is_promiscuous=False), 262144)
        assert words[words.index("-i") :][:3] == ["-i", "ens33", "-p"]  # dumpcap's is of the interface before it


def test_answer_to_sigusr1_is_not_the_final_count() -> None:
    """tcpdump 4.99.3, asked once, then ended."""
    asked = "tcpdump: 7 packets captured, 9 packets received by filter, 2 packets dropped by kernel\n"
    ended = "9 packets captured\n11 packets received by filter\n3 packets dropped by kernel\n"
    assert TCPDUMP.drops is not None
    assert re.findall(TCPDUMP.drops, asked + ended) == ["2"]
    assert re.search(TCPDUMP.counts, asked) is None
    counts = re.search(TCPDUMP.counts, asked + ended)
    assert counts is not None and (counts["received"], counts["dropped"]) == ("11", "3")


def test_dumpcap_counts_are_read_when_the_disk_was_full() -> None:
    """Dumpcap 4.0.17, whose output was on a tmpfs without room."""
    messages = (
        "Capturing on 'v1'\nFile: -\n"
        "dumpcap: Not all the packets could be written to the file to which the capture was being saved\n"
        '("-") because there is no space left on the file system\non which that file resides.\n'
        "Packets captured: 8000\n"
        "Packets received/dropped on interface 'v1': 8000/4 (pcap:4/dumpcap:0/flushed:0/ps_ifdrop:0) (99.9%)\n"
    )
    counts = re.search(DUMPCAP.counts, messages)
    assert counts is not None and (counts["received"], counts["dropped"], counts["interface_dropped"]) == (
        "8000",
        "4",
        "0",
    )


# tcpdump 4.99.3 and Dumpcap 4.0.17 at lo, where 1000 packets were sent; and both as they were stopped meanwhile.
@pytest.mark.parametrize(
    ("program", "messages", "expected"),
    [
        (TCPDUMP, "1000 packets captured\n2000 packets received by filter\n0 packets dropped by kernel\n", (1000, 0)),
        (TCPDUMP, "938 packets captured\n40020 packets received by filter\n38144 packets dropped by kernel\n",
         (20010, 19072)),
        (DUMPCAP, "Packets received/dropped on interface 'Loopback: lo': 1000/0 (pcap:0/dumpcap:0)", (1000, 0)),
        (DUMPCAP, "Packets received/dropped on interface 'Loopback: lo': 938/38144 (pcap:38144/dumpcap:0)",
         (938, 19072)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("capture_filter", ["", "udp", "inbound and udp"])
def test_packet_at_loopback_counts_once(tmp_path, program, messages, expected, capture_filter) -> None:
    """A filter by direction lets the kernel see one of its two ways only."""
    point = replace(POINT, name="A/lo", interface="lo", capture_filter=capture_filter)
    path = tmp_path / "00.messages"
    path.write_text(messages)
    ended = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    capture = CaptureProcess(point, program, tmp_path / "00.capture", path, ended)
    capture.wait()
    received, dropped = expected
    if "inbound" in capture_filter:
        received, dropped = received * (1 + program.has_kernel_received), dropped * 2
    assert (capture.received, capture.dropped) == (received, dropped)

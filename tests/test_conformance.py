"""Made and golden files read as Wireshark reads them; `python -m tests.conformance FOLDER` asks it of any others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from capnet.wire.capture import open_capture
from tests.conformance import complaint, deviations, interfaces_differ, names_differ
from tests.conftest import GOLDENS, MADE

needs_wireshark = pytest.mark.skipif(
    not (shutil.which("tshark") and shutil.which("capinfos")), reason="tshark and capinfos are not installed"
)
FILES = [
    path for path in [*GOLDENS, *MADE] if path.name.startswith(("pcap", "truncated", "snaplen")) or path in GOLDENS
]


@pytest.mark.by_turns
@needs_wireshark
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_reads_as_wireshark_reads_it(path: Path) -> None:
    assert deviations(path) == []


@needs_wireshark
def test_other_file_is_a_deviation() -> None:
    """The comparison can fail: one file is compared with what we read in another one."""
    made = {path.name: path for path in MADE}
    with open_capture(made["snaplen.pcap"], compiled=False) as capture:
        assert len(list(capture.blocks())) == 1
        assert list(interfaces_differ(made["pcap_le_us.pcap"], capture)) == [
            "interface 0: capture length: capinfos 262144, capnet 40"
        ]
    with open_capture(made["pcapng_unknown_blocks.pcapng"], compiled=False) as capture:
        assert len(list(capture.blocks())) > 0
        assert list(names_differ(made["pcapng_le.pcapng"], capture)) == [
            "name of 172.17.0.2: tshark None, capnet ['web']"
        ]
    assert complaint(made["truncated.pcap"]) and not complaint(made["pcap_le_us.pcap"])

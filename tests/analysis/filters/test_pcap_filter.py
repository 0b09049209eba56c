"""Expressions of pcap-filter(7). Truth: tcpdump, on files of one point, where a flow has one form."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from capnet.wire.capture import open_capture
from tests.analysis.filters.frames import BRIDGE, chosen

needs_tcpdump = pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")

PCAP_FILTERS = [
    "host 192.168.111.129", "src host 192.168.111.129", "dst host 192.168.111.129", "src 192.168.111.129",
    "src or dst host 192.168.111.128", "src and dst host 192.168.111.128", "port 8080", "dst port 8080",
    "src port 8080", "tcp", "udp", "icmp", "ip", "ip6", "ip proto 17", "tcp port 7000", "udp port 53",
    "tcp dst port 8080", "udp src port 53", "portrange 7000-9000", "net 192.168.111.0/24", "net 192.168.0.0/16",
    "net 192.168", "src net 192.168.111.128/31", "net 192.168.111.0 mask 255.255.255.0",
    "not tcp", "! tcp", "tcp or udp", "tcp || icmp", "host 192.168.111.129 and port 8080",
    "host 192.168.111.129 && tcp port 7000", "not (tcp or udp)", "port 53 or 7000", "tcp and not port 8080",
    # and, or: equal precedence, left to right
    "icmp or tcp and port 8080", "tcp and port 8080 or icmp", "tcp or udp and icmp or udp",
    "ether host 02:00:c0:a8:6f:80", "ether src 02:00:c0:a8:6f:80", "ether dst host 02:00:c0:a8:6f:80",
    "port 8080 and src 192.168.111.129 or 192.168.111.128",
]  # fmt: skip


def point(folder: Path, name: str) -> Path:
    """The IP packets of one point of the bridge capture as a pcap file, those of a swarm or of no flow left out."""
    out = folder / f"{name.replace('/', '-')}.pcap"
    if not out.exists():
        data = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
        with open_capture(BRIDGE, compiled=False) as capture:
            for record in capture.records():
                if capture.interfaces[record.interface].name == name and record.data[12:14] in (
                    b"\x08\x00",
                    b"\x86\xdd",
                ):
                    data += (
                        struct.pack("<IIII", *divmod(record.time, 10**9), record.caplen, record.wirelen) + record.data
                    )
        out.write_bytes(data)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("points")


@needs_tcpdump
@pytest.mark.parametrize("text", PCAP_FILTERS)
def test_expression_chooses_what_tcpdump_chooses(text: str, folder: Path) -> None:
    """tcpdump reads the same file with the same expression."""
    path = point(folder, "A/ens33")
    done = subprocess.run(
        ["tcpdump", "-r", path, "-w", "-", "--nano", text], capture_output=True, timeout=30, check=True
    )
    (folder / "chosen.pcap").write_bytes(done.stdout)
    with open_capture(folder / "chosen.pcap", compiled=False) as capture:
        expected = [(record.time, bytes(record.data)) for record in capture.records()]
    numbers = chosen(text, path)
    with open_capture(path, compiled=False) as capture:
        actual = [(record.time, bytes(record.data)) for record in capture.records() if record.number in numbers]
    assert actual == expected


def test_most_expressions_choose_a_part(folder: Path) -> None:
    """The list above can fail: most of it chooses neither all frames nor none."""
    path = point(folder, "A/ens33")
    whole = len(chosen("ip or ip6", path))
    sizes = [len(chosen(text, path)) for text in PCAP_FILTERS]
    assert sum(0 < size < whole for size in sizes) > len(sizes) * 0.7

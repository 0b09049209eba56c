"""`capnet packet`: our decode and, when tshark is there, Wireshark's, of the same frame."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VXLAN = ROOT / "tests" / "made" / "vxlan.pcap"
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")


def packet(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "always", "-m", "capnet", "packet", *map(str, words)],
        capture_output=True, text=True, timeout=60, cwd=ROOT, env={**os.environ, **environment},
    )  # fmt: skip


def test_one_frame():
    done = packet(VXLAN, 3, "--no-tshark")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Frame 3 of ")
    assert "  VXLAN     VNI 4097\n    Ethernet " in done.stdout
    assert "    ICMP      echo request (8/0), id 1, seq 2\n" in done.stdout


def test_names_come_from_the_topology_beside_it():
    text = packet("pcaps/overlay.pcapng", 1, "--no-tshark").stdout
    assert re.search(r" \((left|right|A|B)\)", text)


def test_hex_is_the_whole_frame():
    raw = VXLAN.read_bytes()
    frame = raw[24 + 16 : 24 + 16 + int.from_bytes(raw[24 + 8 : 24 + 12], "little")]  # pcap: file and record header
    dump = packet(VXLAN, 1, "--no-tshark", "--hex").stdout.split("\n\n")[-1]
    octets = "".join(line[8:56] for line in dump.splitlines())
    assert bytes.fromhex(octets) == frame


def test_the_last_frame_and_no_further():
    """Ten frames nested in VXLAN: several rows each, one frame number."""
    assert packet(VXLAN, 7, "--no-tshark").returncode == 0
    done = packet(VXLAN, 8)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"capnet: {VXLAN}: there is no frame 8; the last one is 7\n"


def test_a_number_that_wireshark_gives_to_no_packet(tmp_path):
    """Wireshark numbers custom blocks (pcapng section 4.8) among the frames."""
    raw = (ROOT / "tests" / "made" / "pcapng_le.pcapng").read_bytes()
    header = int.from_bytes(raw[4:8], "little")
    custom = struct.pack("<4I", 0x00000BAD, 16, 32473, 16)
    (tmp_path / "custom.pcapng").write_bytes(raw[:header] + custom + raw[header:])
    done = packet(tmp_path / "custom.pcapng", 1, "--no-tshark")
    assert done.returncode == 2
    assert "frame 1 is no packet, but a pcapng block of another kind" in done.stderr
    assert packet(tmp_path / "custom.pcapng", 2, "--no-tshark").returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["missing.pcap", 1], 3, "missing.pcap: No such file"),
        (["pyproject.toml", 1], 3, "neither pcap nor pcapng"),
        ([VXLAN, 0], 2, "0 is not in the range"),
        ([VXLAN, "one"], 2, "not a valid integer"),
    ],
)
def test_errors(words, code, says):
    done = packet(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_without_tshark_it_says_so_and_that_is_fine(tmp_path):
    done = packet(VXLAN, 1, PATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("tshark is not installed")


@needs_tshark
def test_wireshark_dissects_the_same_frame():
    done = packet(VXLAN, 3)
    assert (done.returncode, done.stderr) == (0, "")  # no warnings of asyncio either
    ours, theirs = done.stdout.split("As Wireshark dissects it:\n")
    assert "VXLAN Network Identifier (VNI): 4097" in theirs
    assert "Source Address: 10.0.1.2" in theirs
    assert "10.0.1.2 → 10.0.1.3" in ours
    assert "\x1b" not in done.stdout


@needs_tshark
def test_wireshark_fields_are_in_the_order_of_the_bytes():
    lines = [line.strip() for line in packet(VXLAN, 1).stdout.split("As Wireshark dissects it:\n")[1].splitlines()]
    first = [
        next(i for i, line in enumerate(lines) if line.startswith(start))
        for start in ("Destination:", "Source:", "Type:")
    ]
    assert first == sorted(first)

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
from scapy.all import Ether

from capnet.cli import packet as cli_packet
from tests.made.build import A, B, interface, obsolete_packet, section, simple_packet
from tests.made.build import packet as packet_block

ROOT = Path(__file__).resolve().parents[2]
VXLAN = ROOT / "tests" / "made" / "vxlan.pcap"
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")


def packet(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "always", "-m", "capnet", "packet", *map(str, words)],
        capture_output=True, text=True, timeout=60, cwd=ROOT, env={**os.environ, **environment},
    )  # fmt: skip


def test_trace_takes_one_frame():
    done = packet(VXLAN, 3, "--no-tshark")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Frame 3 of ")
    assert "  VXLAN     VNI 4097\n    Ethernet " in done.stdout
    assert "    ICMP      echo request (8/0), id 1, seq 2\n" in done.stdout


def test_frame_names_come_from_topology_beside_it():
    text = packet("pcaps/overlay.pcapng", 1, "--no-tshark").stdout
    assert re.search(r" \((left|right|A|B)\)", text)


def test_hex_is_the_whole_frame():
    raw = VXLAN.read_bytes()
    frame = raw[24 + 16 : 24 + 16 + int.from_bytes(raw[24 + 8 : 24 + 12], "little")]  # pcap: file and record header
    dump = packet(VXLAN, 1, "--no-tshark", "--hex").stdout.split("\n\n")[-1]
    octets = "".join(line[8:56] for line in dump.splitlines())
    assert bytes.fromhex(octets) == frame


def test_frame_number_beyond_the_last_is_refused():
    """Ten frames nested in VXLAN: several rows each, one frame number."""
    assert packet(VXLAN, 7, "--no-tshark").returncode == 0
    done = packet(VXLAN, 8)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"capnet: {VXLAN}: there is no frame 8; the last one is 7\n"


def test_frame_of_a_capture_without_any_is_refused(tmp_path):
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(VXLAN.read_bytes()[:24])
    assert packet(empty, 1).stderr == f"capnet: {empty}: there is no frame 1; the capture has none\n"


def test_frame_number_of_no_packet_is_refused(tmp_path):
    """Wireshark numbers custom blocks (pcapng section 4.8) among the frames."""
    raw = (ROOT / "tests" / "made" / "pcapng_le.pcapng").read_bytes()
    header = int.from_bytes(raw[4:8], "little")
    custom = struct.pack("<4I", 0x00000BAD, 16, 32473, 16)
    (tmp_path / "custom.pcapng").write_bytes(raw[:header] + custom + raw[header:])
    done = packet(tmp_path / "custom.pcapng", 1, "--no-tshark")
    assert done.returncode == 2
    assert "frame 1 is no packet, but a pcapng block of another kind" in done.stderr
    assert packet(tmp_path / "custom.pcapng", 2, "--no-tshark").returncode == 0


def comments(*words: object) -> list[str]:
    done = packet(*words, "--no-tshark")
    assert (done.returncode, done.stderr) == (0, "")
    return [line[12:] for line in done.stdout.splitlines() if line.startswith("  comment   ")]


@pytest.mark.parametrize("order", ["<", ">"])
def test_frame_comments_are_shown_in_any_order(tmp_path, order):
    """As they were written (by construction): several on a frame, several lines in one, none on its neighbours."""
    frame = Ether(src=A, dst=B, type=0x1234) / bytes(51)  # padded by one
    text = "zwei\nund drei ← ☺"
    data = section(order) + interface("x", order=order)
    data += packet_block(frame, 1, 0, order, given=[(1, b"one"), (4, bytes(8)), (1, text.encode()), (1, b"")])
    data += simple_packet(frame, order) + packet_block(frame, 2, 0, order) + obsolete_packet(frame, 3, order=order)
    path = tmp_path / "it.pcapng"
    path.write_bytes(data)
    assert comments(path, 1) == ["one", "zwei", "und drei ← ☺"]
    assert [comments(path, number) for number in (2, 3, 4)] == [[], [], []]


def test_frame_comments_beyond_a_screen_are_cut(tmp_path):
    frame = Ether(src=A, dst=B, type=0x1234) / bytes(50)
    data = section() + interface("x") + packet_block(frame, 1, given=[(1, b"la " * 20_000)] * 20)
    (tmp_path / "it.pcapng").write_bytes(data)
    assert comments(tmp_path / "it.pcapng", 1) == ["… and more; 20 lines in all"]


@needs_tshark
def test_frame_comments_of_annotate_equal_wireshark(tmp_path):
    path = tmp_path / "marked.pcapng"
    subprocess.run(
        [sys.executable, "-m", "capnet", "annotate", "pcaps/bridge.pcapng", "-o", path], cwd=ROOT, check=True
    )
    fields = ["-Y", "frame.comment", "-T", "fields", "-e", "frame.number", "-e", "frame.comment"]
    printed = subprocess.run(["tshark", "-r", path, *fields], capture_output=True, text=True, check=True).stdout
    lines = printed.splitlines()[:3]
    assert len(lines) == 3
    for line in lines:
        number, comment = line.split("\t")
        assert " ".join(comments(path, number)) == comment


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["missing.pcap", 1], 3, "missing.pcap: No such file"),
        (["pyproject.toml", 1], 3, "neither pcap nor pcapng"),
        ([VXLAN, 0], 2, "0 is not in the range"),
        ([VXLAN, "one"], 2, "not a whole number"),
    ],
)
def test_frame_errors_are_one_line(words, code, says):
    done = packet(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_frame_without_tshark_says_so_and_exits_zero(tmp_path):
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
def test_wireshark_fields_are_in_order_of_bytes():
    lines = [line.strip() for line in packet(VXLAN, 1).stdout.split("As Wireshark dissects it:\n")[1].splitlines()]
    first = [
        next(i for i, line in enumerate(lines) if line.startswith(start))
        for start in ("Destination:", "Source:", "Type:")
    ]
    assert first == sorted(first)


@needs_tshark
@pytest.mark.parametrize("name", ["pcaps/overlay.pcapng", "tests/made/vxlan.pcap", "tests/made/sll.pcap"])
def test_frame_far_into_file_is_dissected_by_itself(monkeypatch, capsys, name):
    """As tshark dissects it where it is, but for what comes from the frames before it."""
    near = packet(name, 3).stdout
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(cli_packet, "MAX_TSHARK_FRAMES", 2)
    assert cli_packet.command.main([name, "3"], standalone_mode=False) == 0
    far = capsys.readouterr().out
    heading = "As Wireshark dissects it by itself, without the streams before it:"
    ours, theirs = far.split(f"{heading}\n")
    assert ours == near.split("As Wireshark dissects it:\n")[0]
    from_before = ("Stream index", "Time since", "relative", "Timestamps", "Conversation", "Analysis", "SEQ/ACK", "[")
    lines = [line for line in near.split("As Wireshark dissects it:\n")[1].splitlines() if "0x" in line or ":" in line]
    kept = [line for line in lines if not any(word in line for word in from_before)]
    assert len(kept) > 10
    assert [line for line in kept if line not in theirs.splitlines()] == []


def test_address_of_both_hosts_is_named_by_host_of_point() -> None:
    """`docker inspect`: on docker_gwbridge 172.20.0.3 is left's on A, right's on B."""
    for frame, name in ((257, "left"), (325, "right")):
        assert f"172.20.0.3 ({name})" in packet("pcaps/overlay.pcapng", frame, "--no-tshark").stdout


@pytest.mark.parametrize(
    ("file", "number", "lines"),
    [
        (VXLAN, 3, ["vxlan.pcap 的第 3 帧 · ", "，类型 IPv4 (0x0800)\n", "  VXLAN     VNI 4097\n", "  载荷      "]),
        ("pcaps/bridge.pcapng", 1, ["  ARP       request，发送方 172.17.0.3 (bbox)，MAC 02:42:ac:11:00:03；目标 "]),
        ("pcaps/bridge.pcapng", 40, ["，TTL 64，id 0xa6f8，禁止分片，协议 tcp，264 字节\n", "PSH ACK，seq 2714385253"]),
    ],
    ids=["tunnel", "arp", "tcp"],
)
def test_decode_in_chinese_keeps_names_of_fields(file, number, lines):
    shown = packet(file, number, "--no-tshark", "--lang", "zh").stdout
    assert [line for line in lines if line not in shown] == []


def test_every_end_of_decoding_has_chinese() -> None:
    from capnet.analysis.aggregate.decode_coverage import reason_words
    from capnet.chinese.messages import translated
    from capnet.wire import fields

    reasons = {value for name, value in vars(fields).items() if name.startswith("REASON_")}
    assert len(reasons) > 8
    ends = [reason_words(reason, 1) for reason in sorted(reasons)]
    assert [words for words in ends if words.islower() and translated(words) == words] == []


# The threads that wait for processes notice their end late, as on a busy machine.
LATE = """
import os, threading, time
wait, main = os.waitpid, threading.current_thread()
def late(*words):
    ended = wait(*words)
    time.sleep(0 if threading.current_thread() is main else 1.5)
    return ended
os.waitpid = late
from capnet.one_frame import pyshark_packet
print(pyshark_packet("tests/made/vxlan.pcap", 3).highest_layer)
time.sleep(1)
"""


@needs_tshark
def test_tshark_that_ends_late_leaves_no_warning():
    done = subprocess.run([sys.executable, "-c", LATE], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ICMP\n", "")


@needs_tshark
def test_far_frame_needs_no_room_for_files(monkeypatch, capsys):
    def full(*words, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.gettempdir", full)
    monkeypatch.setattr(cli_packet, "MAX_TSHARK_FRAMES", 2)
    assert cli_packet.command.main([str(VXLAN), "3"], standalone_mode=False) == 0
    assert "VXLAN Network Identifier (VNI): 4097" in capsys.readouterr().out

"""Nothing that a capture holds reaches a terminal or a page as it is: every command, every form of output, its errors.

One capture has in all its strings what repaints a screen, turns text around, forges a line or is markup: interface
names and descriptions, comments, host names, payloads, and the name of its file.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner
from scapy.all import DNS, DNSQR, DNSRR, IP, TCP, UDP, Ether, Raw

from capnet.cli import cli
from capnet.cli.analyze import command as analyze_command
from capnet.topology import (
    Container,
    Endpoint,
    Host,
    Interface,
    ListeningPoint,
    Network,
    PublishedPort,
    Topology,
    topology_path,
)
from tests.made.build import A, B, block, interface, moment, options, packet, section

ROOT = Path(__file__).resolve().parents[2]
EVIL = "\x1b[31;1m\x1b]0;owned\x07\u202egnp.\u2066\u200b\r\nforged: row\t\x00\x7f\x9b2J\u2028<script>alert(1)</script>&"
NAME = "\x1b[2J\u202eevil\n.pcapng"
FORMATS = next(each.type.choices for each in analyze_command.params if each.name == "format_")  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the capture, a damaged copy, and something that is none."""
    here = tmp_path_factory.mktemp("hostile")
    evil = EVIL.encode()
    name = EVIL.replace("\0", "").encode()  # a NUL would end it
    link = Ether(src=A, dst=B) / IP(src="172.17.0.2", dst="172.17.0.3", id=1)
    back = Ether(src=B, dst=A) / IP(src="172.17.0.3", dst="172.17.0.2", id=2)
    answer = DNS(id=7, qr=1, qd=DNSQR(qname=name[:40]), an=DNSRR(rrname=name[:40], type="TXT", rdata=evil[:60]))
    frames = [
        link / TCP(sport=40000, dport=80, seq=1, flags="PA") / Raw(b"GET /" + name + b" HTTP/1.1\r\nHost: " + name),
        back / UDP(sport=53, dport=5353) / answer,
        back / TCP(sport=80, dport=40000, seq=1, flags="RA"),
    ]
    names = b"".join(
        struct.pack("<HH", 1, 4 + len(name) + 1)
        + bytes([172, 17, 0, last])
        + name
        + b"\0"
        + bytes(-(len(name) + 5) % 4)
        for last in (2, 3)
    )
    data = section(given=[(1, evil), (2, evil), (3, evil), (4, evil)])
    data += interface(name.decode(), resolution=9)
    described = options([(2, name), (3, name), (11, b"\0" + name), (12, name), (9, b"\x09")])
    data += block(1, struct.pack("<HHI", 1, 0, 0) + described)
    data += block(4, names + struct.pack("<HH", 0, 0) + options([(2, name), (1, evil)]))
    for index, frame in enumerate(frames):
        data += packet(frame, moment(index), 0, given=[(1, evil)])
        data += packet(frame, moment(index) + 1000, 1, given=[(1, evil)])
    data += block(0x0BAD, struct.pack("<I", 1) + evil)
    (here / NAME).write_bytes(data)
    (here / f"owned{NAME}").write_bytes(data)
    topology_path(here / f"owned{NAME}").write_text(topology().to_json())
    (here / f"cut{NAME}").write_bytes(data[:-7])
    (here / f"none{NAME}").write_bytes(evil)
    return here


def topology() -> Topology:
    """One in which everything that has a name has that one."""
    web, bbox = ("172.17.0.2/16", A), ("172.17.0.3/16", B)
    host = Host(EVIL, EVIL, EVIL, [Interface(EVIL, 1, A, [web[0]], EVIL), Interface(f"{EVIL}2", 2, B, [bbox[0]])])
    endpoints = [Endpoint(EVIL, EVIL, mac, [address], EVIL) for address, mac in (web, bbox)]
    return Topology(
        scenario=EVIL,
        recorded={EVIL: EVIL},
        hosts=[host],
        networks=[Network(EVIL, EVIL, EVIL, EVIL, ["172.17.0.0/16"], EVIL, 1, EVIL, EVIL, {EVIL: EVIL})],
        containers=[
            Container(EVIL, f"{EVIL}{number}", EVIL, EVIL, EVIL, [each], [PublishedPort("tcp", EVIL, 80, 80)], EVIL)
            for number, each in enumerate(endpoints)
        ],
        points=[
            ListeningPoint(EVIL.replace("\0", ""), role, EVIL, EVIL, EVIL, EVIL, EVIL) for role in ("bridge", EVIL)
        ],
    )


def run(folder: Path, *words: str, code: int = 0) -> str:
    """Everything the command prints, on both channels."""
    done = subprocess.run(
        [sys.executable, "-m", "capnet", *words],
        capture_output=True, timeout=60, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr.decode(errors="replace")
    return done.stdout.decode() + done.stderr.decode()


def run_here(folder: Path, *words: str) -> str:
    """As `run`, within this process, which takes a tenth of the time."""
    with chdir(folder):
        done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return done.output


def harmless(text: str) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), repr(line)
    assert not any(line.strip().startswith("forged: row") for line in text.split("\n"))


@pytest.mark.parametrize("name", [NAME, f"owned{NAME}"], ids=["alone", "with a topology"])
@pytest.mark.parametrize("format_", FORMATS)
def test_hostile_capture_in_analyze_is_printable(folder: Path, format_: str, name: str) -> None:
    text = run(folder, "analyze", name, "--format", format_)
    assert "owned" in text  # it is shown, and shown as what it is
    if "html" in format_:
        text = text.replace("\n", " ")
        assert "<script>alert" not in text
    harmless(text)
    if format_ == "json":
        names = {point["name"] for point in json.loads(text)["points"]}
        assert any("\x1b" in name for name in names)  # a program gets the name itself
        assert text.isascii()


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("more", [[], ["--hex"], ["--no-tshark"]], ids=lambda more: "".join(more) or "plain")
def test_hostile_capture_in_packet_is_printable(folder: Path, number: int, more: list[str]) -> None:
    if not more and not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    text = run(folder, "packet", NAME, str(number), *more)
    harmless(text)
    assert "\n  comment   " in text and "owned" in text


@pytest.mark.parametrize("name", [NAME, f"owned{NAME}"], ids=["alone", "with a topology"])
def test_hostile_capture_in_other_commands_is_printable(folder: Path, name: str) -> None:
    harmless(run(folder, "trace", name))
    harmless(run(folder, "trace", name, "--format", "json"))
    harmless(run(folder, "trace", "--frame", f"{name}:1"))
    harmless(run(folder, "trace", name, "--flow", "port 9999", code=1))
    harmless(run(folder, "packet", f"owned{NAME}", "1", "--no-tshark"))
    new = f"new{name}"
    harmless(run(folder, "annotate", name, "-o", new))
    for number in (1, 2, 3):
        harmless(run(folder, "packet", new, str(number), "--no-tshark"))


@pytest.mark.parametrize("name", [f"{EVIL[:-20].replace(chr(0), '')}", EVIL[:8]], ids=["all of it", "some"])
def test_hostile_point_name_as_argument_is_printable(folder: Path, name: str) -> None:
    harmless(run(folder, "analyze", f"{name}={NAME}"))
    for format_ in FORMATS:
        text = run_here(folder, "analyze", f"{name}={NAME}", "--format", format_)
        harmless(text.replace("\n", " ") if format_ == "html" else text)


@pytest.mark.by_turns
@pytest.mark.parametrize(
    "text",
    [
        '{"a": "\x1b[2J\u202e',
        "[" * 100_000,
        '{"schema": "capnet.topology/1", "hosts": [' + "9" * 5000 + "]}",
        json.dumps({"schema": "capnet.topology/1", "hosts": [{"name": EVIL, "docker": 7, "kernel": ""}]}),
        json.dumps({"schema": "capnet.topology/1", "hosts": [{EVIL: EVIL}]}),
        json.dumps({"schema": "capnet.topology/1", "networks": [EVIL]}),
        json.dumps({"schema": "capnet.topology/1", "networks": EVIL}),
        json.dumps({"schema": "capnet.topology/1", "points": 5, "scenario": [EVIL]}),
        topology().to_json().replace("172.17.0.2/16", "\\u001b[2J"),
        topology().to_json().replace(A, "\\u001b[2J"),
        topology().to_json().replace('"vni": 1', '"vni": [{}]'),
    ],
    ids=range(11),
)
def test_topology_hostile_is_a_printable_problem(folder: Path, text: str) -> None:
    (folder / "broken\u202e.json").write_text(text)
    harmless(run(folder, "analyze", NAME, "--topology", "broken\u202e.json"))
    for format_ in FORMATS:
        report = run_here(folder, "analyze", NAME, "--topology", "broken\u202e.json", "--format", format_)
        harmless(report.replace("\n", " ") if format_ == "html" else report)
        assert "broken\\u202e.json: " in report or "broken\\\\u202e.json: " in report
    error = run(folder, "trace", NAME, "--topology", "broken\u202e.json", code=3)
    harmless(error)
    assert error.startswith("capnet: broken\\u202e.json: ") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["analyze", f"none{NAME}"], 3),
        (["analyze", f"missing{NAME}"], 3),
        (["analyze", f"{EVIL[:-20].replace(chr(0), '')}=missing"], 3),
        (["packet", NAME, "99"], 2),
        (["packet", f"none{NAME}", "1"], 3),
        (["trace", NAME, "--flow", "host \x1b[2J"], 2),
    ],
    ids=lambda value: value if isinstance(value, int) else value[0],
)
def test_error_with_hostile_name_is_one_printable_line(folder: Path, words: list[str], code: int) -> None:
    text = run(folder, *words, code=code)
    harmless(text)
    assert text.startswith("capnet: ") and text.count("\n") == 1


def test_damage_of_hostile_file_is_printable(folder: Path) -> None:
    text = run(folder, "analyze", f"cut{NAME}")
    harmless(text)
    assert "the file ends" in text


def test_refused_option_is_shown_printable(folder: Path) -> None:
    text = run(folder, "analyze", NAME, "--format", "\x1b[2J", code=2)
    harmless(text)

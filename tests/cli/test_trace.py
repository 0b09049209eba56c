"""`capnet trace` as a person meets it: the ladder of a flow, the way of one packet, and what it says of neither."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from wcwidth import wcswidth

from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer as writer

ROOT = Path(__file__).resolve().parents[2]
BRIDGE, OVERLAY = Path("pcaps/bridge.pcapng"), Path("pcaps/overlay.pcapng")
SCHEMA = json.loads((ROOT / "capnet" / "report" / "schema.json").read_text(encoding="utf-8"))
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def trace(*words: object, cwd: Path = ROOT, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "capnet", "trace", *map(str, words)],
        input=stdin, capture_output=True, timeout=60, cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def text(*words: object, code: int = 0, **more) -> str:
    done = trace(*words, **more)
    assert (done.returncode, done.stderr) == (code, b"")
    shown = done.stdout.decode()
    for line in shown.splitlines():
        assert wcswidth(line) <= 100, line  # -1 where a line holds something unprintable
        assert line.isprintable()
    return shown


def traced(*words: object, **more) -> dict:
    done = trace(*words, "--format", "json", **more)
    assert (done.returncode, done.stderr) == (0, b"")
    whole = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(whole)
    return whole


def error(code: int, *words: object, **more) -> str:
    done = trace(*words, **more)
    assert (done.returncode, done.stdout) == (code, b"")
    message = done.stderr.decode()
    assert message.count("\n") == 1, message
    return message


# -- flows ------------------------------------------------------------------------------------------
PUBLISHED = """\
pcaps/bridge.pcapng · host 172.17.0.2 and port 8080 · 1 flow
Names  A 192.168.111.128 · B 192.168.111.129 · web 172.17.0.2

tcp B:37218 → A:8080

there: B:37218 → A:8080, 7 packets, 553 B, delivered, about 9.9 µs from B/ens33 to A/web/eth0

  ● B/ens33        B:37218 → A:8080  TTL 64   7 packets
  │                02:00:c0:a8:6f:81 → 02:00:c0:a8:6f:80
  │ wire           +4 µs (2.8 µs to 35 µs)
  ● A/ens33        B:37218 → A:8080  TTL 64   7 packets
  │ DNAT · routed  +3.2 µs (2.9 µs to 99 µs) · destination A:8080 → web:80
  ● A/docker0      B:37218 → web:80  TTL 63   7 packets
  │                02:42:2d:a1:d5:f8 → 02:42:ac:11:00:02
"""


def test_trace_of_flow_shows_both_directions():
    """Reviewed by hand; what is rewritten, and where, is conntrack's entry for this connection."""
    shown = text(BRIDGE, "--flow", "host 172.17.0.2 and port 8080")
    assert shown.startswith(PUBLISHED)
    _, back = shown.split("\nback: ")
    assert back.startswith("web:80 → B:37218, 7 packets")
    assert "source web:80 → A:8080" in back
    lines = json.loads((ROOT / "pcaps/bridge.topology.json").read_text())["hosts"][0]["conntrack"]
    assert any(
        "src=192.168.111.129 dst=192.168.111.128 sport=37218 dport=8080 src=172.17.0.2" in each for each in lines
    )


def test_json_is_the_contract():
    whole = traced(BRIDGE, "--flow", "host 172.17.0.2 and port 8080")
    assert {(each["flow"]["src"], each["flow"]["dport"]) for each in whole["paths"]} == {
        ("192.168.111.129", 8080),
        ("172.17.0.2", 37218),
    }
    assert not {"nat", "findings", "packet"} & set(whole)
    every = trace(BRIDGE, "--format", "json", "--most", "1000")
    reported = json.loads(
        subprocess.run(
            [sys.executable, "-m", "capnet", "analyze", BRIDGE, "--format", "json", "--only", "paths"],
            capture_output=True, cwd=ROOT, check=True,
        ).stdout
    )["paths"]  # fmt: skip
    assert sorted(map(json.dumps, json.loads(every.stdout)["paths"])) == sorted(map(json.dumps, reported))


def test_trace_shows_busiest_flows_and_states_limit():
    shown = text(BRIDGE, "--most", "2")
    counts = [int(line.split(", ")[1].split()[0]) for line in shown.splitlines() if line.startswith("there: ")]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 2
    assert shown.splitlines()[-1].startswith("… and ")
    assert "--most " in shown.splitlines()[-1]


def test_trace_of_container_takes_its_name():
    named = traced(BRIDGE, "--container", "web", "--most", "100")["paths"]
    assert named
    assert named == traced(BRIDGE, "--flow", "host 172.17.0.2", "--most", "100")["paths"]


def test_trace_of_container_takes_names_of_the_capture(tmp_path):
    """Name resolution blocks do, without a topology."""
    (tmp_path / "alone.pcapng").write_bytes((ROOT / BRIDGE).read_bytes())
    assert "web 172.17.0.2" in text("alone.pcapng", "--container", "web", cwd=tmp_path)


def test_trace_hops_in_vxlan_name_their_tunnel():
    shown = text(OVERLAY, "--flow", "icmp and vni 4097")
    assert "  │ encapsulated vxlan 4097  +" in shown
    assert "  ● A/ens33                  left id 14 → right in vxlan 4097  TTL 64   3 packets" in shown


def test_trace_takes_several_files_and_stdin():
    assert "web" in text("-", "--flow", "port 8080", stdin=(ROOT / BRIDGE).read_bytes())


@pytest.mark.by_turns
@pytest.mark.parametrize("path", sorted((ROOT / "pcaps").glob("*.pcapng")), ids=lambda path: path.stem)
def test_trace_of_every_golden_fits_the_page(path):
    """`text` looks at each line; every flow of the report's paths is there."""
    shown = text(path, "--most", "200")
    for each in traced(path, "--most", "200")["paths"]:
        assert each["hops"][0]["point"] in shown


def test_trace_of_point_takes_its_names():
    """The name in the report, the interface where it is the only one, and in other captures the file's name."""
    by_name = traced(BRIDGE, "--point", "A/docker0")["paths"]
    assert by_name and traced(BRIDGE, "--point", "docker0")["paths"] == by_name
    assert all("A/docker0" in [hop["point"] for hop in path["hops"]] for path in by_name)


def test_trace_without_match_lists_biggest_flows():
    """The exit code is that of grep."""
    done = trace(BRIDGE, "--flow", "host 10.9.8.7")
    assert (done.returncode, done.stderr) == (1, b"")
    as_json = trace(BRIDGE, "--flow", "host 10.9.8.7", "--format", "json")
    assert (as_json.returncode, json.loads(as_json.stdout)["paths"]) == (1, [])
    shown = done.stdout.decode()
    assert shown.startswith("No flow matches: host 10.9.8.7\n\nThere are ")
    assert "web" in shown


def test_trace_shows_loss_at_the_point_without_packets(tmp_path):
    """Frames of one direction taken out at the last point: that flow is lost behind the point before."""
    with open_capture(ROOT / BRIDGE, compiled=False) as capture:
        frames = [(each.interface, each.time, each.wirelen, bytes(each.data)) for each in capture.records()]
        names = [each.name for each in capture.interfaces]
    data = writer.section() + b"".join(writer.interface(name) for name in names)
    taken = 0
    for interface, time, wirelen, frame in frames:
        to_web = frame[12:14] == b"\x08\x00" and frame[23] == 6 and frame[30:34] == bytes([172, 17, 0, 2])
        if names[interface] == "A/web/eth0" and to_web and frame[26:30] == bytes([192, 168, 111, 129]):
            taken += 1
        else:
            data += writer.packet(interface, time, frame, wire_length=wirelen)
    assert taken == 7
    (tmp_path / "lossy.pcapng").write_bytes(data)
    shown = text("lossy.pcapng", "--flow", "port 8080", cwd=tmp_path)
    there = shown.split("\nback: ")[0]
    assert "A/web/eth0" not in there.split("\n\n")[-1]
    assert "● A/vethb97d211" in there


# -- one packet ---------------------------------------------------------------------------------------
SYN = """\
Frame 205 of pcaps/bridge.pcapng · A/docker0 · tcp B:37218 → web:80 · 74 bytes
Names  A 192.168.111.128 · B 192.168.111.129 · web 172.17.0.2

The same packet is 5 frames at 5 points: 129 µs from B/ens33, 2026-11-24 00:32:35.322245061 UTC, to
A/web/eth0.

  ● B/ens33 #195        0         B:37218 → A:8080  TTL 64   74 B
  │                     02:00:c0:a8:6f:81 → 02:00:c0:a8:6f:80
  │ wire                +26 µs · nothing differs
  ● A/ens33 #196        +26 µs    B:37218 → A:8080  TTL 64   74 B
  │ DNAT · routed       +99 µs · source MAC 02:00:c0:a8:6f:81 → 02:42:2d:a1:d5:f8 · destination MAC
  │                     02:00:c0:a8:6f:80 → 02:42:ac:11:00:02 · destination 192.168.111.128 →
  │                     172.17.0.2 · destination port 8080 → 80 · TTL 64 → 63
  ◉ A/docker0 #205      +125 µs   B:37218 → web:80  TTL 63   74 B
"""


def test_trace_says_how_a_flow_fails_as_the_report_does():
    """docker-user-drop: SYNs at one point, repeated; container-firewall: two points, and no answer."""
    for name, point, number in (("docker-user-drop", "A/ens33", 2), ("container-firewall", "A/docker0", 1)):
        shown = text(Path("pcaps") / "faults" / f"{name}.pcapng")
        outcome = f"no answer, sent again 3 times; last seen at {point}"
        assert shown.count(f"  ✗ {outcome}\n") == number
        assert " ".join(shown.split()).count(f", {outcome}") == number
        page = trace(Path("pcaps") / "faults" / f"{name}.pcapng", "--format", "markdown").stdout.decode()
        assert page.count(f"there: {outcome}") == number


def test_trace_of_packet_lists_changed_fields():
    assert text("--frame", f"{BRIDGE}:205").startswith(SYN)
    assert text(BRIDGE, "--frame", "205").startswith(SYN)
    assert text(BRIDGE, "--frame", "bridge.pcapng:205").startswith(SYN)


@needs_tshark
@pytest.mark.parametrize("number", [91, 125, 195, 205, 272])
def test_trace_of_packet_has_the_frames_tshark_finds(number):
    """IP identification, TCP sequence numbers, flags and timestamps, ICMP sequence: no hop here rewrites those."""
    fields = ["ip.id", "ip.proto", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.options.timestamp.tsval", "icmp.seq"]
    words = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-r", BRIDGE, "-T", "fields", "-e", "frame.number", *words, "ip and !icmp.type == 3"],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    wanted_fields = next(row[1:] for row in rows if row[0] == str(number))
    packet = traced(BRIDGE, "--frame", number)["packet"]
    assert {each["frame"] for each in packet["frames"]} == {int(row[0]) for row in rows if row[1:] == wanted_fields}
    assert packet["asked"]["frame"] == number


def test_trace_json_of_packet_lists_differences():
    packet = traced(BRIDGE, "--frame", 205)["packet"]
    by_point = {each["point"]: each for each in packet["frames"]}
    assert {each["field"]: (each["before"], each["after"]) for each in by_point["A/docker0"]["differs"]} == {
        "source MAC": ("02:00:c0:a8:6f:81", "02:42:2d:a1:d5:f8"),
        "destination MAC": ("02:00:c0:a8:6f:80", "02:42:ac:11:00:02"),
        "destination": ("192.168.111.128", "172.17.0.2"),
        "destination port": (8080, 80),
        "TTL": (64, 63),
    }
    assert by_point["A/docker0"]["change"] == ["dnat", "routed"]
    assert packet["missing"] == []


def test_trace_through_tunnel_names_it():
    packet = traced(OVERLAY, "--frame", 237)["packet"]
    assert [each["point"] for each in packet["frames"]] == [
        "A/left/eth0", "A/overlay:vxlanA/br0", "A/overlay:vxlanA/vxlan0", "A/ens33",
        "B/ens33", "B/overlay:vxlanA/vxlan0", "B/overlay:vxlanA/br0", "B/right/eth0",
    ]  # fmt: skip
    assert [each["tunnel"] and each["tunnel"]["vni"] for each in packet["frames"]] == [
        None, None, None, 4097, 4097, None, None, None,
    ]  # fmt: skip
    assert "late copy" in text(OVERLAY, "--frame", 237)


def test_trace_of_packet_names_point_without_it(tmp_path):
    """One frame taken out: the packet is followed all the same, and the point is named."""
    with open_capture(ROOT / BRIDGE, compiled=False) as capture:
        frames = [(each.number, each.interface, each.time, bytes(each.data)) for each in capture.records()]
        names = [each.name for each in capture.interfaces]
    data = writer.section() + b"".join(writer.interface(name) for name in names)
    data += b"".join(writer.packet(point, time, frame) for number, point, time, frame in frames if number != 232)
    (tmp_path / "less.pcapng").write_bytes(data)
    gone = names[next(point for number, point, _, _ in frames if number == 232)]
    whole = traced(BRIDGE, "--frame", 232)["packet"]
    assert len(whole["frames"]) > 2
    other = next(each["frame"] for each in whole["frames"] if each["frame"] != 232)
    packet = traced("less.pcapng", "--frame", other - (other > 232), cwd=tmp_path)["packet"]
    assert packet["missing"] == [gone]
    assert len(packet["frames"]) == len(whole["frames"]) - 1
    assert f"Not seen at {gone}, which captured then." in " ".join(
        text("less.pcapng", "--frame", other - (other > 232), cwd=tmp_path).split()
    )


# -- mistakes -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name a capture"),
        ([BRIDGE, "--flow", "host"], "expected a value after host"),
        ([BRIDGE, "--point", "A/ens33", "--container", "web"], "choose one of"),
        ([BRIDGE, "--point", "eth0"], "is several points: A/web/eth0"),
        ([BRIDGE, "--point", "docker1"], "capnet: --point docker1: names no point; there are A/web/eth0"),
        (
            [BRIDGE, "--flow", "tcp.flags.syn == 1"],
            '"tcp.flags.syn" is no field of flow expressions; they have',
        ),
        ([BRIDGE, "--flow", "tcp.prt == 80"], '"tcp.prt" is no word of flow expressions; tcp.port?'),
        ([BRIDGE, "--flow", "tcp", "--container", "web"], "choose one of"),
        ([BRIDGE, "--container", "wbe"], "no station has this name; known: web"),
        ([BRIDGE, "--frame", "9999"], "there is no frame 9999; the last one is 272"),
        ([BRIDGE, "--frame", "other.pcap:3"], "other.pcap is in none of the inputs"),
        ([BRIDGE, OVERLAY, "--frame", "3"], "which file?"),
        (["--frame", "0"], "write FILE:N"),
        (["--frame", f"{BRIDGE}:x"], "write FILE:N"),
        (["tests/made/arp.pcap", "--frame", "1"], "cannot be followed: it is no IP packet"),
        (["-", "--frame", "-:1"], "reads the capture twice"),
    ],
)
def test_trace_errors_are_one_line(words, says):
    assert says in error(2, *words)


# -- hostile ----------------------------------------------------------------------------------------------
def test_trace_makes_hostile_names_visible(tmp_path):
    """Point names and container names with escapes, directions turned around, line breaks."""
    evil = "\x1b[2J\u202eweb\nback: fake"
    data = (ROOT / BRIDGE).read_bytes()
    data = data.replace(b"A/ens33", b"A/\x1b[1m\x07")
    (tmp_path / "evil.pcapng").write_bytes(data)
    topology = (ROOT / "pcaps/bridge.topology.json").read_text()
    (tmp_path / "evil.topology.json").write_text(topology.replace('"web"', json.dumps(evil)))
    for words in (["--flow", "port 8080"], ["--frame", "205"], ["--flow", "host 9.9.9.9"], []):
        shown = text("evil.pcapng", *words, cwd=tmp_path, code=int("host 9.9.9.9" in words))
        assert "\\x1b" in shown or "flow matches" in shown
    message = error(2, "evil.pcapng", "--container", "wbe", cwd=tmp_path)
    assert message[:-1].isprintable()
    assert trace("evil.pcapng", "--flow", "tcp \x1b[2J x", cwd=tmp_path).stderr[:-1].decode().isprintable()

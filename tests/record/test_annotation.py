"""Annotated captures: nothing lost, nothing changed, ids that agree with the report.

What is in the output is read by `blocks` below and by tshark, neither of which shares code with the writer.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import threading
from collections import defaultdict
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.engine import Options, Source, analyze, study
from capnet.errors import UnreadableInput
from capnet.record.bundle.annotation import frame_stream
from capnet.record.bundle.annotation.annotate import annotate
from capnet.record.bundle.annotation.other_blocks import SourceBlocks
from capnet.topology import Topology, topology_path
from capnet.wire.addresses import address_text
from capnet.wire.capture import open_capture
from capnet.wire.formats import pcapng_writer as writer
from capnet.wire.formats.file_reader import FileReader
from capnet.wire.formats.pcapng import options
from tests.made import build
from tests.stories import Network, tcp, udp

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = sorted((ROOT / "pcaps").glob("*.pcapng"))
MADE = sorted((ROOT / "tests" / "made").glob("*.pcap*"))
LARGE = ("bridge", "overlay")
READABLE = [each for each in (*GOLDEN, *MADE) if each.name not in ("pcap_empty.pcap", "pcapng_empty.pcapng")]
MADE_BIG, MADE_PCAP = ROOT / "tests/made/pcapng_be.pcapng", ROOT / "tests/made/vxlan.pcap"
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def by_name(path: Path) -> str:
    return path.name


def annotated(sources, out: Path, compiled: bool = False, topology: Topology | None = None):
    source_blocks = SourceBlocks()
    found = study(sources, topology, Options(compiled=compiled), on_block=source_blocks.see)
    with out.open("wb") as file:
        annotate(found, source_blocks, file.write)
    return found


def records(path: Path) -> list[tuple[int, int, int, bytes]]:
    with open_capture(path, compiled=False) as capture:
        return [(each.interface, each.time, each.wirelen, bytes(each.data)) for each in capture.records()]


def blocks(path: Path):
    """(type, whole block, big-endian) of a pcapng file."""
    data, at, big = path.read_bytes(), 0, False
    while at < len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            big = data[at + 8 : at + 12] == b"\x1a\x2b\x3c\x4d"
        kind, length = struct.unpack_from(">II" if big else "<II", data, at)
        assert data[at + length - 4 : at + length] == data[at + 4 : at + 8]
        yield kind, data[at : at + length], big
        at += length


def packets(path: Path) -> list[dict]:
    """`interface`, `data`, `id`, `comments` and other `options` of every enhanced packet block."""
    found = []
    for kind, block, big in blocks(path):
        if kind == 6:
            order = ">" if big else "<"
            interface, _, _, caplen = struct.unpack_from(order + "IIII", block, 8)
            given = list(options(block[28 + (caplen + 3 & ~3) : -4], big))
            found.append(
                {
                    "interface": interface,
                    "data": block[28 : 28 + caplen],
                    "id": next((struct.unpack(order + "Q", value)[0] for code, value in given if code == 5), None),
                    "comments": [value.decode() for code, value in given if code == 1],
                    "options": [(code, value) for code, value in given if code not in (1, 5)],
                }
            )
    return found


def plain(report, file: str) -> dict:
    """A report without the name and kind of its file, which an annotated copy cannot share."""
    whole = report.to_dict()
    del whole["inputs"]
    return json.loads(json.dumps(whole).replace(json.dumps(file)[1:-1], "FILE"))


# -- nothing is lost ------------------------------------------------------------------------------
@pytest.mark.kernels
@pytest.mark.by_turns
@pytest.mark.parametrize("path", READABLE, ids=by_name)
@pytest.mark.parametrize("compiled", [False, True], ids=["interpreted", "compiled"])
def test_annotated_frames_are_the_same_in_order(path, compiled, tmp_path):
    annotated([path], tmp_path / "out.pcapng", compiled)
    assert records(tmp_path / "out.pcapng") == records(path)


@pytest.mark.by_turns
@pytest.mark.parametrize("path", READABLE, ids=by_name)
def test_annotated_capture_has_the_same_report(path, tmp_path):
    known = Topology.load(topology_path(path)) if topology_path(path).is_file() else None
    out = tmp_path / path.name
    annotated([path], out, topology=known)
    before, after = analyze([path], known), analyze([out], known)
    inputs = [replace(source, problems=[]) for source in before.inputs]  # damage at the end of a file is not copied
    findings = [finding for finding in before.findings if finding.name != "capture-damaged"]
    expected = replace(before, inputs=inputs, findings=findings)
    assert plain(after, "/".join(out.parts[-1:])) == plain(expected, path.name)


@pytest.mark.by_turns
@pytest.mark.parametrize("path", READABLE, ids=by_name)
def test_capture_annotated_twice_is_the_same(path, tmp_path):
    annotated([path], tmp_path / "once.pcapng")
    annotated([tmp_path / "once.pcapng"], tmp_path / "twice.pcapng")
    assert (tmp_path / "twice.pcapng").read_bytes() == (tmp_path / "once.pcapng").read_bytes()


def test_options_and_other_blocks_of_pcapng_stay(tmp_path):
    """Comments, flags, hashes and unknown options; custom blocks and statistics, each in its place."""
    frame = records(ROOT / "tests" / "made" / "tcp.pcap")[0][3]
    extra = struct.pack("<HH4s", 2988, 4, b"mine") + bytes(4)
    block = writer.packet(0, 5, frame, direction=writer.OUTBOUND, comment="seen by hand", packet_id=7)
    body = block[:-8] + extra  # in place of the end of options and the length
    block = struct.pack("<II", 6, len(body) + 4) + body[8:] + struct.pack("<I", len(body) + 4)
    custom = struct.pack("<4I", 0x00000BAD, 16, 32473, 16)
    head = writer.section(comment="a section") + writer.interface("A/x", description="an x", snaplen=1500)
    rest = custom + writer.statistics(0, 6, received=1, kernel_dropped=3)
    (tmp_path / "in.pcapng").write_bytes(head + block + rest)
    annotated([tmp_path / "in.pcapng"], tmp_path / "out.pcapng")
    assert (tmp_path / "out.pcapng").read_bytes().startswith(head)
    assert (tmp_path / "out.pcapng").read_bytes().endswith(rest)
    (only,) = packets(tmp_path / "out.pcapng")
    assert only["comments"] == ["seen by hand"]
    assert only["options"] == [(2, struct.pack("<I", 2)), (2988, b"mine")]
    assert only["id"] not in (None, 7)  # ours: equal only for the same packet


def test_obsolete_packet_blocks_become_enhanced_ones(tmp_path):
    path = ROOT / "tests" / "made" / "pcapng_obsolete.pcapng"
    assert {kind for kind, _, _ in blocks(path)} >= {2}
    annotated([path], tmp_path / "out.pcapng")
    assert 2 not in {kind for kind, _, _ in blocks(tmp_path / "out.pcapng")}
    assert all(each["id"] for each in packets(tmp_path / "out.pcapng"))


# -- several files ----------------------------------------------------------------------------------
def split_by_point(path: Path, folder: Path, big: bool = False) -> list[Source]:
    """A golden capture as one file per point, as tcpdump would have left it."""
    with open_capture(path, compiled=False) as capture:
        frames = [(each.interface, each.time, each.wirelen, bytes(each.data)) for each in capture.records()]
        points = [each.name for each in capture.interfaces]
    order = ">" if big else "<"
    sources = []
    for number, point in enumerate(points):
        data = struct.pack(order + "IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
        for interface, time, wirelen, frame in frames:
            if interface == number:
                seconds, rest = divmod(time, 1_000_000_000)
                data += struct.pack(order + "IIII", seconds, rest, len(frame), wirelen) + frame
        file = folder / f"{number}.pcap"
        file.write_bytes(data)
        sources.append(Source(file, point))
    return sources


@pytest.mark.by_turns
@pytest.mark.parametrize("path", GOLDEN, ids=by_name)
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
def test_several_files_are_merged_in_time_order(path, big, tmp_path):
    """Taken apart and merged, a capture has its frames in time order and each at its point."""
    known = Topology.load(topology_path(path))
    sources = split_by_point(path, tmp_path, big)
    annotated(sources, tmp_path / "out.pcapng", topology=known)
    merged, whole = records(tmp_path / "out.pcapng"), records(path)
    assert [time for _, time, _, _ in merged] == sorted(time for _, time, _, _ in whole)
    assert sorted(merged) == sorted(whole)
    assert [each.name for each in analyze([tmp_path / "out.pcapng"]).points] == [each.point_name for each in sources]


def test_files_of_both_byte_orders_are_merged(tmp_path):
    made = ROOT / "tests" / "made"
    both = [made / "pcapng_be.pcapng", made / "pcapng_le.pcapng"]
    annotated(both, tmp_path / "out.pcapng")
    sections = [big for kind, _, big in blocks(tmp_path / "out.pcapng") if kind == 0x0A0D0D0A]
    assert sections == [False]
    assert sorted(each[1:] for each in records(tmp_path / "out.pcapng")) == sorted(
        each[1:] for path in both for each in records(path)
    )
    before, after = analyze(both), analyze([tmp_path / "out.pcapng"])
    assert [(p.name, p.packets, p.linktype, p.dropped) for p in after.points] == [
        (p.name, p.packets, p.linktype, p.dropped) for p in before.points
    ]
    assert after.names == before.names


# -- ids ----------------------------------------------------------------------------------------------
def forms(path: Path, names: list[str]) -> dict[int, tuple]:
    """Per frame, what a hop of a path says: point, addresses, ports and tunnel of its innermost row."""
    found = {}
    with open_capture(path, compiled=False) as capture:
        for block in capture.blocks():
            for row in block.dicts():
                if row["layers"] & 24:
                    ported = row["sport"] >= 0
                    found[row["frame"]] = (
                        names[row["point"]],
                        address_text(row["src_hi"], row["src_lo"]),
                        row["sport"] if ported else None,
                        address_text(row["dst_hi"], row["dst_lo"]),
                        row["dport"] if ported else None,
                        row["via_vni"] if row["via"] else None,
                    )
    return found


def least(path):
    """More packets than this were followed, lest the test pass on nothing; those of none lead nowhere."""
    return 40 if path.stem in LARGE else -1 if path.stem == "none" else 5


@pytest.mark.by_turns
@pytest.mark.parametrize("path", GOLDEN, ids=by_name)
def test_frames_with_one_id_are_hops_of_one_path(path, tmp_path):
    found = annotated([path], tmp_path / "out.pcapng")
    told = found.report.to_dict()["paths"]
    assert len(told) < 200, "the report leaves paths out"
    routes = [
        {
            (hop["point"], hop["src"], hop["sport"], hop["dst"], hop["dport"], (hop["tunnel"] or {}).get("vni"))
            for hop in each["hops"]
        }
        for each in told
    ]
    seen = forms(path, [point.name for point in found.report.points])
    frames = defaultdict(list)
    for number, packet in enumerate(packets(tmp_path / "out.pcapng"), start=1):
        frames[packet["id"]].append(number)
    frames.pop(None, None)
    followed = 0
    for same in frames.values():
        at = {seen[each] for each in same}
        if len(at) > 1 and not any(each[4] in (2377, 7946) or each[2] in (2377, 7946) for each in at):
            followed += 1
            assert any(at <= route for route in routes), at
    assert followed > least(path)


@pytest.mark.parametrize("path", GOLDEN, ids=by_name)
def test_links_and_translations_are_frames_with_one_id(path, tmp_path):
    found = annotated([path], tmp_path / "out.pcapng")
    ids = [each["id"] for each in packets(tmp_path / "out.pcapng")]
    pairs = flow_links(found.context).frames
    assert len(pairs) > least(path)
    for before, after in pairs.tolist():
        assert ids[before - 1] == ids[after - 1] is not None
    for nat in found.report.nat:
        if nat.method == "same-packet":  # the evidence of reply-pairing is a question and its answer: two packets
            before, after = nat.evidence[:2]
            assert ids[before.frame - 1] == ids[after.frame - 1] is not None
    assert len(set(ids)) > least(path)


def test_repeated_payload_has_another_id(tmp_path):
    """IPv6 datagrams carry no identification: three equal ones, two points, each seen twice and told apart."""
    frame = bytes.fromhex(
        "020000000002020000000001" "86dd" "60000000000c1140"
        "fd000000000000000000000000000001" "fd000000000000000000000000000002" "04d20035000c0000" "61626364"
    )  # fmt: skip
    data = writer.section() + writer.interface("A/x") + writer.interface("B/x")
    for at in (0, 1, 2):
        for point in (0, 1):
            data += writer.packet(point, 10**18 + at * 10**9 + point * 40_000, frame)
    (tmp_path / "in.pcapng").write_bytes(data)
    annotated([tmp_path / "in.pcapng"], tmp_path / "out.pcapng")
    ids = [each["id"] for each in packets(tmp_path / "out.pcapng")]
    assert ids[0::2] == ids[1::2]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("path", GOLDEN, ids=by_name)
def test_translations_in_comments_are_in_conntrack(path, tmp_path):
    """What a comment says was rewritten is, one way or the other, an entry of the kernel's own table."""
    known = Topology.load(topology_path(path))
    lines = [line for host in known.hosts for line in host.conntrack]
    annotated([path], tmp_path / "out.pcapng", topology=known)
    said = {comment for each in packets(tmp_path / "out.pcapng") for comment in each["comments"]}
    pairs = {pair for comment in said for pair in re.findall(r"[DS]NAT (\S+):(\d+) → (\S+):(\d+)", comment)}
    assert pairs or path.name != "bridge.pcapng"
    for address, port, other, other_port in pairs:
        assert any(
            {f"{src}={address}", f"{sport}={port}"} <= set(line.split())
            and {f"{dst}={other}", f"{dport}={other_port}"} <= set(line.split())
            for line in lines
            for src, sport, dst, dport in (("dst", "dport", "src", "sport"), ("src", "sport", "dst", "dport"))
        ), (address, port, other, other_port)


def test_translated_packet_has_dnat_or_snat_comment(tmp_path):
    found = annotated([ROOT / "pcaps" / "bridge.pcapng"], tmp_path / "out.pcapng")
    assert found.report.nat
    told = packets(tmp_path / "out.pcapng")
    for nat in found.report.nat:
        before, after = nat.evidence[:2]
        word = "DNAT" if nat.kind == "dnat" else "SNAT"
        (comment,) = told[after.frame - 1]["comments"]
        assert word in comment
        assert comment.endswith(f"since {before.point} #{before.frame}")
    assert "DNAT 192.168.111.128:8080 → 172.17.0.2:80, routed, TTL 64 → 63 since A/ens33 #196" in told[204]["comments"]


def test_encapsulated_packet_has_tunnel_comment(tmp_path):
    annotated([ROOT / "pcaps" / "overlay.pcapng"], tmp_path / "out.pcapng")
    said = {comment.split(" since ")[0] for each in packets(tmp_path / "out.pcapng") for comment in each["comments"]}
    assert any(each.startswith("encapsulated in VXLAN 4097") for each in said)
    assert any(each.startswith("out of VXLAN 4097") for each in said)


# -- hostile ------------------------------------------------------------------------------------------
def test_hostile_point_name_is_escaped_in_comments(tmp_path):
    data = (ROOT / "pcaps" / "bridge.pcapng").read_bytes()
    (tmp_path / "in.pcapng").write_bytes(data.replace(b"A/ens33", b"A/\x1b[2J3"))
    annotated([tmp_path / "in.pcapng"], tmp_path / "out.pcapng")
    comments = "".join(comment for each in packets(tmp_path / "out.pcapng") for comment in each["comments"])
    assert "\x1b" not in comments
    assert "since A/\\x1b[2J3 #" in comments


# -- Wireshark -----------------------------------------------------------------------------------------
def tshark(path: Path, *fields: str) -> list[list[str]]:
    words = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", *words], capture_output=True, text=True, timeout=120, check=True
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.by_turns
@needs_tshark
@pytest.mark.parametrize(
    "path", [*GOLDEN, ROOT / "tests/made/pcapng_be.pcapng", ROOT / "tests/made/vxlan.pcap"], ids=by_name
)
def test_annotated_capture_is_read_by_wireshark(path, tmp_path):
    annotated([path], tmp_path / "out.pcapng")
    shown = tshark(tmp_path / "out.pcapng", "frame.packet_id", "frame.comment", "frame.interface_name", "frame.len")
    ours = packets(tmp_path / "out.pcapng")
    assert [each[0] for each in shown] == [str(each["id"] or "") for each in ours]
    assert [each[1] for each in shown] == [",".join(each["comments"]) for each in ours]
    if path.suffix == ".pcapng":
        assert [each[2:] for each in shown] == tshark(path, "frame.interface_name", "frame.len")


# -- what was lost, what was cut -----------------------------------------------------------------------
def ids_at(net: Network, folder: Path, compiled: bool) -> dict[str, list[int]]:
    """The ids of the frames at each point, in order."""
    (path,) = net.write(folder)
    annotated([path], folder / "out.pcapng", compiled)
    found = defaultdict(list)
    for each in packets(folder / "out.pcapng"):
        found[net.points[each["interface"]]].append(each["id"])
    return found


@pytest.mark.kernels
@pytest.mark.parametrize("compiled", [False, True], ids=["interpreted", "compiled"])
@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_lost_repeat_does_not_shift_other_ids(lost, compiled, tmp_path):
    """Four equal datagrams a second apart, at three points; one is lost behind the first."""
    net = Network(["A/veth1", "A/docker0", "A/ens33"])
    for number in range(4):
        beat = udp("172.17.0.2:5000 > 192.168.111.129:7000", b"alive")
        hops = [("A/veth1", beat), ("A/docker0", beat), ("A/ens33", beat.routed(src="192.168.111.128"))]
        net.pass_by(*(hops[:1] if number == lost else hops), gap=1e6)
    ids = ids_at(net, tmp_path, compiled)
    arrived = [each for number, each in enumerate(ids["A/veth1"]) if number != lost]
    assert len(set(ids["A/veth1"])) == 4
    assert ids["A/docker0"] == ids["A/ens33"] == arrived


def test_late_point_has_the_last_of_equal_packets(tmp_path):
    net = Network(["A/veth1", "A/docker0"])
    for number in range(5):
        beat = udp("172.17.0.2:5000 > 172.17.0.3:7000", b"alive")
        net.pass_by(*([] if number < 2 else [("A/veth1", beat)]), ("A/docker0", beat), gap=1e6)
    ids = ids_at(net, tmp_path, False)
    assert len(set(ids["A/docker0"])) == 5
    assert ids["A/veth1"] == ids["A/docker0"][2:]


def test_lost_packets_are_found_with_clocks_apart(tmp_path):
    """Half a second between the clocks, equal packets every 100 ms, one of them lost on the wire."""
    net = Network(["A/ens33", "B/ens33"], files={"A/ens33": "a.pcapng", "B/ens33": "b.pcapng"})
    net.clocks = {"b.pcapng": (500_000.0, 0.0)}
    for number in range(30):
        other = udp("192.168.111.128:9 > 192.168.111.129:9", b"%04d" % number, ident=number + 1)
        net.pass_by(("A/ens33", other), ("B/ens33", other), gap=1e4)
        answer = udp("192.168.111.129:9 > 192.168.111.128:9", b"%04d" % number, ident=number + 500)
        net.pass_by(("B/ens33", answer), ("A/ens33", answer), gap=1e4)
        if number < 6:
            beat = udp("192.168.111.128:5000 > 192.168.111.129:7000", b"alive")
            net.pass_by(("A/ens33", beat), *([] if number == 2 else [("B/ens33", beat)]), gap=1e5)
    annotated(net.write(tmp_path), tmp_path / "out.pcapng")
    ids = defaultdict(list)
    for each in packets(tmp_path / "out.pcapng"):
        if each["data"].endswith(b"alive"):
            ids[each["interface"]].append(each["id"])
    assert len(set(ids[0])) == 6
    assert ids[1] == ids[0][:2] + ids[0][3:]


def test_sampled_comparison_gives_every_frame_an_id(tmp_path):
    """Flows are linked by their first packets; an id needs no more than that."""
    net = Network(["A/veth1", "A/docker0", "A/ens33"])
    for number in range(12):
        for flow in range(60):
            segment = tcp(
                f"172.17.0.{2 + flow}:5000 > 192.168.111.129:80", b"%10d" % number, seq=99_000 * flow + 10 * number,
                ident=flow * 100 + number + 1,
            )  # fmt: skip
            outside = segment.routed(src="192.168.111.128", sport=20_000 + flow)
            net.pass_by(("A/veth1", segment), ("A/docker0", segment), ("A/ens33", outside))
    source_blocks = SourceBlocks()
    found = study(net.write(tmp_path), options=Options(budget=256), on_block=source_blocks.see)
    with (tmp_path / "out.pcapng").open("wb") as file:
        annotate(found, source_blocks, file.write)
    assert found.context.sample_share < 0.2
    ids = [each["id"] for each in packets(tmp_path / "out.pcapng")]
    assert ids[0::3] == ids[1::3] == ids[2::3]
    assert len(set(ids)) == 720


@pytest.mark.kernels
@pytest.mark.parametrize("compiled", [False, True], ids=["interpreted", "compiled"])
def test_first_piece_of_a_cut_segment_keeps_its_id(compiled, tmp_path):
    """Offload: one segment at the veth, four on the wire; where it goes on, the pieces keep their ids."""
    net = Network(["A/veth1", "A/ens33", "B/ens33"])
    for number in range(3):
        whole = tcp("172.17.0.2:5555 > 192.168.111.129:80", bytes(5792), seq=number * 5792, ident=10 * number)
        pieces = whole.routed(src="192.168.111.128").cut(1448, 1448, 1448)
        net.pass_by(("A/veth1", whole), ("A/ens33", pieces), ("B/ens33", pieces))
    ids = ids_at(net, tmp_path, compiled)
    assert len(set(ids["A/ens33"])) == 12
    assert ids["A/veth1"] == ids["A/ens33"][::4]
    assert ids["B/ens33"] == ids["A/ens33"]
    # What every piece came from, its comment says; where nothing more happens to it, there is none.
    said = [each["comments"] for each in packets(tmp_path / "out.pcapng")]
    way = "routed, TTL 64 → 63, SNAT 172.17.0.2:5555 → 192.168.111.128:5555, cut since A/veth1"
    assert said == [each for first in (1, 10, 19) for each in [[], *[[f"{way} #{first}"]] * 4, *[[]] * 4]]


def test_segment_joined_on_the_way_says_so(tmp_path):
    """GRO: pieces at the wire, one segment above; it is the packet of its first piece."""
    net = Network(["B/ens33", "A/veth1"])
    for number in range(2):
        whole = tcp("192.168.111.129:80 > 172.17.0.2:5555", bytes(4344), seq=2**32 - 4344 + number * 4344, ident=7)
        whole = whole.but(seq=whole.seq % 2**32)
        net.pass_by(("B/ens33", whole.cut(1448, 1448)), ("A/veth1", whole))
    ids = ids_at(net, tmp_path, False)
    assert ids["A/veth1"] == ids["B/ens33"][::3]
    said = [each["comments"] for each in packets(tmp_path / "out.pcapng")]
    assert said == [[], [], [], ["joined since B/ens33 #1"], [], [], [], ["joined since B/ens33 #5"]]


# -- several batches, one of them read ahead ---------------------------------------------------------
def sections(path: Path) -> Path:
    """Two sections, little- and big-endian, of 9,000 frames each, and a custom block after every 3,000."""
    frames = [data for *_, data in records(ROOT / "tests" / "made" / "vxlan.pcap")]
    parts = []
    for order in "<>":
        parts.append(build.section(order) + build.interface(f"A/{'lb'[order == '>']}", order=order))
        for number in range(9_000):
            parts.append(build.packet(frames[number % len(frames)], number, order=order))
            if number % 3_000 == 2_999:
                parts.append(build.block(0x0BAD, struct.pack(order + "I", number), order))
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.kernels
def test_frames_read_ahead_are_written_the_same(tmp_path, monkeypatch):
    """The reader may be in the next section, of another byte order, while the frames before it are written."""
    path = sections(tmp_path / "sections.pcapng")
    annotated([path], tmp_path / "ahead.pcapng", compiled=True)
    monkeypatch.setattr(frame_stream, "BlocksAhead", lambda *capture: None)
    annotated([path], tmp_path / "in_turn.pcapng", compiled=True)
    assert (tmp_path / "ahead.pcapng").read_bytes() == (tmp_path / "in_turn.pcapng").read_bytes()
    order = [(kind, big) for kind, _, big in blocks(tmp_path / "ahead.pcapng") if kind in (6, 0x0BAD, 0x0A0D0D0A)]
    runs = [(*key, len(list(same))) for key, same in groupby(order)]
    part = [(6, False, 3_000), (0x0BAD, False, 1)] * 3
    assert runs == [
        (0x0A0D0D0A, False, 1), *part, (0x0A0D0D0A, True, 1), *[(kind, True, count) for kind, _, count in part]
    ]  # fmt: skip


def test_error_while_reading_ahead_is_raised(tmp_path, monkeypatch):
    """It is raised where the capture is written, and no thread is left."""
    path = sections(tmp_path / "sections.pcapng")
    source_blocks = SourceBlocks()
    found = study([path], None, Options(compiled=True), on_block=source_blocks.see)
    read, batches = FileReader.read_batch, iter(range(9))

    def failing(self, batch):
        if next(batches) == 2:
            raise UnreadableInput("the disk is gone")
        return read(self, batch)

    monkeypatch.setattr(FileReader, "read_batch", failing)
    before = threading.active_count()
    with pytest.raises(UnreadableInput, match="the disk is gone"):
        annotate(found, source_blocks, lambda data: None)
    assert threading.active_count() == before


def test_error_while_writing_ends_reading_ahead(tmp_path):
    path = sections(tmp_path / "sections.pcapng")
    source_blocks = SourceBlocks()
    found = study([path], None, Options(compiled=True), on_block=source_blocks.see)
    before, pieces = threading.active_count(), iter(range(9))

    def full(data):
        if next(pieces) == 4:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        annotate(found, source_blocks, full)
    assert threading.active_count() == before

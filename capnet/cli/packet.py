"""`capnet packet`: one frame, as capnet decoded it and as Wireshark dissects it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from capnet.cli.path_tests import is_plain
from capnet.errors import Exit, UsageError
from capnet.language import message
from capnet.quick_tuple import NamedTuple

MAX_TSHARK_FRAMES = 50_000  # tshark dissects all frames before the one: about a second for these


@click.command("packet", short_help="Show one frame, layer by layer.")
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.argument("number", metavar="N", type=click.IntRange(min=1))
@click.option("--hex", "with_hex", is_flag=True, help="Also dump the first 256 bytes.")
@click.option("--no-tshark", is_flag=True, help="Leave out Wireshark's dissection.")
def command(file: Path, number: int, with_hex: bool, no_tshark: bool) -> int:
    """Show frame N of FILE, counted from 1 as Wireshark counts.

    First what capnet makes of it, what a tunnel carries below the tunnel, and the comments that pcapng has on it. Then,
    when tshark is installed, every field of Wireshark's own dissection; a frame far into a file is dissected by itself.
    """
    from capnet.cli.output import show

    frame = _read_frame(file, number, with_hex)
    lines = [] if no_tshark else ["", *_as_wireshark_dissects(file, number, frame)]
    show(frame.text + "".join(f"{line}\n" for line in lines), is_paged=True)
    return Exit.OK


class _Frame(NamedTuple):
    """A frame as text, and what a capture of this frame alone needs."""

    text: str
    linktype: int
    row: dict[str, int]
    raw: bytes


def _read_frame(file: Path, number: int, with_hex: bool) -> _Frame:
    """Frame `number` of `file`; raises UsageError if there is none."""
    from capnet.cli.output import report_columns
    from capnet.report.drawing.frame import hex_dump, render
    from capnet.wire.capture import open_capture
    from capnet.wire.fields import NAMES
    from capnet.wire.formats.pcapng import packet_comments

    last = 0
    with open_capture(file) as capture:
        for block in capture.blocks():
            if len(block):
                last = int(block["frame"][-1])
            if last < number:
                continue
            is_frame = block["frame"] == number
            if not is_frame.any():
                raise UsageError(f"{file}: frame {number} is no packet, but a pcapng block of another kind")
            rows = [dict(zip(NAMES, map(int, row), strict=True)) for row in block.rows[is_frame]]
            interface = capture.interfaces[rows[0]["point"]]
            at, length = int(block.record_at[is_frame.argmax()]), rows[0]["caplen"]
            # A simple packet block, the one without a time, has no room for comments; neither has pcap.
            has_comments = capture.format == "pcapng" and rows[0]["time"] >= 0
            comments = packet_comments(block.raw, at, length, capture.big) if has_comments else []
            point = interface.name or file.name.split(".")[0]
            raw = bytes(block.raw[at : at + length])
            names, rule = _names(file, point), _rule(rows[0], raw)
            text = render(rows, str(file), point, report_columns(), names, comments, rule, raw)
            if with_hex:
                text += "\n" + hex_dump(raw)
            return _Frame(text, interface.linktype, rows[0], raw)
        damage = "".join(f"; {problem.says}" for problem in capture.problems)
    which = f"the last one is {last}" if last else "the capture has none"
    raise UsageError(f"{file}: there is no frame {number}; {which}{damage}")


def _rule(row: dict[str, int], raw: bytes) -> str:
    """The rule that logged this frame, in words; empty for other link types than NFLOG."""
    from capnet.wire.fields import LAYER_NFLOG

    if not row["layers"] & LAYER_NFLOG:
        return ""
    from capnet.analysis.aggregate.payload.headers.nflog import rule_of
    from capnet.analysis.findings.logged_by_rule import rule_words

    return rule_words(rule_of(raw))


def _names(file: Path, point: str) -> dict[str, str]:
    """Names of addresses, from the topology beside the capture; none if it cannot be read."""
    from capnet.topology import Topology, topology_path

    path = topology_path(file)
    try:
        return Topology.load(path).names_at(point) if path.is_file() else {}
    except (OSError, ValueError):
        return {}


def _as_wireshark_dissects(file: Path, number: int, frame: _Frame) -> Iterator[str]:
    from capnet.cli.tshark_view import dissected
    from capnet.one_frame import pyshark_packet, pyshark_packet_alone

    if number <= MAX_TSHARK_FRAMES and is_plain(file):
        yield from dissected(partial(pyshark_packet, file, number), message("As Wireshark dissects it:"))
        return
    # A stream cannot be read again. And tshark dissects all frames before this one first: minutes and gigabytes.
    heading = message("As Wireshark dissects it by itself, without the streams before it:")
    yield from dissected(partial(pyshark_packet_alone, _capture_of(frame)), heading)


def _capture_of(frame: _Frame) -> bytes:
    """A pcap file with one frame in it, and nanoseconds (draft-ietf-opsawg-pcap section 4)."""
    seconds, fraction = divmod(max(frame.row["time"], 0), 1_000_000_000)
    head = struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, frame.linktype)
    lengths = len(frame.raw), min(frame.row["wirelen"], 0xFFFFFFFF)
    return head + struct.pack("<IIII", min(seconds, 0xFFFFFFFF), fraction, *lengths) + frame.raw

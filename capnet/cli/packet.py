"""`capnet packet`: one frame, as capnet decoded it and as Wireshark dissects it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from capnet.errors import Exit, UsageError


@click.command("packet", short_help="Show one frame, layer by layer.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("number", metavar="N", type=click.IntRange(min=1))
@click.option("--hex", "with_hex", is_flag=True, help="Also dump the first 256 bytes.")
@click.option("--no-tshark", is_flag=True, help="Leave out Wireshark's dissection.")
def command(file: Path, number: int, with_hex: bool, no_tshark: bool) -> int:
    """Show frame N of FILE, counted from 1 as Wireshark counts.

    First what capnet makes of it, what a tunnel carries below the tunnel, and the comments that pcapng has on it. Then,
    when tshark is installed, every field of Wireshark's own dissection.
    """
    from capnet.cli.output import emit

    emit(_ours(file, number, with_hex))
    if not no_tshark:
        emit("\n" + "\n".join(_wireshark(file, number)) + "\n")
    return Exit.OK


def _ours(file: Path, number: int, with_hex: bool) -> str:
    from capnet.report import frame
    from capnet.wire.capture import open_capture
    from capnet.wire.frames import NAMES
    from capnet.wire.pcapng import packet_comments

    last = 0
    with open_capture(file) as capture:
        for block in capture.blocks():
            if len(block):
                last = int(block["frame"][-1])
            if last < number:
                continue
            found = block["frame"] == number
            if not found.any():
                raise UsageError(f"{file}: frame {number} is no packet, but a pcapng block of another kind")
            rows = [dict(zip(NAMES, map(int, row), strict=True)) for row in block.rows[found]]
            interface = capture.interfaces[rows[0]["point"]]
            at, length = int(block.record_at[found.argmax()]), rows[0]["caplen"]
            # A simple packet block, the one without a time, has no room for comments; neither has pcap.
            has_comments = capture.format == "pcapng" and rows[0]["time"] >= 0
            comments = packet_comments(block.raw, at, length, capture.big) if has_comments else []
            point = interface.name or file.name.split(".")[0]
            text = frame.render(rows, str(file), point, names=_names(file, point), comments=comments)
            if with_hex:
                text += "\n" + frame.hex_dump(bytes(block.raw[at : at + length]))
            return text
        damage = "".join(f"; {each.says}" for each in capture.problems)
    raise UsageError(f"{file}: there is no frame {number}; the last one is {last}{damage}")


def _names(file: Path, point: str) -> dict[str, str]:
    """Names from the topology beside the capture; a topology that cannot be read is no reason not to show a frame."""
    from capnet.topology import Topology, topology_path

    try:
        return Topology.load(topology_path(file)).names_at(point)
    except (OSError, ValueError):
        return {}


# -- the second opinion ---------------------------------------------------------------------------
def _wireshark(file: Path, number: int) -> Iterator[str]:
    """Wireshark's dissection through pyshark, a line per field, or one line that says why there is none."""
    import asyncio

    import pyshark
    from pyshark.capture.capture import TSharkCrashException
    from pyshark.tshark.tshark import TSharkNotFoundException

    # A loop of our own: the one pyshark would make needs what Python 3.12 deprecated and 3.14 removed.
    loop = asyncio.new_event_loop()
    try:
        capture = pyshark.FileCapture(
            str(file),
            eventloop=loop,
            display_filter=f"frame.number=={number}",
            custom_parameters=["-c", str(number)],  # read no further
        )
        try:
            packet = capture[0]
        finally:
            capture.close()
    except TSharkNotFoundException:
        yield "tshark is not installed: no second opinion. It comes with Wireshark (Debian: apt install tshark)."
        return
    except (TSharkCrashException, KeyError) as error:
        yield _safe(f"tshark could not show this frame: {str(error).splitlines()[0]}")
        return
    finally:
        loop.close()
    yield "As Wireshark dissects it:"
    for layer in packet.layers:
        yield _safe(f"  {layer.layer_name}")
        yield from (_safe(f"    {text}") for text in _fields(layer))


def _fields(layer) -> Iterator[str]:
    """What Wireshark shows of a layer, in the order of the bytes.

    pyshark groups equal fields; the byte position puts them back. Fields that Wireshark computed have no bytes: they
    stay behind the one before them.
    """
    lines, position = [], 0
    for name in layer.field_names:
        container = layer.get_field(name)
        for each in container.all_fields if container is not None else []:
            if each.hide or not (each.showname or each.show):
                continue
            if each.size and each.size != "0" and each.pos is not None:
                position = int(each.pos)
            lines.append((position, each.showname or each.show))
    return (text for _, text in sorted(lines, key=lambda line: line[0]))


def _safe(text: str) -> str:
    from capnet.report.escape import visible

    return visible(re.sub(r"\x1b\[[0-9;]*m", "", text))

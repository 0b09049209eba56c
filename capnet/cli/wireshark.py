"""A second opinion of one frame: Wireshark's, through pyshark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


def dissected(file: Path, number: int, heading: str) -> Iterator[str]:
    """Frame `number` of `file` as tshark dissects it, a line per field below `heading`, or one line why it does not.

    All that is in these lines may be printed.
    """
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
    yield heading
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

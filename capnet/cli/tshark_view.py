"""One frame as tshark dissects it, through pyshark: a second opinion beside capnet's own decoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from capnet.errors import EnvironmentLacks, UnreadableInput
from capnet.language import message


def dissected(dissect: Callable[[], Any], heading: str) -> Iterator[str]:
    """The packet that `dissect` returns: `heading` and a line for each field, or one line with its error.

    The lines are safe to print.
    """
    try:
        packet = dissect()
    except EnvironmentLacks:
        yield message(
            "tshark is not installed: no second opinion. It comes with Wireshark (Debian: apt install tshark)."
        )
        return
    except UnreadableInput as error:
        yield _safe(message(str(error)))
        return
    yield heading
    for layer in packet.layers:
        yield _safe(f"  {layer.layer_name}")
        yield from (_safe(f"    {text}") for text in _fields(layer))


def _fields(layer) -> Iterator[str]:
    """The fields of a layer as Wireshark shows them, in the order of their bytes.

    pyshark groups fields of one name; their byte positions restore the order. A field that Wireshark computed has no
    bytes and stays behind the field before it.
    """
    lines, position = [], 0
    for name in layer.field_names:
        container = layer.get_field(name)
        for field in container.all_fields if container is not None else []:
            if field.hide or not (field.showname or field.show):
                continue
            if field.size and field.size != "0" and field.pos is not None:
                position = int(field.pos)
            lines.append((position, field.showname or field.show))
    return (text for _, text in sorted(lines, key=lambda line: line[0]))


def _safe(text: str) -> str:
    from capnet.report.escape import visible

    return visible(re.sub(r"\x1b\[[0-9;]*m", "", text))

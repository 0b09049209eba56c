"""Which frames the Wireshark filters select that reports suggest for tunnels, in the made captures.

`stored()` is what tshark selected, for machines without tshark; `python -m tests.wire.expected` writes it anew.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

from capnet.analysis.core.contract.document import Document
from capnet.analysis.engine import analyze
from capnet.report import wireshark
from capnet.wire.addresses import address_text
from capnet.wire.capture import open_capture
from capnet.wire.protocols import KIND_OF_NUMBER
from tests.conftest import MADE
from tests.tshark import tshark_version

STORED = Path(__file__).parent / "expected" / "tunnel_filters.json"


class Suggestion(NamedTuple):
    """The filter that a report suggests for the tunnels of one kind, and the frames that carry them."""

    kind: str
    frames: list[int]


@cache
def report(capture: Path) -> Document:
    """The report of a capture, as JSON has it."""
    made: Document = json.loads(json.dumps(analyze([capture], compiled=False).to_dict()))
    return made


@cache
def suggestions(capture: Path) -> dict[str, Suggestion]:
    """Filter → what it should select: the frames that the decoder says carry the tunnel."""
    frames: dict[tuple[object, ...], set[int]] = defaultdict(set)
    with open_capture(capture, compiled=False) as opened:
        for block in opened.blocks():
            for row in block.dicts():
                if row["tunnel"]:
                    kind = KIND_OF_NUMBER[row["tunnel"]]
                    ends = {address_text(row[f"{end}_hi"], row[f"{end}_lo"]) for end in ("src", "dst")}
                    ident = None if kind.is_encrypted or row["vni"] < 0 else row["vni"]
                    frames[kind.name, ident, frozenset(ends)].add(row["frame"])
    wanted: dict[str, Suggestion] = {}
    for tunnel in report(capture)["tunnels"]:
        display_filter = wireshark.tunnel(tunnel)
        of_tunnel = frames[tunnel["kind"], tunnel["vni"], frozenset(tunnel["vteps"])]
        earlier = wanted[display_filter].frames if display_filter in wanted else []
        wanted[display_filter] = Suggestion(tunnel["kind"], sorted(of_tunnel.union(earlier)))
    return wanted


def selected(capture: Path, display_filter: str) -> list[int]:
    """The frames that tshark selects. CalledProcessError if it does not take the filter."""
    command = ["tshark", "-n", "-r", str(capture), "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return sorted(set(map(int, done.stdout.split())))


def asked() -> dict[str, dict[str, list[int]]]:
    """Capture → filter → the frames that the installed tshark selects."""
    return {
        capture.name: {display_filter: selected(capture, display_filter) for display_filter in suggestions(capture)}
        for capture in MADE
        if suggestions(capture)
    }


def stored() -> tuple[str, dict[str, dict[str, list[int]]]]:
    """(tshark's version, capture → filter → the frames that it selected)."""
    whole = json.loads(STORED.read_text(encoding="utf-8"))
    return whole["tshark"], whole["selected"]


def store() -> None:
    """Write what the installed tshark selects."""
    lines = [
        f'  "{name}": {{\n'
        + ",\n".join(f"    {json.dumps(display_filter)}: {frames}" for display_filter, frames in filters.items())
        + "\n  }"
        for name, filters in asked().items()
    ]
    text = f'{{\n"tshark": "{tshark_version()}",\n"selected": {{\n' + ",\n".join(lines) + "\n}\n}\n"
    STORED.write_text(text, encoding="utf-8")

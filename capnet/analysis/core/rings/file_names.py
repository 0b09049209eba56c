"""Files of one ring: a capture program that rotates its file writes one point into many files.

    web_00001_20261128093000.pcapng    dumpcap -b, and capnet capture -C: number and time
    web.pcap, web.pcap1, web.pcap2     tcpdump -C; with -W: web.pcap0, web.pcap1
    web-20261128-0930.pcap             tcpdump -G with a time in the name
    A=one.pcap A=two.pcap              what the user calls by one name

Method: such files are put in the order of their first frames. Reading tells whether they follow each other
(`wire.series`). Limits: a name with any other number in it may be another interface, so it is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import BytesIO
from itertools import islice
from pathlib import Path

from capnet.analysis.core.sources import Source
from capnet.errors import UnreadableInput
from capnet.quick_tuple import NamedTuple
from capnet.wire.capture import open_capture

MAX_HEAD = 64 << 10  # bytes in which the first frame is looked for
EMPTY = "empty"

_NUMBER = r"(?P<number>\d+)"
_TIMES = (
    r"\d{4}-?\d{2}-?\d{2}[-_T.]?\d{2}[-_:.]?\d{2}(?:[-_:.]?\d{2})?"  # 2026-11-28T09:30:00, 20261128-0930
    r"|(?<!\d)1\d{9}(?!\d)"  # seconds since 1970
)
_COMPRESSED = r"(?P<compressed>(?:\.(?:gz|zst|lz4))?)"
# The first that fits tells; what is not the number or the time is the name of the ring. `re` keeps them compiled.
_RINGS = (
    rf"(?i)(?P<ring>.*)_{_NUMBER}_\d{{14}}(?P<suffix>\.\w+){_COMPRESSED}",
    rf"(?i)(?P<ring>.*)(?P<suffix>\.(?:pcapng|pcap|cap)){_NUMBER}{_COMPRESSED}",
    rf"(?i)(?P<ring>.*?)(?:{_TIMES})(?P<suffix>.*){_COMPRESSED}",
    rf"(?i)(?P<ring>.*)(?P<suffix>\.(?:pcapng|pcap|cap)){_COMPRESSED}",  # the first file of tcpdump -C has no number
)


class RingName(NamedTuple):
    """What the name of a file says: of which ring it is, and its number there, -1 without one."""

    ring: str
    number: int


def ring_name(path: Path) -> RingName | None:
    """What a file name says of its ring; None if it is not named as a capture."""
    for pattern in _RINGS:
        if match := re.fullmatch(pattern, path.name):
            parts = match.groupdict()
            number = parts.get("number")
            name = f"{path.parent}/{parts['ring']}{parts['suffix']}{parts['compressed']}"
            return RingName(name, int(number[:18]) if number else -1)
    return None


def ring_stem(path: Path) -> str:
    """The name of a file of a ring without its number and time: of `web.pcap3` and `web-20261128-0930.pcap`, `web`."""
    for pattern in _RINGS:
        if match := re.fullmatch(pattern, path.name):
            return match["ring"].rstrip("-_.") or path.name
    return path.name


def is_next(before: Path, after: Path) -> bool:
    """Do the names say that no file was between these two? tcpdump's first file has no number, and counts as 0."""
    names = ring_name(before), ring_name(after)
    if names[0] is None or names[1] is None or names[0].ring != names[1].ring or names[1].number < 0:
        return False
    return names[1].number == max(names[0].number, 0) + 1


def joined(sources: Iterable[Source]) -> list[Source]:
    """The sources; files of one ring are one source, at the place of the first that was named."""
    rings: dict[object, list[Source]] = {}
    for number, source in enumerate(sources):
        rings.setdefault(_ring(source) or number, []).append(source)
    return [source for ring in rings.values() for source in (_in_order(ring) if len(ring) > 1 else ring)]


def _ring(source: Source) -> object:
    """What the files of a ring have in common; None for what is no file."""
    if source.path is None:
        return None
    if source.point_name:
        return "named", source.point_name
    name = ring_name(source.path)
    return name and name.ring


def _in_order(sources: list[Source]) -> list[Source]:
    """The sources as one, in the order of their first frames; as they are if these do not tell an order."""
    firsts = [_first_time(source.path) for source in sources if source.path]
    timed = sorted((first, number) for number, first in enumerate(firsts) if isinstance(first, int))
    is_ordered = len(timed) > 1 and len({first for first, _ in timed}) == len(timed)
    if not is_ordered or None in firsts:
        return sources
    empty = [number for number, first in enumerate(firsts) if first == EMPTY]
    ordered = [sources[number] for number in [*(number for _, number in timed), *empty]]
    later = tuple(source.path for source in ordered[1:] if source.path)
    return [Source(ordered[0].path, ordered[0].point_name, later=later)]


def _first_time(path: Path) -> int | str | None:
    """Time of a file's first frame, ns; EMPTY without frames; None if it cannot be told."""
    try:
        with path.open("rb") as opened:
            head = opened.read(MAX_HEAD)
        with open_capture(BytesIO(head), compiled=False) as capture:
            times = [frame.time for frame in islice(capture.records(), 1)]
            is_whole = len(head) < MAX_HEAD and not capture.problems
    except (OSError, UnreadableInput):
        return None
    if not times:
        return EMPTY if is_whole else None
    return times[0] if times[0] >= 0 else None

"""Files of one ring: a capture program that rotates its file writes one point into many files.

    web_00001_20261128093000.pcapng    dumpcap -b, and capnet capture -C: number and time
    web.pcap, web.pcap1, web.pcap2     tcpdump -C; with -W: web.pcap0, web.pcap1
    web-20261128-0930.pcap             tcpdump -G with a time in the name
    A=one.pcap A=two.pcap              what the user calls by one name

Method: such files are put in the order of their first frames. Where their numbers say that a file is missing, what
follows is another source. Reading tells whether the others follow each other (`wire.series`).
Limits: a name with any other number in it may be another interface, so it is left alone.
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


def is_next(before: Path, after: Path, others: Iterable[Path] = ()) -> bool:
    """Do the names say that no file was between these two but the others?"""
    numbers = _numbers(before, after)
    if numbers is None or numbers[1] <= numbers[0]:
        return False
    given = {name.number for other in others if (name := ring_name(other))}
    return given.issuperset(range(numbers[0] + 1, numbers[1]))


def _numbers(before: Path, after: Path) -> tuple[int, int] | None:
    """The numbers of two names; None if they do not tell what is between, as where a ring of tcpdump -W restarts at 0.

    tcpdump's first file has no number, and counts as 0.
    """
    names = ring_name(before), ring_name(after)
    if names[0] is None or names[1] is None or names[0].ring != names[1].ring or names[1].number <= 0:
        return None
    return max(names[0].number, 0), names[1].number


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
    """The sources as one, in the order of their first frames; as several where one is missing.

    As they are if their first frames do not tell an order.
    """
    paths = [source.path for source in sources if source.path]
    firsts = {path: _first_time(path) for path in paths}
    ordered = sorted((first, path) for path, first in firsts.items() if isinstance(first, int))
    if len(firsts) < len(paths) or None in firsts.values() or len(ordered) < 2:
        return sources
    if len({first for first, _ in ordered}) < len(ordered):
        return sources
    empty = [path for path, first in firsts.items() if first == EMPTY]
    runs = [[ordered[0][1]]]
    for _, path in ordered[1:]:
        if _numbers(runs[-1][-1], path) and not is_next(runs[-1][-1], path, empty):
            runs.append([])
        runs[-1].append(path)
    runs[-1] += empty
    return [Source(run[0], sources[0].point_name, later=tuple(run[1:])) for run in runs]


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

"""Connections that several captures show: the same ends at the same time.

Input: of each capture its file, its time, and its connections (`connections.CONNECTION`). Output: rows of the captures
that have a connection in common, and which captures have how many in common.
Method: captures whose times meet no other one are left out. The others' rows are sorted by key (hash) and time; rows of
a key belong together as long as each begins before the others have ended, give or take the difference of clocks.
Openings with different sequence numbers (RFC 9293, 3.4.1) are different connections. More rows than memory may hold are
compared in parts, by a hash of the key: files are in its order.
A connection behind a translation that a capture shows, or its topology, has the key of the one before it (`aliases`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np

from capnet.fleet.joined.aliases import Aliases
from capnet.fleet.joined.connections import AFTER, BEFORE, CONNECTION, KEY, Connections, is_same_key
from capnet.quick_tuple import NamedTuple

MAX_CLOCK_DIFFERENCE_NS = 1_000_000_000  # between hosts with NTP it is less; a client's port comes again after more
MAX_ROWS = 1_000_000  # compared at once: some 250 MB
JOINED = np.dtype(
    [
        *((name, CONNECTION[name]) for name in CONNECTION.names or ()),
        ("capture", "i8"),
        ("number", "i8"),
        ("alias", "i8"),
    ]
)

JoinedRows: TypeAlias = Annotated[np.ndarray, "(rows,) JOINED; rows of one number are one connection, together"]
Numbers: TypeAlias = Annotated[np.ndarray, "(n,) int64"]
Mask: TypeAlias = Annotated[np.ndarray, "(n,) bool"]


class CaptureConnections(NamedTuple):
    """The connections of a capture: in which file they are, how many, and their times, ns."""

    file: Path
    rows: int
    first: int
    last: int
    translations: Path | None = None  # the file of what its NAT facts and its topology show


def joined_rows(captures: Sequence[CaptureConnections]) -> Iterator[JoinedRows]:
    """The connections of several captures, part by part; `capture`: the index of one, `number`: of the connection.

    `alias`: of a connection behind a translation 0 or more, else -1.
    """
    meeting = [index for index in _meeting(captures) if captures[index].rows]
    files = [file for index in meeting if (file := captures[index].translations)]
    aliases = Aliases(files, MAX_CLOCK_DIFFERENCE_NS)
    parts = max(1, -(-sum(captures[index].rows for index in meeting) // MAX_ROWS))
    numbered = 0
    for part in range(parts):
        rows = _together(_read(captures, meeting, part, parts, aliases))
        if len(rows):
            _with_own_keys(rows, aliases)
            rows["number"] += numbered
            numbered = int(rows["number"][-1]) + 1
            yield rows


def _meeting(captures: Sequence[CaptureConnections]) -> list[int]:
    """The captures whose time meets that of another one."""
    order = sorted(range(len(captures)), key=lambda index: captures[index].first)
    meets: set[int] = set()
    end, latest = 0, -1
    for index in order:
        if latest >= 0 and captures[index].first <= end + MAX_CLOCK_DIFFERENCE_NS:
            meets |= {latest, index}
        if latest < 0 or captures[index].last >= end:
            end, latest = captures[index].last, index
    return sorted(meets)


def _read(
    captures: Sequence[CaptureConnections], chosen: Sequence[int], part: int, parts: int, aliases: Aliases
) -> JoinedRows:
    """The rows of one part of all keys: a piece of each file, so that all parts read each file once.

    Connections behind a translation are in the part of the key before it, and have that key.
    """
    pieces = [np.zeros(0, dtype=JOINED)]
    wanted = _made_in(aliases, part, parts)
    for index in chosen:
        rows = np.load(captures[index].file, mmap_mode="r", allow_pickle=False)
        begin, end = (_place(rows["hash"], number, parts) for number in (part, part + 1))
        piece = _piece(rows[begin:end], index)
        if aliases:
            piece = piece[aliases.of(piece["hash"], piece) < 0]
        pieces.append(piece)
        if len(wanted):
            pieces.append(_translated(rows, index, wanted, aliases))
    return np.concatenate(pieces)


def _piece(rows: Connections, capture: int) -> JoinedRows:
    piece = np.zeros(len(rows), dtype=JOINED)
    for name in CONNECTION.names or ():
        piece[name] = rows[name]
    piece["capture"], piece["alias"] = capture, -1
    return piece


def _made_in(aliases: Aliases, part: int, parts: int) -> np.ndarray:
    """Hashes of the keys behind translations whose key before lies in this part, sorted."""
    if not aliases:
        return np.zeros(0, dtype=np.uint64)
    before = aliases.rows[BEFORE + "hash"]
    is_here = before >= np.uint64(part * 2**64 // parts)
    if part + 1 < parts:
        is_here &= before < np.uint64((part + 1) * 2**64 // parts)
    return np.unique(aliases.rows[AFTER + "hash"][is_here])


def _translated(rows: Connections, capture: int, wanted: np.ndarray, aliases: Aliases) -> JoinedRows:
    """Of a capture the connections with these hashes that are other ones behind a translation, with their keys."""
    hashes = np.array(rows["hash"])
    place = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
    piece = _piece(rows[np.flatnonzero(wanted[place] == hashes)], capture)
    piece["alias"] = aliases.of(piece["hash"], piece)
    piece = piece[piece["alias"] >= 0]
    for name in ("hash", *KEY):
        piece[name] = aliases.rows[BEFORE + name][piece["alias"]]
    return piece


def _with_own_keys(rows: JoinedRows, aliases: Aliases) -> None:
    """Let rows have the keys that their captures show."""
    is_alias = rows["alias"] >= 0
    for name in ("hash", *KEY):
        rows[name][is_alias] = aliases.rows[AFTER + name][rows["alias"][is_alias]]


def _place(hashes: np.ndarray, part: int, parts: int) -> int:
    """Where a part begins in a file. Not by numpy's `searchsorted`, which would copy all hashes."""
    return bisect_left(hashes, np.uint64(part * 2**64 // parts)) if part < parts else len(hashes)


def _together(rows: JoinedRows) -> JoinedRows:
    """Rows of connections that two captures or more have, numbered from 0."""
    if not len(rows):
        return rows
    rows = rows[np.lexsort([rows["first"], rows["hash"]])]
    same_key = np.concatenate([[False], is_same_key(rows)])
    has_other = same_key | np.concatenate([same_key[1:], [False]])
    rows, same_key = rows[has_other], same_key[has_other]
    if not len(rows):
        return rows
    ends = _running_max(rows["last"], np.cumsum(~same_key))
    before = np.concatenate([[0], ends[:-1]])
    rows["number"] = np.cumsum(~same_key | (rows["first"] > before + MAX_CLOCK_DIFFERENCE_NS)) - 1
    rows = _one_opening_each(rows)
    return _of_several(rows)


def _running_max(values: Numbers, groups: Numbers) -> Numbers:
    """The maximum so far within each group; groups lie together. In as many steps as the longest has binary digits."""
    maxima = values.copy()
    step, longest = 1, int(np.bincount(groups).max())
    while step < longest:
        same = groups[step:] == groups[:-step]
        maxima[step:] = np.where(same, np.maximum(maxima[step:], maxima[:-step]), maxima[step:])
        step *= 2
    return maxima


def _one_opening_each(rows: JoinedRows) -> JoinedRows:
    """Connections with different openings as one each, without the rows that do not show which of them they are."""
    order = np.lexsort([rows["opening"], rows["number"]])
    rows = rows[order]
    number, opening = rows["number"], rows["opening"]
    is_new = np.concatenate([[True], number[1:] != number[:-1]])
    differs = np.concatenate([[False], (opening[1:] != opening[:-1]) & (opening[:-1] > 0)]) & ~is_new
    is_ambiguous = np.isin(number, number[differs])
    is_new |= differs
    rows["number"] = np.cumsum(is_new) - 1
    return rows[~is_ambiguous | (opening > 0)]


def _of_several(rows: JoinedRows) -> JoinedRows:
    """Rows of connections that several captures have, numbered anew."""
    if not len(rows):
        return rows
    rows = rows[np.lexsort([rows["capture"], rows["number"]])]
    starts = np.flatnonzero(np.concatenate([[True], rows["number"][1:] != rows["number"][:-1]]))
    sizes = np.diff([*starts, len(rows)])
    several = np.minimum.reduceat(rows["capture"], starts) < np.maximum.reduceat(rows["capture"], starts)
    rows = rows[np.repeat(several, sizes)]
    rows["number"] = np.repeat(np.arange(int(several.sum())), sizes[several])
    return rows


class Sharing(NamedTuple):
    """Captures that have connections in common, and how many all of them have."""

    captures: tuple[int, ...]
    connections: int


def sharing_captures(rows: JoinedRows) -> list[Sharing]:
    """The sets of captures that connections are in, those with most of them first."""
    if not len(rows):
        return []
    starts = np.flatnonzero(np.concatenate([[True], rows["number"][1:] != rows["number"][:-1]]))
    is_repeated = (rows["capture"][1:] == rows["capture"][:-1]) & (rows["number"][1:] == rows["number"][:-1])
    marks = _mark(rows["capture"])
    marks[1:][is_repeated] = 0
    signatures = np.add.reduceat(marks, starts)
    _, examples, counts = np.unique(signatures, return_index=True, return_counts=True)
    ends = [*starts[1:], len(rows)]
    sets = [tuple(sorted(set(rows["capture"][starts[n] : ends[n]].tolist()))) for n in examples.tolist()]
    return in_order(map(Sharing, sets, counts.tolist()))


def in_order(sharing: Iterable[Sharing]) -> list[Sharing]:
    """Those with most connections first."""
    return sorted(sharing, key=lambda each: (-each.connections, each.captures))


def _mark(captures: Numbers) -> np.ndarray:
    """A number for each capture whose sums tell sets of captures apart (splitmix64)."""
    value = (captures.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    marks: np.ndarray = value ^ (value >> np.uint64(31))
    return marks

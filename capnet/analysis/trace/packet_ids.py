"""Which frames, at which points, are one packet? A name for every frame of a second pass over the input.

`link_building` decides which flows are the same packets at the next point; flows that are linked make a *trail*.
A packet is a trail, a digest, and the how-manieth packet of that digest it is (payloads repeat): so its name needs no
memory of packets, is the same at every point, and can be told for captures of any size. Copies that a capture makes of
one packet (`copies.duplicates`) share its name. Where hops saw different numbers of equal packets, `repeated_packets`
says which is which.

Of a segment that is cut on the way, the first piece is the same packet: it begins with the same octet. The other pieces
begin elsewhere and are packets of their own; at the next point, each may be cut or joined in yet another way.

Repetitions are told apart as long as no more than about SLOTS other packets came between them; beyond that a repeated
payload is taken for its first appearance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from capnet.analysis.aggregate import hash_table
from capnet.analysis.aggregate.flow_record import FRAGMENT, FRAGMENT_SLOTS, KEY, fragment_ends, packed_key, unpack_key
from capnet.analysis.aggregate.hash_table import lookup, new_index, reindex
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FLOW_KEY, FLOW_WIDTH
from capnet.analysis.correlate.duplicates import duplicates
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.repeated_packets import places
from capnet.analysis.engine import Study
from capnet.errors import UnreadableInput
from capnet.jit.inline import inline
from capnet.jit.kernel import Machine, kernel
from capnet.wire.block import Block
from capnet.wire.capture import Capture, open_capture
from capnet.wire.fields import DEPTH, DIGEST, LAYER_FRAGMENT, LAYER_IP, LAYERS, TIME, WIDTH
from capnet.wire.octets import mix

SLOTS = 1 << 20
COPY_NS = 1_000_000  # as copies.duplicates: a host does not send again within a millisecond

_PROBES = 4
_KEY = 0  # columns of the table of recent packets
_RANK = 1
_TIME = 2
_AGE = 3
_RECENT = 4


def recent_table(packets: int, width: int) -> np.ndarray:
    """Room to remember about as many packets, SLOTS at most; a flat table for `slot_of`, its slots' number first."""
    slots = 1024
    while slots < min(4 * packets, SLOTS):
        slots *= 2
    table = np.zeros(1 + (slots + _PROBES) * width, dtype=np.int64)
    table[0] = slots
    return table


@inline
def slot_of(recent: Any, width: int, age: int, key: int) -> int:
    """Offset in `recent` of `key`, or of the place it may take: free, or the longest unused. Never 0 is a key."""
    start = (key >> 7) & (recent[0] - 1)
    best = 1 + start * width
    for probe in range(_PROBES):
        at = 1 + (start + probe) * width
        if recent[at] == key:
            return at
        if recent[at + age] < recent[best + age]:
            best = at
    return best


@dataclass
class Named:
    """A block whose frames have names. All arrays have an entry per row of the block; only rows of depth 0 count.

    `ids` is the packet's name (positive, 0 = none), `named_by` the row that it comes from: the innermost one that
    tells, `flows` the flow row of each row (-1 = none).
    """

    source: int
    base: int
    capture: Capture
    block: Block
    ids: np.ndarray
    named_by: np.ndarray
    flows: np.ndarray


class Packets:
    """Names frames. Blocks of one source must come in order; sources may come in any order, also interleaved."""

    def __init__(self, study: Study) -> None:
        self.machine = Machine(bool(study.options.compiled))
        self.context = study.context
        self.links = flow_links(study.context)
        self.flows = np.ascontiguousarray(study.context.flows).reshape(-1)
        count = len(study.context.flows)
        self.trails = flow_chains(self.links, count)
        self._copied = _copied(study.context, self.trails)
        self._moved = _table(places(study.context, self.links, self.trails, self._copied, COPY_NS))
        slots = 128
        while slots < 2 * count:
            slots *= 2
        self._index, self._mask = new_index(slots), slots - 1
        view = self.machine.view
        self.machine.run(reindex)(view(self._index), self._mask, view(self.flows), FLOW_WIDTH, FLOW_KEY, count)
        self._recent = recent_table(study.report.coverage.frames, _RECENT)
        self._scratch = np.zeros(_SCRATCH, dtype=np.int64)
        self._seen = 0

    def name(self, source: int, base: int, capture: Capture, block: Block) -> Named:
        """Name the frames of the next block of a source, whose first point is number `base`."""
        n = len(block)
        flow_of, ids, named_by = (np.zeros(n, dtype=np.int64) for _ in range(3))
        view, run = self.machine.view, self.machine.run
        run(find_flows)(
            view(block.flat), n, base, view(self._index), self._mask, view(self.flows),
            view(self._scratch), view(flow_of),
        )  # fmt: skip
        run(identify)(
            view(block.flat), n, view(flow_of), view(self.trails), view(self._copied), view(self._moved),
            len(self._moved) // 2 - 1, int(hash_table.SECRET[0]),
            view(self._recent), self._seen, view(ids), view(named_by),
        )  # fmt: skip
        self._seen += n
        return Named(source, base, capture, block, ids, named_by, flow_of)


def second_pass(study: Study) -> Iterator[Named]:
    """All frames of a study's sources once more, source by source, with names.

    UnreadableInput if a source cannot be read twice, or has changed.
    """
    packets = Packets(study)
    for number in range(len(study.sources)):
        with open_again(study, number) as capture:
            for block in capture.blocks():
                yield packets.name(number, study.bases[number], capture, block)


def open_again(study: Study, number: int, on_block: Any = None) -> Capture:
    """Open a source of a study for its second pass."""
    path: Path | None = study.sources[number].path
    if path is None or not path.is_file():
        raise UnreadableInput(f"{study.sources[number].label}: is read twice, which a stream cannot be; save it first")
    options = study.options
    return open_capture(path, compiled=options.compiled, vxlan_port=options.vxlan_port, on_block=on_block)


def _copied(context: Context, trail: np.ndarray) -> np.ndarray:
    """Per flow row: 1 where the capture itself made copies, which are more than other hops of the trail have."""
    found = duplicates(context)
    count = np.zeros(len(trail), dtype=np.int64)
    count[found.flow_rows] = found.counts
    least = np.full(len(trail), np.iinfo(np.int64).max)
    np.minimum.at(least, trail, count)
    alone = np.bincount(trail, minlength=len(trail))[trail] == 1
    return ((count > 0) & (alone | (count > least[trail]))).astype(np.int64)


def _table(moved: dict[int, int]) -> np.ndarray:
    """A hash table of (key, value), half empty at least; one slot when there is nothing in it."""
    slots = 1
    while moved and slots < 2 * len(moved) + 2:
        slots *= 2
    table = np.zeros(2 * slots, dtype=np.int64)
    for key, value in moved.items():
        slot = (key >> 7) & (slots - 1)
        while table[2 * slot]:
            slot = (slot + 1) & (slots - 1)
        table[2 * slot : 2 * slot + 2] = key, value
    return table


# Scratch space of `find_flows`: a flow's key in columns, and packed; then the ports of first fragments.
_PACKED_KEY = FLOW_KEY
_FRAGMENTS = _PACKED_KEY + KEY
_SCRATCH = _FRAGMENTS + FRAGMENT_SLOTS * FRAGMENT


@kernel
def find_flows(rows: Any, n: int, base: int, index: Any, mask: int, flows: Any, key: Any, flow_of: Any) -> None:
    """Look up, never add: `flow_of[i]` = flow row of row i, -1 for what is not IP. `key`: _SCRATCH numbers."""
    for i in range(n):
        flow_of[i] = -1
        if rows[i * WIDTH + LAYERS] & LAYER_IP:
            packed_key(rows, i * WIDTH, base, key, _PACKED_KEY)
            if rows[i * WIDTH + LAYERS] & LAYER_FRAGMENT:
                fragment_ends(rows, i * WIDTH, key, _PACKED_KEY, key, _FRAGMENTS)
            unpack_key(key, _PACKED_KEY, key, 0, 1)
            row = lookup(index, mask, flows, FLOW_WIDTH, FLOW_KEY, key)
            if row >= 0:
                flow_of[i] = row


@kernel
def identify(
    rows: Any,
    n: int,
    flow_of: Any,
    trail_of: Any,
    copied: Any,
    moved: Any,
    mask: int,
    secret: int,
    recent: Any,
    seen: int,
    ids: Any,
    named_by: Any,
) -> None:
    """`ids` and `named_by` of the rows of depth 0. `seen`: rows before this block; `moved`: see `_table`."""
    outermost = 0
    while outermost < n:
        following = outermost + 1
        while following < n and rows[following * WIDTH + DEPTH] > 0:
            following += 1
        i = following - 1
        while i > outermost and (flow_of[i] < 0 or rows[i * WIDTH + DIGEST] == 0):
            i -= 1
        named_by[outermost] = i
        digest = rows[i * WIDTH + DIGEST]
        if flow_of[i] >= 0 and digest != 0:
            time = rows[i * WIDTH + TIME]
            key = mix(mix(0x51ED27, flow_of[i]), digest) | 1
            at = slot_of(recent, _RECENT, _AGE, key)
            if recent[at + _KEY] != key:
                recent[at + _KEY] = key
                recent[at + _RANK] = 0
            elif copied[flow_of[i]] == 0 or time - recent[at + _TIME] > COPY_NS:
                recent[at + _RANK] += 1
            recent[at + _TIME] = time
            recent[at + _AGE] = seen + i + 1
            place = recent[at + _RANK]
            if mask > 0:
                key = mix(mix(mix(secret, flow_of[i]), digest), place) | 1  # repeats.rank_key
                slot = (key >> 7) & mask
                while moved[2 * slot] != 0 and moved[2 * slot] != key:
                    slot = (slot + 1) & mask
                if moved[2 * slot] == key:
                    place = moved[2 * slot + 1]
            ids[outermost] = mix(mix(mix(0x3C6EF3, trail_of[flow_of[i]]), digest), place) | 1
        outermost = following

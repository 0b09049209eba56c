"""Kernel of `previous_hop`: per frame, the number of its packet's frame at the previous hop, and what became of it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.trace.packet_ids_kernels import slot_of
from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import kernel
from capnet.wire.octets import mix

Sights: TypeAlias = Annotated[np.ndarray, "(frames, SIGHT) int64"]

# Columns of a sight: what is known of one frame; SIGHT numbers each.
ID = 0  # of the packet, 0: none
FLOW = 1  # row, -1: none
BEFORE = 2  # flow row of the previous hop, -1: none
SEQ = 3  # of TCP with data; else anything
OCTETS = 4  # of TCP's data; else 0
SIGHT = 5

MAX_SEGMENTS = 16  # of a flow that are remembered: a cut segment arrives within so many of the flow before
RECENT = 3  # columns of the table of recent packets: key, frame number, age
SEGMENT = 3  # columns of a remembered segment: sequence number, octets, frame number

CUT, JOINED = 1, 2  # shapes: against the previous hop, a piece of it, or made of several


@kernel
def find_previous_hops(
    sights: Int64Array, count: int, number: int, recent: Int64Array, place: Int64Array, segments: Int64Array,
    following: Int64Array, since: Int64Array, shape: Int64Array,
) -> None:  # fmt: skip
    """Fills `since` and `shape`, see `previous_hop.PreviousHops.before`."""
    for k in range(count):
        packet = sights[SIGHT * k + ID]
        if packet == 0:
            continue
        flow = sights[SIGHT * k + FLOW]
        before = sights[SIGHT * k + BEFORE]
        octets = sights[SIGHT * k + OCTETS]
        if before >= 0:
            key = mix(packet, before) | 1
            at = slot_of(recent, RECENT, 2, key)
            if recent[at] == key:
                since[k] = recent[at + 1]
            if octets > 0 and place[before] >= 0:
                first = place[before] * MAX_SEGMENTS
                for back in range(1, MAX_SEGMENTS + 1):
                    at = (first + (following[place[before]] - back) % MAX_SEGMENTS) * SEGMENT
                    into = (sights[SIGHT * k + SEQ] - segments[at]) & 0xFFFFFFFF
                    if into < segments[at + 1] and (since[k] == 0 or since[k] == segments[at + 2]):
                        since[k] = segments[at + 2]
                        if into + octets > segments[at + 1]:
                            shape[k] = JOINED
                        elif octets < segments[at + 1]:
                            shape[k] = CUT
                        break
        if octets > 0 and place[flow] >= 0:
            at = (place[flow] * MAX_SEGMENTS + following[place[flow]] % MAX_SEGMENTS) * SEGMENT
            segments[at] = sights[SIGHT * k + SEQ]
            segments[at + 1] = octets
            segments[at + 2] = number + k + 1
            following[place[flow]] += 1
        key = mix(packet, flow) | 1
        at = slot_of(recent, RECENT, 2, key)
        recent[at] = key
        recent[at + 1] = number + k + 1
        recent[at + 2] = number + k + 1

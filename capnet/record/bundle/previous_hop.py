"""In which frame was a packet at the hop before? For comments that name it.

A packet is found by its id. A piece of a segment that was cut on the way has an id of its own: it is found by its place
in the sequence space, among the last segments of the flow before. So is, and so is told, what was joined from pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.schema import FLOW_LARGEST_IP, FLOW_PROTO
from capnet.analysis.engine import Study
from capnet.analysis.facts.hop_loss import ETHERNET_MTU
from capnet.analysis.trace.packet_ids import PacketIds, recent_table
from capnet.analysis.trace.packet_ids_kernels import slot_of
from capnet.jit.kernel import kernel
from capnet.wire import fields
from capnet.wire.numbers import TCP
from capnet.wire.octets import mix

SHAPES = ("", "cut", "joined")  # against the hop before

# Columns of a sight, SIGHT numbers each.
ID = 0  # of the packet, 0 = none
FLOW = 1  # row, -1 = none
BEFORE = 2  # flow row of the hop before, -1 = none
SEQ = 3  # of TCP with data; else anything
OCTETS = 4  # of TCP's data; else 0
SIGHT = 5

LAST = 16  # segments of a flow that are remembered
MOST_FLOWS = 1 << 16  # flows whose segments are remembered, the first ones
_HOP = 3  # columns of the table of recent packets: key, frame number, age
_SEGMENT = 3  # sequence number, octets, frame number


class Hops:
    """Asked in the order of the output; remembers what it was asked about."""

    def __init__(self, study: Study, packets: PacketIds) -> None:
        self.machine = packets.machine
        self.links = packets.links
        self._recent = recent_table(study.report.coverage.frames, _HOP)
        flows = study.context.flows
        tcp = flows[self.links.source, FLOW_PROTO] == TCP
        one, two = (flows[ends, FLOW_LARGEST_IP] for ends in (self.links.source, self.links.target))
        cut = distinct(self.links.source[tcp & ((one != two) | (one > ETHERNET_MTU))])[:MOST_FLOWS]
        self._place = np.full(len(flows), -1, dtype=np.int64)  # per flow row, where its segments are remembered
        self._place[cut] = np.arange(len(cut))
        self._segments = np.zeros(max(len(cut), 1) * LAST * _SEGMENT, dtype=np.int64)
        self._next = np.zeros(max(len(cut), 1), dtype=np.int64)

    def sights(self, ids: np.ndarray, flows: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """What `before` wants of frames: their packets' ids and flow rows (-1 = none), and rows (`wire.fields`)."""
        sights = np.zeros((len(ids), SIGHT), dtype=np.int64)
        sights[:, ID], sights[:, FLOW], sights[:, BEFORE] = ids, flows, -1
        followed = np.flatnonzero(flows >= 0)
        link = self.links.before[flows[followed]]
        told = link >= 0
        sights[followed[told], BEFORE] = self.links.source[link[told]]
        sights[:, SEQ] = rows[:, fields.SEQ]
        tcp = (rows[:, fields.LAYERS] & fields.LAYER_TCP != 0) & (rows[:, fields.FRAG_OFFSET] <= 0)
        sights[:, OCTETS] = np.where(tcp, np.maximum(rows[:, fields.PAYLOAD], 0), 0)
        return sights

    def before(self, sights: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Per frame, in the order of the output: number of its packet's frame at the hop before (0 = none), and shape.

        `number`: frames before the first of them.
        """
        since, shape = (np.zeros(len(sights), dtype=np.int64) for _ in range(2))
        view = self.machine.view
        self.machine.run(hops_before)(
            view(np.ascontiguousarray(sights).reshape(-1)), len(sights), number, view(self._recent),
            view(self._place), view(self._segments), view(self._next), view(since), view(shape),
        )  # fmt: skip
        return since, shape


@kernel
def hops_before(
    sights: Any, count: int, number: int, recent: Any, place: Any, segments: Any, following: Any, since: Any, shape: Any
) -> None:
    """Fills `since` and `shape`, see `Hops.before`."""
    for k in range(count):
        packet = sights[SIGHT * k + ID]
        if packet == 0:
            continue
        flow = sights[SIGHT * k + FLOW]
        before = sights[SIGHT * k + BEFORE]
        octets = sights[SIGHT * k + OCTETS]
        if before >= 0:
            key = mix(packet, before) | 1
            at = slot_of(recent, _HOP, 2, key)
            if recent[at] == key:
                since[k] = recent[at + 1]
            if octets > 0 and place[before] >= 0:
                first = place[before] * LAST
                for back in range(1, LAST + 1):
                    at = (first + (following[place[before]] - back) % LAST) * _SEGMENT
                    into = (sights[SIGHT * k + SEQ] - segments[at]) & 0xFFFFFFFF
                    if into < segments[at + 1] and (since[k] == 0 or since[k] == segments[at + 2]):
                        since[k] = segments[at + 2]
                        if into + octets > segments[at + 1]:
                            shape[k] = 2
                        elif octets < segments[at + 1]:
                            shape[k] = 1
                        break
        if octets > 0 and place[flow] >= 0:
            at = (place[flow] * LAST + following[place[flow]] % LAST) * _SEGMENT
            segments[at] = sights[SIGHT * k + SEQ]
            segments[at + 1] = octets
            segments[at + 2] = number + k + 1
            following[place[flow]] += 1
        key = mix(packet, flow) | 1
        at = slot_of(recent, _HOP, 2, key)
        recent[at] = key
        recent[at + 1] = number + k + 1
        recent[at + 2] = number + k + 1

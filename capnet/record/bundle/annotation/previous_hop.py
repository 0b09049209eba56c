"""In which frame was a packet at the previous hop? For comments that name it.

A packet is found by its id. A piece of a TCP segment that was cut on the way has an id of its own: it is found by its
sequence number, among the last segments of the flow at the previous hop. So is what was joined from pieces.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.schema import FLOW_LARGEST_IP, FLOW_PROTO, Values
from capnet.analysis.engine import Study
from capnet.analysis.fate.hop_loss import ETHERNET_MTU
from capnet.analysis.trace.packet_ids import PacketIds, recent_table
from capnet.record.bundle.annotation import previous_hop_kernel as hop
from capnet.wire.numbers import TCP

SHAPES = ("", "cut", "joined")  # by number, see `previous_hop_kernel`

MAX_CUT_FLOWS = 1 << 16  # flows whose segments are remembered, the first ones: 25 MB at most


class PreviousHops:
    """Asked in the order of the output; remembers the frames that it was asked about."""

    def __init__(self, study: Study, packets: PacketIds) -> None:
        self.machine = packets.machine
        links = packets.links
        self._recent = recent_table(study.report.coverage.frames, hop.RECENT)
        flows = study.context.flows
        tcp = flows[links.source, FLOW_PROTO] == TCP
        largest_before, largest_after = (flows[ends, FLOW_LARGEST_IP] for ends in (links.source, links.target))
        cut = distinct(links.source[tcp & ((largest_before != largest_after) | (largest_before > ETHERNET_MTU))])[
            :MAX_CUT_FLOWS
        ]
        self._place = np.full(len(flows), -1, dtype=np.int64)  # per flow row, where its segments are remembered
        self._place[cut] = np.arange(len(cut))
        self._segments = np.zeros(max(len(cut), 1) * hop.MAX_SEGMENTS * hop.SEGMENT, dtype=np.int64)
        self._next = np.zeros(max(len(cut), 1), dtype=np.int64)

    def before(self, sights: hop.Sights, number: int) -> tuple[Values, Values]:
        """Per frame, in the order of the output: number of its packet's frame at the previous hop (0: none), and shape.

        `number`: of the last frame before them. The shape is an index of SHAPES.
        """
        since, shape = (np.zeros(len(sights), dtype=np.int64) for _ in range(2))
        view = self.machine.view
        self.machine.run(hop.find_previous_hops)(
            view(np.ascontiguousarray(sights).reshape(-1)), len(sights), number, view(self._recent),
            view(self._place), view(self._segments), view(self._next), view(since), view(shape),
        )  # fmt: skip
        return since, shape

"""Frames in tunnels, with the ends of the tunnel that each of them went between.

Input: observations, ARP messages, tunnels. Output: `CarriedFrames`. Method: a packet in a tunnel and the one that
carries it have one frame number. Of an ARP message, which no observation shows, the first and the last one are found by
the time of what carries them. Limits: kinds with a VNI, one level of tunnels; nothing in a sample.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct_rows, first_equal, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import FlowRows, Values
from capnet.analysis.correlate.clocks import clocks
from capnet.quick_tuple import NamedTuple
from capnet.wire.protocols import TUNNEL_KINDS

VNI_BITS = 32
KINDS_WITH_VNI = [kind.number for kind in TUNNEL_KINDS if kind.id_name == "VNI"]
TUNNEL_ENDS = ([schema.TUNNEL_SRC_HI, schema.TUNNEL_SRC_LO], [schema.TUNNEL_DST_HI, schema.TUNNEL_DST_LO])
_FLOW_ENDS = (schema.FLOW_SRC, schema.FLOW_DST)


class CarriedFrames(NamedTuple):
    """Packets in tunnels, then messages of ARP there; arrays of one entry each."""

    network: Values  # kind << VNI_BITS | VNI
    row: FlowRows  # inside, -1 of ARP
    point: Values
    time: Values  # ns by the reference clock
    frame: Values
    source_mac: Values
    destination_mac: Values  # -1 of ARP
    source: Values  # outer address, as index of `tunnel_ends`
    destination: Values

    def take(self, chosen: Values) -> CarriedFrames:
        """Those that a mask or indexes choose."""
        return CarriedFrames(*(array[chosen] for array in self))


@derived
def tunnel_ends(context: Context) -> Values:
    """The addresses of all tunnel ends, shape (n, 2)."""
    return distinct_rows(np.concatenate([context.tunnels[:, columns] for columns in TUNNEL_ENDS]))


def carried_frames(context: Context) -> CarriedFrames:
    """All of them that have an Ethernet header, packets in order of the pass."""
    carriers = _Carriers(context)
    frames = [
        _packets(context, carriers),
        *(_messages(context, carriers, time) for time in (schema.ARP_FIRST, schema.ARP_LAST)),
    ]
    carried = CarriedFrames(*(np.concatenate(arrays) for arrays in zip(*frames, strict=True)))
    return carried.take((carried.source >= 0) & (carried.source_mac > 0))


class _Carriers:
    """The observations of packets that carry tunnels: what is looked for by frame number, or by time."""

    def __init__(self, context: Context) -> None:
        flows, observations = context.flows, context.observations
        rows = observations[:, schema.OBS_FLOW]
        is_carrier = (flows[rows, schema.FLOW_DEPTH] == 0) & (flows[rows, schema.FLOW_CARRIES] > 0)
        self.observations = observations[is_carrier]
        self.times = clocks(context).observation_times(context, self.observations)
        self._rows = rows[is_carrier]
        ends = row_hash(tunnel_ends(context)).view(np.int64)
        self._ends = [
            first_equal(ends, row_hash(flows[self._rows[:, None], columns]).view(np.int64)) for columns in _FLOW_ENDS
        ]
        points = flows[self._rows, schema.FLOW_POINT]
        self._keys = {
            column: _pairs(points, self.observations[:, column]) for column in (schema.OBS_FRAME, schema.OBS_TIME)
        }

    def find(self, column: int, points: Values, values: Values) -> Values:
        """The carrier at each of these points with this frame number or time, -1 if there is none."""
        return first_equal(self._keys[column], _pairs(points, values))

    def ends(self, at: Values) -> tuple[Values, Values]:
        """Source and destination of carriers, as indexes of `tunnel_ends`; -1 of no carrier."""
        source, destination = (np.where(at >= 0, ends[at], -1) if len(ends) else at for ends in self._ends)
        return source, destination


def _pairs(points: Values, values: Values) -> Values:
    return row_hash(np.column_stack((points, values))).view(np.int64)


def _packets(context: Context, carriers: _Carriers) -> CarriedFrames:
    flows, observations = context.flows, context.observations
    rows = observations[:, schema.OBS_FLOW]
    is_inner = (flows[rows, schema.FLOW_DEPTH] == 1) & is_one_of(flows[rows, schema.FLOW_VIA], KINDS_WITH_VNI)
    observations, rows = observations[is_inner], rows[is_inner]
    points, frames = flows[rows, schema.FLOW_POINT], observations[:, schema.OBS_FRAME]
    return CarriedFrames(
        (flows[rows, schema.FLOW_VIA] << VNI_BITS) + flows[rows, schema.FLOW_VIA_VNI], rows, points,
        clocks(context).observation_times(context, observations), frames,
        flows[rows, schema.FLOW_SMAC], flows[rows, schema.FLOW_DMAC],
        *carriers.ends(carriers.find(schema.OBS_FRAME, points, frames)),
    )  # fmt: skip


def _messages(context: Context, carriers: _Carriers, time: int) -> CarriedFrames:
    arps = context.arps[is_one_of(context.arps[:, schema.ARP_VIA], KINDS_WITH_VNI)]
    nothing = np.full(len(arps), -1)
    at = carriers.find(schema.OBS_TIME, arps[:, schema.ARP_POINT], arps[:, time])
    arps, nothing, at = (values[at >= 0] for values in (arps, nothing, at))
    return CarriedFrames(
        (arps[:, schema.ARP_VIA] << VNI_BITS) + arps[:, schema.ARP_VIA_VNI], nothing, arps[:, schema.ARP_POINT],
        carriers.times[at], carriers.observations[at, schema.OBS_FRAME], arps[:, schema.ARP_ETH_SOURCE], nothing,
        *carriers.ends(at),
    )  # fmt: skip

"""Bounds on the distance between clocks that the recording measured beside its packets.

Input: the clock readings of the topology's hosts, each relative to the machine that recorded, and the observations.
Output: `ClockBounds` as packets give them, two for each reading: the distance is at most, and at least, so much.
Method: what two hosts read at the same time differs by the distance of their clocks; their uncertainties add up.
Limits: hosts of one file only; another file may have been recorded by another machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import Values
from capnet.analysis.correlate.clock_evidence.clock_bounds import ClockBounds
from capnet.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from capnet.topology import ClockReading

MAX_APART_NS = 5_000_000_000  # readings of two hosts are of the same moment; a host may take seconds to answer
MAX_READINGS = 256  # of a host, that are looked at: a topology file may come from anywhere
MAX_NS = 1 << 61  # some 73 years from 1970 on, so that sums of such numbers fit 64 bits


def with_measurements(
    bounds: ClockBounds, context: Context, hosts: Sequence[tuple[str, str]], clock_of_point: Values
) -> ClockBounds:
    """The bounds, and those of each two clocks whose hosts were asked. `hosts`: file and host of each clock."""
    readings_of = _readings(context)
    columns: list[tuple[int, int, int, int, bool]] = []
    for later, (file, name) in enumerate(hosts):
        for earlier, (other_file, other_name) in enumerate(hosts[:later]):
            if file == other_file and name in readings_of and other_name in readings_of:
                for distance in _distances(readings_of[other_name], readings_of[name]):
                    columns.append((earlier, later, distance.time_ns, distance.upper_ns, True))
                    columns.append((earlier, later, distance.time_ns, distance.lower_ns, False))
    if not columns:
        return bounds
    first, second, times_ns, distances_ns, is_upper = np.array(columns, dtype=np.int64).T
    measured = ClockBounds(
        first=first,
        second=second,
        times_ns=times_ns,
        distances_ns=distances_ns,
        is_upper=is_upper == 1,
        first_rows=_rows(context, clock_of_point, first, times_ns - distances_ns),
        second_rows=_rows(context, clock_of_point, second, times_ns),
        is_packet=np.zeros(len(columns), dtype=bool),
    )
    return bounds.joined(measured)


class _Distance(NamedTuple):
    """How far the second clock is ahead of the first one at a time by the second."""

    time_ns: int
    upper_ns: int
    lower_ns: int


def _readings(context: Context) -> dict[str, list[ClockReading]]:
    """Host → its readings; where files that are read together tell of a host twice, the first ones."""
    readings_of: dict[str, list[ClockReading]] = {}
    for host in context.topology.hosts if context.topology else ():
        numbers = [(each.time_ns, each.ahead_ns, each.uncertainty_ns) for each in host.clock[:MAX_READINGS]]
        if numbers and all(abs(number) <= MAX_NS for of_reading in numbers for number in of_reading):
            readings_of.setdefault(host.name, host.clock[:MAX_READINGS])
    return readings_of


def _distances(first: Sequence[ClockReading], second: Sequence[ClockReading]) -> list[_Distance]:
    """One for each reading of the second that has one of the first of the same moment."""
    distances = []
    for reading in second:
        other = min(first, key=lambda candidate: abs(candidate.time_ns - reading.time_ns))
        if abs(other.time_ns - reading.time_ns) <= MAX_APART_NS:
            ahead_ns = reading.ahead_ns - other.ahead_ns
            uncertainty_ns = abs(reading.uncertainty_ns) + abs(other.uncertainty_ns)
            time_ns = reading.time_ns + reading.ahead_ns
            distances.append(_Distance(time_ns, ahead_ns + uncertainty_ns, ahead_ns - uncertainty_ns))
    return distances


def _rows(context: Context, clock_of_point: Values, clocks: Values, times_ns: Values) -> Values:
    """The input row at which each clock showed each time: that of its first observation from then on."""
    observations = context.observations
    clock = clock_of_point[context.flows[observations[:, schema.OBS_FLOW], schema.FLOW_POINT]]
    rows = np.zeros(len(times_ns), dtype=np.int64)
    for index in distinct(clocks).tolist():
        of_clock = observations[clock == index]
        of_clock = of_clock[np.argsort(of_clock[:, schema.OBS_TIME], kind="stable")]
        if not len(of_clock):
            continue
        wanted = clocks == index
        places = np.searchsorted(of_clock[:, schema.OBS_TIME], times_ns[wanted])
        rows[wanted] = of_clock[np.minimum(places, len(of_clock) - 1), schema.OBS_SEQ]
    return rows

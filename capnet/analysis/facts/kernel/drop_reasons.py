"""Why the kernel dropped frames, of a capture that was made with --why: the reasons of `skb:kfree_skb`.

Input: lines of `record.kernel.drop_tracer`, missing packets, observations. Output: `Cause`s with the frames that were
dropped, and how many drops are ambiguous. Method: the trace says when a dropped packet passed which interface, and its
length; the frame with that length that is nearest in time at a point of that interface is the same packet, if it is a
missing one. Limits: MAX_DELAY_NS between both clocks; two frames that are equally near make a drop ambiguous, which is
counted and not attributed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import Observations, Values
from capnet.analysis.facts.kernel.cause import DROP_REASON, EQUAL, PART, Cause
from capnet.analysis.facts.kernel.missing_packets import LINK_HEADERS, MissingPackets, missing_packets
from capnet.quick_tuple import NamedTuple

MAX_DELAY_NS = 1_000_000  # between the timestamp of a frame and its event, on a busy machine
EQUALLY_NEAR_NS = 2_000  # events are timed in microseconds
SHORTEST_PAYLOAD = 46  # octets of a frame that is padded (IEEE 802.3)
MAX_TEXT = 60  # characters of a reason or a function


class DroppedSkb(NamedTuple):
    """One packet that the kernel dropped."""

    reason: str
    location: str  # function of the kernel
    device: str  # interface that it passed last
    is_sent: bool  # it was queued there; else it was received
    passed: int  # when [ns]
    length: int  # of its IP packet


class DropReasons(NamedTuple):
    """Causes, and reason → drops of which the frame is ambiguous."""

    causes: list[Cause]
    ambiguous: dict[str, int]


@derived
def drop_reasons(context: Context) -> DropReasons:
    """Why missing packets were dropped."""
    missing = {each.row: each for each in missing_packets(context)}
    stopped: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    ambiguous: dict[str, int] = {}
    machines = context.witnesses.drops if context.witnesses and missing else []
    for machine in machines:
        frames = _Frames(context, machine.points, missing.values())
        for drop in _drops(machine.lines):
            near = frames.nearest(drop)
            if len(near) > 1:
                ambiguous[drop.reason] = ambiguous.get(drop.reason, 0) + 1
            elif near and near[0][0] in missing:
                key = (missing[near[0][0]].namespace.name, drop.reason, drop.location)
                stopped.setdefault(key, []).append(near[0])
    causes = [_cause(reason, location, pairs, missing) for (_, reason, location), pairs in sorted(stopped.items())]
    return DropReasons(causes, ambiguous)


def _cause(reason: str, location: str, pairs: Sequence[tuple[int, int]], missing: dict[int, MissingPackets]) -> Cause:
    pairs = sorted(set(pairs))
    rows = tuple(sorted({row for row, _ in pairs}))
    of = sum(missing[row].packets for row in rows)
    return Cause(
        namespace=missing[rows[0]].namespace,
        rows=rows,
        rule=None,
        counter=reason,
        setting=location,
        packets=min(len(pairs), of),
        missing=of,
        match=EQUAL if len(pairs) >= of else PART,
        is_refusal=False,
        known_by=DROP_REASON,
        frames=tuple(pairs),
    )


def _drops(lines: Sequence[str]) -> Iterator[DroppedSkb]:
    for line in lines:
        try:
            event = json.loads(line)
            is_sent = event["how"] == "sent"
            header = LINK_HEADERS["EN10MB"] if is_sent else 0  # which is pushed before it is sent
            yield DroppedSkb(
                str(event["reason"])[:MAX_TEXT], str(event["location"])[:MAX_TEXT], str(event["device"]), is_sent,
                int(event["passed"]), int(event["length"]) - header,
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue


class _Frames:
    """The frames at the points of one machine, by the name of the interface, in order of time."""

    def __init__(self, context: Context, points: Sequence[str], missing: Iterable[MissingPackets]) -> None:
        self._due: dict[str, list[int]] = {}  # interface → flow rows whose packets were due there, and are missing
        for each in missing:
            if each.due >= 0 and context.points[each.due].name in points:
                self._due.setdefault(context.points[each.due].device or "", []).append(each.row)
        self._observations = context.observations
        self._points: dict[str, list[int]] = {}
        for number, point in enumerate(context.points):
            if point.name in points:
                self._points.setdefault(point.device or "", []).append(number)
        self._at_point: Values = context.flows[context.observations[:, schema.OBS_FLOW], schema.FLOW_POINT]
        self._by_device: dict[str, Observations] = {}

    def nearest(self, drop: DroppedSkb) -> list[tuple[int, int]]:
        """(flow row, frame) of the frame that was dropped; none if there is no such frame, two if it is ambiguous.

        A packet that a queue dropped is not seen at its interface: its frame is the one before.
        """
        return self._near(self._of_device(drop.device), drop) or (
            self._near(self._due_at(drop.device), drop) if drop.is_sent else []
        )

    def _near(self, frames: Observations, drop: DroppedSkb) -> list[tuple[int, int]]:
        times = frames[:, schema.OBS_TIME]
        low, high = np.searchsorted(times, (drop.passed - MAX_DELAY_NS, drop.passed + MAX_DELAY_NS))
        close = frames[low:high]
        length = close[:, schema.OBS_LENGTH]
        is_padded = (drop.length == SHORTEST_PAYLOAD) & (length < SHORTEST_PAYLOAD)
        close = close[(length == drop.length) | is_padded]
        delays = np.abs(close[:, schema.OBS_TIME] - drop.passed)
        if not len(close):
            return []
        close = close[delays <= delays.min() + EQUALLY_NEAR_NS]
        return [(int(row), int(frame)) for row, frame in close[:2, [schema.OBS_FLOW, schema.OBS_FRAME]].tolist()]

    def _due_at(self, device: str) -> Observations:
        rows = self._due.get(device, [])
        frames = self._observations[is_among(self._observations[:, schema.OBS_FLOW], np.array(rows, dtype=np.int64))]
        return frames[np.argsort(frames[:, schema.OBS_TIME], kind="stable")]

    def _of_device(self, device: str) -> Observations:
        if device not in self._by_device:
            frames = self._observations[is_one_of(self._at_point, self._points.get(device, []))]
            self._by_device[device] = frames[np.argsort(frames[:, schema.OBS_TIME], kind="stable")]
        return self._by_device[device]

"""The frames that one packet is in.

Input: a study and the number of a frame; its sources are read once more.
Output: this frame, all frames of its packet, and some that only look like it.
Method: the digests of the frame are decoded first. Then only frames with one of them get packet ids (`packet_ids`),
which makes no difference to these.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.engine import Study
from capnet.analysis.trace.packet_ids import IdentifiedBlock, open_again, second_pass
from capnet.errors import UsageError
from capnet.quick_tuple import NamedTuple
from capnet.wire import fields
from capnet.wire.block import RecordBatch
from capnet.wire.fields import NAMES
from capnet.wire.formats import record

MAX_ALIKE = 10  # frames with the same digest that are listed though they are other packets
MAX_KEPT = 2000  # frames before the one that was asked for; with more of its digest, the sources are read twice


class IdentifiedFrame(NamedTuple):
    """A frame with a packet id."""

    source: int
    point: int  # among all points
    flow: int
    packet_id: int
    outer_fields: dict[str, int]
    fields: dict[str, int]  # of the row that the packet id comes from


class FoundPacket(NamedTuple):
    """The frame that was asked for, the frames of its packet, and frames of equal packets."""

    target: IdentifiedFrame
    frames: list[IdentifiedFrame]
    alike: list[IdentifiedFrame]


class _Asked(NamedTuple):
    digests: list[int]  # of its rows
    is_ip: bool


def find_packet(study: Study, source: int, number: int) -> FoundPacket:
    """The frames of the packet in frame `number` of a source. UsageError if there is none, or it cannot be followed."""
    asked = _asked(study, source, number)
    candidates = _candidates(study, asked.digests)
    before: list[IdentifiedFrame] = []
    target, are_all_kept = None, True
    for frame in candidates:
        if (frame.source, frame.outer_fields["frame"]) == (source, number):
            target = frame
            break
        are_all_kept = len(before) < MAX_KEPT
        if are_all_kept:
            before.append(frame)
    if target is None:
        raise _not_followed(study, source, number, asked.is_ip)
    every = chain(before, [target], candidates) if are_all_kept else _candidates(study, asked.digests)
    frames: list[IdentifiedFrame] = []
    alike: list[IdentifiedFrame] = []
    for frame in every:
        if frame.packet_id == target.packet_id:
            frames.append(frame)
        elif len(alike) < MAX_ALIKE and frame.fields["digest"] == target.fields["digest"]:
            alike.append(frame)
    return FoundPacket(target, frames, alike)


def _asked(study: Study, source: int, number: int) -> _Asked:
    """What identifies a frame. UsageError if the source has no such frame."""
    label, last = study.sources[source].label, 0
    with open_again(study, study.sources[source]) as capture:
        batch = RecordBatch(capture.machine)
        while last < number and capture.read_batch(batch):
            last = int(batch.records[batch.count * record.WIDTH - record.WIDTH + record.NUMBER])
        if last < number:
            which = f"the last one is {last}" if last else "the capture has none"
            raise UsageError(f"{label}: there is no frame {number}; {which}")
        while (block := capture.decode(batch)) is not None:
            rows = block.rows[block.rows[:, fields.FRAME] == number]
            if len(rows):
                digests = [digest for digest in rows[:, fields.DIGEST].tolist() if digest]
                return _Asked(digests, bool(rows[0, fields.LAYERS] & fields.LAYER_IP))
    raise UsageError(f"{label}: frame {number} is no packet, but a pcapng block of another kind")


def _not_followed(study: Study, source: int, number: int, is_ip: bool) -> UsageError:
    label = study.sources[source].label
    why = "too little of it was captured" if is_ip else "it is no IP packet"
    return UsageError(f"{label}: frame {number} cannot be followed: {why}; see capnet packet {label} {number}")


def _candidates(study: Study, digests: list[int]) -> Iterator[IdentifiedFrame]:
    """All frames that have an id and one of these digests."""
    if not digests:
        return
    for identified in second_pass(study, digests):
        digest_of_frame = identified.block.rows[identified.id_rows, fields.DIGEST]
        for row in np.flatnonzero((identified.ids > 0) & is_one_of(digest_of_frame, digests)).tolist():
            yield _frame(identified, row)


def _frame(identified: IdentifiedBlock, row: int) -> IdentifiedFrame:
    rows = identified.block.rows
    id_row = int(identified.id_rows[row])

    def fields_of(number: int) -> dict[str, int]:
        return dict(zip(NAMES, rows[number].tolist(), strict=True))

    point = identified.first_point + int(rows[row, fields.POINT])
    return IdentifiedFrame(
        identified.source, point, int(identified.flow_rows[id_row]), int(identified.ids[row]),
        fields_of(row), fields_of(id_row),
    )  # fmt: skip

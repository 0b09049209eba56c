"""Subjects of evidence: the conversations, and the questions for a MAC, that frames belong to.

Input: frames that a finding names. Output: `Subjects`: a number for each conversation (one of the flow rows of its
chain and of its replies), and a name for each pair of ARP and target of neighbor discovery. Method: a frame is looked
for among the first ones of flows and messages, then among the observations. A frame in a tunnel is about what is
inside, an ICMP error about what it quotes too. Limits: of a sample, only first frames are certain to be found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.finding_list import Subjects
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_to_groups, replies
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.rings.frame_numbers import FramePlace
from capnet.analysis.core.schema import FlowRows, PerFlow, Values
from capnet.analysis.facts.tunnels import carrier_rows
from capnet.analysis.fate.answers import quoted_rows
from capnet.analysis.fate.chain_values import smallest_of_chain
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple

Question: TypeAlias = tuple[int | str, ...]

_FRAME_BITS = 40  # of a frame number; the index of its point stands above them
MAX_ROUNDS = 4  # in which chains and their replies become one conversation; more only where several proxies answer
_OUTER_ENDS = schema.FLOW_ADDRESSES
_CARRIED = [schema.FLOW_POINT, schema.FLOW_CARRIES, schema.FLOW_CARRIES_VNI]


class _Index(NamedTuple):
    """Keys in order, and the row that each of them is of: what is looked for many times is sorted once."""

    keys: Values
    rows: Values

    @classmethod
    def of(cls, keys: Values) -> _Index:
        """The index of rows with these keys."""
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], order)

    def positions(self, wanted: Values) -> Values:
        """Where these keys are, all of each."""
        starts, ends = (np.searchsorted(self.keys, wanted, side=side) for side in ("left", "right"))
        counts = ends - starts
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(starts, counts) + offsets


class _Sightings(NamedTuple):
    """Where frames were found: arrays of an entry per frame and flow row; the questions for a MAC by their frame."""

    frames: Values
    rows: FlowRows
    questions: dict[int, Question]


def evidence_subjects(context: Context, evidence: Iterable[Evidence], is_of_tunnel: bool = False) -> Subjects:
    """What these frames are about; `is_of_tunnel`: all that the tunnels in them carry, both ways."""
    frames = _numbers(context, evidence)
    seen = _sightings(context, frames)
    rows = np.concatenate((_innermost(context, seen), _quoted(context, frames)))
    questions = set(seen.questions.values())
    if is_of_tunnel:
        inside = _sightings(context, _frames_of_tunnels(context, np.concatenate((seen.rows, rows))))
        rows, questions = np.concatenate((rows, inside.rows)), questions | set(inside.questions.values())
    is_of_one_host = ~are_to_groups(context, rows)
    is_found = is_among(frames, np.append(seen.frames, list(seen.questions)).astype(np.int64))
    conversations = distinct(conversation_of(context)[rows]).tolist()
    is_whole = bool(is_found.all() and is_of_one_host.all()) and not questions
    return Subjects(frozenset(conversations) | questions, is_whole)


@derived
def conversation_of(context: Context) -> PerFlow:
    """Per flow: a row of its conversation, the same for all hops and both directions."""
    answers = replies(context)
    conversation = chain_of(context)
    for _ in range(MAX_ROUNDS):
        answered = np.where(answers >= 0, np.minimum(conversation, conversation[answers]), conversation)
        joined = smallest_of_chain(context, answered)
        if (joined == conversation).all():
            break
        conversation = joined
    return conversation


def _numbers(context: Context, evidence: Iterable[Evidence]) -> Values:
    """Each frame as one number: its point, and its number there."""
    points = {point.name: number for number, point in enumerate(context.points)}
    numbers = []
    for point, file, frame in {(each.point, each.file, each.frame) for each in evidence}:
        if point in points:
            series = context.series.get(context.points[points[point]].file)
            frame = series.number(FramePlace(file, frame)) if series else frame
            numbers.append((points[point] << _FRAME_BITS) + frame)
    return np.array(sorted(numbers), dtype=np.int64)


@derived
def _frames_of_flows(context: Context) -> _Index:
    """The first frame of each flow row, and the frames of the observations; rows are those of the flow table."""
    flows, observations = context.flows, context.observations
    rows = np.append(np.arange(len(flows)), observations[:, schema.OBS_FLOW])
    numbers = np.append(flows[:, schema.FLOW_FIRST_FRAME], observations[:, schema.OBS_FRAME])
    index = _Index.of((flows[rows, schema.FLOW_POINT] << _FRAME_BITS) + numbers)
    return _Index(index.keys, rows[index.rows])


@derived
def _rows_of_conversations(context: Context) -> _Index:
    return _Index.of(conversation_of(context))


@derived
def _observations_of_flows(context: Context) -> _Index:
    return _Index.of(context.observations[:, schema.OBS_FLOW])


def _sightings(context: Context, frames: Values) -> _Sightings:
    index = _frames_of_flows(context)
    positions = index.positions(frames)
    return _Sightings(index.keys[positions], index.rows[positions], dict(_questions(context, frames)))


def _questions(context: Context, frames: Values) -> Iterator[tuple[int, Question]]:
    """Frame and name of the questions for a MAC, and of their answers, that begin in one of these frames."""
    for table, point, frame in (
        (context.arps, schema.ARP_POINT, schema.ARP_FIRST_FRAME),
        (context.nd, schema.ND_POINT, schema.ND_FIRST_FRAME),
    ):
        numbers = (table[:, point] << _FRAME_BITS) + table[:, frame]
        for row in np.flatnonzero(is_among(numbers, frames)).tolist():
            yield int(numbers[row]), _question(table[row].tolist(), is_arp=table is context.arps)


def _question(message: list[int], is_arp: bool) -> Question:
    if is_arp:
        return "arp", *sorted((message[schema.ARP_SENDER_LO], message[schema.ARP_TARGET_LO]))
    return "nd", message[schema.ND_TARGET_HI], message[schema.ND_TARGET_LO]


def _innermost(context: Context, seen: _Sightings) -> FlowRows:
    """The flow rows of each frame that lie deepest in tunnels; none of a frame with a question inside."""
    depths = context.flows[seen.rows, schema.FLOW_DEPTH]
    order = np.lexsort((depths, seen.frames))
    is_last = np.append(seen.frames[order][1:] != seen.frames[order][:-1], True)[: len(order)]
    rows = seen.rows[order[is_last]]
    return rows[~is_among(seen.frames[order[is_last]], np.array(list(seen.questions), dtype=np.int64))]


def _quoted(context: Context, frames: Values) -> FlowRows:
    """Flow rows that the ICMP errors in these frames quote."""
    errors = context.icmp_errors
    numbers = (errors[:, schema.ICMP_POINT] << _FRAME_BITS) + errors[:, schema.ICMP_FIRST_FRAME]
    return quoted_rows(context, errors[is_among(numbers, frames)])


def _frames_of_tunnels(context: Context, rows: FlowRows) -> Values:
    """Frames of the tunnels that these flows carry, of both directions at each point."""
    flows, carriers = context.flows, carrier_rows(context)
    of_conversations = _rows_of_conversations(context)
    rows = of_conversations.rows[of_conversations.positions(distinct(conversation_of(context)[rows]))]
    wanted = rows[flows[rows, schema.FLOW_CARRIES] > 0]
    keys = (
        hash_of(flows, [*_CARRIED, *_OUTER_ENDS], wanted),
        hash_of(flows, [*_CARRIED, *_OUTER_ENDS[2:], *_OUTER_ENDS[:2]], wanted),
    )
    carriers = carriers[is_among(hash_of(flows, [*_CARRIED, *_OUTER_ENDS], carriers), np.concatenate(keys))]
    of_flows = _observations_of_flows(context)
    observations = context.observations[of_flows.rows[of_flows.positions(carriers)]]
    points = flows[np.append(carriers, observations[:, schema.OBS_FLOW]), schema.FLOW_POINT]
    numbers = np.append(flows[carriers, schema.FLOW_FIRST_FRAME], observations[:, schema.OBS_FRAME])
    return distinct((points << _FRAME_BITS) + numbers)

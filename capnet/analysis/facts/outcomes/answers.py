"""Answers to a flow as a report lists them: the other direction, a reset, ICMP errors, another address, or nothing.

Input: what `fate.answers` and `fate.verdict` know of each flow row. Output: `Answer`s of one flow chain.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies, source
from capnet.analysis.core.results import Answer
from capnet.analysis.core.schema import FlowMask, FlowRows, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.resets import FOREIGN, Reset, session_resets
from capnet.analysis.fate.answers import answering_replies, is_reset, other_address_answers, quoting_errors
from capnet.analysis.fate.chain_values import any_of_chain
from capnet.analysis.fate.next_points import chain_of
from capnet.analysis.fate.verdict.verdicts import ANSWERED_BY, verdicts
from capnet.wire.addresses import address_text
from capnet.wire.icmp_names import icmp_error_name

MAX_ERRORS = 3  # ICMP errors that are listed of one flow
MIN_LATE_NS = 1_000_000_000  # an answer that a user waits for: programs ask again after 1 s and more


def chain_answers(context: Context, row: int) -> list[Answer]:
    """What answers the flow chain of a flow row: at most one of each kind, and MAX_ERRORS ICMP errors."""
    chain = int(chain_of(context)[row])
    if not _is_answered_somehow(context)[row]:
        return _nothing(context, chain)
    rows = chain_rows(context, row)
    by, resets, errors = (values(context)[rows].tolist() for values in (answering_replies, is_reset, quoting_errors))
    answers = []
    for kind, is_reset_kind in (("reply", False), ("reset", True)):
        of_kind = [row for row, reset in zip(by, resets, strict=True) if row >= 0 and reset == is_reset_kind]
        answers += _of_flow(context, kind, of_kind)
    answers += _of_session(context, chain)
    answers += [_of_error(context, error) for error in sorted({*errors} - {-1})[:MAX_ERRORS]]
    if max(by) < 0:
        others = other_address_answers(context)[rows].tolist()
        answers += _of_flow(context, "other-address", [other for other in others if other >= 0])
    return answers


@derived
def _is_answered_somehow(context: Context) -> FlowMask:
    """Per flow row: does anything answer its chain?"""
    answers = (answering_replies, quoting_errors, other_address_answers)
    mask = np.logical_or.reduce([answer(context) >= 0 for answer in answers])
    mask[list(_resets_by_chain(context))] = True
    return any_of_chain(context, mask)


def chain_rows(context: Context, row: int) -> FlowRows:
    """All flow rows of the chain of a row, in order."""
    if not len(flow_links(context)):
        return np.array([row])
    order, starts = _by_chain(context)
    chain = chain_of(context)[row]
    return order[starts[chain] : starts[chain + 1]]


@derived
def _by_chain(context: Context) -> tuple[FlowRows, Values]:
    """Flow rows chain by chain, and where each chain begins among them; chain numbers are rows."""
    chains = chain_of(context)
    counts = np.bincount(chains, minlength=len(chains))
    return np.argsort(chains, kind="stable"), np.concatenate(([0], np.cumsum(counts)))


def _of_session(context: Context, chain: int) -> list[Answer]:
    """The reset that ends the session of a flow chain while something is still to be said."""
    reset = _resets_by_chain(context).get(chain)
    if reset is None:
        return []
    frame = context.flow_evidence(reset.flow, reset.frames[-1])
    says = f"TTL {reset.ttl}" if reset.why == FOREIGN else None
    return [Answer("session-reset", frame.point, source(context.flows[reset.flow]), says, [frame])]


@derived
def _resets_by_chain(context: Context) -> dict[int, Reset]:
    """First row of a flow chain → the reset that came back to it in its session."""
    chain, answers = chain_of(context), replies(context)
    return {int(chain[answers[reset.flow]]): reset for reset in session_resets(context)}


def _of_flow(context: Context, kind: str, rows: list[int]) -> list[Answer]:
    """The answer that is the earliest of these flow rows; [] of none."""
    if not rows:
        return []
    row = min(rows, key=lambda row: int(context.flows[row, schema.FLOW_FIRST]))
    flow = context.flows[row]
    evidence = context.first_frame(row)
    asked = int(replies(context)[row])
    late_ns = flow[schema.FLOW_FIRST] - context.flows[asked, schema.FLOW_FIRST] if asked >= 0 and kind == "reply" else 0
    says = f"{late_ns / 1e9:.1f} s" if late_ns >= MIN_LATE_NS else None
    return [Answer(kind, evidence.point, source(flow), says, [evidence])]


def _of_error(context: Context, row: int) -> Answer:
    error = context.icmp_errors[row].tolist()
    evidence = context.evidence(error[schema.ICMP_POINT], error[schema.ICMP_FIRST_FRAME])
    sender = address_text(error[schema.ICMP_SRC_HI], error[schema.ICMP_SRC_LO])
    name = icmp_error_name(bool(error[schema.ICMP_IS_V6]), error[schema.ICMP_TYPE], error[schema.ICMP_CODE])
    return Answer("icmp-error", evidence.point, sender, name, [evidence])


def _nothing(context: Context, chain: int) -> list[Answer]:
    """That nothing answers, where that is certain: the packets are at the receiver's own interface."""
    point = _arrived_at(context).get(chain)
    return [] if point is None else [Answer("none", context.points[point].name, None, None)]


@derived
def _arrived_at(context: Context) -> dict[int, int]:
    """First row of a flow chain that arrives and gets no answer → the point where it arrives."""
    outcome = verdicts(context)
    arrives = outcome.verdict == ANSWERED_BY
    return dict(zip(outcome.first[arrives].tolist(), outcome.point[arrives].tolist(), strict=True))

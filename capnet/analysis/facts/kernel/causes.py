"""What stopped packets, from all that is known: a trace says more than a counter.

Input: `trace_causes`, `drop_reasons`, `counter_causes`. Output: `Cause`s. A flow row that a trace explains has no
counter; it has a drop reason beside it only if it is another one than that a rule dropped it.
"""

from __future__ import annotations

from itertools import groupby

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.kernel.cause import EQUAL, PART, TRACE, Cause
from capnet.analysis.facts.kernel.counter_causes import counted_causes
from capnet.analysis.facts.kernel.drop_reasons import drop_reasons
from capnet.analysis.facts.kernel.trace_causes import Dropped, dropped_frames

NETFILTER_DROP = "NETFILTER_DROP"  # the reason that a rule gives


@derived
def causes(context: Context) -> list[Cause]:
    """What stopped packets, by namespace; what is traced first."""
    traced = _traced(context)
    explained = {row for cause in traced for row in cause.rows}
    reasons = [
        cause
        for cause in drop_reasons(context).causes
        if cause.counter != NETFILTER_DROP or not explained & set(cause.rows)
    ]
    return traced + reasons + [cause for cause in counted_causes(context) if not explained & set(cause.rows)]


def _traced(context: Context) -> list[Cause]:
    def key(each: Dropped) -> tuple[str, str, str]:
        return each.namespace.name, each.rule.name, each.rule.text

    grouped = groupby(sorted(dropped_frames(context), key=key), key=key)
    return [_cause(list(group)) for _, group in grouped]


def _cause(dropped: list[Dropped]) -> Cause:
    packets = sum(len(each.frames) + each.unmatched for each in dropped)
    missing = sum(each.missing.packets for each in dropped)
    first = dropped[0]
    return Cause(
        namespace=first.namespace,
        rows=tuple(each.missing.row for each in dropped),
        rule=first.rule,
        counter="",
        setting="",
        packets=min(packets, missing),
        missing=missing,
        match=EQUAL if packets >= missing else PART,
        is_refusal=first.missing.is_refused,
        known_by=TRACE,
        frames=tuple((each.missing.row, frame) for each in dropped for frame in each.frames),
    )

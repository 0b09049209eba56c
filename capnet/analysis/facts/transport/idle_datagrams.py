"""UDP flows that worked, were silent for a while, and then no longer get as far as before.

Input: observations of flows that were answered. Output: `Forgotten`s, as of TCP. Method: UDP needs no answer, so that a
flow counts only where the next point, which showed it before the pause, no longer does. Limits: nothing in a sample.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.analysis.facts.transport.idle_connections import MIN_SILENCE_NS, SECOND_NS, Forgotten, stop_after_pause
from capnet.analysis.facts.transport.tcp_connections import MAX_CONNECTIONS
from capnet.wire.numbers import UDP

MIN_DATAGRAMS = 2  # after the pause: one may be lost by chance


@derived
def forgotten_datagrams(context: Context) -> list[Forgotten]:
    """The UDP flows that end at an earlier point after a pause, at their first point, in order of flow rows."""
    if context.sample_share < 1.0:
        return []
    flows, answers, links = context.flows, replies(context), flow_links(context)
    is_candidate = (flows[:, schema.FLOW_PROTO] == UDP) & (answers >= 0) & (links.before < 0) & (links.after >= 0)
    is_candidate &= flows[:, schema.FLOW_LAST] - flows[answers, schema.FLOW_LAST] >= MIN_SILENCE_NS
    forgotten = [_forgotten(context, row) for row in np.flatnonzero(is_candidate).tolist()[:MAX_CONNECTIONS]]
    return [silent for silent in forgotten if silent]


def _forgotten(context: Context, row: int) -> Forgotten | None:
    both = observations_of(context, row, int(replies(context)[row]))
    is_sent = both[:, schema.OBS_FLOW] == row
    times, frames = both[:, schema.OBS_TIME], both[:, schema.OBS_FRAME]
    pauses = np.diff(times)
    first = int(pauses.argmax()) + 1
    if pauses[first - 1] < MIN_SILENCE_NS or not is_sent[first:].all() or len(both) - first < MIN_DATAGRAMS:
        return None
    survived = int(np.max(pauses[: first - 1], initial=0))
    silence, since = int(pauses[first - 1]), int(times[first])
    if times[-1] - since < SECOND_NS or stop_after_pause(context, row, since, silence) is None:
        return None
    return Forgotten(row, silence, survived, since, len(both) - first, False, False, frames[first - 1 :].tolist())

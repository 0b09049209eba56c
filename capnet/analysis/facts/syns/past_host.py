"""Do SYNs that a host translates leave by the interface by which they came, to a neighbour of their sender?

Input: flow rows of SYNs that nothing answers, before and behind DNAT. Output: whether an answer goes past the host:
they keep the address of the sender, whose own MAC the point shows. Limits: not at a bridge, which may translate what
passes it (br_netfilter), nor where a point shows several links.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.facts.layer2.vlans import shows_several_links
from capnet.analysis.facts.unanswered import is_same_network
from capnet.analysis.fate.speakers import speakers


def are_answered_past_host(context: Context, rows: list[int], last_rows: list[int]) -> bool:
    """Would the answers to these SYNs, `last_rows` behind DNAT, go to their senders directly?"""
    flows = context.flows
    points = set(flows[[*rows, *last_rows], schema.FLOW_POINT].tolist())
    if len(points) != 1 or not {source(flows[row]) for row in last_rows} <= {source(flows[row]) for row in rows}:
        return False
    (point,) = points
    if context.points[point].role == "bridge" or shows_several_links(context)[point]:
        return False
    return all(_is_sent_by_its_owner(context, point, row) for row in rows) and all(
        is_same_network(flows[row]) and source(flows[row]) != destination(flows[row]) for row in last_rows
    )


def _is_sent_by_its_owner(context: Context, point: int, row: int) -> bool:
    speaker = speakers(context, point).get(int(context.flows[row, schema.FLOW_SMAC]))
    return speaker is not None and source(context.flows[row]) in speaker.own

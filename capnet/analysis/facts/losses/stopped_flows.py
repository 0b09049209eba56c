"""Stopped flows: flows that reach one point and not the next one, with their hops, for the findings that say why.

Input: the fates of flow chains. Output: one `StoppedFlow` per flow chain that stops, in order of its last hop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.fates import STOPS, fates
from capnet.analysis.fate.listening import is_assumed
from capnet.analysis.fate.next_points import HOME, HOST, NETWORK, REVERSE, TWIN, is_answered
from capnet.quick_tuple import NamedTuple

KNOWN = {  # rank → how the next point is known
    TWIN: Text(
        en="{siblings:other flow} to the same service went on there", zh="到同一服务的另外 {siblings} 条流从那里通过了"
    ),
    HOST: Text(
        en="{siblings:answered flow} to the same host went on there",
        zh="到同一主机、有应答的 {siblings} 条流从那里通过了",
    ),
    HOME: Text(en="the destination's own interface is there", zh="目的地址自己的接口就在那里"),
    REVERSE: Text(en="the destination's own packets come from there", zh="目的地址自己的包来自那里"),
    NETWORK: Text(en="the destination's network is behind that interface", zh="目的地址的网络在那个接口后面"),
}


class StoppedFlow(NamedTuple):
    """One flow chain that stops."""

    row: int  # flow row of its last hop
    point: int  # of this hop
    due: int  # point where its packets were due next
    rank: int  # how that is known (`fate.next_points`)
    siblings: int  # flows that show it
    is_assumed: bool  # only by assumption the due point listened when they passed


@derived
def stopped_flows(context: Context) -> list[StoppedFlow]:
    """The flow chains that stop, in order of their last hops."""
    outcome = fates(context)
    stops = np.flatnonzero(outcome.state == STOPS)
    rows = outcome.last[stops]
    points = context.flows[rows, schema.FLOW_POINT]
    columns = (
        rows, points, outcome.due[stops], outcome.rank[stops], outcome.siblings[stops], outcome.is_assumed[stops]
    )  # fmt: skip
    return [StoppedFlow(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def known_by(rank: int, siblings: int) -> str:
    """How the next point is known, in words."""
    return KNOWN[rank].fill(siblings=siblings)


def stop_level(context: Context, rows: Sequence[int] | FlowRows, due: int) -> str:
    """The level of what rests on these flows being absent at a point: `warning` where that it listened is assumed."""
    rows = np.asarray(rows, dtype=np.int64)
    return "warning" if is_assumed(context, rows, np.full(len(rows), due)).all() else "error"


def are_of_one_host(context: Context, point: int, other: int) -> bool:
    """Do two points belong to one host, as far as their names tell? True where a name has no host."""
    host, other_host = (host_of(context.points[number].name) for number in (point, other))
    return host is None or other_host is None or host == other_host


def with_same_ends(context: Context, rows: Iterable[int]) -> list[int]:
    """These last hops of flows, and after them those between the same addresses at their points without an answer."""
    flows, rows = context.flows, list(rows)
    is_unanswered = (flow_links(context).after < 0) & ~is_answered(context)
    keys = [schema.FLOW_POINT, *schema.FLOW_ADDRESSES]
    others = np.flatnonzero(is_unanswered)
    others = others[is_among(hash_of(flows, keys, others), hash_of(flows, keys, np.array(rows, dtype=np.int64)))]
    return list(dict.fromkeys([*rows, *others.tolist()]))


def hop_evidence(context: Context, rows: Iterable[int]) -> list[Evidence]:
    """First frames of flows at each of their hops, given by their last one: some of each point, then all."""
    links = flow_links(context)
    frames: dict[str, list[Evidence]] = {}
    for last in rows:
        row, link = last, int(links.before[last])
        while True:
            frame = context.first_frame(row)
            frames.setdefault(frame.point, []).append(frame)
            if link < 0:
                break
            row = int(links.source[link])
            link = int(links.before[row])
    share = max(1, MAX_EVIDENCE // max(len(frames), 1))
    shown = sorted(frame for of_point in frames.values() for frame in of_point[:share])[:MAX_EVIDENCE]
    return [*shown, *(frame for of_point in frames.values() for frame in of_point)]

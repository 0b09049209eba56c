"""Paths: the hops that the packets of a flow passed, and what happened to them at each.

A path is a chain of flow links (`correlate.link_building`): flows at different points whose packets are the same.
Where a flow forks, each side link begins a path of its own. A proxied connection continues in the path of the
connection that the proxy opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.keys import MAX_LISTED
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, echo_id, flow_key, ports, proto_name, replies, source, vlan_tags
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Hop, Path, TunnelRef
from capnet.analysis.core.schema import FlowRow, FlowRows, Values
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.flow_links import Links, flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.nat.translation_steps import are_replies
from capnet.analysis.facts.outcomes.answers import chain_answers
from capnet.analysis.facts.outcomes.hop_changes import hop_changes
from capnet.analysis.facts.outcomes.path_ends import path_end
from capnet.analysis.facts.proxies import proxied
from capnet.analysis.facts.swarm_traffic import swarm_flows
from capnet.analysis.facts.tunnels import carrier_flows
from capnet.analysis.fate.hop_loss import lost_packets
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import mac_text
from capnet.wire.protocols import KIND_OF_NUMBER

_PATHS_AT_ONCE = 1000  # paths whose direction is decided together, which takes one of them as long as all


@derived
def path_facts(context: Context) -> list[Path]:
    """Paths of two hops or more, most packets first, at most MAX_LISTED."""
    return list(every_path(context, MAX_LISTED))


def every_path(context: Context, most: int | None = None) -> Iterator[Path]:
    """Paths of two hops or more, most packets first, `most` of them or all; one is made at a time.

    Left out: carriers of tunnels whose inner flows have paths of their own, and Swarm's own traffic unless there is no
    other.
    """
    begins = _beginnings(context, flow_links(context))
    is_swarm = swarm_flows(context)[begins.rank_rows]
    if not is_swarm.all():
        begins = _Beginnings(*(column[~is_swarm] for column in begins))
    packets = packets_without_duplicates(context)[begins.rank_rows]
    order = np.lexsort((begins.rows, context.flows[begins.rank_rows, schema.FLOW_FIRST], -packets))[:most]
    for together in np.array_split(order, range(_PATHS_AT_ONCE, len(order), _PATHS_AT_ONCE)):
        yield from _paths(context, begins.rows[together], begins.links[together])


def _paths(context: Context, starts: FlowRows, side_links: Values) -> Iterator[Path]:
    """Paths that begin with these flow rows. `side_links`: as of `_Beginnings`."""
    links = flow_links(context)
    steps = [_steps(links, start, link) for start, link in zip(starts.tolist(), side_links.tolist(), strict=True)]
    ends = np.array([of_path[-1].row for of_path in steps], dtype=np.int64)
    are_answers = are_replies(context, starts, ends, replies(context))
    for of_path, reply in zip(steps, are_answers.tolist(), strict=True):
        yield _path(context, of_path, reply)


class _Beginnings(NamedTuple):
    """Where paths begin, one entry per path."""

    rows: FlowRows  # flow row of the first hop
    links: Values  # the side link by which the path leaves that flow, -1 for the main link
    rank_rows: FlowRows  # the flow whose packets and time rank the path: of a side link its target


def _beginnings(context: Context, links: Links) -> _Beginnings:
    is_carrier = carrier_flows(context)
    continuations = _proxy_continuations(context)
    first_links = distinct(links.first_links)
    is_fork = links.is_fork[first_links]
    side_links = first_links[is_fork]
    rows = np.concatenate([links.source[first_links[~is_fork]], np.array([*continuations], dtype=np.int64)])
    continued = np.array([*set(continuations.values())], dtype=np.int64)
    rows = distinct(rows[~is_carrier[rows] & ~is_among(rows, continued)])
    side_links = side_links[~is_carrier[links.source[side_links]]]
    return _Beginnings(
        rows=np.concatenate([rows, links.source[side_links]]),
        links=np.concatenate([np.full(len(rows), -1), side_links]),
        rank_rows=np.concatenate([rows, links.target[side_links]]),
    )


def chain_paths(context: Context, start: int) -> list[Path]:
    """All paths of the flow chain (`flow_links.flow_chains`) that begins with flow row `start`, the main one first."""
    links = flow_links(context)
    side_links = np.flatnonzero(links.is_fork | links.is_join)
    side_links = side_links[flow_chains(links, len(context.flows))[links.source[side_links]] == start]
    first_links = distinct(links.first_links[side_links])
    first_links = first_links[links.is_fork[first_links] | (links.source[first_links] != start)]
    return [path_from(context, start)] + [
        path_from(context, int(links.source[link]), link if links.is_fork[link] else None)
        for link in first_links.tolist()
    ]


@derived
def _proxy_continuations(context: Context) -> dict[int, int]:
    """First flow row of a path that ends at a proxy → first flow row of the connection that the proxy opened."""
    continuations = {}
    for pair in proxied(context):
        continuations[pair.client] = pair.server
        continuations[pair.server_answer] = pair.client_answer
    return continuations


class _Step(NamedTuple):
    """One hop: a flow row, and the link that leads to it; None for the first hop, and behind a proxy."""

    row: int
    link: int | None


def path_from(context: Context, start: int, side_link: int | None = None) -> Path:
    """The path that begins with flow row `start`; one hop long if no other point has its packets.

    `side_link`: the link by which the path leaves that flow where it forks. By default, the main one.
    """
    return next(_paths(context, np.array([start]), np.array([-1 if side_link is None else side_link])))


def _path(context: Context, steps: list[_Step], reply: bool) -> Path:
    """The path of these steps, and of those behind a proxy at its end."""
    links = flow_links(context)
    flows = context.flows
    start = steps[0].row
    continuation = _proxy_continuations(context).get(start)
    if continuation is not None:
        steps = steps + _steps(links, continuation)
    packets = packets_without_duplicates(context)
    first = row = flows[start].tolist()
    hops = [_hop(context, first, int(packets[start]), change=[])]
    for step in steps[1:]:
        last, row = row, flows[step.row].tolist()
        of_link = {"change": ["proxied"]} if step.link is None else _of_link(context, links, step.link, (last, row))
        hops.append(_hop(context, row, int(packets[step.row]), **of_link))
    end = path_end(context, hops, steps[-1].row)
    evidence = _evidence(context, links, steps)
    return Path(
        proto_name(first[schema.FLOW_PROTO]),
        flow_key(first),
        hops,
        end.ends,
        evidence,
        chain_answers(context, start),
        end.due,
        reply,
    )


def _steps(links: Links, start: int, side_link: int = -1) -> list[_Step]:
    """The hops of a path. `side_link`: -1 for the main link."""
    first = int(links.after[start]) if side_link < 0 else side_link
    chain = links.chain(first) if first >= 0 else []
    return [_Step(start, None), *(_Step(int(links.target[link]), link) for link in chain)]


def _of_link(context: Context, links: Links, link: int, rows: tuple[FlowRow, FlowRow]) -> dict[str, Any]:
    """What a hop tells about the link to it: changes, delay and loss. `rows`: of the hop before, and its own."""
    lost = lost_packets(context, links, link)
    missing_bytes = int(links.missing_bytes[link])
    return {
        "change": hop_changes(context, *rows, int(links.ttl_delta[link])),
        "delta_us": links.delay(link),
        "lost": lost,
        "lost_bytes": missing_bytes if lost is not None and missing_bytes >= 0 else None,
        "outside": None if lost is None else round(int(links.outside[link]) / context.sample_share),
    }


def _evidence(context: Context, links: Links, steps: list[_Step]) -> list[Evidence]:
    """One frame per hop: the first packet that was seen at this hop and the one before."""
    second_link = steps[1].link if len(steps) > 1 else None
    evidence = []
    for position, (row, link) in enumerate(steps[:MAX_EVIDENCE]):
        if position == 0 and second_link is not None:
            frame = int(links.frames[second_link, 0])
        elif link is not None:
            frame = int(links.frames[link, 1])
        else:
            frame = int(context.flows[row, schema.FLOW_FIRST_FRAME])
        evidence.append(context.flow_evidence(row, frame))
    return evidence


def _hop(context: Context, row: FlowRow, packets: int, **of_link: Any) -> Hop:
    sport, dport = ports(row)
    tunnel = None
    if row[schema.FLOW_VIA]:
        vni = int(row[schema.FLOW_VIA_VNI])
        tunnel = TunnelRef(KIND_OF_NUMBER[int(row[schema.FLOW_VIA])].name, vni if vni >= 0 else None)
    return Hop(
        point=context.points[row[schema.FLOW_POINT]].name,
        src=source(row),
        sport=sport,
        dst=destination(row),
        dport=dport,
        smac=mac_text(int(row[schema.FLOW_SMAC])) if row[schema.FLOW_SMAC] >= 0 else None,
        dmac=mac_text(int(row[schema.FLOW_DMAC])) if row[schema.FLOW_DMAC] >= 0 else None,
        ttl=int(row[schema.FLOW_TTL]) if row[schema.FLOW_TTL] >= 0 else None,
        tunnel=tunnel,
        packets=packets,
        bytes=int(row[schema.FLOW_BYTES]),
        id=echo_id(row),
        vlan=vlan_tags(row),
        **{"delta_us": None, "lost": None, **of_link},
    )

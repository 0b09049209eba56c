"""Which way did the packets of a flow go, and what happened to them at each hop?

A path is a chain of links (`correlate.link_building`): flows at different points whose packets are the same.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from capnet.analysis.core.arrays import among, distinct, one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import (
    WITH_ID,
    destination,
    echo_id,
    flow_key,
    host_of,
    is_icmp_error,
    ports,
    proto_name,
    replies,
    source,
    to_group,
)
from capnet.analysis.core.results import Hop, Path, TunnelRef
from capnet.analysis.core.schema import (
    FLOW_BYTES,
    FLOW_DMAC,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_FIRST_FRAME,
    FLOW_FIRST_SEQ,
    FLOW_FRAGMENTS,
    FLOW_LARGEST_IP,
    FLOW_NEXT_SEQ,
    FLOW_PACKETS,
    FLOW_PAYLOAD,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SMAC,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_TTL,
    FLOW_VIA,
    FLOW_VIA_VNI,
    FLOW_VLAN,
)
from capnet.analysis.correlate.duplicates import counted_once
from capnet.analysis.correlate.flow_links import Links, trails
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.proxies import proxied
from capnet.analysis.facts.swarm_traffic import swarms_own
from capnet.analysis.facts.tunnels import outsides
from capnet.wire.addresses import mac_text
from capnet.wire.fields import TUNNEL_NAMES
from capnet.wire.numbers import TCP, UDP

MOST_PATHS = 200  # reported; the flows with the most packets
_CARRYING = (4, UDP, 41, 47)  # IP protocols: IPv4, UDP, IPv6, GRE
USUAL_MTU = 1500  # of Ethernet: what is larger was not cut yet, or joined


@derived
def path_facts(context: Context) -> list[Path]:
    """Paths of two hops or more, most packets first, at most MOST_PATHS.

    Left out, because others say it better: the carriers of tunnels whose inner flows have paths of their own, and
    Swarm's own traffic unless there is no other. A proxied connection goes on in the one that carries it on.
    """
    found = flow_links(context)
    outside = carriers(context)
    behind = _behind_proxies(context)
    inside = set(behind.values())
    links_ = distinct(found.begins)
    forks = links_[found.forks[links_]]
    begin = np.concatenate([found.source[links_[~found.forks[links_]]], np.array([*behind], dtype=np.int64)])
    starts = distinct(begin[~outside[begin] & ~among(begin, np.array([*inside], dtype=np.int64))])
    forks = forks[~outside[found.source[forks]]]
    rows = np.concatenate([starts, found.source[forks]])
    ways = np.concatenate([np.full(len(starts), -1), forks])
    first = np.concatenate([starts, found.target[forks]])  # by what a path is ranked
    own = swarms_own(context)[first]
    if not own.all():
        rows, ways, first = rows[~own], ways[~own], first[~own]
    order = np.lexsort((rows, context.flows[first, FLOW_FIRST], -counted_once(context)[first]))[:MOST_PATHS]
    return [
        follow(context, row, way if way >= 0 else None)
        for row, way in zip(rows[order].tolist(), ways[order].tolist(), strict=True)
    ]


def all_ways(context: Context, start: int) -> list[Path]:
    """The paths of a trail (`flow_links.trails`) that begins with the flow in row `start`, the main one first."""
    found = flow_links(context)
    branches = np.flatnonzero(found.forks | found.joins)
    mine = branches[trails(found, len(context.flows))[found.source[branches]] == start]
    first = distinct(found.begins[mine])
    first = first[found.forks[first] | (found.source[first] != start)]
    return [follow(context, start)] + [
        follow(context, int(found.source[link]), link if found.forks[link] else None) for link in first.tolist()
    ]


def _behind_proxies(context: Context) -> dict[int, int]:
    """First flow row of a path that ends at a proxy → first row of the one that the proxy carries it on in."""
    behind = {}
    for pair in proxied(context):
        behind[pair.client] = pair.server
        behind[pair.server_answer] = pair.client_answer
    return behind


def change(context: Context, a: np.ndarray, b: np.ndarray, ttl_delta: int) -> list[str]:
    """What happened to a flow between two consecutive hops, given its rows, in the order in which it happens."""
    changes = []
    if a[FLOW_VIA] and not b[FLOW_VIA]:
        changes.append("decapsulated")
    tags_before, tags_after = _tags(a), _tags(b)
    tagged = tags_before != tags_after
    if tagged and not _ends_with(tags_after, tags_before):
        changes.append("vlan-untagged")
    if a[FLOW_FRAGMENTS] and not b[FLOW_FRAGMENTS]:
        changes.append("reassembled")
    if (a[[FLOW_DST_HI, FLOW_DST_LO]] != b[[FLOW_DST_HI, FLOW_DST_LO]]).any() or ports(a)[1] != ports(b)[1]:
        changes.append("dnat")
    moved = any(a[mac] >= 0 and b[mac] >= 0 and a[mac] != b[mac] for mac in (FLOW_SMAC, FLOW_DMAC))
    if ttl_delta < 0 or (moved and a[FLOW_SMAC] != b[FLOW_SMAC]):
        changes.append("routed")
    # SPORT is the identifier of an ICMP query; of an error, it belongs to the packet that it is about.
    by_address = is_icmp_error(a) or (a[FLOW_PROTO] in WITH_ID and "dnat" in changes)
    source_end = [FLOW_SRC_HI, FLOW_SRC_LO] if by_address else [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_SPORT]
    if (a[source_end] != b[source_end]).any():
        changes.append("snat")
    if b[FLOW_FRAGMENTS] and not a[FLOW_FRAGMENTS]:
        changes.append("fragmented")
    if tagged and not _ends_with(tags_before, tags_after):
        changes.append("vlan-tagged")
    if b[FLOW_VIA] and not a[FLOW_VIA]:
        changes.append("encapsulated")
    if not {"routed", "encapsulated", "decapsulated"} & set(changes) and changes != ["dnat", "snat"]:
        if _over_the_wire(context, a, b):
            changes.append("wire")
        elif not tagged:
            changes.append("bridged")
    return changes


def _tags(row: np.ndarray) -> list[int]:
    """VLAN ids, the outermost first: two at most (802.1ad)."""
    vlan = int(row[FLOW_VLAN])
    if vlan < 0:
        return []
    return [vlan] if vlan < 1 << 12 else [vlan & 0xFFF, (vlan >> 12) - 1]


def _ends_with(tags: list[int], inner: list[int]) -> bool:
    """Are these tags the inner ones, or those around them?"""
    return tags[len(tags) - len(inner) :] == inner if len(inner) <= len(tags) else False


def _over_the_wire(context: Context, a: np.ndarray, b: np.ndarray) -> bool:
    one, two = context.points[a[FLOW_POINT]], context.points[b[FLOW_POINT]]
    outside = ("parent", "underlay")
    return host_of(one.name) != host_of(two.name) and one.role in outside and two.role in outside


def follow(context: Context, start: int, by: int | None = None) -> Path:
    """The path that begins with the flow in row `start`; one hop long when no other point saw its packets.

    `by`: the link by which it leaves that flow, where it forks; else the one that most packets take.
    """
    found = flow_links(context)
    flows = context.flows
    packets = counted_once(context)
    way = _chain(found, start, by)
    behind = _behind_proxies(context).get(start)
    if behind is not None:
        way += _chain(found, behind)
    hops = [_hop(context, flows[start], int(packets[start]))]
    second = way[1].link if len(way) > 1 else None
    frame = int(flows[start, FLOW_FIRST_FRAME]) if second is None else int(found.frames[second, 0])
    evidence = [context.flow_evidence(start, frame)]
    for before, (row, link) in pairwise(way):
        hop = _hop(context, flows[row], int(packets[row]))
        if link is None:
            hop.change = ["proxied"]
            frame = int(flows[row, FLOW_FIRST_FRAME])
        else:
            hop.change = change(context, flows[before.row], flows[row], int(found.ttl_delta[link]))
            hop.delta_us = found.delay(link)
            hop.lost = lost(context, found, link)
            if hop.lost is not None:
                octets = int(found.missing_bytes[link])
                hop.lost_bytes = octets if octets >= 0 else None
                hop.outside = round(int(found.outside[link]) / context.sample_share)
            frame = int(found.frames[link, 1])
        hops.append(hop)
        evidence.append(context.flow_evidence(row, frame))
    ends = _ends(context, hops, way[-1].row, replies(context))
    return Path(proto_name(flows[start, FLOW_PROTO]), flow_key(flows[start]), hops, ends, evidence[:10])


class _Step(NamedTuple):
    """One hop: a flow row, and the link that leads to it; None for the first one, and behind a proxy."""

    row: int
    link: int | None


def _chain(found: Links, start: int, by: int | None = None) -> list[_Step]:
    first = int(found.after[start]) if by is None else by
    links = found.chain(first) if first >= 0 else []
    return [_Step(start, None), *(_Step(int(found.target[link]), link) for link in links)]


def _hop(context: Context, row: np.ndarray, packets: int) -> Hop:
    sport, dport = ports(row)
    tunnel = None
    if row[FLOW_VIA]:
        vni = int(row[FLOW_VIA_VNI])
        tunnel = TunnelRef(TUNNEL_NAMES[int(row[FLOW_VIA])], vni if vni >= 0 else None)
    return Hop(
        point=context.points[row[FLOW_POINT]].name,
        src=source(row),
        sport=sport,
        dst=destination(row),
        dport=dport,
        smac=mac_text(int(row[FLOW_SMAC])) if row[FLOW_SMAC] >= 0 else None,
        dmac=mac_text(int(row[FLOW_DMAC])) if row[FLOW_DMAC] >= 0 else None,
        ttl=int(row[FLOW_TTL]) if row[FLOW_TTL] >= 0 else None,
        tunnel=tunnel,
        change=[],
        packets=packets,
        bytes=int(row[FLOW_BYTES]),
        delta_us=None,
        lost=None,
        id=echo_id(row),
    )


def lost(context: Context, found: Links, link: int) -> int | None:
    """Packets of the hop before that are missing here while this point was listening; None where it cannot be told.

    What is sent to a group goes where somebody listens to it: on several ways, and on others not at all.
    Where only a sample of packets was compared, the octets that both flows counted tell most (`correlate.loss`): none
    missing is no loss, and some are as many packets as the flow's others are long. Where they cannot be told either,
    the share of the sample that is missing stands for all; but segmentation offload cuts TCP differently from point to
    point, and cut packets cannot be counted against each other.
    """
    missing = int(found.missing[link])
    octets = int(found.missing_bytes[link])
    if (missing or octets > 0) and to_group(context.flows[found.source[link]]):
        return None
    if context.sample_share == 1.0:
        return missing
    a, b = context.flows[found.source[link]], context.flows[found.target[link]]
    tcp = a[FLOW_PROTO] == TCP
    cut = tcp and (a[FLOW_LARGEST_IP] != b[FLOW_LARGEST_IP] or a[FLOW_LARGEST_IP] > USUAL_MTU)
    if octets == 0 and tcp:
        return 0
    if octets >= 0 and not cut:
        return max(int(a[FLOW_PACKETS] - b[FLOW_PACKETS]), 0)
    if octets > 0:
        return max(1, round(octets * int(a[FLOW_PACKETS]) / int(a[FLOW_PAYLOAD])))
    if missing and tcp:
        same_bytes = all(a[field] == b[field] for field in (FLOW_PAYLOAD, FLOW_FIRST_SEQ, FLOW_NEXT_SEQ))
        if same_bytes and a[FLOW_PACKETS] != b[FLOW_PACKETS]:
            return 0
        if a[FLOW_LARGEST_IP] != b[FLOW_LARGEST_IP] or same_bytes:
            return None
    return round(missing / context.sample_share)


def _ends(context: Context, hops: list[Hop], last: int, answers: np.ndarray) -> str:
    """How the path ends: half of the packets or more gone at a hop is a loss, an answer or a container an arrival."""
    for before, hop in pairwise(hops):
        if hop.lost and 2 * hop.lost >= before.packets:
            return f"lost-after {before.point}"
    role = context.points[int(context.flows[last, FLOW_POINT])].role
    if answers[last] >= 0 or role in ("container", "loopback"):
        return "delivered"
    return "unknown"


def carriers(context: Context) -> np.ndarray:
    """Per flow row: is it the outside of a tunnel whose inside was seen too?"""
    flows = context.flows
    outside = np.zeros(len(flows), dtype=bool)
    rows = outsides(context)
    rows = rows[one_of(flows[rows, FLOW_PROTO], _CARRYING)]  # of ESP nobody sees the inside here
    seen_inside = distinct(flows[flows[:, FLOW_VIA] > 0, FLOW_POINT])
    outside[rows[one_of(flows[rows, FLOW_POINT], seen_inside.tolist())]] = True
    return outside

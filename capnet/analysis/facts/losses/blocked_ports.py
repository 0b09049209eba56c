"""Published ports that nothing answers: SYNs that arrive at their host and that no translation lets in.

Input: flow chains, translations, the topology, stopped flows. Output: one `BlockedPort` per address and port, in order.
A port is published where the topology says so, or where the host translates other connections to it. SYNs that stop on
their way to the host never meet its rules, and are left out; so is a SYN in whose last second the capture ended.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, ports, replies
from capnet.analysis.core.schema import (
    FLOW_DST_END,
    FLOW_FIRST,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SYNS,
    PerFlow,
    Values,
)
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import StoppedFlow, are_of_one_host, stopped_flows
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology
from capnet.topology.port_lookup import addresses_reaching
from capnet.wire.numbers import TCP

MIN_ATTEMPTS = 2  # SYNs to a port that only packets suggest is published
MIN_WAIT_NS = 1_000_000_000  # for an answer: a SYN that is lost is sent again after a second (RFC 6298)


class BlockedPort(NamedTuple):
    """A published port that nothing answers."""

    address: str
    port: int
    server: str | None  # container and port behind it, where the topology names them
    rows: tuple[int, ...]  # first hops of the SYNs
    last_rows: tuple[int, ...]  # their last hops
    attempts: int  # SYNs
    stop: StoppedFlow | None  # where all of them stop, if that is one place


@derived
def blocked_ports(context: Context) -> list[BlockedPort]:
    """The published ports that nothing answers, by address and port."""
    published = _published_ports(context.topology) if context.topology else {}
    blocked = []
    for door, rows in sorted(_unanswered_syns(context, published).items()):
        attempts = int(syns_without_duplicates(context)[rows].sum())
        if door in published or attempts >= MIN_ATTEMPTS:
            last = tuple(flow_links(context).last_hop(row) for row in rows)
            blocked.append(BlockedPort(*door, published.get(door), tuple(rows), last, attempts, _stop(context, last)))
    return blocked


def _stop(context: Context, last_rows: tuple[int, ...]) -> StoppedFlow | None:
    """The best known of the stops, if all flows stop between the same two points."""
    stops = [stop for row in last_rows if (stop := _stops(context).get(row)) is not None]
    if len(stops) < len(last_rows) or len({(stop.point, stop.due) for stop in stops}) > 1:
        return None
    return min(stops, key=lambda stop: stop.rank)


def _last_ns(context: Context) -> Values:
    """When the file of each point recorded its last packet: the point may have been silent since."""
    last: dict[str, int] = {}
    for point in context.points:
        last[point.file] = max(last.get(point.file, 0), point.last or 0)
    return np.array([last[point.file] for point in context.points] or [0])


@derived
def _stops(context: Context) -> dict[int, StoppedFlow]:
    return {stop.row: stop for stop in stopped_flows(context)}


def _never_arrives(context: Context, row: int) -> bool:
    """Do the packets of a first hop stop between two hosts?"""
    stop = _stops(context).get(flow_links(context).last_hop(row))
    return stop is not None and not are_of_one_host(context, stop.point, stop.due)


def _unanswered_syns(context: Context, published: dict[tuple[str, int], str]) -> dict[tuple[str, int], list[int]]:
    """Published address and port → first hops of unanswered SYNs to it that no translation let in."""
    flows, answers, links = context.flows, replies(context), flow_links(context)
    doors = {*published, *nat_facts(context).of_kinds("dnat", "snat+dnat").different("before.dst", "before.dport")}
    unanswered: dict[tuple[str, int], list[int]] = {}
    if not doors:
        return unanswered
    is_first_syn = (flows[:, FLOW_SYNS] > 0) & (flows[:, FLOW_PROTO] == TCP) & (links.before < 0) & (answers < 0)
    is_first_syn &= ~is_answered(context)  # a client that goes on got an answer
    is_first_syn &= _last_ns(context)[flows[:, FLOW_POINT]] - flows[:, FLOW_FIRST] >= MIN_WAIT_NS
    for row in np.flatnonzero(is_first_syn).tolist():
        address, port = destination(flows[row]), ports(flows[row])[1] or 0
        is_kept_out = (address, port) in doors and not _got_in(context, row, answers)
        if is_kept_out and not _never_arrives(context, row):
            unanswered.setdefault((address, port), []).append(row)
    return unanswered


def _published_ports(topology: Topology) -> dict[tuple[str, int], str]:
    """(host's address, port) → the container and its port behind it."""
    return {
        (ip, port.host_port): f"{container.name}:{port.container_port}"
        for host in topology.hosts
        for container in topology.containers
        if container.host == host.name
        for port in container.ports
        for ip in addresses_reaching(port, host)
    }


def _got_in(context: Context, row: int, answers: PerFlow) -> bool:
    """Was this hop, or one behind it, answered, or sent on to another address or port?"""
    links, door = flow_links(context), context.flows[row, FLOW_DST_END]
    while answers[row] < 0 and (context.flows[row, FLOW_DST_END] == door).all():
        link = int(links.after[row])
        if link < 0:
            return False
        row = int(links.target[link])
    return True

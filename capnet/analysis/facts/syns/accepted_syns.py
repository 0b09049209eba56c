"""SYNs that a server accepts beside those that it leaves unanswered, and how the two differ.

Input: flows, flow links, the topology's names of points. Output: the flows of a service, and their `Differences`.
Method: at the points that show both, where they were sent to; where they leave the host; which address family or node
the same clients reach. Limits: MAX_FALLBACKS of the flows without an answer are followed to an IPv4 connection.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import Hashes, distinct, hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, host_of, is_private, replies, reply_values, source
from capnet.analysis.core.schema import FlowMask, FlowRows, Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.vlans import shows_several_links
from capnet.analysis.facts.syns.timestamps import decide_timestamps
from capnet.analysis.fate.next_points import chain_of
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import NODE_PORTS

MAX_FALLBACK_NS = 10_000_000_000  # clients that try one family after the other wait so long at most
MAX_FALLBACKS = 100  # connections of which that is looked for
_CLIENT_PORT = [schema.FLOW_POINT, schema.FLOW_SMAC, schema.FLOW_DPORT]
_SERVICE = schema.FLOW_DST_END


class RowsByKey(NamedTuple):
    """Flow rows in the order of their keys, to look up those of a few keys: there may be thousands of services."""

    rows: FlowRows
    keys: Hashes  # of these rows, sorted

    @classmethod
    def of(cls, keys: Hashes, rows: FlowRows) -> RowsByKey:
        """`keys`: of these rows."""
        order = np.argsort(keys, kind="stable")
        return cls(rows[order], keys[order])

    def having(self, keys: Hashes) -> FlowRows:
        """The rows with any of these keys, in the order of the flow table."""
        wanted = distinct(keys)
        begin, end = (np.searchsorted(self.keys, wanted, side=side).tolist() for side in ("left", "right"))
        parts = [self.rows[first:behind] for first, behind in zip(begin, end, strict=True)]
        return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *parts]))


class ServiceFlows(NamedTuple):
    """Flow rows of the SYNs to one address and port."""

    address: str
    port: int
    rows: FlowRows  # first hops of those that nothing answers
    hops: FlowRows  # all of their hops
    last_rows: FlowRows  # and the last ones
    accepted: FlowRows  # hops of those that it accepted
    of_client: FlowRows  # the accepted ones of the same clients


class Differences(NamedTuple):
    """What tells the SYNs that are accepted from those that nothing answers."""

    macs: list[int]  # that only the accepted ones of other clients were sent to
    exits: list[int]  # points by which only the accepted ones leave the host
    sources: list[str]  # of accepted ones where these are translated to others, at the last point of these
    timestamps: bool  # their TCP timestamps are ahead
    nodes: list[str]  # of a NodePort that accepts nothing: addresses that accept these clients on the same port
    ipv4: list[str]  # of IPv6: IPv4 addresses that accepted the same client on this port right afterwards


def flows_of_service(context: Context, address: str, port: int, rows: FlowRows) -> ServiceFlows:
    """The flows to a service; `rows`: the first hops of those that nothing answers."""
    sources = flow_sources(context)
    hops = _rows_by_chain(context).having(rows)
    last_rows = hops[flow_links(context).after[hops] < 0]
    accepted = _accepted_by_service(context).having(hash_of(context.flows, _SERVICE, hops))
    of_client = accepted[is_among(sources[accepted], sources[hops])]
    return ServiceFlows(address, port, rows, hops, last_rows, accepted, of_client)


def differences(context: Context, service: ServiceFlows) -> Differences:
    """How the SYNs of a service that nothing answers differ from accepted ones."""
    is_of_others = len(service.accepted) > 0 and not len(service.of_client)
    is_meanwhile = accepts_meanwhile(context, service)
    return Differences(
        macs=_other_macs(context, service) if is_of_others else [],
        exits=_other_exits(context, service),
        sources=_other_sources(context, service),
        timestamps=is_meanwhile and decide_timestamps(context, service.rows, service.accepted),
        nodes=[] if len(service.accepted) else _other_nodes(context, service),
        ipv4=_ipv4_fallbacks(context, service),
    )


def accepts_meanwhile(context: Context, service: ServiceFlows) -> bool:
    """Did the service accept a connection of these clients after the first SYN that it did not answer?"""
    accepted = _synack_times(context)[service.of_client]
    return bool((accepted >= began(context, service)).any())


def began(context: Context, service: ServiceFlows) -> int:
    """When the first of the SYNs was sent that nothing answers [ns]."""
    return int(context.flows[service.rows, schema.FLOW_FIRST].min())


def _other_macs(context: Context, service: ServiceFlows) -> list[int]:
    """Where the accepted SYNs went at the points that show both, if these went elsewhere there: another next hop.

    Only at points that show one link: on another one, the next hop has another MAC in any case. A server that its
    neighbours reach by its own MAC has no gateway.
    """
    points, macs = context.flows[:, schema.FLOW_POINT], context.flows[:, schema.FLOW_DMAC]
    hops, accepted = service.hops, service.accepted
    accepted = accepted[~shows_several_links(context)[points[accepted]]]
    shared = accepted[is_among(points[accepted], points[hops]) & (macs[accepted] > 0)]
    if is_among(macs[shared], macs[hops[is_among(points[hops], points[shared])]]).any():
        return []
    by_mac, server = speakers(context), service.address
    return sorted(mac for mac in set(macs[shared].tolist()) if mac not in by_mac or server not in by_mac[mac].own)


def _other_exits(context: Context, service: ServiceFlows) -> list[int]:
    """The points by which accepted SYNs go on behind a point that shows these, too; they leave the host elsewhere."""
    points = context.flows[:, schema.FLOW_POINT]
    passed, of_accepted = set(points[service.hops].tolist()), set(points[service.accepted].tolist())
    ends = set(points[service.last_rows].tolist())
    hosts = {host_of(context.points[point].name) for point in ends}
    if not passed & of_accepted or ends & of_accepted or len(hosts) != 1 or None in hosts:
        return []
    return sorted(point for point in of_accepted - passed if host_of(context.points[point].name) in hosts)


def _other_sources(context: Context, service: ServiceFlows) -> list[str]:
    """The addresses of the accepted SYNs at the one point where these were last seen, if these have others there.

    These are translated: none of them has the address of its client.
    """
    points, sources, ends = context.flows[:, schema.FLOW_POINT], flow_sources(context), service.last_rows
    accepted = service.accepted[is_among(points[service.accepted], points[ends])]
    if len(set(points[ends].tolist())) != 1 or not len(accepted):
        return []
    if is_among(sources[ends], np.concatenate((sources[accepted], sources[service.rows]))).any():
        return []
    return sorted({source(flow) for flow in context.flows[accepted]}, key=address_value)


def _other_nodes(context: Context, service: ServiceFlows) -> list[str]:
    """Addresses that accept the senders of these SYNs on the same port, if it is a NodePort."""
    flows, port = context.flows, service.port
    # Peers of the Internet have such ports, too.
    if port not in NODE_PORTS or not is_private(service.address):
        return []
    sources = flow_sources(context)
    is_its = _is_accepted(context) & (flows[:, schema.FLOW_DPORT] == port)
    is_its &= is_among(sources, sources[service.rows]) & (flow_links(context).before < 0)
    nodes = {destination(flow) for flow in flows[is_its]}
    return sorted((node for node in nodes - {service.address} if is_private(node)), key=address_value)


def _ipv4_fallbacks(context: Context, service: ServiceFlows) -> list[str]:
    """IPv4 addresses that accept the senders of these IPv6 SYNs, on the same port, soon after each of them."""
    if ":" not in service.address:
        return []
    flows = context.flows
    accepting: set[str] = set()
    for row in service.rows[:MAX_FALLBACKS].tolist():
        same = _accepted_by_client_port(context).having(hash_of(flows, _CLIENT_PORT, np.array([row])))
        delay = flows[same, schema.FLOW_FIRST] - flows[row, schema.FLOW_FIRST]
        answering = same[(delay > 0) & (delay <= MAX_FALLBACK_NS)]
        if not len(answering):
            return []
        accepting |= {destination(flows[answer]) for answer in answering.tolist()}
    return sorted(accepting, key=address_value)


@derived
def flow_sources(context: Context) -> Hashes:
    """Per flow: the hash of its source address."""
    return hash_of(context.flows, schema.FLOW_SRC)


@derived
def _rows_by_chain(context: Context) -> RowsByKey:
    chain = chain_of(context)
    return RowsByKey.of(chain, np.arange(len(chain)))


@derived
def _accepted_by_service(context: Context) -> RowsByKey:
    rows = np.flatnonzero(_is_accepted(context))
    return RowsByKey.of(hash_of(context.flows, _SERVICE, rows), rows)


@derived
def _accepted_by_client_port(context: Context) -> RowsByKey:
    """Of IPv4 alone."""
    flows = context.flows
    rows = np.flatnonzero(
        _is_accepted(context) & (flows[:, schema.FLOW_SRC_HI] == 0) & (flows[:, schema.FLOW_SMAC] > 0)
    )
    return RowsByKey.of(hash_of(flows, _CLIENT_PORT, rows), rows)


@derived
def _is_accepted(context: Context) -> FlowMask:
    """Per flow: does it have a SYN that was accepted at its point?"""
    mask: FlowMask = (context.flows[:, schema.FLOW_SYNS] > 0) & (_synack_times(context) >= 0)
    return mask


@derived
def _synack_times(context: Context) -> Values:
    """Per flow: when it was accepted at its point, -1 if it was not."""
    return np.where(replies(context) >= 0, reply_values(context, schema.FLOW_SYNACK_TIME), -1)

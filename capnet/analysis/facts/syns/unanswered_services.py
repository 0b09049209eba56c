"""SYNs that no packet answers, by server, and what else the capture shows of the server.

Input: flows, answers, fates. Output: `UnansweredService`s, by address and port. Method: TCP flows of SYNs alone that
are sent again after the timeout of RFC 6298, whose chain no packet answers and whose next point is not known. Limits:
of the first hops, MAX_FLOWS; not clients that scan; not in a tunnel from which nothing comes back.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, host_of, is_multicast, is_private, replies, reply_values, source
from capnet.analysis.core.schema import FlowMask, FlowRows, Values
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.blocked_ports import blocked_ports
from capnet.analysis.facts.losses.scanning_clients import is_of_scan
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.syns.timestamps import decide_timestamps
from capnet.analysis.fate.answers import other_address_answers, quoting_errors
from capnet.analysis.fate.fates import STOPS, fates
from capnet.analysis.fate.interface_points import is_at_own_interface
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.analysis.fate.verdict.answers_elsewhere import is_answered_elsewhere
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import (
    ICMP,
    ICMP_ECHO_REPLY,
    ICMPV6,
    ICMPV6_ECHO_REPLY,
    TCP,
    TCP_CWR,
    TCP_ECE,
    TCP_RST,
    TCP_SYN,
)

MIN_RETRY_NS = 900_000_000  # a SYN is sent again after 1 s (RFC 6298), timers come early
MAX_FLOWS = 10_000
MIN_QUESTIONS = 2  # for a MAC: a single one may be answered behind the capture
MAX_FALLBACK_NS = 10_000_000_000  # clients that try one family after the other wait so long at most
NODE_PORTS = range(30000, 32768)  # Kubernetes, --service-node-port-range by default
MAX_FALLBACKS = 100  # connections of which that is looked for
_CLIENT_PORT = [schema.FLOW_POINT, schema.FLOW_SMAC, schema.FLOW_DPORT]
_SERVICE = [schema.FLOW_DST_HI, schema.FLOW_DST_LO, schema.FLOW_DPORT]
_SOURCE = [schema.FLOW_SRC_HI, schema.FLOW_SRC_LO]

Shown = Literal["meanwhile", "before", "others", "port", "refusal", "refused", "ping", "gone", "nothing"]


class UnansweredService(NamedTuple):
    """An address and port that leaves SYNs unanswered."""

    address: str
    port: int
    rows: list[int]  # first hops of the flows
    last_rows: list[int]  # their last hops
    syns: int
    shown: Shown  # what does answer: connections to it, of these clients or of others; another port; or nothing. Of one
    # backend, what that one answers; `refused`: this port itself, before; `gone`: all of that before, and no MAC since
    accepted: int  # connections to it
    accepted_clients: list[str]  # whose they are
    other_port: int  # of the address that answers, -1 if none
    other_macs: list[int]  # shown is `others`: the MACs that their SYNs were sent to, if these ones never were
    other_exits: list[int]  # points by which those leave the host from which these leave by another one
    instead: list[str]  # of IPv6: IPv4 addresses that accepted the same client on this port right afterwards
    is_at_server: bool  # all were last seen at the own interface of the station that they are for there
    backends: list[tuple[str, int]]  # address and port that DNAT gave them on their way, in order
    by_timestamps: bool  # it accepts SYNs of the same address whose TCP timestamps are ahead, and no others
    other_nodes: list[str]  # of a NodePort that accepts nothing: addresses that accept these clients on the same port


@derived
def unanswered_services(context: Context) -> list[UnansweredService]:
    """The services with unanswered SYNs, by address and port."""
    rows = _unanswered_rows(context)
    return _services(context, rows[~_is_answered_another_way(context)[rows]])


@derived
def services_answered_another_way(context: Context) -> list[UnansweredService]:
    """The services whose answers are seen where their SYNs do not pass, by address and port."""
    rows = _unanswered_rows(context)
    return _services(context, rows[_is_answered_another_way(context)[rows]])


def _services(context: Context, rows: FlowRows) -> list[UnansweredService]:
    by_service: dict[tuple[str, int], list[int]] = {}
    for row in rows.tolist():
        address = destination(context.flows[row])
        if not is_multicast(address):
            by_service.setdefault((address, int(context.flows[row, schema.FLOW_DPORT])), []).append(row)
    order = sorted(by_service, key=lambda service: (address_value(service[0]), service[1]))
    return [_service(context, *service, by_service[service]) for service in order]


def _is_answered_another_way(context: Context) -> FlowMask:
    """Per flow: is an answer to it seen where none of its hops is?"""
    chain = chain_of(context)
    mask: FlowMask = is_among(chain, chain[is_answered_elsewhere(context)])
    return mask


@derived
def _unanswered_rows(context: Context) -> FlowRows:
    flows, links = context.flows, flow_links(context)
    is_new = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    is_silent = is_new & (flows[:, schema.FLOW_TCP_FLAGS] & ~(TCP_SYN | TCP_ECE | TCP_CWR) == 0)
    is_silent &= flows[:, schema.FLOW_SYN_TIME] - flows[:, schema.FLOW_FIRST] >= MIN_RETRY_NS
    is_silent &= ~is_answered(context)
    rows = np.flatnonzero(is_silent & (links.before < 0))
    if not len(rows):
        return rows
    chain = chain_of(context)
    is_told = (quoting_errors(context) >= 0) | (other_address_answers(context) >= 0)
    outcome = fates(context)
    is_told[outcome.last[outcome.state == STOPS]] = True
    is_told[[row for blocked in blocked_ports(context) for row in blocked.last_rows]] = True
    is_told |= _is_in_one_way_tunnel(context)
    rows = rows[~is_among(rows, chain[is_told])]
    is_closed = is_new & (reply_values(context, schema.FLOW_SYNACK_TIME) < 0 | (replies(context) < 0))
    return rows[~is_of_scan(context, is_new, is_closed)[rows]][:MAX_FLOWS]


def _is_in_one_way_tunnel(context: Context) -> FlowMask:
    """Per flow: is it in a tunnel at a point where the station that it is sent to sends nothing into this tunnel?"""
    flows = context.flows
    place = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_VIA_VNI]
    receivers, senders = (hash_of(flows, [*place, mac]) for mac in (schema.FLOW_DMAC, schema.FLOW_SMAC))
    asks = hash_of(context.arps, [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI, schema.ARP_ETH_SOURCE])
    mask: FlowMask = (flows[:, schema.FLOW_VIA] != 0) & ~is_among(receivers, senders) & ~is_among(receivers, asks)
    return mask


def _service(context: Context, address: str, port: int, rows: list[int]) -> UnansweredService:
    flows = context.flows
    chain, services = chain_of(context), hash_of(flows, _SERVICE)
    hops = np.flatnonzero(is_among(chain, np.array(rows)))
    last_rows = hops[flow_links(context).after[hops] < 0].tolist()
    ends = {(destination(flows[row]), int(flows[row, schema.FLOW_DPORT])) for row in last_rows}
    backends = sorted(ends - {(address, port)}, key=lambda end: (address_value(end[0]), end[1]))
    # Other ports of an address may lead to other backends.
    asked = backends[0] if len(backends) == 1 else (address, port)
    shown, other_port = _other_answer(context, *asked)
    accepted = np.flatnonzero(_accepted(context) & is_among(services, services[hops]))
    if len(accepted):
        sources = hash_of(flows, _SOURCE)
        of_client = accepted[is_among(sources[accepted], sources[hops])]
        last_accepted = _synack_times(context)[of_client].max(initial=-1)
        is_meanwhile = last_accepted >= flows[rows, schema.FLOW_FIRST].min()
        shown = "others" if not len(of_client) else "meanwhile" if is_meanwhile else "before"
    clients = sorted({source(flows[row]) for row in accepted.tolist()}, key=address_value)
    began = int(flows[rows, schema.FLOW_FIRST].min())
    is_gone = shown not in ("nothing", "others", "meanwhile") and is_gone_since(context, asked[0], began)
    shown = "gone" if is_gone else shown
    is_at_home = not is_gone and all(is_at_own_interface(context, row) for row in last_rows)
    return UnansweredService(
        address, port, rows, last_rows, int(syns_without_duplicates(context)[rows].sum()), shown,
        len(set(chain[accepted].tolist())), clients, other_port,
        _other_macs(context, hops, accepted) if shown == "others" else [],
        _other_exits(context, hops, last_rows, accepted), _instead(context, address, rows),
        is_at_home, backends, shown == "meanwhile" and decide_timestamps(context, np.array(rows), accepted),
        [] if len(accepted) else _other_nodes(context, address, port, rows),
    )  # fmt: skip


def _other_nodes(context: Context, address: str, port: int, rows: list[int]) -> list[str]:
    """Addresses that accept the senders of these SYNs on the same port, if it is a NodePort."""
    flows = context.flows
    if port not in NODE_PORTS or not is_private(address):  # peers of the Internet have such ports, too
        return []
    sources = hash_of(flows, _SOURCE)
    is_its = _accepted(context) & (flows[:, schema.FLOW_DPORT] == port) & is_among(sources, sources[rows])
    nodes = {destination(flows[row]) for row in np.flatnonzero(is_its & (flow_links(context).before < 0)).tolist()}
    return sorted((node for node in nodes - {address} if is_private(node)), key=address_value)


def _other_macs(context: Context, hops: FlowRows, accepted: FlowRows) -> list[int]:
    """Where the accepted SYNs went at the points that show both, if these went elsewhere there: another next hop."""
    points, macs = context.flows[:, schema.FLOW_POINT], context.flows[:, schema.FLOW_DMAC]
    shared = accepted[is_among(points[accepted], points[hops]) & (macs[accepted] > 0)]
    if is_among(macs[shared], macs[hops[is_among(points[hops], points[shared])]]).any():
        return []
    return sorted(set(macs[shared].tolist()))


def _other_exits(context: Context, hops: FlowRows, last_rows: list[int], accepted: FlowRows) -> list[int]:
    """The points by which accepted SYNs go on behind a point that shows these, too; they leave the host elsewhere."""
    points = context.flows[:, schema.FLOW_POINT]
    passed, of_accepted = set(points[hops].tolist()), set(points[accepted].tolist())
    ends = set(points[last_rows].tolist())
    hosts = {host_of(context.points[point].name) for point in ends}
    if not passed & of_accepted or ends & of_accepted or len(hosts) != 1 or None in hosts:
        return []
    return sorted(point for point in of_accepted - passed if host_of(context.points[point].name) in hosts)


def _instead(context: Context, address: str, rows: list[int]) -> list[str]:
    """IPv4 addresses that accept the senders of these IPv6 SYNs, on the same port, soon after each of them."""
    if ":" not in address:
        return []
    flows = context.flows
    is_v4 = _accepted(context) & (flows[:, schema.FLOW_SRC_HI] == 0) & (flows[:, schema.FLOW_SMAC] > 0)
    accepting: set[str] = set()
    for row in rows[:MAX_FALLBACKS]:
        delay = flows[:, schema.FLOW_FIRST] - flows[row, schema.FLOW_FIRST]
        same = (flows[:, _CLIENT_PORT] == flows[row, _CLIENT_PORT]).all(axis=1) & (delay > 0)
        answering = np.flatnonzero(is_v4 & same & (delay <= MAX_FALLBACK_NS))
        if not len(answering):
            return []
        accepting |= {destination(flows[answer]) for answer in answering.tolist()}
    return sorted(accepting, key=address_value)


def _accepted(context: Context) -> FlowMask:
    mask: FlowMask = (context.flows[:, schema.FLOW_SYNS] > 0) & (_synack_times(context) >= 0)
    return mask


@derived
def _synack_times(context: Context) -> Values:
    """Per flow: when it was accepted at its point, -1 if it was not."""
    return np.where(replies(context) >= 0, reply_values(context, schema.FLOW_SYNACK_TIME), -1)


def _other_answer(context: Context, address: str, port: int) -> tuple[Shown, int]:
    """What an address answers to any client: a connection, or its refusal, with the port; or an echo request.

    `port`: the one that does not answer; it refused what came before.
    """
    flows, (high, low) = context.flows, address_value(address)
    is_its = (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    is_tcp, kind = flows[:, schema.FLOW_PROTO] == TCP, flows[:, schema.FLOW_KIND] >> 8
    is_reset = is_tcp & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_RST != 0) & (flows[:, schema.FLOW_PAYLOAD] == 0)
    is_reset &= reply_values(context, schema.FLOW_SYNS) > 0
    is_ping = (flows[:, schema.FLOW_PROTO] == ICMP) & (kind == ICMP_ECHO_REPLY)
    is_ping |= (flows[:, schema.FLOW_PROTO] == ICMPV6) & (kind == ICMPV6_ECHO_REPLY)
    for shown, mask in (
        ("port", flows[:, schema.FLOW_SYNACK_TIME] >= 0),
        ("refusal", is_reset & (replies(context) >= 0)),
    ):
        answering = np.flatnonzero(is_its & mask & (flows[:, schema.FLOW_SPORT] != port))
        if len(answering):
            return shown, int(flows[answering[0], schema.FLOW_SPORT])  # type: ignore[return-value]
    if (is_its & is_reset & (replies(context) >= 0)).any():
        return "refused", port
    return ("ping", -1) if (is_its & is_ping).any() else ("nothing", -1)


def is_gone_since(context: Context, address: str, time: int) -> bool:
    """Has an address sent nothing since, and do questions for its MAC stay unanswered? Filters let ARP pass."""
    flows, (high, low) = context.flows, address_value(address)
    is_its = (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    if (flows[is_its, schema.FLOW_LAST] >= time).any():
        return False
    exchanges = _exchanges_of(context).get(address, [])
    if any(of.asker == address and of.last_request >= time for of in exchanges):
        return False
    about = [of for of in exchanges if of.target == address and not (of.is_probe or of.is_announcement)]
    is_answered_since = any(of.last_reply >= time for of in about)
    return not is_answered_since and any(of.requests >= MIN_QUESTIONS and of.last_request > time for of in about)


@derived
def _exchanges_of(context: Context) -> dict[str, list[Exchange]]:
    """Address → the exchanges in which it asks for a MAC, or its own is asked for."""
    exchanges: dict[str, list[Exchange]] = {}
    for of in neighbours(context):
        for address in {of.asker, of.target}:
            exchanges.setdefault(address, []).append(of)
    return exchanges

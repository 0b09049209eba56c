"""Echo requests and questions by UDP that no packet answers, by client and server, and what else the server answers.

Input: flows, answers, fates. Output: `SilentRequests`, one per client, server, protocol and port. Method: flows of
requests whose chain nothing answers, from any port, and no ICMP error quotes, and whose next point is not known; none
of the same client and service is answered. Limits: outside of tunnels; not to groups, and not of a traceroute or
a scan of ports.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_to_groups, destination, replies, reply_values, source
from capnet.analysis.core.schema import FlowMask, FlowRows, Mask
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.scanning_clients import is_of_datagram_scan
from capnet.analysis.facts.outcomes.answers import chain_rows
from capnet.analysis.facts.outcomes.route_probes import are_route_probes
from capnet.analysis.fate.answers import other_address_answers, quoting_errors
from capnet.analysis.fate.chain_values import any_of_chain
from capnet.analysis.fate.fates import STOPS, fates
from capnet.analysis.fate.listening import records_one_direction
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.analysis.fate.verdict.answers_elsewhere import is_answered_elsewhere
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, UDP

MAX_APART_NS = 10_000_000_000  # of the requests and a connection that shows that the server is up
MAX_FLOWS = 10_000
_HOSTS_THERE = [schema.FLOW_POINT, *schema.FLOW_ADDRESSES]
_CLIENT_TO_SERVER = [*schema.FLOW_ADDRESSES, schema.FLOW_SPORT]
_SERVER_TO_CLIENT = [*schema.FLOW_OPPOSITE_ADDRESSES, schema.FLOW_DPORT]


class SilentRequests(NamedTuple):
    """Requests of one client to one service."""

    client: str
    server: str
    port: int  # -1: echo requests
    rows: list[int]  # first hops
    last_rows: list[int]  # and last ones
    packets: int
    span_ns: int  # from the first to the last one
    tcp_port: int  # of the server, at which it accepts this client at that time; -1 if it accepts none


def silent_requests(context: Context, is_request: FlowMask) -> list[SilentRequests]:
    """Those among `is_request`, flows of one protocol, that nothing answers: by server, port and client."""
    flows, links, chain = context.flows, flow_links(context), chain_of(context)
    requests = np.flatnonzero(is_request & (flows[:, schema.FLOW_VIA] == 0))
    if not len(requests):
        return []
    has_answer = is_answered(context) | any_of_chain(context, replies(context) >= 0)  # of clocks, to the same port
    has_answer[requests[_are_answered_from_another_port(context, requests)]] = True
    rows = requests[(links.before[requests] < 0) & ~has_answer[requests]]
    if not len(rows):
        return []
    rows = rows[~are_route_probes(context)[rows] & ~is_of_datagram_scan(context)[rows]]
    rows = rows[~are_to_groups(context, rows) & ~records_one_direction(context)[flows[rows, schema.FLOW_POINT]]]
    rows = rows[~is_among(rows, chain[_has_another_end(context)])]
    has_ports = flows[requests[0], schema.FLOW_KIND] < 0
    service = [*schema.FLOW_ADDRESSES, schema.FLOW_DPORT] if has_ports else schema.FLOW_ADDRESSES
    answered = requests[has_answer[requests]]
    rows = rows[~is_among(hash_of(flows, service, rows), hash_of(flows, service, answered))][:MAX_FLOWS]
    groups: dict[tuple[tuple[int, int], int, tuple[int, int]], list[int]] = {}
    for row in rows.tolist():
        server, client = destination(flows[row]), source(flows[row])
        port = int(flows[row, schema.FLOW_DPORT]) if has_ports else -1
        groups.setdefault((address_value(server), port, address_value(client)), []).append(row)
    accepted = _accepted(context, rows)
    return [_requests(context, key[1], groups[key], accepted) for key in sorted(groups)]


def nothing_comes_back(context: Context, rows: FlowRows | list[int]) -> bool:
    """Do the points of these flows show no packet of any kind that goes to their senders, by address or by MAC?"""
    flows, arps = context.flows, context.arps
    place = [schema.FLOW_POINT]
    sources = hash_of(flows, [*place, *schema.FLOW_SRC], np.asarray(rows))
    comes = is_among(sources, hash_of(flows, [*place, *schema.FLOW_DST]))
    macs = hash_of(flows, [*place, schema.FLOW_SMAC], np.asarray(rows))
    comes |= is_among(macs, hash_of(flows, [*place, schema.FLOW_DMAC]))
    comes |= is_among(macs, hash_of(arps, [schema.ARP_POINT, schema.ARP_ETH_DESTINATION]))
    return not comes.any()


def _are_answered_from_another_port(context: Context, requests: FlowRows) -> Mask:
    """For each request by UDP: does the server send to the port that asks, as TFTP does (RFC 1350 section 4)?"""
    flows = context.flows
    is_udp = flows[:, schema.FLOW_PROTO] == UDP
    answers = hash_of(flows, _SERVER_TO_CLIENT, np.flatnonzero(is_udp))
    result: Mask = is_udp[requests] & is_among(hash_of(flows, _CLIENT_TO_SERVER, requests), answers)
    return result


def _has_another_end(context: Context) -> Mask:
    """Per flow: does it stop between two points, or does an ICMP error or another address answer it?"""
    is_told = (quoting_errors(context) >= 0) | (other_address_answers(context) >= 0) | is_answered_elsewhere(context)
    outcome = fates(context)
    is_told[outcome.last[outcome.state == STOPS]] = True
    return is_told


def _requests(context: Context, port: int, rows: list[int], accepted: dict[int, list[int]]) -> SilentRequests:
    flows, after = context.flows, flow_links(context).after
    last_rows = [int(hop) for row in rows for hop in chain_rows(context, row) if after[hop] < 0]
    first, last = int(flows[rows, schema.FLOW_FIRST].min()), int(flows[rows, schema.FLOW_LAST].max())
    ports = [
        int(flows[of, schema.FLOW_DPORT])
        for key in set(hash_of(flows, _HOSTS_THERE, np.array(rows)).tolist())
        for of in accepted.get(key, ())
        if flows[of, schema.FLOW_FIRST] <= last + MAX_APART_NS and flows[of, schema.FLOW_LAST] >= first - MAX_APART_NS
    ]
    return SilentRequests(
        source(flows[rows[0]]), destination(flows[rows[0]]), port, rows, last_rows,
        int(packets_without_duplicates(context)[rows].sum()), last - first, min(ports, default=-1),
    )  # fmt: skip


def _accepted(context: Context, rows: FlowRows) -> dict[int, list[int]]:
    """Hash of point and hosts → connections that were accepted there, of the clients and servers of these requests."""
    flows = context.flows
    is_new = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] > 0) & (replies(context) >= 0)
    accepted = np.flatnonzero(is_new & (reply_values(context, schema.FLOW_SYNACK_TIME) >= 0))
    keys = hash_of(flows, _HOSTS_THERE, accepted)
    is_wanted = is_among(keys, hash_of(flows, _HOSTS_THERE, rows))
    by_hosts: dict[int, list[int]] = {}
    for key, row in zip(keys[is_wanted].tolist(), accepted[is_wanted].tolist(), strict=True):
        by_hosts.setdefault(key, []).append(row)
    return by_hosts

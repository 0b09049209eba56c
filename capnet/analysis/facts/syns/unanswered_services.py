"""SYNs that no packet answers, by server, and what else the capture shows of the server.

Input: flows, answers, fates. Output: `UnansweredService`s, by address and port. Method: TCP flows of SYNs alone that
are sent again after the timeout of RFC 6298, or that the client gives up sooner and begins anew
(`fate.verdict.given_up`), whose chain no packet answers and whose next point is not known. Limits: of the first hops,
MAX_FLOWS; not clients that scan; not in a tunnel from which nothing comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, is_multicast, is_syn_retried
from capnet.analysis.core.schema import FlowMask, FlowRows
from capnet.analysis.correlate.duplicates import syns_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.blocked_ports import blocked_ports
from capnet.analysis.facts.losses.scanning_clients import is_of_syn_scan
from capnet.analysis.fate.answers import other_address_answers, quoting_errors
from capnet.analysis.fate.fates import STOPS, fates
from capnet.analysis.fate.interface_points import is_at_own_interface
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.analysis.fate.verdict.answers_elsewhere import is_answered_elsewhere
from capnet.analysis.fate.verdict.given_up import are_given_up
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import (
    TCP,
    TCP_CWR,
    TCP_ECE,
    TCP_SYN,
)

if TYPE_CHECKING:
    from capnet.analysis.facts.syns.accepted_syns import Differences, ServiceFlows
    from capnet.analysis.facts.syns.other_answers import OtherAnswer

MAX_FLOWS = 10_000


class UnansweredService(NamedTuple):
    """An address and port that leaves SYNs unanswered, and what else the capture shows of it."""

    address: str
    port: int
    rows: list[int]  # first hops of the flows
    last_rows: list[int]  # their last hops
    syns: int
    backends: list[tuple[str, int]]  # address and port that DNAT gave them on their way, in order
    is_at_server: bool  # all were last seen at the own interface of the station that they are for there
    other_answer: OtherAnswer  # of the only backend, if there is one
    differences: Differences  # from SYNs that are accepted


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
    return [_service(context, *service, np.array(by_service[service])) for service in order]


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
    is_silent &= is_syn_retried(flows) | are_given_up(context)
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
    return rows[~is_of_syn_scan(context)[rows]][:MAX_FLOWS]


def _is_in_one_way_tunnel(context: Context) -> FlowMask:
    """Per flow: is it in a tunnel at a point where the station that it is sent to sends nothing into this tunnel?"""
    flows = context.flows
    place = schema.FLOW_PLACE
    receivers, senders = (hash_of(flows, [*place, mac]) for mac in (schema.FLOW_DMAC, schema.FLOW_SMAC))
    asks = hash_of(context.arps, [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI, schema.ARP_ETH_SOURCE])
    mask: FlowMask = (flows[:, schema.FLOW_VIA] != 0) & ~is_among(receivers, senders) & ~is_among(receivers, asks)
    return mask


def _service(context: Context, address: str, port: int, rows: FlowRows) -> UnansweredService:
    # Most captures have no such service.
    from capnet.analysis.facts.syns.accepted_syns import differences, flows_of_service
    from capnet.analysis.facts.syns.other_answers import other_answer

    service = flows_of_service(context, address, port, rows)
    backends = _backends(context, service)
    # Other ports of an address may lead to other backends.
    server = backends[0] if len(backends) == 1 else (address, port)
    answer = other_answer(context, service, *server)
    last_rows = service.last_rows.tolist()
    return UnansweredService(
        address,
        port,
        rows.tolist(),
        last_rows,
        syns=int(syns_without_duplicates(context)[rows].sum()),
        backends=backends,
        is_at_server=answer.kind != "gone" and all(is_at_own_interface(context, row) for row in last_rows),
        other_answer=answer,
        differences=differences(context, service),
    )


def _backends(context: Context, service: ServiceFlows) -> list[tuple[str, int]]:
    """Where the last hops go, if that is not the service itself."""
    ends = {(destination(flow), int(flow[schema.FLOW_DPORT])) for flow in context.flows[service.last_rows]}
    return sorted(ends - {(service.address, service.port)}, key=lambda end: (address_value(end[0]), end[1]))

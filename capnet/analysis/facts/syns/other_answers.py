"""What else a server answers that leaves SYNs unanswered: how far it works, or that it went down.

Input: flows, questions for MACs. Output: an `OtherAnswer`. Method: connections that the same service accepted say most;
without them what the address answers on other ports, then whether it connects to these clients itself, then what it
answers to an echo request. Limits: of the clients' own view only; what answers elsewhere is not in the capture.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, replies, reply_values, source
from capnet.analysis.core.schema import FlowRows, FlowTable, Mask
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.syns.accepted_syns import RowsByKey, ServiceFlows, accepts_meanwhile, began, flow_sources
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP, ICMP_ECHO_REPLY, ICMPV6, ICMPV6_ECHO_REPLY, TCP, TCP_ACK, TCP_RST

MIN_QUESTIONS = 2  # for a MAC: a single one may be answered behind the capture

Kind = Literal[
    "meanwhile",  # connections of these clients, also after the first of these SYNs
    "before",  # connections of these clients, none since
    "others",  # connections of other clients alone
    "port",  # connections to another port of its address
    "refusal",  # it refuses those to another port
    "refused",  # it refused those to this very port before
    "connects",  # nothing, but it opens connections to these clients itself, and they work
    "later",  # likewise, and it sent nothing until after the last of these SYNs
    "ping",  # echo requests
    "gone",  # it answered before, has sent nothing since, and questions for its MAC stay unanswered
    "nothing",
]
_PAST: tuple[Kind, ...] = ("before", "port", "refusal", "refused", "connects", "ping")  # a server may be gone since


class OtherAnswer(NamedTuple):
    """What a server answers besides."""

    kind: Kind
    connections: int = 0  # to the service, that it accepted
    clients: tuple[str, ...] = ()  # whose they are, in order, with addresses that they were translated to
    senders: tuple[str, ...] = ()  # without these
    port: int = -1  # the other one, of `port` and `refusal`


def other_answer(context: Context, service: ServiceFlows, address: str, port: int) -> OtherAnswer:
    """What a service answers besides. `address` and `port`: of the server that its SYNs are for, behind DNAT."""
    answer = _of_service(context, service) if len(service.accepted) else _of_address(context, service, address, port)
    if answer.kind in _PAST and _is_gone_since(context, address, began(context, service)):
        return OtherAnswer("gone")
    return answer


def _of_service(context: Context, service: ServiceFlows) -> OtherAnswer:
    """Whose connections a service accepted, and when."""
    accepted = service.accepted
    connections = len(set(chain_of(context)[accepted].tolist()))
    first = chain_of(context)[accepted]
    clients, senders = (
        tuple(sorted({source(flow) for flow in context.flows[rows]}, key=address_value)) for rows in (accepted, first)
    )
    kind: Kind = "others"
    if len(service.of_client):
        kind = "meanwhile" if accepts_meanwhile(context, service) else "before"
    return OtherAnswer(kind, connections, clients, senders)


def _of_address(context: Context, service: ServiceFlows, address: str, port: int) -> OtherAnswer:
    """What an address answers to any client. `port`: the one that does not answer; it refused what came before."""
    rows = _rows_from(context, address)
    flows, answered = context.flows[rows], replies(context)[rows]
    is_refusal = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_RST != 0)
    is_refusal &= (flows[:, schema.FLOW_PAYLOAD] == 0) & (answered >= 0)
    is_refusal &= context.flows[answered, schema.FLOW_SYNS] > 0
    is_other_port = flows[:, schema.FLOW_SPORT] != port
    kinds: tuple[tuple[Kind, Mask], ...] = (
        ("port", flows[:, schema.FLOW_SYNACK_TIME] >= 0),
        ("refusal", is_refusal),
    )
    for kind, is_answer in kinds:
        ports = flows[is_answer & is_other_port, schema.FLOW_SPORT]
        if len(ports):
            return OtherAnswer(kind, port=int(ports[0]))
    if is_refusal.any():
        return OtherAnswer("refused")
    called = _whom_it_calls(context, service, rows)
    if called:
        is_later = flows[:, schema.FLOW_FIRST].min() > context.flows[service.rows, schema.FLOW_SYN_TIME].max()
        return OtherAnswer("later" if is_later else "connects", clients=called)
    return OtherAnswer("ping" if _are_echo_replies(flows).any() else "nothing")


def _whom_it_calls(context: Context, service: ServiceFlows, rows: FlowRows) -> tuple[str, ...]:
    """The clients to which the sender of these flows opened connections: its ACK shows that their SYN-ACK came back."""
    flows, clients = context.flows[rows], flow_sources(context)[service.hops]
    is_call = (flows[:, schema.FLOW_SYNS] > 0) & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_ACK != 0)
    is_call &= reply_values(context, schema.FLOW_SYNACK_TIME)[rows] >= 0
    is_call &= is_among(hash_of(flows, schema.FLOW_DST), clients)
    return tuple(sorted({destination(flow) for flow in flows[is_call]}, key=address_value))


def _rows_from(context: Context, address: str) -> FlowRows:
    """The flows that an address sends."""
    return _rows_by_source(context).having(row_hash(np.array([address_value(address)], dtype=np.int64)))


@derived
def _rows_by_source(context: Context) -> RowsByKey:
    sources = flow_sources(context)
    return RowsByKey.of(sources, np.arange(len(sources)))


def _are_echo_replies(flows: FlowTable) -> Mask:
    proto, kind = flows[:, schema.FLOW_PROTO], flows[:, schema.FLOW_KIND] >> 8
    mask: Mask = (proto == ICMP) & (kind == ICMP_ECHO_REPLY)
    return mask | (proto == ICMPV6) & (kind == ICMPV6_ECHO_REPLY)


def _is_gone_since(context: Context, address: str, time: int) -> bool:
    """Has an address sent nothing since, and do questions for its MAC stay unanswered? Filters let ARP pass."""
    if (context.flows[_rows_from(context, address), schema.FLOW_LAST] >= time).any():
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

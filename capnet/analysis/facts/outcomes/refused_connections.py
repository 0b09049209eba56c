"""Connections that were refused, by server: who else tried and was accepted, and what clients asked for.

Input: refused connections (`facts.syns.refusals.refusing_answers`), translations. Output: `Refusals` by the address and
port that refuse. After DNAT, the server that it leads to refuses, once.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import (
    INITIAL_TTLS,
    destination,
    ports,
    replies,
    reply_values,
    source,
)
from capnet.analysis.core.schema import FlowMask, FlowRows, FlowTable, Values
from capnet.analysis.core.wording import endpoint_text
from capnet.analysis.facts.losses.scanning_clients import CLIENT, is_of_syn_scan
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.syns.refusals.refusing_answers import are_connections, refusing_answers
from capnet.analysis.facts.syns.scans.port_scans import is_of_port_scan
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.topology import PublishedPort
from capnet.topology.port_lookup import is_on_all_addresses
from capnet.wire.numbers import TCP

MAX_FALLBACK_NS = 1_000_000_000  # clients try the other address of localhost at once
MAX_ACCEPTED = 100  # connections to a port, of which one may be the other family's
MAX_STRANGE_TRIES = 8  # of a port: who wants to be served insists
_SERVICE = schema.FLOW_DST_END
_SERVED = ("before.dst", "before.dport", "proto", "after.dst", "after.dport")
_CLIENT_THERE = [*schema.FLOW_PLACE, *schema.FLOW_SRC]
Server = tuple[str, int | None]  # address and port


class Refusals(NamedTuple):
    """The connections to one address and port that were refused: flow rows of the answers.

    `services`: what clients asked for, where that is translated to this address and port.
    """

    rows: list[int]
    services: list[str]
    is_scan: bool
    is_in_port_scan: bool  # which tells them all
    strangers: int  # how many addresses of the Internet try it and do nothing else, 0 if others do, too
    other_family: str  # the address of the other family, of the loopback or of one MAC, that accepts the port; or empty
    accepted_before: bool
    accepted_later: bool
    accepted_between: int = 0  # connections of a client that was refused before and after, at one point


def refused_connections(context: Context) -> dict[Server, Refusals]:
    """Server address and port → the flows that refuse."""
    flows, answers = context.flows, refusing_answers(context)
    is_refused = answers >= 0
    if not is_refused.any():
        return {}
    is_asked = are_connections(flows) & (replies(context) >= 0)
    accepted_at = np.where(is_asked, reply_values(context, schema.FLOW_SYNACK_TIME), -1)
    clients = hash_of(flows, CLIENT)
    is_unknown = ~is_among(clients, clients[accepted_at >= 0])
    services, is_scan = hash_of(flows, _SERVICE), is_of_syn_scan(context)
    is_in_port_scan = is_of_port_scan(context)
    rows: dict[Server, list[int]] = {}
    for row in np.flatnonzero(is_refused).tolist():
        rows.setdefault((destination(flows[row]), ports(flows[row])[1]), []).append(row)
    services_of = _without_translated(context, rows)
    for ask in np.flatnonzero(is_refused & (replies(context) < 0)).tolist():
        reset = int(answers[ask])
        named = services_of.setdefault((destination(flows[ask]), ports(flows[ask])[1]), [])
        service = endpoint_text(source(flows[reset]), ports(flows[reset])[0])
        named += [service] * (service not in named)
    refusals = {}
    for server, refused in rows.items():
        accepting = np.flatnonzero((services == services[refused[0]]) & (accepted_at >= 0))
        accepted = accepted_at[accepting]
        first, last = flows[refused, schema.FLOW_FIRST].min(), flows[refused, schema.FLOW_FIRST].max()
        refusals[server] = Refusals(
            answers[refused].tolist(), services_of.get(server, []),
            bool(is_scan[refused].all()), bool(is_in_port_scan[refused].all()),
            _strangers(context, refused, is_unknown), _other_family(context, server, refused, accepted_at),
            bool((accepted < first).any()), bool((accepted > last).any()),
            _accepted_between(flows, refused, accepting),
        )  # fmt: skip
    return refusals


def _accepted_between(flows: FlowTable, refused: list[int], accepted: FlowRows) -> int:
    """How many accepted connections began between refused ones of the same client, at the point that shows most."""
    spans: dict[tuple[int, ...], tuple[int, int]] = {}
    for client, begin in zip(flows[refused][:, _CLIENT_THERE].tolist(), flows[refused, schema.FLOW_FIRST], strict=True):
        first, last = spans.get(tuple(client), (begin, begin))
        spans[tuple(client)] = min(first, begin), max(last, begin)
    between: Counter[tuple[int, ...]] = Counter()
    clients = flows[accepted][:, _CLIENT_THERE].tolist()
    for client, begin in zip(clients, flows[accepted, schema.FLOW_FIRST].tolist(), strict=True):
        first, last = spans.get(tuple(client), (begin, begin))
        between[tuple(client)] += first < begin < last
    return max(between.values(), default=0)


def _strangers(context: Context, refused: list[int], is_unknown: FlowMask) -> int:
    """How many addresses of the Internet these refused flows are of, if all do nothing else, and do not insist; else 0.

    `is_unknown`: flows of clients that have no accepted connection.
    """
    if len(refused) > MAX_STRANGE_TRIES or not is_unknown[refused].all():
        return 0
    addresses = {source(context.flows[row]) for row in refused}
    return len(addresses) if all(ip_address(address).is_global for address in addresses) else 0


def is_loopback_address(address: str) -> bool:
    """Is it an address that only this host has?"""
    return address == "::1" or address.startswith("127.")


def _other_family(context: Context, server: Server, refused: list[int], accepted_at: Values) -> str:
    """The address of the other family at which one host accepts a port, which it refuses at this address.

    One host is a loopback, soon after the refusal, or a MAC of the link that sends the RST itself.
    """
    address, port = server
    flows, is_loopback = context.flows, is_loopback_address(address)
    answers = replies(context)[refused]
    if not is_loopback and not is_one_of(flows[answers, schema.FLOW_TTL], INITIAL_TTLS).all():
        return ""
    rows = np.flatnonzero((accepted_at >= 0) & (flows[:, schema.FLOW_DPORT] == (-1 if port is None else port)))
    for row in rows[:MAX_ACCEPTED].tolist():
        other, delays_ns = destination(flows[row]), flows[row, schema.FLOW_FIRST] - flows[refused, schema.FLOW_FIRST]
        if (":" in other) == (":" in address) or is_loopback_address(other) != is_loopback:
            continue
        if is_loopback and ((delays_ns >= 0) & (delays_ns <= MAX_FALLBACK_NS)).any():
            return other
        is_here = (flows[refused][:, _MAC_THERE] == flows[row, _MAC_THERE]).all() and flows[row, schema.FLOW_DMAC] > 0
        answer = int(replies(context)[row])
        if not is_loopback and is_here and flows[answer, schema.FLOW_TTL] in INITIAL_TTLS:
            return other
    return ""


_MAC_THERE = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_DMAC]


def ttl_from_nearer(context: Context, rows: list[int]) -> tuple[int, int] | None:
    """TTL of these refusals, and of all SYN-ACKs of their sender at the same point, if these passed more routers.

    Of a sender without SYN-ACKs there, those at other points count, if a neighbour of another address sends the
    refusal: the sender is farther away. From farther away, another host answers behind the address, as of a service
    with several backends.
    """
    flows = context.flows
    is_sender = (flows[:, schema.FLOW_SRC] == flows[rows[0], schema.FLOW_SRC]).all(axis=1)
    is_sender &= (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNACK_TIME] >= 0)
    points = flows[rows, schema.FLOW_POINT]
    is_there = is_one_of(points, distinct(flows[is_sender, schema.FLOW_POINT]).tolist())
    row = rows[int(is_there.argmax())]
    is_here = is_sender & (flows[:, schema.FLOW_POINT] == flows[row, schema.FLOW_POINT])
    usual = distinct(flows[is_here if is_here.any() else is_sender, schema.FLOW_TTL]).tolist()
    ttl = int(flows[row, schema.FLOW_TTL])
    is_known = len(usual) == 1 if is_here.any() else len(usual) > 0 and _is_of_neighbour(context, row)
    is_nearer = is_known and ttl > usual[-1] and not any(usual[-1] <= initial < ttl for initial in INITIAL_TTLS)
    return (ttl, usual[-1]) if is_nearer else None


def _is_of_neighbour(context: Context, row: int) -> bool:
    """Does ARP show that the station which sends a flow at its point has other addresses, and not the flow's?"""
    flow, arps = context.flows[row], context.arps
    is_its = (arps[:, schema.ARP_POINT] == flow[schema.FLOW_POINT]) & (arps[:, schema.ARP_VIA] == 0)
    is_its &= (arps[:, schema.ARP_SENDER_MAC] == flow[schema.FLOW_SMAC]) & (arps[:, schema.ARP_SENDER_LO] > 0)
    return bool(is_its.any()) and not (arps[is_its, schema.ARP_SENDER_LO] == flow[schema.FLOW_SRC_LO]).any()


def nearer_ttl(context: Context, rows: list[int]) -> tuple[int, int] | None:
    """TTL of these refusals, and of all SYN-ACKs of their port at the same point, if the refusals have one hop less."""
    flows = context.flows
    row = rows[0]
    is_port = (flows[:, CLIENT] == flows[row, CLIENT]).all(axis=1) & (flows[:, schema.FLOW_PROTO] == TCP)
    is_port &= (flows[:, schema.FLOW_SPORT] == flows[row, schema.FLOW_SPORT]) & (flows[:, schema.FLOW_SYNACK_TIME] >= 0)
    usual, ttls = distinct(flows[is_port, schema.FLOW_TTL]), distinct(flows[rows, schema.FLOW_TTL])
    is_nearer = len(usual) == 1 and int(ttls.min()) == int(usual[0]) + 1
    return (int(ttls.min()), int(usual[0])) if is_nearer else None


def _without_translated(context: Context, rows: dict[Server, list[int]]) -> dict[Server, list[str]]:
    """Leave out of `rows` the connections that another server of `rows` refuses after DNAT; return what it stands for.

    Such a connection is refused once, by the server that it is translated to.
    """
    chain, services_of = chain_of(context), dict[Server, list[str]]()
    translations = nat_facts(context).of_kinds("dnat", "snat+dnat")
    ends = translations.different("before.dst", "before.dport", "after.dst", "after.dport")
    translated = [(end[:2], end[2:]) for end in ends]
    for asked, server in sorted((asked, server) for asked, server in translated if {asked, server} <= rows.keys()):
        if asked == server or asked not in rows:
            continue
        refused_behind = set(chain[rows[server]].tolist())
        own = [row for row in rows[asked] if int(chain[row]) not in refused_behind]
        if len(own) < len(rows[asked]):
            services_of.setdefault(server, []).append(endpoint_text(*asked))
            if own:
                rows[asked] = own
            else:
                del rows[asked]
    return services_of


def backend_of(context: Context, address: str, port: int | None) -> str | None:
    """Address and port that the port of an address was translated to, if that is one and was seen."""
    service = (address, port, "tcp")
    ends = nat_facts(context).of_kinds("dnat", "snat+dnat").different(*_SERVED)
    backends = {endpoint_text(backend, backend_port) for *of, backend, backend_port in ends if tuple(of) == service}
    return backends.pop() if len(backends) == 1 else None


def other_publisher(context: Context, address: str, port: int | None) -> tuple[str, PublishedPort] | None:
    """The container whose port this is at another address of the host, if no container publishes it at this one."""
    hosts = {owner for owner, own, _ in context.topology.addresses() if own == address} if context.topology else set()
    published = [
        (container.name, each)
        for container in (context.topology.containers if context.topology else [])
        for each in container.ports
        if container.host in hosts and each.host_port == port and each.proto == "tcp"
    ]
    if not published or any(is_on_all_addresses(each) or each.host_ip == address for _, each in published):
        return None
    return published[0]

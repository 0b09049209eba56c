"""Name servers that leave questions unanswered, and what is known of why.

Input: flows, DNS messages, ICMP errors. Output: `SilentNameServer`s, by address.
Method: flows of UDP to port 53 of which no hop shows an answer, sent twice, a second or more before the capture ended,
or rejected by ICMP. A server that answers other clients is silent to those alone that get no answer while others do. An
answer counts from whichever address it comes, if it goes to the client's port. Not what is no DNS by its fields, nor of
a client that scans the ports of the server, nor a server that a router cannot reach: `host-unreachable`.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_multicast, replies, source
from capnet.analysis.core.schema import FlowMask, FlowRows
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.icmp_errors import icmp_errors
from capnet.analysis.facts.losses.scanning_clients import is_of_datagram_scan
from capnet.analysis.facts.models.container_signs import asks_for_services
from capnet.analysis.facts.transport.dns_lookups import DnsLookup, dns_lookups, has_dns_header
from capnet.analysis.facts.unreachable_hosts import unreachable_hosts
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import PORT_DNS, TCP, UDP

MIN_WAIT_NS = 1_000_000_000  # the capture must go on so long after a question
MIN_RETRY_NS = 900_000_000  # between questions: resolvers wait 1 s or longer; two at once are A and AAAA
MIN_MESSAGES = 2  # of ICMP "unreachable": as many as make a finding of their own
MAX_NAMES = 1000  # of questions that are looked at for the domain of a cluster
_PORTS = schema.FLOW_SRC_END


class SilentNameServer(NamedTuple):
    """A server and the flow rows of questions to it that have no answer, of the first hop of each.

    `rejecting`: who answers "port unreachable", the server's own address or that of a host before it; or empty.
    `others`: clients that it answered meanwhile. `earlier`: clients that it answered before alone. `asks_cluster`: a
    name in the service domain of Kubernetes was asked.
    """

    server: str
    rows: list[int]
    clients: list[str]
    rejecting: str
    others: list[str]
    earlier: list[str]
    is_by_tcp: bool
    reached: str  # the container's interface that all questions come to; or empty
    asks_cluster: bool


def silent_name_servers(context: Context) -> list[SilentNameServer]:
    """All of them, in the order of their addresses as text."""
    rejecting = {
        error.quoted.dst: error.sender
        for error in sorted(icmp_errors(context), key=lambda error: error.sender == error.quoted.dst)
        if error.is_refused_port and error.quoted.dport == PORT_DNS
    }
    asked: dict[str, list[DnsLookup]] = {}
    for lookup in dns_lookups(context):
        asked.setdefault(lookup.server, []).append(lookup)
    left_out = _asked_without_dns(context) | _out_of_reach(context)
    answered = _AnsweredClients(context)
    silent = []
    for server, unanswered in sorted(_as_asked(context, _unanswered_questions(context, rejecting.keys())).items()):
        rows = answered.without(server, unanswered)
        if not rows or server in left_out:
            continue
        others, earlier = answered.besides(server, rows)
        clients = {source(context.flows[row]) for row in rows}
        lookups = asked.get(server, [])
        if server not in rejecting and not _are_repeated(lookups, clients):
            continue
        is_by_tcp = server not in rejecting and not others and _answers_by_tcp(context, server)
        reached = "" if server in rejecting or is_by_tcp else _reached(context, rows)
        silent.append(
            SilentNameServer(
                server, rows, sorted(clients, key=address_value), rejecting.get(server, ""), others, earlier,
                is_by_tcp, reached,
                asks_for_services(lookup.name or "" for lookup in lookups[:MAX_NAMES]),
            )
        )  # fmt: skip
    return silent


def _as_asked(context: Context, questions: dict[str, list[int]]) -> dict[str, list[int]]:
    """The questions without those that others of them became behind a translation: from the same ports, elsewhere.

    Links between single packets may be missing. A resolver may ask two servers from one port, at one point.
    """
    flows = context.flows
    servers = [server for server, rows in questions.items() for _ in rows]
    rows = np.array([row for of_server in questions.values() for row in of_server], dtype=np.int64)
    first: dict[int, int] = {}
    ports = hash_of(flows, _PORTS, rows).tolist()
    for number in np.argsort(flows[rows, schema.FLOW_FIRST], kind="stable").tolist():
        first.setdefault(ports[number], number)
    earlier = [first[port] for port in ports]
    is_asked = [
        servers[number] == servers[of] or flows[rows[number], schema.FLOW_POINT] == flows[rows[of], schema.FLOW_POINT]
        for number, of in enumerate(earlier)
    ]
    kept = {server for server, asked in zip(servers, is_asked, strict=True) if asked}
    return {server: of_server for server, of_server in questions.items() if server in kept}


class _AnsweredClients:
    """Which clients each server answers, and when last."""

    def __init__(self, context: Context) -> None:
        self._flows, self._last = context.flows, dict[str, dict[str, int]]()
        for row in _answers(context).tolist():
            of_server = self._last.setdefault(source(self._flows[row]), {})
            client = destination(self._flows[row])
            of_server[client] = max(of_server.get(client, 0), int(self._flows[row, schema.FLOW_LAST]))

    def without(self, server: str, rows: list[int]) -> list[int]:
        """Those of these questions that are of clients whom the server does not answer at all."""
        return [row for row in rows if source(self._flows[row]) not in self._last.get(server, {})]

    def besides(self, server: str, rows: list[int]) -> tuple[list[str], list[str]]:
        """Clients that a server answered after it had left the first of these questions unanswered; before alone."""
        of_server = self._last.get(server, {})
        asked_from = int(self._flows[rows, schema.FLOW_FIRST].min())
        later = sorted(client for client, last in of_server.items() if last > asked_from)
        return later, [] if later else sorted(of_server)


def _answers(context: Context) -> FlowRows:
    flows = context.flows
    rows: FlowRows = np.flatnonzero((flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_SPORT] == PORT_DNS))
    return rows


def _reached(context: Context, rows: list[int]) -> str:
    """The container's interface that all of the questions come to, none of which begins there; or empty."""
    flows, links = context.flows, flow_links(context)
    points = set()
    for row in rows:
        last = row
        while links.after[last] >= 0:
            last = int(links.target[links.after[last]])
        points.add(int(flows[last, schema.FLOW_POINT]) if last != row else -1)
    point = context.points[points.pop()] if len(points) == 1 and -1 not in points else None
    return point.name if point is not None and point.role == "container" else ""


def _answers_by_tcp(context: Context, server: str) -> bool:
    """Does the server send data by TCP from its port, as answers are?"""
    flows, (high, low) = context.flows, address_value(server)
    is_its = (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    is_its &= (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SPORT] == PORT_DNS)
    return bool((flows[is_its, schema.FLOW_PAYLOAD] > 0).any())


def _asked_without_dns(context: Context) -> set[str]:
    """Addresses that get something else than DNS at its port: no question, or fields that no RFC defines."""
    table = context.dns.table[context.dns.table[:, schema.DNS_DPORT] == PORT_DNS]
    is_dns = has_dns_header(table) & (table[:, schema.DNS_NAME] >= 0)
    ends = table[:, [schema.DNS_DST_HI, schema.DNS_DST_LO]]
    servers = [{address_text(*end) for end in ends[mask].tolist()} for mask in (~is_dns, is_dns)]
    return servers[0] - servers[1]


def _out_of_reach(context: Context) -> set[str]:
    """Addresses about which a router says by ICMP that it cannot reach them: `host-unreachable`, the cause."""
    messages: dict[str, int] = {}
    for of in unreachable_hosts(context):
        if not of.is_own:
            messages[of.destination] = messages.get(of.destination, 0) + of.messages
    return {address for address, count in messages.items() if count >= MIN_MESSAGES}


def _are_repeated(lookups: list[DnsLookup], clients: set[str]) -> bool:
    """Did one of these clients ask at two different times?"""
    times: dict[str, list[int]] = {}
    for lookup in lookups:
        if lookup.client in clients:
            times.setdefault(lookup.client, []).extend(lookup.asked)
    return any(max(of_client) - min(of_client) >= MIN_RETRY_NS for of_client in times.values())


def _unanswered_questions(context: Context, rejected: Container[str]) -> dict[str, list[int]]:
    """Server → flow rows of the first hops of questions to it that no hop shows an answer to.

    A question to a server that is not `rejected` may get its answer after the capture.
    """
    flows, links = context.flows, flow_links(context)
    last_ns = [point.last or 0 for point in context.points]
    is_answered = _has_answer(context, _answers(context))
    questions: dict[str, list[int]] = {}
    is_question = (flows[:, schema.FLOW_PROTO] == UDP) & (flows[:, schema.FLOW_DPORT] == PORT_DNS)
    is_question &= ~is_of_datagram_scan(context)
    for row in np.flatnonzero(is_question & (links.before < 0)).tolist():
        server = destination(flows[row])
        wait_ns = last_ns[int(flows[row, schema.FLOW_POINT])] - flows[row, schema.FLOW_FIRST]
        if is_multicast(server) or (wait_ns < MIN_WAIT_NS and server not in rejected):
            continue
        if not _is_answered(row, links.after, links.target, is_answered):
            questions.setdefault(server, []).append(row)
    return questions


def _has_answer(context: Context, answers: np.ndarray) -> FlowMask:
    """Per flow: does its point show an answer to it, or any DNS answer to its source port? `answers`: flow rows.

    A bridge shows questions after and answers before translation: they come from another address.
    """
    flows = context.flows
    mask: FlowMask = replies(context) >= 0
    if len(answers):
        sources = hash_of(flows, [schema.FLOW_POINT, *schema.FLOW_SRC_END])
        receivers = [schema.FLOW_POINT, *schema.FLOW_DST_END]
        mask |= is_among(sources, hash_of(flows, receivers, answers))
    return mask


def _is_answered(row: int, after: np.ndarray, target: np.ndarray, is_answered: FlowMask) -> bool:
    """Does this hop, or one behind it, show an answer?"""
    while not is_answered[row]:
        if after[row] < 0:
            return False
        row = int(target[after[row]])
    return True

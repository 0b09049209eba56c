"""What becomes of clients at the addresses that servers name to them.

Input: the addresses of the pass (`aggregate.payload.streams.advertised`), flows, DNS lookups. Output: `Advertised`, one
for each client and address that one server names, at the first point that shows the client's connection. Method: the
client's own connections to that address and port, after the answer and before it; for a name, its DNS questions. A name
that DNS resolves, or that is not asked for, is taken for the server's own where the client connects to the named port
there soon after.
Limits: a name that DNS resolves to another address is not followed: the addresses in DNS answers are not kept.
"""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.payload import AdvertisedAddress
from capnet.analysis.core.results import Evidence
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.correlate.order.own_ends import DOCKER_MAC
from capnet.analysis.facts.outcomes.refused_connections import is_loopback_address
from capnet.analysis.facts.streams.attempts import (
    ACCEPTED,
    UNANSWERED,
    UNREACHABLE,
    attempts_by_client,
    is_unreachable,
    outcome,
)
from capnet.analysis.facts.streams.directions import rows_of_directions
from capnet.analysis.facts.transport.dns_lookups import DnsLookup, dns_lookups
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP

OWN, LOOPBACK = "own", "loopback"  # outcomes beside those of `attempts`
NO_SUCH_NAME, NAME_UNANSWERED = "no-such-name", "name-unanswered"
MIN_WAIT_NS = 3_000_000_000  # up to the end of the capture: a client would have connected or asked DNS again by then
MAX_FOLLOW_NS = 10_000_000_000  # from a redirect to the connection that follows it: clients connect at once
MAX_LABELS = 8  # of a name that is asked for: longer ones are not those that servers name
MAX_LOOKUPS = 20  # of a name, in the evidence
_THIS_HOST = ("localhost", "0.0.0.0", "::")


class Advertised(NamedTuple):
    """An address that a server names to a client, and what becomes of the client there."""

    named: AdvertisedAddress
    row: int  # flow row of the client's connection to the server
    client: str
    server: str
    port: int  # of the server
    outcome: str  # ACCEPTED, OWN, LOOPBACK, REFUSED …; "" where nothing is tried, or what becomes of it is not known
    attempts: list[int]  # flow rows of the connections to the address after the answer, if none is accepted
    evidence: list[Evidence]  # the answer that names it, and what fails


class _Connections(NamedTuple):
    """What the addresses are looked up in."""

    by_client: dict[tuple[int, str, int], list[int]]  # of `attempts_by_client`
    naming: set[int]  # flow rows of clients to which an address is named
    lookups: dict[tuple[str, str], list[DnsLookup]]  # by client and name


@derived
def advertised(context: Context) -> list[Advertised]:
    """In the order of the pass."""
    named = context.advertised
    if not named:
        return []
    servers = rows_of_directions(context, named, TCP)
    rows = np.where(servers >= 0, replies(context)[servers], -1)
    connections = _Connections(
        attempts_by_client(context, {port for address in named for port in (address.port, address.sport)}),
        set(rows.tolist()),
        _lookups(context) if any(not is_address(address.host) for address in named) else {},
    )
    return [
        _advertised(context, address, row, connections)
        for address, row in zip(named, rows.tolist(), strict=True)
        if row >= 0 and flow_links(context).before[row] < 0
    ]


def is_address(host: str) -> bool:
    """Is it an IP address, and no name?"""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _lookups(context: Context) -> dict[tuple[str, str], list[DnsLookup]]:
    """Client and name → its lookups of it, those with the domains of a search list included, in order of time."""
    by_name: dict[tuple[str, str], list[DnsLookup]] = {}
    for lookup in dns_lookups(context):
        labels = (lookup.name or "").split(".") if lookup.is_first_hop else []
        for count in range(1, min(len(labels), MAX_LABELS) + 1):
            by_name.setdefault((lookup.client, ".".join(labels[:count])), []).append(lookup)
    return by_name


def _advertised(context: Context, named: AdvertisedAddress, row: int, connections: _Connections) -> Advertised:
    flow = context.flows[row]
    client, server, port = source(flow), destination(flow), int(flow[schema.FLOW_DPORT])
    answer = [context.evidence(named.point, named.frame)]
    base = named, row, client, server, port
    if (named.host, named.port) == (server, port):
        return Advertised(*base, OWN, [], answer)
    if named.host in _THIS_HOST or is_loopback_address(named.host):
        is_its_own = named.protocol == "http" or is_loopback_address(client) or client == server
        is_open = is_its_own or _is_at_end(context, named) or _is_served(context, named, row, connections)
        return Advertised(*base, "" if is_open else LOOPBACK, [], answer)
    rows = connections.by_client.get((named.point, client, named.port), [])
    of_name = connections.lookups.get((client, named.host), [])
    if is_address(named.host):
        rows = [each for each in rows if destination(context.flows[each]) == named.host]
    elif of_name and not any(lookup.is_found for lookup in of_name):
        unresolved, questions = _unresolved(context, named, of_name)
        if ACCEPTED in (outcome(context, each) for each in rows if _follows(context, named, each)):
            unresolved = ""  # it knows an address all the same: answers of DNS are not recorded
        return Advertised(*base, unresolved, [], answer + questions)
    else:
        rows = [each for each in rows if destination(context.flows[each]) == server and _follows(context, named, each)]
    fate, attempts = _fate(context, named, rows)
    return Advertised(*base, fate, attempts, answer + context.first_frames(attempts))


def _follows(context: Context, named: AdvertisedAddress, row: int) -> bool:
    delay_ns = context.flows[row, schema.FLOW_FIRST] - named.time
    return bool(0 <= delay_ns <= MAX_FOLLOW_NS)


def _fate(context: Context, named: AdvertisedAddress, rows: list[int]) -> tuple[str, list[int]]:
    """What becomes of these connections to an address, and those after the answer; of some it may not be known yet."""
    outcomes = {row: outcome(context, row) for row in rows}
    if ACCEPTED in outcomes.values():
        return ACCEPTED, []
    later = [row for row in rows if context.flows[row, schema.FLOW_FIRST] >= named.time]
    failed = [row for row in later if outcomes[row]]
    if not failed:
        return "", later
    first = outcomes[failed[0]]
    return (UNREACHABLE if first == UNANSWERED and is_unreachable(context, failed[0]) else first), later


def _unresolved(context: Context, named: AdvertisedAddress, of_name: list[DnsLookup]) -> tuple[str, list[Evidence]]:
    """How DNS answers a client's questions for a name, and their frames, those of the last one first.

    A resolver asks with the domains of its search list as well: all of these fail.
    """
    later = [lookup for lookup in of_name if lookup.asked and lookup.asked[-1] >= named.time]
    if not later:
        return "", []
    last = later[-1]
    frames = [frame for lookup in later[: -MAX_LOOKUPS - 1 : -1] for frame in lookup.evidence(context)]
    end = context.points[last.point].last or 0
    if last.is_no_such_name:
        is_last = last.name == named.host or end - last.asked[-1] >= MIN_WAIT_NS  # else other domains may follow
        return (NO_SUCH_NAME if is_last else ""), frames
    is_silent = not last.answers and end - last.asked[0] >= MIN_WAIT_NS
    return (NAME_UNANSWERED if is_silent else ""), frames


def _is_served(context: Context, named: AdvertisedAddress, row: int, connections: _Connections) -> bool:
    """Has the client a connection to the server in which this names no address, and answers?

    A client whose own loopback leads to the server, such as the host of the published port, connects there again. One
    that fails asks for addresses again and again. MongoDB names its members in each connection.
    """
    flows = context.flows
    client, server, port = source(flows[row]), destination(flows[row]), int(flows[row, schema.FLOW_DPORT])
    rows = [each for of in {port, named.port} for each in connections.by_client.get((named.point, client, of), ())]
    others = [each for each in rows if each != row and (named.protocol == "mongodb" or each not in connections.naming)]
    answers = replies(context)
    return any(
        answers[each] >= 0 and flows[answers[each], schema.FLOW_PAYLOAD] > 0 and destination(flows[each]) == server
        for each in others
    )


def _is_at_end(context: Context, named: AdvertisedAddress) -> bool:
    """Does the capture end before a client would have connected?"""
    return (context.points[named.point].last or 0) - named.time < MIN_WAIT_NS


def is_container(context: Context, address: str, row: int) -> bool:
    """Is the client of a connection a container with an address of its own?

    The topology says so, or its MAC, which Docker up to release 27 makes of the address.
    """
    if context.topology:
        return any(address in endpoint.ips for of in context.topology.containers for endpoint in of.endpoints)
    value = address_value(address)[1] & 0xFFFFFFFF
    return ":" not in address and int(context.flows[row, schema.FLOW_SMAC]) == DOCKER_MAC | value


def may_be_gateway(context: Context, address: str) -> bool:
    """Is an address a host's, or may it be that of a bridge, as which the host itself connects to its containers?"""
    if context.topology and context.topology.hosts:
        return any(address in interface.ips for host in context.topology.hosts for interface in host.interfaces)
    return address.endswith((".1", ":1"))

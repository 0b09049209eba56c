"""Datagrams that the host they are for refuses, by server: no program has the port (RFC 1122 section 4.1.3.1).

Input: ICMP errors, flows, translations. Output: `RefusedDatagrams` by address and port. Method: UDP flows that a "port
unreachable" of their own destination quotes, and that have no opposite flow, which an answer that comes too late has.
After DNAT, the server that it leads to refuses, once. Limits: not ports of clients, which are answers to questions that
were not captured, or traceroute; not a host of which a client tries many ports.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, replies
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.core.wording import endpoint_text
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.fate.answers import quoting_errors
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import (
    ICMP_PORT_UNREACHABLE,
    ICMP_UNREACHABLE,
    ICMPV6_PORT_UNREACHABLE,
    ICMPV6_UNREACHABLE,
    UDP,
)

FIRST_CLIENT_PORT = 32768  # net.ipv4.ip_local_port_range of Linux
MAX_PORTS = 5  # of one address: who asks for more scans it
MAX_FLOWS = 10_000
_CODES = ((0, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE), (1, ICMPV6_UNREACHABLE, ICMPV6_PORT_UNREACHABLE))
_SAYS = [schema.ICMP_IS_V6, schema.ICMP_TYPE, schema.ICMP_CODE]


class RefusedDatagrams(NamedTuple):
    """Datagrams to one address and port, which their receiver refuses."""

    address: str
    port: int
    services: list[str]  # what clients asked for, where that is translated to this address and port
    rows: list[int]  # flow rows of the datagrams
    errors: list[Evidence]  # the first refusal of each row


@derived
def refused_udp_ports(context: Context) -> list[RefusedDatagrams]:
    """The ports that refuse, by address."""
    flows = context.flows
    is_wanted = are_refused(context) & (replies(context) < 0) & (flows[:, schema.FLOW_DPORT] < FIRST_CLIENT_PORT)
    by_server: dict[tuple[str, int], list[int]] = {}
    for row in np.flatnonzero(is_wanted)[:MAX_FLOWS].tolist():
        by_server.setdefault((destination(flows[row]), int(flows[row, schema.FLOW_DPORT])), []).append(row)
    services = _services(context, by_server)
    ports: dict[str, int] = {}
    for address, _ in by_server:
        ports[address] = ports.get(address, 0) + 1
    return [
        RefusedDatagrams(address, port, services.get((address, port), []), rows, _errors(context, rows))
        for (address, port), rows in sorted(by_server.items())
        if ports[address] <= MAX_PORTS
    ]


@derived
def are_refused(context: Context) -> FlowMask:
    """Per flow: is it of UDP, and does its own destination quote it in a "port unreachable"?"""
    flows, errors = context.flows, quoting_errors(context)
    mask = (flows[:, schema.FLOW_PROTO] == UDP) & (errors >= 0)
    rows = np.flatnonzero(mask)
    quoting = context.icmp_errors[errors[rows]]
    is_own = (quoting[:, [schema.ICMP_SRC_HI, schema.ICMP_SRC_LO]] == flows[rows[:, None], schema.FLOW_DST]).all(axis=1)
    is_port = np.array([(quoting[:, _SAYS] == code).all(axis=1) for code in _CODES]).any(axis=0)
    mask[rows] = is_own & is_port
    return mask


def _errors(context: Context, rows: list[int]) -> list[Evidence]:
    quoting = context.icmp_errors[quoting_errors(context)[rows]][:, [schema.ICMP_POINT, schema.ICMP_FIRST_FRAME]]
    return [context.evidence(point, frame) for point, frame in quoting.tolist()]


def _services(context: Context, by_server: dict[tuple[str, int], list[int]]) -> dict[tuple[str, int], list[str]]:
    """What stands for servers of `by_server`, from which it is taken: it is refused once, where it leads to."""
    services: dict[tuple[str, int], list[str]] = {}
    translations = nat_facts(context).of_kinds("dnat", "snat+dnat")
    for end in translations.different("before.dst", "before.dport", "after.dst", "after.dport"):
        asked, server = end[:2], end[2:]
        if asked != server and server in by_server:
            services.setdefault(server, []).append(endpoint_text(*asked))
            by_server.pop(asked, None)
    return {server: sorted(set(asked)) for server, asked in services.items()}

"""Who is looked for on a link though its packets come from behind a router: the netmask of that link is too wide.

Input: neighbours, flows. Output: `Lookup`s, one per point, asker and address. Method: an address gets no answer to
ARP or Neighbor Discovery at a point, and its own packets, which no host answers either, come to the asker by another
interface, or at the same one with the MAC and the smaller TTL of a router. Limits: outside of tunnels.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, destination
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.fate.next_points import is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value

MIN_REQUESTS = 2  # a single one may have its answer behind the capture
MIN_PACKETS = 2
MAX_LOOKUPS = 1000
MAX_ROWS = 100  # flows of one address that wait
CONTAINER_ROLES = ("bridge", "veth", "container")


class Lookup(NamedTuple):
    """An address that is looked for on the wrong link, and the rows of its packets that wait for an answer."""

    exchange: Exchange
    rows: list[int]
    is_on_one_link: bool  # its packets come at the same point, from a router; else by another interface

    @property
    def pair(self) -> tuple[str, str, str]:
        """Kind of the question, asker and target."""
        return self.exchange.kind, self.exchange.asker, self.exchange.target


@derived
def on_link_lookups(context: Context) -> list[Lookup]:
    """All lookups, by point and time."""
    exchanges = _unanswered(context)[:MAX_LOOKUPS]
    if not exchanges:
        return []
    rows_of = _waiting_rows(context, {exchange.target for exchange in exchanges})
    lookups = []
    for exchange in exchanges:
        rows = [row for row in rows_of.get(exchange.target, ()) if _is_before(context, row, exchange)]
        for is_on_one_link, matches in ((True, _comes_by_router), (False, _comes_elsewhere)):
            waiting = [row for row in rows if matches(context, row, exchange)]
            if int(packets_without_duplicates(context)[waiting].sum()) >= MIN_PACKETS:
                lookups.append(Lookup(exchange, waiting, is_on_one_link))
                break
    return lookups


def _unanswered(context: Context) -> list[Exchange]:
    """Repeated questions without an answer at any point, for addresses that do not speak themselves at this one."""
    exchanges = [exchange for exchange in neighbours(context) if not exchange.via]
    answered = {(of.kind, of.asker, of.target) for of in exchanges if of.replies}
    speaking = {(of.point, of.asker) for of in exchanges if of.requests}
    speaking |= {(of.point, of.target) for of in exchanges if of.replies}
    return [
        of
        for of in exchanges
        if of.requests - of.unicast_requests >= MIN_REQUESTS
        and not (of.is_probe or of.is_announcement)
        and (of.kind, of.asker, of.target) not in answered
        and (of.point, of.target) not in speaking
    ]


def _waiting_rows(context: Context, addresses: set[str]) -> dict[str, list[int]]:
    """Address → rows of its flows outside of tunnels that got no answer."""
    flows = context.flows
    values = {address_value(address): address for address in addresses}
    is_waiting = ~is_answered(context) & (flows[:, schema.FLOW_VIA] == 0)
    rows: FlowRows = np.flatnonzero(is_waiting)
    wanted = row_hash(np.array(list(values), dtype=np.int64))
    rows = rows[is_among(hash_of(flows, schema.FLOW_SRC, rows), wanted)]
    by_address: dict[str, list[int]] = {}
    for row, *ends in np.column_stack((rows, flows[rows[:, None], schema.FLOW_SRC])).tolist():
        waiting = by_address.setdefault(values[ends[0], ends[1]], [])
        if len(waiting) < MAX_ROWS:
            waiting.append(row)
    return by_address


def _is_before(context: Context, row: int, exchange: Exchange) -> bool:
    """Had the flow begun when the last question was asked?"""
    return bool(context.flows[row, schema.FLOW_FIRST] <= exchange.last_request)


def _comes_by_router(context: Context, row: int, exchange: Exchange) -> bool:
    """Did a router bring the flow to the asker, at the point where it asks?"""
    flow = context.flows[row]
    is_brought = flow[schema.FLOW_POINT] == exchange.point and flow[schema.FLOW_DMAC] == exchange.asker_mac > 0
    is_brought &= flow[schema.FLOW_SMAC] not in (exchange.asker_mac, 0)
    return bool(is_brought and flow[schema.FLOW_TTL] not in INITIAL_TTLS)


def _comes_elsewhere(context: Context, row: int, exchange: Exchange) -> bool:
    """Did the flow come to the asker's address by another interface?"""
    flow = context.flows[row]
    is_other = flow[schema.FLOW_POINT] != exchange.point and destination(flow) == exchange.asker
    return bool(is_other and exchange.asker_mac not in (flow[schema.FLOW_DMAC], flow[schema.FLOW_SMAC]))


def is_missing_proxy(context: Context, lookup: Lookup) -> bool:
    """Is the address behind a host of this very link, which does not answer for it, or else on another network?

    It is behind the host if the host's own bridge shows it. On a card, an IPv6 prefix is divided more often than
    another network has the same one; with IPv4 it is the other way round. Who only passes its packets on, to others,
    is a router that looks for who brought them: a host that translates to an address that it has not does so, too.
    """
    exchange = lookup.exchange
    if not lookup.is_on_one_link or context.points[exchange.point].role in CONTAINER_ROLES:
        return False
    if all(destination(context.flows[row]) != exchange.asker for row in lookup.rows):
        return True
    shows_it = any(of.point != exchange.point and exchange.target in _speakers_of(of) for of in neighbours(context))
    return shows_it or exchange.kind == "nd"


def _speakers_of(exchange: Exchange) -> tuple[str, ...]:
    """Addresses that speak for themselves in an exchange."""
    return (exchange.asker if exchange.requests else "", exchange.target if exchange.replies else "")

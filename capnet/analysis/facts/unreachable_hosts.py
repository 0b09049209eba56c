"""ICMP "host unreachable" and "network unreachable": who says so about whom, and how long after the packet.

A router queues a packet while it asks for the destination's MAC, and says "host unreachable" when no host has answered
(RFC 1812 section 5.2.7.1, RFC 4861 section 7.2.2): seconds later. A rule or an `unreachable` route says so at once.

Input: the ICMP error table, flows. Output: `Unreachable`s, one per sender, destination, port and message. Limits: where
the point does not show the quoted flow, the time is that of the first packet between the two addresses.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies, reply_values
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import IcmpErrorTable, Mask, Values
from capnet.analysis.facts.icmp_errors import without_duplicates
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.numbers import ICMP_UNREACHABLE, ICMPV6_UNREACHABLE, TCP, TCP_CWR, TCP_ECE, TCP_SYN, UDP

NETWORK, HOST = 0, 1  # codes of ICMP_UNREACHABLE
NO_ROUTE_V6, ADDRESS_V6 = 0, 3  # codes of ICMPV6_UNREACHABLE
MIN_RESOLUTION_NS = 900_000_000  # questions for a MAC are a second apart (RFC 1122, RFC 4861), timers come early

_QUOTED_ENDS = [
    schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO, schema.ICMP_QUOTED_DST_HI, schema.ICMP_QUOTED_DST_LO,
]  # fmt: skip

_SENDER = [schema.ICMP_SRC_HI, schema.ICMP_SRC_LO]
_PORTS, _QUOTED_PORTS = [schema.FLOW_SPORT, schema.FLOW_DPORT], [schema.ICMP_QUOTED_SPORT, schema.ICMP_QUOTED_DPORT]
_SERVICE = [schema.FLOW_PROTO, schema.FLOW_DPORT]
_QUOTED_SERVICE = [schema.ICMP_QUOTED_PROTO, schema.ICMP_QUOTED_DPORT]


class Unreachable(NamedTuple):
    """What one host says about one destination."""

    sender: str
    destination: str
    proto: int
    port: int  # of TCP and UDP, else -1
    is_network: bool  # "network unreachable", "no route"; else "host unreachable"
    is_own: bool  # the destination is an address of the sender itself
    messages: int  # the largest number at one point
    receivers: list[str]
    quoted: set[tuple[str, int]]  # sources of the quoted packets, and their ports
    asked: int  # ns by the clock of the point, first packet to the destination; -1: not seen
    shows_quoted: bool  # the points of all messages show the flows that these quote
    answers_others: bool  # the destination answers later, but not those that the messages are about
    first: int  # ns, first message
    last: int  # ns, last one
    evidence: list[Evidence]

    @property
    def is_unresolved(self) -> bool:
        """Did the sender take the time that questions for a MAC take?"""
        return not self.is_network and self.asked >= 0 and self.first - self.asked >= MIN_RESOLUTION_NS


@derived
def unreachable_hosts(context: Context) -> list[Unreachable]:
    """All of them, but for destinations that answer later; a sender's own address, on that port.

    A port may be translated to several addresses in turn: so, about a TCP connection that waited for a MAC, only that
    one counts.
    """
    return [of for of in unreachable_for_some(context) if not of.answers_others]


@derived
def unreachable_for_some(context: Context) -> list[Unreachable]:
    """`unreachable_hosts`, and destinations that answer others later."""
    table = without_duplicates(context)
    is_v6, code = table[:, schema.ICMP_IS_V6] > 0, table[:, schema.ICMP_CODE]
    is_wanted = table[:, schema.ICMP_TYPE] == np.where(is_v6, ICMPV6_UNREACHABLE, ICMP_UNREACHABLE)
    is_wanted &= np.where(is_v6, (code == NO_ROUTE_V6) | (code == ADDRESS_V6), (code == NETWORK) | (code == HOST))
    table = table[is_wanted & (table[:, schema.ICMP_QUOTED_PROTO] >= 0)]
    if not len(table):
        return []
    asked, is_shown = _first_times(context, table)
    answered, own_answered = _answered_until(context, table, asked)
    groups: dict[tuple[str, str, int, int, bool], list[int]] = {}
    for number, row in enumerate(table.tolist()):
        if own_answered[number] <= row[schema.ICMP_LAST]:
            sender = address_text(row[schema.ICMP_SRC_HI], row[schema.ICMP_SRC_LO])
            destination = address_text(row[schema.ICMP_QUOTED_DST_HI], row[schema.ICMP_QUOTED_DST_LO])
            key = (sender, destination, row[schema.ICMP_QUOTED_PROTO], row[schema.ICMP_QUOTED_DPORT],
                   row[schema.ICMP_CODE] == NETWORK)  # fmt: skip
            groups.setdefault(key, []).append(number)
    answers_others = answered > table[:, schema.ICMP_LAST]
    reports = []
    for key, numbers in sorted(groups.items()):
        rows = np.array(numbers)
        silent = rows[~answers_others[rows]]
        rows = silent if len(silent) else rows
        reports.append(
            _unreachable(context, *key, table[rows], asked[rows], is_shown[rows], answers_others=not len(silent))
        )
    return reports


def _unreachable(
    context: Context,
    sender: str,
    destination: str,
    proto: int,
    port: int,
    is_network: bool,
    rows: np.ndarray,
    asked: Values,
    is_shown: Mask,
    *,
    answers_others: bool,
) -> Unreachable:
    messages: dict[int, int] = {}
    for point, packets in rows[:, [schema.ICMP_POINT, schema.ICMP_PACKETS]].tolist():
        messages[point] = messages.get(point, 0) + packets
    # A bridge that translates (bridge-nf-call-iptables) shows the messages, and not what they are about.
    numbers = np.flatnonzero(asked >= 0) if (asked >= 0).any() else np.arange(len(rows))
    earliest = int(numbers[np.argmin(rows[numbers, schema.ICMP_FIRST])])
    speaker = speakers(context).get(int(rows[earliest, schema.ICMP_SMAC]))
    is_own = sender == destination or (speaker is not None and destination in speaker.claimed)
    receivers = {address_text(*ends) for ends in rows[:, [schema.ICMP_DST_HI, schema.ICMP_DST_LO]].tolist()}
    frames = rows[:, [schema.ICMP_POINT, schema.ICMP_FIRST_FRAME]].tolist()
    ends = rows[:, [schema.ICMP_QUOTED_SRC_HI, schema.ICMP_QUOTED_SRC_LO, schema.ICMP_QUOTED_SPORT]].tolist()
    quoted = {(address_text(high, low), port) for high, low, port in ends}
    return Unreachable(
        sender, destination, proto, port, is_network, is_own, max(messages.values()), sorted(receivers), quoted,
        int(asked[earliest]), bool(is_shown.all()), answers_others, int(rows[earliest, schema.ICMP_FIRST]),
        int(rows[:, schema.ICMP_LAST].max()),
        sorted(context.evidence(point, frame) for point, frame in frames),
    )  # fmt: skip


def _first_times(context: Context, errors: IcmpErrorTable) -> tuple[Values, Mask]:
    """Per message: time of the first packet of the quoted flow at its point, of any between its addresses, or -1.

    And whether it is that of the quoted flow.
    """
    is_tcp_or_udp = is_one_of(context.flows[:, schema.FLOW_PROTO], (TCP, UDP))
    flows = context.flows.copy()
    flows[~is_tcp_or_udp, schema.FLOW_SPORT : schema.FLOW_DPORT + 1] = -1
    first, is_shown = np.full(len(errors), -1), np.zeros(len(errors), dtype=bool)
    for ports, quoted_ports in ((_PORTS, _QUOTED_PORTS), ([], [])):
        keys = row_hash(flows[:, [schema.FLOW_POINT, schema.FLOW_PROTO, *schema.FLOW_ADDRESSES, *ports]])
        wanted = row_hash(errors[:, [schema.ICMP_POINT, schema.ICMP_QUOTED_PROTO, *_QUOTED_ENDS, *quoted_ports]])
        order = np.lexsort((flows[:, schema.FLOW_FIRST], keys))
        at = np.minimum(np.searchsorted(keys[order], wanted), max(len(order) - 1, 0))
        if len(order):
            is_found = (keys[order[at]] == wanted) & (first < 0)
            first = np.where(is_found, flows[order[at], schema.FLOW_FIRST], first)
            is_shown |= is_found & bool(ports)
    return first, is_shown


def _answered_until(context: Context, errors: IcmpErrorTable, asked: Values) -> tuple[Values, Values]:
    """Per message: time of the last packet of an answered flow to its destination, -1 if none; of any source, its own.

    Elsewhere another host may have the address, as behind NAT: so flows count at the point of the message, and those
    to the quoted service wherever they are. A host answers on its own address whatever becomes of a port that it
    translates: there, the port counts too.
    """
    is_own = (errors[:, _SENDER] == errors[:, _QUOTED_ENDS[2:]]).all(axis=1)
    place = ([schema.FLOW_POINT, *schema.FLOW_DST], [schema.ICMP_POINT, *_QUOTED_ENDS[2:]])
    to_address = _last_answered(context, place[0], errors[:, place[1]])
    quoted = errors[:, [*_QUOTED_ENDS, *_QUOTED_SERVICE]]
    from_source = _last_answered(context, [*schema.FLOW_ADDRESSES, *_SERVICE], quoted)
    to_port = _last_answered(context, [*schema.FLOW_DST, *_SERVICE], errors[:, [*_QUOTED_ENDS[2:], *_QUOTED_SERVICE]])
    is_connection = (errors[:, schema.ICMP_QUOTED_PROTO] == TCP) & (asked >= 0)
    is_connection &= errors[:, schema.ICMP_FIRST] - asked >= MIN_RESOLUTION_NS
    quoted = errors[:, [*_QUOTED_ENDS, *_QUOTED_PORTS]]
    to_connection = _last_answered(context, [*schema.FLOW_ADDRESSES, *_PORTS], quoted)
    to_own = np.where(is_connection, to_connection, to_port)
    from_address = _last_answered(
        context, [schema.FLOW_POINT, *schema.FLOW_ADDRESSES], errors[:, [schema.ICMP_POINT, *_QUOTED_ENDS]]
    )
    of_any = np.where(is_own, to_own, np.maximum(to_address, from_source))
    return of_any, np.where(is_own, to_own, np.maximum(from_address, from_source))


def _last_answered(context: Context, columns: list[int], wanted_values: IcmpErrorTable) -> Values:
    """Per row of `wanted_values`: time of the last packet of an answered flow with these values, -1 if none.

    SYN-ACKs are answered by nothing but an ACK: a repeated SYN says that they are lost.
    """
    is_in_vain = (context.flows[:, schema.FLOW_SYNACK_TIME] >= 0) & (replies(context) >= 0)
    is_in_vain &= reply_values(context, schema.FLOW_TCP_FLAGS) & ~(TCP_SYN | TCP_ECE | TCP_CWR) == 0
    flows = context.flows[is_answered(context) & ~is_in_vain]
    until = np.full(len(wanted_values), -1)
    if len(flows):
        keys, wanted = row_hash(flows[:, columns]), row_hash(wanted_values)
        order = np.lexsort((-flows[:, schema.FLOW_LAST], keys))
        at = np.minimum(np.searchsorted(keys[order], wanted), len(order) - 1)
        until = np.where(keys[order[at]] == wanted, flows[order[at], schema.FLOW_LAST], until)
    return until

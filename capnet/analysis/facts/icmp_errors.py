"""ICMP errors: who told whom what about which packet, read from the table of the pass.

Input: the ICMP error table (`aggregate.payload.icmp`). Output: `icmp_errors`, equal ones at several points as one, most
frequent first, without messages whose quoted packet was cut off; and `icmp_error_facts`, one per point, as a report has
them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import combined_hash, hash_of, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.keys import MAX_LISTED
from capnet.analysis.core.contract.outcomes import IcmpErrorMessage, QuotedPacket
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, proto_name
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.schema import IcmpErrorTable
from capnet.analysis.correlate.duplicates import duplicates, packets_without_duplicates
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.icmp_names import icmp_error_name
from capnet.wire.numbers import (
    ICMP_PORT_UNREACHABLE,
    ICMP_PROTOCOL_UNREACHABLE,
    ICMP_UNREACHABLE,
    ICMPV6_PARAMETER_PROBLEM,
    ICMPV6_PORT_UNREACHABLE,
    ICMPV6_UNKNOWN_NEXT_HEADER,
    ICMPV6_UNREACHABLE,
    UDP,
)

_ICMP_ENDS = [
    schema.ICMP_POINT, schema.ICMP_SRC_HI, schema.ICMP_SRC_LO, schema.ICMP_DST_HI, schema.ICMP_DST_LO,
]  # fmt: skip
_FLOW_ENDS = [schema.FLOW_POINT, *schema.FLOW_ADDRESSES, schema.FLOW_KIND]


class Quoted(NamedTuple):
    """The packet that an ICMP error is about. Ports: TCP, UDP and SCTP, else -1."""

    proto: int
    src: str
    sport: int
    dst: str
    dport: int


class IcmpError(NamedTuple):
    """One message about one packet's addresses and ports, however often it was sent."""

    is_v6: bool
    type: int
    code: int
    sender: str
    receiver: str
    mtu: int  # next-hop MTU, -1 where the message has none
    quoted: Quoted
    packets: int  # messages, the largest number at one point
    evidence: list[Evidence]  # the first frame at each point

    @property
    def is_refused_port(self) -> bool:
        """Does it say of a UDP datagram that its port is unreachable, from any address?"""
        is_port = (self.type, self.code) == (ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE)
        if self.is_v6:
            is_port = (self.type, self.code) == (ICMPV6_UNREACHABLE, ICMPV6_PORT_UNREACHABLE)
        return is_port and self.quoted.proto == UDP

    @property
    def is_refused_datagram(self) -> bool:
        """Does the receiver of a UDP datagram say itself that nothing listens on its port?"""
        return self.is_refused_port and self.sender == self.quoted.dst

    @property
    def is_refused_protocol(self) -> bool:
        """Does the receiver of a packet say itself that nothing takes its IP protocol?

        Linux says "port unreachable" where a device of this kind exists, but none for the sender.
        """
        codes: tuple[tuple[int, int], ...] = (
            (ICMP_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE), (ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE),
        )  # fmt: skip
        if self.is_v6:
            codes = (
                (ICMPV6_PARAMETER_PROBLEM, ICMPV6_UNKNOWN_NEXT_HEADER), (ICMPV6_UNREACHABLE, ICMPV6_PORT_UNREACHABLE),
            )  # fmt: skip
        return (self.type, self.code) in codes and self.sender == self.quoted.dst and self.quoted.dport < 0

    @property
    def name(self) -> str:
        """`host unreachable`: what it says."""
        return icmp_error_name(self.is_v6, self.type, self.code)


def icmp_error_facts(context: Context) -> list[IcmpErrorMessage]:
    """ICMP errors at each point, most messages first, at most MAX_LISTED."""
    table = context.icmp_errors
    order = np.lexsort((table[:, schema.ICMP_FIRST_FRAME], table[:, schema.ICMP_POINT], -table[:, schema.ICMP_PACKETS]))
    return [_message(context, table[row].tolist()) for row in order[:MAX_LISTED].tolist()]


def _message(context: Context, row: list[int]) -> IcmpErrorMessage:
    is_v6, icmp_type, code = bool(row[schema.ICMP_IS_V6]), row[schema.ICMP_TYPE], row[schema.ICMP_CODE]
    point = row[schema.ICMP_POINT]
    return IcmpErrorMessage(
        point=context.points[point].name,
        proto="icmpv6" if is_v6 else "icmp",
        from_=address_text(row[schema.ICMP_SRC_HI], row[schema.ICMP_SRC_LO]),
        to=address_text(row[schema.ICMP_DST_HI], row[schema.ICMP_DST_LO]),
        type=icmp_type,
        code=code,
        name=icmp_error_name(is_v6, icmp_type, code),
        mtu=_or_none(row[schema.ICMP_MTU]),
        quoted=_quoted_packet(row) if row[schema.ICMP_QUOTED_PROTO] >= 0 else None,
        count=row[schema.ICMP_PACKETS],
        first=row[schema.ICMP_FIRST],
        last=row[schema.ICMP_LAST],
        evidence=[context.evidence(point, row[schema.ICMP_FIRST_FRAME])],
    )


def _quoted_packet(row: list[int]) -> QuotedPacket:
    quoted = _quoted(row)
    proto = proto_name(quoted.proto)
    return QuotedPacket(proto, quoted.src, _or_none(quoted.sport), quoted.dst, _or_none(quoted.dport))


def _or_none(value: int) -> int | None:
    return value if value >= 0 else None


@derived
def without_duplicates(context: Context) -> IcmpErrorTable:
    """The ICMP error table, with each message counted once that its point recorded several times.

    The table has no digests: of the messages from one sender to one receiver, as many are left out as of their flows.
    """
    table, flows = context.icmp_errors, context.flows
    rows = duplicates(context).flow_rows
    if not len(table) or not is_one_of(flows[rows, schema.FLOW_PROTO], ICMP_PROTOCOLS).any():
        return table
    rows = np.flatnonzero(is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS))
    ends, _, number = np.unique(hash_of(flows, _FLOW_ENDS, rows), return_index=True, return_inverse=True)
    recorded, sent = (
        np.bincount(number, weights=packets[rows])
        for packets in (flows[:, schema.FLOW_PACKETS], packets_without_duplicates(context))
    )
    kinds = table[:, schema.ICMP_TYPE] * 256 + table[:, schema.ICMP_CODE]
    wanted = combined_hash([*(table[:, column] for column in _ICMP_ENDS), kinds])
    position = np.minimum(np.searchsorted(ends, wanted), len(ends) - 1)
    share = np.where(ends[position] == wanted, sent[position] / recorded[position], 1.0)
    table = table.copy()
    table[:, schema.ICMP_PACKETS] = np.maximum(np.rint(table[:, schema.ICMP_PACKETS] * share), 1)
    return table


@derived
def icmp_errors(context: Context) -> list[IcmpError]:
    """ICMP errors with the packet that they quote, most frequent first."""
    by_message: dict[tuple[int, ...], list[list[int]]] = {}
    for row in without_duplicates(context).tolist():
        if row[schema.ICMP_QUOTED_PROTO] >= 0:
            key = tuple(value for column, value in enumerate(row[: schema.ICMP_KEY]) if column not in _PLACE)
            by_message.setdefault(key, []).append(row)
    return sorted(
        (_error(context, rows) for rows in by_message.values()), key=lambda error: (-error.packets, error.evidence)
    )


_PLACE = (schema.ICMP_POINT, schema.ICMP_VIA, schema.ICMP_VIA_VNI, schema.ICMP_SMAC)


def _error(context: Context, rows: list[list[int]]) -> IcmpError:
    row = rows[0]
    return IcmpError(
        bool(row[schema.ICMP_IS_V6]),
        row[schema.ICMP_TYPE],
        row[schema.ICMP_CODE],
        address_text(row[schema.ICMP_SRC_HI], row[schema.ICMP_SRC_LO]),
        address_text(row[schema.ICMP_DST_HI], row[schema.ICMP_DST_LO]),
        row[schema.ICMP_MTU],
        _quoted(row),
        max(each[schema.ICMP_PACKETS] for each in rows),
        sorted(context.evidence(each[schema.ICMP_POINT], each[schema.ICMP_FIRST_FRAME]) for each in rows),
    )


def _quoted(row: list[int]) -> Quoted:
    return Quoted(
        row[schema.ICMP_QUOTED_PROTO],
        address_text(row[schema.ICMP_QUOTED_SRC_HI], row[schema.ICMP_QUOTED_SRC_LO]),
        row[schema.ICMP_QUOTED_SPORT],
        address_text(row[schema.ICMP_QUOTED_DST_HI], row[schema.ICMP_QUOTED_DST_LO]),
        row[schema.ICMP_QUOTED_DPORT],
    )


def first_evidence(errors: Iterable[IcmpError]) -> list[Evidence]:
    """The first frame of each of several errors at each point."""
    return sorted({frame for error in errors for frame in error.evidence})

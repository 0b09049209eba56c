"""ICMP errors: who told whom what about which packet, read from the table of the pass.

Input: the ICMP error table (`aggregate.payload.icmp`). Output: `IcmpError`s, equal ones at several points as one, most
frequent first. Limits: messages whose quoted packet was cut off are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import Evidence
from capnet.wire.addresses import address_text
from capnet.wire.numbers import (
    ICMP_PORT_UNREACHABLE,
    ICMP_UNREACHABLE,
    ICMPV6_PORT_UNREACHABLE,
    ICMPV6_UNREACHABLE,
    UDP,
)


class Quoted(NamedTuple):
    """The packet that an ICMP error is about. Ports: TCP and UDP, else -1."""

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
    def is_refused_datagram(self) -> bool:
        """Does the receiver of a UDP datagram say itself that nothing listens on its port?"""
        is_port = (self.type, self.code) == (ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE)
        if self.is_v6:
            is_port = (self.type, self.code) == (ICMPV6_UNREACHABLE, ICMPV6_PORT_UNREACHABLE)
        return is_port and self.quoted.proto == UDP and self.sender == self.quoted.dst


@derived
def icmp_errors(context: Context) -> list[IcmpError]:
    """ICMP errors with the packet that they quote, most frequent first."""
    by_message: dict[tuple[int, ...], list[list[int]]] = {}
    for row in context.icmp_errors.tolist():
        if row[schema.ICMP_QUOTED_PROTO] >= 0:
            key = tuple(value for column, value in enumerate(row[: schema.ICMP_KEY]) if column not in _PLACE)
            by_message.setdefault(key, []).append(row)
    return sorted(
        (_error(context, rows) for rows in by_message.values()), key=lambda error: (-error.packets, error.evidence)
    )


_PLACE = (schema.ICMP_POINT, schema.ICMP_VIA, schema.ICMP_VIA_VNI, schema.ICMP_SMAC)


def _error(context: Context, rows: list[list[int]]) -> IcmpError:
    row = rows[0]
    quoted = Quoted(
        row[schema.ICMP_QUOTED_PROTO],
        address_text(row[schema.ICMP_QUOTED_SRC_HI], row[schema.ICMP_QUOTED_SRC_LO]),
        row[schema.ICMP_QUOTED_SPORT],
        address_text(row[schema.ICMP_QUOTED_DST_HI], row[schema.ICMP_QUOTED_DST_LO]),
        row[schema.ICMP_QUOTED_DPORT],
    )
    return IcmpError(
        bool(row[schema.ICMP_IS_V6]),
        row[schema.ICMP_TYPE],
        row[schema.ICMP_CODE],
        address_text(row[schema.ICMP_SRC_HI], row[schema.ICMP_SRC_LO]),
        address_text(row[schema.ICMP_DST_HI], row[schema.ICMP_DST_LO]),
        row[schema.ICMP_MTU],
        quoted,
        max(each[schema.ICMP_PACKETS] for each in rows),
        sorted(context.evidence(each[schema.ICMP_POINT], each[schema.ICMP_FIRST_FRAME]) for each in rows),
    )


def first_evidence(errors: Iterable[IcmpError], limit: int) -> list[Evidence]:
    """Frames of several errors, at most `limit`."""
    return sorted({frame for error in errors for frame in error.evidence})[:limit]

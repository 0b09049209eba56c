"""The addresses and ports of one direction of a connection, as connection tracking holds them: its tuple.

ICMP has its echo identifier instead of ports, as in `conntrack -L`. `FlowTuple` is one, `TupleColumns` are many.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, has_icmp_errors, is_loopback
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value


class FlowTuple(NamedTuple):
    """Source and destination of a connection in one direction. Ports are None for ICMP, `id` for anything else."""

    src: str
    sport: int | None
    dst: str
    dport: int | None
    id: int | None = None


class TranslationKey(NamedTuple):
    """One translation: the host that does it, the IP protocol number, and the original tuple before and after it."""

    host: str
    proto: int
    before: FlowTuple
    after: FlowTuple


def nat_kind(before: FlowTuple, after: FlowTuple) -> str:
    """`snat`, `dnat` or `snat+dnat`."""
    source_changed = (before.src, before.sport, before.id) != (after.src, after.sport, after.id)
    destination_changed = (before.dst, before.dport) != (after.dst, after.dport)
    if source_changed and destination_changed and before.src == after.src and before.sport == after.sport:
        source_changed = False  # ICMP under DNAT: the identifier belongs to neither end
    if source_changed and destination_changed:
        return "snat+dnat"
    return "snat" if source_changed else "dnat"


class TupleColumns(NamedTuple):
    """One tuple for each row, -1 for a number that it does not have."""

    src_hi: Values
    src_lo: Values
    sport: Values
    dst_hi: Values
    dst_lo: Values
    dport: Values
    id: Values

    def reversed(self) -> TupleColumns:
        """The tuples that packets of the other direction carry when nothing is translated."""
        return TupleColumns(self.dst_hi, self.dst_lo, self.dport, self.src_hi, self.src_lo, self.sport, self.id)

    def take(self, rows: Values) -> TupleColumns:
        """The tuples of these rows."""
        return TupleColumns(*(column[rows] for column in self))

    def flow_tuple(self, row: int) -> FlowTuple:
        """One row as text and numbers."""
        src_hi, src_lo, sport, dst_hi, dst_lo, dport, echo_id = (int(column[row]) for column in self)
        return FlowTuple(
            address_text(src_hi, src_lo),
            _or_none(sport),
            address_text(dst_hi, dst_lo),
            _or_none(dport),
            _or_none(echo_id),
        )

    def put(self, row: int, form: FlowTuple) -> None:
        """Replace one row."""
        values = (
            *address_value(form.src), _or_absent(form.sport), *address_value(form.dst), _or_absent(form.dport),
            _or_absent(form.id),
        )  # fmt: skip
        for column, value in zip(self, values, strict=True):
            column[row] = value

    def has_equal_addresses(self) -> Mask:
        """For each tuple: does an address send to itself over a network?"""
        is_equal: Mask = (self.src_hi == self.dst_hi) & (self.src_lo == self.dst_lo)
        is_local = is_loopback(self.src_hi, self.src_lo) | ((self.src_hi == 0) & (self.src_lo == 1))
        return is_equal & ~is_local


def tuples_of(context: Context, rows: FlowRows) -> TupleColumns:
    """The tuples of these flows, as their packets carry them."""
    flows = context.flows
    proto, sport = flows[rows, schema.FLOW_PROTO], flows[rows, schema.FLOW_SPORT]
    is_icmp = np.zeros(len(rows), dtype=bool)
    for number in ICMP_PROTOCOLS:
        is_icmp |= proto == number
    has_numbers = sport >= 0
    is_echo = is_icmp & has_numbers
    is_echo[is_echo] = ~has_icmp_errors(flows[rows[is_echo]])
    has_ports = has_numbers & ~is_icmp
    return TupleColumns(
        flows[rows, schema.FLOW_SRC_HI],
        flows[rows, schema.FLOW_SRC_LO],
        np.where(has_ports, sport, -1),
        flows[rows, schema.FLOW_DST_HI],
        flows[rows, schema.FLOW_DST_LO],
        np.where(has_ports, flows[rows, schema.FLOW_DPORT], -1),
        np.where(is_echo, sport, -1),
    )


def chosen(mask: Mask, if_true: TupleColumns, if_false: TupleColumns) -> TupleColumns:
    """For each row the tuple of one or of the other."""
    return TupleColumns(*(np.where(mask, a, b) for a, b in zip(if_true, if_false, strict=True)))


def kinds_of(before: TupleColumns, after: TupleColumns) -> tuple[Mask, Mask]:
    """For each translation: does it rewrite the source, does it rewrite the destination? As `tuples.nat_kind`."""
    same_source = (before.src_hi == after.src_hi) & (before.src_lo == after.src_lo) & (before.sport == after.sport)
    is_source = ~same_source | (before.id != after.id)
    is_destination = (before.dst_hi != after.dst_hi) | (before.dst_lo != after.dst_lo) | (before.dport != after.dport)
    # ICMP under DNAT: the identifier belongs to neither end.
    return is_source & ~(is_destination & same_source), is_destination


def _or_none(number: int) -> int | None:
    return None if number < 0 else number


def _or_absent(number: int | None) -> int:
    return -1 if number is None else number

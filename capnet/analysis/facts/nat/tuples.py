"""The addresses and ports of one direction of a connection, as connection tracking holds them: its tuple.

ICMP has its echo identifier instead of ports, as in `conntrack -L`.
"""

from __future__ import annotations

from capnet.analysis.core.flow_rows import destination, echo_id, ports, source
from capnet.analysis.core.schema import FlowRow
from capnet.quick_tuple import NamedTuple


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


def flow_tuple(row: FlowRow) -> FlowTuple:
    """The tuple of a flow, as its packets carry it."""
    sport, dport = ports(row)
    return FlowTuple(source(row), sport, destination(row), dport, echo_id(row))


def reply_tuple(row: FlowRow) -> FlowTuple:
    """The tuple that packets of the other direction carry when nothing is translated."""
    sport, dport = ports(row)
    return FlowTuple(destination(row), dport, source(row), sport, echo_id(row))


def nat_kind(before: FlowTuple, after: FlowTuple) -> str:
    """`snat`, `dnat` or `snat+dnat`."""
    source_changed = (before.src, before.sport, before.id) != (after.src, after.sport, after.id)
    destination_changed = (before.dst, before.dport) != (after.dst, after.dport)
    if source_changed and destination_changed and before.src == after.src and before.sport == after.sport:
        source_changed = False  # ICMP under DNAT: the identifier belongs to neither end
    if source_changed and destination_changed:
        return "snat+dnat"
    return "snat" if source_changed else "dnat"

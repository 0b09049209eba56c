"""Predicates: which flows an address, a port, a protocol or a tunnel chooses.

A predicate is a function of the flows of a capture and their flow chains; its result is a mask of the flow table. A
flow is chosen if the predicate is true at any hop of its chain. Predicates are combined into predicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, echo_id
from capnet.analysis.core.schema import FlowMask, FlowTable, PerFlow
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import AH, ESP, GRE, ICMP, ICMPV6, IGMP, OSPF, PIM, SCTP, TCP, UDP, VRRP
from capnet.wire.protocols import TUNNEL_KINDS

PROTOCOLS = {
    "tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMPV6, "icmpv6": ICMPV6, "sctp": SCTP,
    "esp": ESP, "ah": AH, "gre": GRE, "igmp": IGMP, "vrrp": VRRP, "ospf": OSPF, "pim": PIM,
}  # fmt: skip
FAMILIES = ("ip", "ip6", "ipv6")
TUNNELS = {kind.name: kind for kind in TUNNEL_KINDS if kind.name not in PROTOCOLS}
# The word before the id of a tunnel, as in `vni 4097`, and the kinds with such an id.
TUNNEL_IDS = {
    kind.id_name.lower(): [other for other in TUNNEL_KINDS if other.id_name == kind.id_name]
    for kind in TUNNEL_KINDS
    if kind.id_name and not kind.is_encrypted
}


@dataclass
class ChainedFlows:
    """What predicates are asked about: the flows of a capture, and for each flow the first row of its flow chain."""

    context: Context
    chains: PerFlow

    @property
    def table(self) -> FlowTable:
        """The flow table."""
        return self.context.flows

    def at_any_hop(self, mask: FlowMask) -> FlowMask:
        """For each flow: is the mask true at any hop of its chain?"""
        is_chosen = np.zeros(len(self.chains), dtype=bool)
        is_chosen[self.chains[mask]] = True
        return is_chosen[self.chains]


Predicate = Callable[[ChainedFlows], FlowMask]


# -- combinations -----------------------------------------------------------------------------------------
def both(first: Predicate, second: Predicate) -> Predicate:
    """Both are true."""
    return lambda flows: first(flows) & second(flows)


def negated(predicate: Predicate) -> Predicate:
    """The predicate is false."""
    return lambda flows: ~predicate(flows)


def combined(first: Predicate, others: Sequence[tuple[bool, Predicate]]) -> Predicate:
    """`first` combined with the others from left to right: with True by and, with False by or.

    A loop, so that a long expression does not nest as deep as it is long.
    """

    def predicate(flows: ChainedFlows) -> FlowMask:
        mask = first(flows)
        for is_and, other in others:
            mask = mask & other(flows) if is_and else mask | other(flows)
        return mask

    return predicate


# -- what they choose -------------------------------------------------------------------------------------
def has_address(table: FlowTable, value: tuple[int, int], end: str) -> FlowMask:
    """For each flow of a table: does it have an address, given as its halves, at an end (src, dst, any, both)?"""
    hi, lo = value
    return _at_end(
        (table[:, schema.FLOW_SRC_HI] == hi) & (table[:, schema.FLOW_SRC_LO] == lo),
        (table[:, schema.FLOW_DST_HI] == hi) & (table[:, schema.FLOW_DST_LO] == lo),
        end,
    )


def network(first: int, prefix: int, end: str) -> Predicate:
    """Addresses of a network: its first address and prefix length, of 128 bits."""
    netmask = ((1 << prefix) - 1) << (128 - prefix)
    mask_hi, mask_lo = np.uint64(netmask >> 64), np.uint64(netmask & (1 << 64) - 1)
    first_hi, first_lo = np.uint64(first >> 64), np.uint64(first & (1 << 64) - 1)

    def predicate(flows: ChainedFlows) -> FlowMask:
        table = flows.table.view(np.uint64)
        is_source = table[:, schema.FLOW_SRC_HI] & mask_hi == first_hi
        is_source &= table[:, schema.FLOW_SRC_LO] & mask_lo == first_lo
        is_destination = table[:, schema.FLOW_DST_HI] & mask_hi == first_hi
        is_destination &= table[:, schema.FLOW_DST_LO] & mask_lo == first_lo
        return flows.at_any_hop(_at_end(is_source, is_destination, end))

    return predicate


def ports(first: int, last: int, end: str) -> Predicate:
    """Ports from `first` to `last`. ICMP identifiers are in the same columns and are no ports."""

    def predicate(flows: ChainedFlows) -> FlowMask:
        table = flows.table
        has_ports = ~is_one_of(table[:, schema.FLOW_PROTO], ICMP_PROTOCOLS)
        sport, dport = table[:, schema.FLOW_SPORT], table[:, schema.FLOW_DPORT]
        is_source = has_ports & (sport >= first) & (sport <= last)
        is_destination = has_ports & (dport >= first) & (dport <= last)
        return flows.at_any_hop(_at_end(is_source, is_destination, end))

    return predicate


def protocol(name: str) -> Predicate:
    """A protocol or an address family of PROTOCOLS and FAMILIES."""

    def predicate(flows: ChainedFlows) -> FlowMask:
        table = flows.table
        if name in FAMILIES:
            is_v4 = (table[:, schema.FLOW_SRC_HI] == 0) & (table[:, schema.FLOW_SRC_LO] >> 32 == MAPPED >> 32)
            return flows.at_any_hop(is_v4 if name == "ip" else ~is_v4)
        return flows.at_any_hop(table[:, schema.FLOW_PROTO] == PROTOCOLS[name])

    return predicate


def tunnel(kind: int) -> Predicate:
    """Flows inside a kind of tunnel, given as its number, and flows that carry it."""

    def predicate(flows: ChainedFlows) -> FlowMask:
        is_inside = flows.table[:, schema.FLOW_VIA] == kind
        return flows.at_any_hop(is_inside | (flows.table[:, schema.FLOW_CARRIES] == kind))

    return predicate


def tunnel_id(word: str, number: int) -> Predicate:
    """Flows inside a tunnel with this id, and flows that carry it; after `vni`, a tunnel of any kind."""
    kinds = [kind.number for kind in (TUNNEL_KINDS if word == "vni" else TUNNEL_IDS[word])]

    def predicate(flows: ChainedFlows) -> FlowMask:
        table = flows.table
        is_inside = is_one_of(table[:, schema.FLOW_VIA], kinds) & (table[:, schema.FLOW_VIA_VNI] == number)
        is_carrier = is_one_of(table[:, schema.FLOW_CARRIES], kinds) & (table[:, schema.FLOW_CARRIES_VNI] == number)
        return flows.at_any_hop(is_inside | is_carrier)

    return predicate


def echo_identifier(number: int) -> Predicate:
    """ICMP and ICMPv6 echo with this identifier."""

    def predicate(flows: ChainedFlows) -> FlowMask:
        table = flows.table
        mask = is_one_of(table[:, schema.FLOW_PROTO], ICMP_PROTOCOLS) & (table[:, schema.FLOW_SPORT] == number)
        mask[mask] = [echo_id(row) is not None for row in table[mask]]
        return flows.at_any_hop(mask)

    return predicate


def mac(value: int, end: str) -> Predicate:
    """A MAC address."""

    def predicate(flows: ChainedFlows) -> FlowMask:
        is_source, is_destination = flows.table[:, schema.FLOW_SMAC] == value, flows.table[:, schema.FLOW_DMAC] == value
        return flows.at_any_hop(_at_end(is_source, is_destination, end))

    return predicate


def _at_end(is_source: FlowMask, is_destination: FlowMask, end: str) -> FlowMask:
    mask: FlowMask
    if end == "src":
        mask = is_source
    elif end == "dst":
        mask = is_destination
    elif end == "both":
        mask = is_source & is_destination
    else:
        mask = is_source | is_destination
    return mask

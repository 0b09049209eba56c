"""What the words of a flow expression mean: which rows of the flow table a value, a protocol or a tunnel chooses.

A mask is asked about a context and its trails, once these are known; masks are put together from masks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capnet.analysis.core.arrays import one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import WITH_ID, echo_id
from capnet.analysis.core.schema import (
    FLOW_CARRIES,
    FLOW_CARRIES_VNI,
    FLOW_DMAC,
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_PROTO,
    FLOW_SMAC,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_VIA,
    FLOW_VIA_VNI,
)
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import AH, ESP, GRE, ICMP, ICMPV6, IGMP, SCTP, TCP, UDP
from capnet.wire.protocols import TUNNEL_KINDS

PROTOCOLS = {
    "tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMPV6, "icmpv6": ICMPV6, "sctp": SCTP, "esp": ESP, "ah": AH,
    "gre": GRE, "igmp": IGMP,
}  # fmt: skip
FAMILIES = ("ip", "ip6", "ipv6")
TUNNELS = {kind.name: kind for kind in TUNNEL_KINDS if kind.name not in PROTOCOLS}
# The word before the id of a tunnel, as in `vni 4097`, and the kinds with such an id.
TUNNEL_IDS = {
    kind.id_name.lower(): [other for other in TUNNEL_KINDS if other.id_name == kind.id_name]
    for kind in TUNNEL_KINDS
    if kind.id_name and not kind.is_encrypted
}

Mask = Callable[["Meaning"], np.ndarray]  # which flow rows


@dataclass
class Meaning:
    """What masks are made from: the flows of a context, and which of them are hops of one trail."""

    context: Context
    trail: np.ndarray

    def anywhere(self, rows: np.ndarray) -> np.ndarray:
        """Per flow row: does `rows` hold at any hop of its trail?"""
        found = np.zeros(len(self.trail), dtype=bool)
        found[self.trail[rows]] = True
        return found[self.trail]


def both(one: Mask, two: Mask) -> Mask:
    return lambda on: one(on) & two(on)


def in_turn(first: Mask, more: list[tuple[bool, Mask]]) -> Mask:
    """`first`, then with each of the others: and (True), or (False). However many there are, nothing is nested."""

    def mask(on: Meaning) -> np.ndarray:
        rows = first(on)
        for narrows, other in more:
            rows = rows & other(on) if narrows else rows | other(on)
        return rows

    return mask


def negated(one: Mask) -> Mask:
    return lambda on: ~one(on)


def _ended(source: np.ndarray, target: np.ndarray, end: str) -> np.ndarray:
    if end == "src":
        return source
    if end == "dst":
        return target
    return source & target if end == "both" else source | target


def address(flows: np.ndarray, where: tuple[int, int], end: str) -> np.ndarray:
    hi, lo = where
    return _ended(
        (flows[:, FLOW_SRC_HI] == hi) & (flows[:, FLOW_SRC_LO] == lo),
        (flows[:, FLOW_DST_HI] == hi) & (flows[:, FLOW_DST_LO] == lo),
        end,
    )


def network(first: int, prefix: int, end: str) -> Mask:
    whole = ((1 << prefix) - 1) << (128 - prefix)
    masks = [np.uint64(whole >> 64), np.uint64(whole & (1 << 64) - 1)]
    wanted = [np.uint64(first >> 64), np.uint64(first & (1 << 64) - 1)]

    def mask(on: Meaning) -> np.ndarray:
        flows = on.context.flows.view(np.uint64)

        def inside(hi: int, lo: int) -> np.ndarray:
            return (flows[:, hi] & masks[0] == wanted[0]) & (flows[:, lo] & masks[1] == wanted[1])

        return on.anywhere(_ended(inside(FLOW_SRC_HI, FLOW_SRC_LO), inside(FLOW_DST_HI, FLOW_DST_LO), end))

    return mask


def ports(low: int, high: int, end: str) -> Mask:
    def mask(on: Meaning) -> np.ndarray:
        flows = on.context.flows
        ported = ~one_of(flows[:, FLOW_PROTO], WITH_ID)  # theirs are identifiers
        inside = [ported & (flows[:, each] >= low) & (flows[:, each] <= high) for each in (FLOW_SPORT, FLOW_DPORT)]
        return on.anywhere(_ended(inside[0], inside[1], end))

    return mask


def protocol(name: str) -> Mask:
    def mask(on: Meaning) -> np.ndarray:
        flows = on.context.flows
        if name in FAMILIES:
            four = (flows[:, FLOW_SRC_HI] == 0) & (flows[:, FLOW_SRC_LO] >> 32 == MAPPED >> 32)
            return on.anywhere(four if name == "ip" else ~four)
        return on.anywhere(flows[:, FLOW_PROTO] == PROTOCOLS[name])

    return mask


def tunnelled(kind: int) -> Mask:
    return lambda on: on.anywhere((on.context.flows[:, FLOW_VIA] == kind) | (on.context.flows[:, FLOW_CARRIES] == kind))


def tunnel_id(word: str, number: int) -> Mask:
    """Flows inside of a tunnel with this id, and flows that carry it; after `vni`, a tunnel of any kind."""
    numbers = [kind.number for kind in (TUNNEL_KINDS if word == "vni" else TUNNEL_IDS[word])]

    def mask(on: Meaning) -> np.ndarray:
        flows = on.context.flows
        inside = one_of(flows[:, FLOW_VIA], numbers) & (flows[:, FLOW_VIA_VNI] == number)
        carries = one_of(flows[:, FLOW_CARRIES], numbers) & (flows[:, FLOW_CARRIES_VNI] == number)
        return on.anywhere(inside | carries)

    return mask


def echo(number: int) -> Mask:
    def mask(on: Meaning) -> np.ndarray:
        flows = on.context.flows
        rows = one_of(flows[:, FLOW_PROTO], WITH_ID) & (flows[:, FLOW_SPORT] == number)
        rows[rows] = [echo_id(row) is not None for row in flows[rows]]
        return on.anywhere(rows)

    return mask


def mac(number: int, end: str) -> Mask:
    return lambda on: on.anywhere(
        _ended(on.context.flows[:, FLOW_SMAC] == number, on.context.flows[:, FLOW_DMAC] == number, end)
    )

"""Rows of the tables → the vocabulary of facts. The only place that turns their numbers into words."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network

import numpy as np

from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import FlowKey
from capnet.analysis.core.schema import (
    FLOW_DEPTH,
    FLOW_DMAC,
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_KIND,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_VIA,
    FLOW_VIA_VNI,
)
from capnet.wire.addresses import address_text
from capnet.wire.numbers import ESP, GRE, ICMP, ICMP_ERRORS, ICMPV6, ICMPV6_ERRORS, SCTP, TCP, UDP

PROTO_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmpv6", GRE: "gre", ESP: "esp", SCTP: "sctp"}
WITH_ID = (ICMP, ICMPV6)  # SPORT and DPORT hold the echo identifier, or of an error the ports it is about
_ERRORS = {ICMP: ICMP_ERRORS, ICMPV6: ICMPV6_ERRORS}

_PRIVATE = ip_network("fc00::/7")

# What hosts start with: Linux and macOS 64, Windows 128, routers and link-local protocols 255.
INITIAL_TTLS = (64, 128, 255)


def proto_name(number: int) -> str:
    """17 → `udp`; protocols without a name of their own here → `ip-89`."""
    return PROTO_NAMES.get(int(number), f"ip-{int(number)}")


def source(row: np.ndarray) -> str:
    """Source address of a flow row."""
    return address_text(int(row[FLOW_SRC_HI]), int(row[FLOW_SRC_LO]))


def destination(row: np.ndarray) -> str:
    """Destination address of a flow row."""
    return address_text(int(row[FLOW_DST_HI]), int(row[FLOW_DST_LO]))


def ports(row: np.ndarray) -> tuple[int | None, int | None]:
    """Source and destination port of a flow row; None where the protocol has none."""
    if row[FLOW_PROTO] in WITH_ID or row[FLOW_SPORT] < 0:
        return None, None
    return int(row[FLOW_SPORT]), int(row[FLOW_DPORT])


def echo_id(row: np.ndarray) -> int | None:
    """ICMP echo identifier of a flow row, None for anything else."""
    if row[FLOW_PROTO] in WITH_ID and row[FLOW_SPORT] >= 0 and not is_icmp_error(row):
        return int(row[FLOW_SPORT])
    return None


def is_icmp_error(row: np.ndarray) -> bool:
    """An ICMP message about another packet."""
    return row[FLOW_KIND] >> 8 in _ERRORS.get(int(row[FLOW_PROTO]), ())


def flow_key(row: np.ndarray) -> FlowKey:
    sport, dport = ports(row)
    return FlowKey(source(row), sport, destination(row), dport)


def host_of(name: str) -> str | None:
    """Host of a point called `host/…`; None when the name does not tell (a plain file stem)."""
    host, slash, _ = name.partition("/")
    return host if slash else None


def seen_by(context: Context, roles: Iterable[str]) -> np.ndarray:
    """Per flow row: was it seen at a point with one of these roles?"""
    wanted = set(roles)
    return np.array([point.role in wanted for point in context.points] or [False])[context.flows[:, FLOW_POINT]]


@lru_cache(maxsize=1 << 16)
def is_multicast(address: str) -> bool:
    """Multicast or limited broadcast."""
    if ":" in address:
        return ip_address(address).is_multicast
    return 224 <= int(address.partition(".")[0]) < 240 or address == "255.255.255.255"


def to_group(row: np.ndarray) -> bool:
    """Was a flow row sent to many: by its destination address, or by its destination MAC?"""
    return is_multicast(destination(row)) or (row[FLOW_DMAC] > 0 and is_multicast_mac(row[FLOW_DMAC]))


def is_private(address: str) -> bool:
    """An address of a private network (RFC 1918, RFC 4193)."""
    if ":" in address:
        return ip_address(address) in _PRIVATE
    first, second, _ = address.split(".", 2)
    return first == "10" or (first, second) == ("192", "168") or (first == "172" and 16 <= int(second) < 32)


def is_multicast_mac(value: int) -> bool:
    """Group bit of a MAC address (IEEE 802): broadcast and multicast destinations."""
    return bool(int(value) >> 40 & 1)


@derived
def replies(context: Context) -> np.ndarray:
    """Per flow row: the row of the opposite direction at the same place (ICMP: of any type), -1 if none."""
    flows = context.flows
    if not len(flows):
        return np.zeros(0, dtype=np.int64)
    source, target, place = (row_hash(flows[:, columns]) for columns in (_SOURCE, _DESTINATION, _PLACE))
    both = row_hash(np.stack((np.minimum(source, target), np.maximum(source, target), place), axis=1))
    order = np.argsort(both)
    starts = np.flatnonzero(np.append(True, both[order[1:]] != both[order[:-1]]))
    sizes = np.diff(np.append(starts, len(order)))
    at = np.arange(len(flows))
    pairs = starts[sizes == 2]
    at[order[pairs]], at[order[pairs + 1]] = order[pairs + 1], order[pairs]
    # Few conversations are more than two rows: those of ICMP have one for each type.
    many = np.flatnonzero(np.repeat(sizes > 2, sizes))
    if len(many):
        rows = np.sort(order[many])
        mine = row_hash(np.stack((source[rows], target[rows], place[rows]), axis=1))
        theirs = row_hash(np.stack((target[rows], source[rows], place[rows]), axis=1))
        by_mine = np.argsort(mine, kind="stable")
        first = np.minimum(np.searchsorted(mine[by_mine], theirs), len(rows) - 1)
        at[rows] = rows[by_mine[first]]
    found = np.ones(len(flows), dtype=bool)
    for one, other in zip(_SOURCE + _DESTINATION + _PLACE, _DESTINATION + _SOURCE + _PLACE, strict=True):
        found &= flows[at, one] == flows[:, other]
    return np.where(found, at, -1)


_SOURCE = [FLOW_SRC_HI, FLOW_SRC_LO, FLOW_SPORT]
_DESTINATION = [FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
_PLACE = [FLOW_POINT, FLOW_VIA, FLOW_VIA_VNI, FLOW_DEPTH, FLOW_PROTO]

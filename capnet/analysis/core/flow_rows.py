"""Reads rows of the flow table: addresses, ports, protocols and replies in the words of facts.

Input: rows of `core.schema`, and addresses and MACs as facts have them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import Hashes, combined_hash, first_equal, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.results import FlowKey
from capnet.analysis.core.schema import FlowMask, FlowRow, FlowRows, FlowTable, Mask, PerFlow, Values
from capnet.topology import container_in_name
from capnet.wire.addresses import MAPPED, address_text
from capnet.wire.fields import ABSENT
from capnet.wire.numbers import ICMP, ICMP_ERRORS, ICMPV6, ICMPV6_ERRORS
from capnet.wire.numbers import proto_name as proto_name  # beside the other words of flows
from capnet.wire.protocols import TUNNEL_KINDS

Numbers = TypeVar("Numbers", int, Values)

ICMP_PROTOCOLS = (ICMP, ICMPV6)  # SPORT and DPORT hold the echo identifier, or of an error the ports it is about
_ERRORS = {ICMP: ICMP_ERRORS, ICMPV6: ICMPV6_ERRORS}

_PRIVATE = ip_network("fc00::/7")

MIN_SYN_RETRY_NS = 900_000_000  # a SYN is sent again after 1 s (RFC 6298), timers come early; sooner is no retry

# TTLs that packets start with: Linux and macOS 64, Windows 128, routers and link-local protocols 255.
INITIAL_TTLS = (64, 128, 255)
# VRRP and CARP (RFC 9568 section 7.3), HSRP, HSRP version 2, GLBP: the first octets of their MACs.
_VIRTUAL_ROUTERS = ((0x00005E0001, 8), (0x00005E0002, 8), (0x00000C07AC, 8), (0x00000C9FF, 12), (0x0007B400, 16))


def source(row: FlowRow) -> str:
    """Source address of a flow row."""
    return address_text(int(row[schema.FLOW_SRC_HI]), int(row[schema.FLOW_SRC_LO]))


def destination(row: FlowRow) -> str:
    """Destination address of a flow row."""
    return address_text(int(row[schema.FLOW_DST_HI]), int(row[schema.FLOW_DST_LO]))


def ports(row: FlowRow) -> tuple[int | None, int | None]:
    """Source and destination port of a flow row; None where the protocol has none."""
    if row[schema.FLOW_PROTO] in ICMP_PROTOCOLS or row[schema.FLOW_SPORT] < 0:
        return None, None
    return int(row[schema.FLOW_SPORT]), int(row[schema.FLOW_DPORT])


def first_sequence_number(first_seq: Numbers) -> Numbers:
    """That of a flow's first packet, of TCP; `first_seq` is column FLOW_FIRST_SEQ, which packs two numbers."""
    return (first_seq >> 32) + (1 << 31)


def sequence_span(first_seq: Numbers, next_seq: Numbers) -> Numbers:
    """Sequence numbers of a flow, those of SYN and FIN among them, modulo 2³²; of the columns of these names."""
    return (next_seq - first_sequence_number(first_seq)) & 0xFFFFFFFF


def first_acknowledgment(first_seq: Numbers) -> Numbers:
    """The acknowledgment number of a flow's first packet, of TCP; `first_seq` is column FLOW_FIRST_SEQ."""
    return first_seq & 0xFFFFFFFF


def awaited_acknowledgment(first_seq: Numbers) -> Numbers:
    """The number that a SYN-ACK acknowledges; `first_seq` is column FLOW_FIRST_SEQ of the SYN, which has one octet."""
    return (first_sequence_number(first_seq) + 1) & 0xFFFFFFFF


def is_syn_retried(flows: FlowTable) -> FlowMask:
    """Per flow: did its SYN without ACK come again, as late as no answer to the first one lets a host repeat it?"""
    mask: FlowMask = flows[:, schema.FLOW_SYN_TIME] - flows[:, schema.FLOW_FIRST] >= MIN_SYN_RETRY_NS
    return mask


def echo_id(row: FlowRow) -> int | None:
    """ICMP echo identifier of a flow row, None for anything else."""
    if row[schema.FLOW_PROTO] in ICMP_PROTOCOLS and row[schema.FLOW_SPORT] >= 0 and not is_icmp_error(row):
        return int(row[schema.FLOW_SPORT])
    return None


def vlan_tags(row: FlowRow) -> list[int]:
    """VLAN ids of the first packet of a flow, the outermost first: two at most (802.1ad)."""
    return vlan_ids(int(row[schema.FLOW_VLAN]))


def vlan_ids(value: int) -> list[int]:
    """The VLAN ids that a value of FLOW_VLAN stands for, the outermost first."""
    if value < 0:
        return []
    return [value] if value < 1 << 12 else [value & 0xFFF, (value >> 12) - 1]


def is_icmp_error(row: FlowRow) -> bool:
    """Is it an ICMP message about another packet?"""
    return row[schema.FLOW_KIND] >> 8 in _ERRORS.get(int(row[schema.FLOW_PROTO]), ())


def has_icmp_errors(flows: FlowTable) -> FlowMask:
    """Per flow: are its packets ICMP messages about other packets?"""
    kind = flows[:, schema.FLOW_KIND] >> 8
    result = np.zeros(len(flows), dtype=bool)
    for protocol, errors in _ERRORS.items():
        result |= (flows[:, schema.FLOW_PROTO] == protocol) & is_one_of(kind, errors)
    return result


def flow_key(row: FlowRow) -> FlowKey:
    """Addresses and ports of a flow row."""
    sport, dport = ports(row)
    return FlowKey(source(row), sport, destination(row), dport)


@lru_cache(maxsize=1 << 10)
def host_of(name: str) -> str | None:
    """Host of a point called `host/…`; None for other names: of a file, or of a container whose host is not known."""
    host, slash, _ = name.partition("/")
    return host if slash and not container_in_name(name) else None


def is_at_roles(context: Context, roles: Iterable[str]) -> FlowMask:
    """Per flow: is its point one with one of these roles?"""
    roles = set(roles)
    has_role = np.array([point.role in roles for point in context.points] or [False])
    return has_role[context.flows[:, schema.FLOW_POINT]]


@lru_cache(maxsize=1 << 16)
def is_multicast(address: str) -> bool:
    """Is an address multicast, or the limited broadcast?"""
    if ":" in address:
        return ip_address(address).is_multicast
    return 224 <= int(address.partition(".")[0]) < 240 or address == "255.255.255.255"


def are_multicast(high: Values, low: Values) -> Mask:
    """Per address, given by its halves: is it multicast, or the limited broadcast?"""
    is_v4, address = (high == 0) & (low >> 32 == MAPPED >> 32), low & 0xFFFFFFFF
    mask: Mask = is_v4 & ((address >> 28 == 14) | (address == 0xFFFFFFFF)) | ~is_v4 & (high >> 56 & 0xFF == 0xFF)
    return mask


def are_to_groups(context: Context, rows: FlowRows) -> Mask:
    """Were the packets of each row sent to a group: by the destination MAC, or by a multicast or broadcast address?"""
    columns = (schema.FLOW_DMAC, *schema.FLOW_DST)
    mac, high, low = (context.flows[rows, column] for column in columns)
    return (mac > 0) & are_multicast_macs(mac) | are_multicast(high, low)


def is_to_group(row: FlowRow) -> bool:
    """Is a flow multicast or broadcast, by its destination address or its destination MAC?"""
    return is_multicast(destination(row)) or (row[schema.FLOW_DMAC] > 0 and is_multicast_mac(row[schema.FLOW_DMAC]))


@lru_cache(maxsize=1 << 16)
def is_private(address: str) -> bool:
    """Is it an address of a private network (RFC 1918, RFC 4193)?"""
    if ":" in address:
        return ip_address(address) in _PRIVATE
    first, second, _ = address.split(".", 2)
    return first == "10" or (first, second) == ("192", "168") or (first == "172" and 16 <= int(second) < 32)


def is_loopback(high: Any, low: Any) -> Any:
    """Is an address in 127.0.0.0/8? `high` and `low` are its halves, integers or arrays."""
    return (high == 0) & (low >> 24 == (MAPPED >> 24) + 127)


def sends_to_itself(flows: FlowTable) -> FlowMask:
    """Per flow: does an address send to itself over a network? No host does: it is a hairpin between DNAT and SNAT."""
    high, low = flows[:, schema.FLOW_SRC_HI], flows[:, schema.FLOW_SRC_LO]
    is_equal = (high == flows[:, schema.FLOW_DST_HI]) & (low == flows[:, schema.FLOW_DST_LO])
    result: FlowMask = is_equal & ~is_loopback(high, low)
    return result


def is_multicast_mac(value: int) -> bool:
    """Has a MAC address the group bit (IEEE 802), as broadcast and multicast destinations have?"""
    return bool(int(value) >> 40 & 1)


def is_virtual_router(mac: int) -> bool:
    """Is a MAC one that routers share, of VRRP, CARP, HSRP or GLBP?"""
    return any(mac >> bits == prefix for prefix, bits in _VIRTUAL_ROUTERS)


def are_multicast_macs(values: Values) -> Mask:
    """Per MAC address: has it the group bit?"""
    mask: Mask = values >> 40 & 1 == 1
    return mask


@derived
def replies(context: Context) -> PerFlow:
    """Per flow: the row of the opposite direction at the same point (ICMP: of any type), -1 if there is none."""
    flows = context.flows
    if not len(flows):
        return np.zeros(0, dtype=np.int64)
    has_other_id = is_one_of(flows[:, schema.FLOW_VIA], _KINDS_WITH_ID_PER_DIRECTION)
    if has_other_id.any():
        flows = flows.copy()
        flows[has_other_id, schema.FLOW_VIA_VNI] = ABSENT
    ends = (schema.FLOW_SRC_END, schema.FLOW_DST_END)
    source, destination = ([flows[:, column] for column in columns] for columns in ends)
    place = [_places(flows), flows[:, schema.FLOW_VIA_VNI]]
    candidates = _reply_candidates(*(combined_hash(columns) for columns in (source, destination, place)))
    is_reply = np.ones(len(flows), dtype=bool)
    for column, opposite in zip((*source, *destination, *place), (*destination, *source, *place), strict=True):
        is_reply &= column[candidates] == opposite
    return np.where(is_reply, candidates, -1)


def _places(flows: FlowTable) -> PerFlow:
    """Point, kind of tunnel, depth and protocol of each flow as one number: the bits are those of `flow_record`."""
    kinds = ((flows[:, schema.FLOW_PROTO] + 1) << 7) + (flows[:, schema.FLOW_DEPTH] << 4) + flows[:, schema.FLOW_VIA]
    places: PerFlow = (flows[:, schema.FLOW_POINT] << 16) + kinds
    return places


@derived
def reply_values(context: Context, column: int) -> PerFlow:
    """Per flow: this column of its reply, of any row where there is none."""
    return context.flows[:, column][replies(context)]


def _reply_candidates(sources: Hashes, destinations: Hashes, places: Hashes) -> PerFlow:
    """Per flow: the only row that can be its reply, itself if there is none; all given as hashes per flow."""
    ends = combined_hash([sources, destinations, places])
    opposite_ends = combined_hash([destinations, sources, places])
    reply = first_equal(ends, opposite_ends)
    candidates = np.where(reply >= 0, reply, np.arange(len(ends)))
    # Between two equal ends, the other one of two rows is the reply.
    rows = np.flatnonzero(ends == opposite_ends)
    if len(rows):
        order = rows[np.argsort(ends[rows], kind="stable")]
        starts = np.flatnonzero(np.append(True, ends[order[1:]] != ends[order[:-1]]))
        sizes = np.diff(np.append(starts, len(order)))
        pairs = starts[sizes == 2]
        candidates[order[pairs]], candidates[order[pairs + 1]] = order[pairs + 1], order[pairs]
    return candidates


# The answer to a packet in such a tunnel has another id: it is found by its addresses and ports alone.
_KINDS_WITH_ID_PER_DIRECTION = [kind.number for kind in TUNNEL_KINDS if kind.has_id_per_direction]

"""The connections of one capture, compactly: what says whether another capture has the same ones.

Output: an array of CONNECTION, a row for each pair of ends, whatever the number of points and the direction.
A row has the ends in the order of their values, both times, and the first sequence number of the opening SYN.
Limits: left out is what other hosts have too without being the same: loopback, link-local and unspecified addresses,
and protocols without ports or echo identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import Hashes, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, first_sequence_number
from capnet.analysis.core.schema import FlowMask, FlowTable, Values
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import TCP

KEY = ("low_hi", "low_lo", "high_hi", "high_lo", "ports")  # ports: protocol << 32 | port of low << 16 | of high
CONNECTION = np.dtype(  # hash: of the key; opening: 0 = not captured
    [("hash", "u8"), *((name, "i8") for name in (*KEY, "first", "last", "packets", "bytes", "opening"))]
)
Connections: TypeAlias = Annotated[np.ndarray, "(connections,) CONNECTION"]

# A connection before and behind a translation, and from when until when it is shown.
BEFORE, AFTER = "before_", "after_"
TRANSLATION = np.dtype(
    [*((f"{side}{name}", "u8" if name == "hash" else "i8") for side in (BEFORE, AFTER) for name in ("hash", *KEY)),
     ("first", "i8"), ("last", "i8")]
)  # fmt: skip
TranslationRows: TypeAlias = Annotated[np.ndarray, "(translations,) TRANSLATION"]

_LOOPBACK, _LINK_LOCAL_4 = 127, 0xA9FE  # 127.0.0.0/8, 169.254.0.0/16
_ECHO_TYPES = (0, 8, 128, 129)
_LINK_LOCAL_6 = 0xFE80 >> 6  # fe80::/10


def connections_of(context: Context) -> Connections:
    """The connections of a capture, in the order of their hashes."""
    flows = context.flows[_is_comparable(context.flows)]
    rows = np.zeros(len(flows), dtype=CONNECTION)
    source, target = ([flows[:, column] for column in columns] for columns in (schema.FLOW_SRC_END, _TARGET))
    for name, values in keys_of(flows[:, schema.FLOW_PROTO], source, target).items():
        rows[name] = values
    for name, column in _COPIED.items():
        rows[name] = flows[:, column]
    has_opening = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYN_TIME] == flows[:, schema.FLOW_FIRST])
    rows["opening"] = np.where(has_opening, first_sequence_number(flows[:, schema.FLOW_FIRST_SEQ]) + 1, 0)
    return in_hash_order(_merged(rows))


def keys_of(proto: Values, source: Sequence[Values], target: Sequence[Values]) -> dict[str, Values]:
    """The columns of KEY; `source`, `target`: both halves of the address, and the port or identifier."""
    is_swapped = _is_greater(source, target)
    keys = {}
    for name, index in (("hi", 0), ("lo", 1)):
        keys[f"low_{name}"] = np.where(is_swapped, target[index], source[index])
        keys[f"high_{name}"] = np.where(is_swapped, source[index], target[index])
    low, high = np.where(is_swapped, target[2], source[2]), np.where(is_swapped, source[2], target[2])
    return keys | {"ports": proto << 32 | low << 16 | high}


def hashes_of(keys: Mapping[str, Values] | Connections) -> Hashes:
    """A hash of each key."""
    value = np.zeros(len(keys["ports"]), dtype=np.uint64)
    for name in KEY:
        value = (value ^ keys[name].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(29)
    return value


def are_comparable(source: Sequence[Values], target: Sequence[Values]) -> FlowMask:
    """Per connection: has it ports or an identifier, and are its addresses those of one host alone?"""
    is_one: FlowMask = (source[2] >= 0) & (target[2] >= 0)
    return is_one & ~_is_of_many(source[0], source[1]) & ~_is_of_many(target[0], target[1])


def in_hash_order(rows: Connections) -> Connections:
    """The rows with their hashes, in the order of these, so that a part of all keys is a piece of each file."""
    rows["hash"] = value = hashes_of(rows)
    ordered: Connections = rows[np.argsort(value, kind="stable")]
    return ordered


def is_same_key(rows: Connections) -> FlowMask:
    """Whether each row but the first has the key of the one before it."""
    same = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for name in KEY:
        same &= rows[name][1:] == rows[name][:-1]
    return same


_TARGET = schema.FLOW_DST_END
_COPIED = {
    "first": schema.FLOW_FIRST, "last": schema.FLOW_LAST, "packets": schema.FLOW_PACKETS, "bytes": schema.FLOW_BYTES,
}  # fmt: skip


def _is_comparable(flows: FlowTable) -> FlowMask:
    """Flows with ports or an identifier, between addresses that one host alone has."""
    is_icmp = is_one_of(flows[:, schema.FLOW_PROTO], ICMP_PROTOCOLS)
    is_echo = is_one_of(flows[:, schema.FLOW_KIND] >> 8, _ECHO_TYPES)
    is_one = (flows[:, schema.FLOW_SPORT] >= 0) & (flows[:, schema.FLOW_DPORT] >= 0) & (~is_icmp | is_echo)
    for high, low in (schema.FLOW_SRC, schema.FLOW_DST):
        is_one &= ~_is_of_many(flows[:, high], flows[:, low])
    return is_one


def _is_of_many(high: Values, low: Values) -> FlowMask:
    is_ipv4 = (high == 0) & (low >> 32 == MAPPED >> 32)
    octets = low & 0xFFFFFFFF
    of_many_4 = (octets >> 24 == _LOOPBACK) | (octets >> 16 == _LINK_LOCAL_4) | (octets == 0)
    of_many_6 = (high == 0) & (low >= 0) & (low <= 1) | ((high >> 54) & 0x3FF == _LINK_LOCAL_6)
    return np.where(is_ipv4, of_many_4, of_many_6)


def _is_greater(source: Sequence[Values], target: Sequence[Values]) -> FlowMask:
    """Whether the source comes behind the target, by address, then by port."""
    is_greater = source[2] > target[2]
    for index in (1, 0):
        differs = source[index] != target[index]
        is_greater = np.where(differs, source[index] > target[index], is_greater)
    return is_greater


def _merged(rows: Connections) -> Connections:
    """One row for each key: all directions, and of several points the one with the most packets."""
    rows = rows[np.lexsort([rows[name] for name in reversed(KEY)])]
    starts = np.flatnonzero(np.concatenate([[True], ~is_same_key(rows)])) if len(rows) else np.zeros(0, dtype=np.int64)
    merged: Connections = rows[starts]
    if len(rows):
        merged["first"] = np.minimum.reduceat(rows["first"], starts)
        for name in ("last", "packets", "bytes", "opening"):
            merged[name] = np.maximum.reduceat(rows[name], starts)
    return merged

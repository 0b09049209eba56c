"""Columns of flow tables as columns of batches: addresses, MACs and names as texts by their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capnet.analysis.core.schema import Mask, Values
from capnet.table.batch import Codes, ColumnData, codes_of_list, octets_of
from capnet.table.batch import Values as ColumnValues
from capnet.table.column import KINDS
from capnet.table.texts import Texts, joined, texts_of
from capnet.wire.addresses import MAPPED
from capnet.wire.numbers import proto_name
from capnet.wire.protocols import TUNNEL_KINDS
from capnet.wire.tables.codes import address_texts, mac_address_texts

_PROTOCOLS = list(map(proto_name, range(256)))
_TUNNELS = [kind.name for kind in TUNNEL_KINDS]


def numbers(values: Values, kind: str, is_there: Mask | None = None) -> ColumnValues:
    """Numbers of this kind; what is negative is missing, or what is not there."""
    mask = values >= 0 if is_there is None else is_there
    return ColumnValues(values.astype(KINDS[kind].dtype), None if mask.all() else mask)


def addresses(high: Values, low: Values, is_binary: bool) -> ColumnData:
    """IP addresses, given as their halves: texts, or 16 octets each."""
    if is_binary:
        return ColumnValues(octets_of(high, low))
    is_ipv4 = (high == 0) & (low >> 32 == MAPPED >> 32)
    codes = np.zeros(len(high), dtype=np.int32)
    parts: list[Texts] = []
    unique, codes[is_ipv4] = _unique(low[is_ipv4])
    parts.append(address_texts(np.zeros(len(unique), dtype=np.int64), unique))
    others = np.flatnonzero(~is_ipv4)
    if len(others):
        pairs = np.stack([high[others], low[others]], axis=1)
        ordered = np.lexsort(pairs.T)
        is_new = np.ones(len(ordered), dtype=bool)
        is_new[1:] = (pairs[ordered[1:]] != pairs[ordered[:-1]]).any(axis=1)
        codes[others[ordered]] = len(unique) + np.cumsum(is_new) - 1
        first = pairs[ordered[is_new]]
        parts.append(address_texts(first[:, 0], first[:, 1]))
    return Codes(codes, joined(parts))


def macs(values: Values) -> Codes:
    """MAC addresses; what is negative is missing."""
    is_there = values >= 0
    codes = np.full(len(values), -1, dtype=np.int32)
    unique, codes[is_there] = _unique(values[is_there])
    return Codes(codes, mac_address_texts(unique, unique))


def protocols(values: Values) -> Codes:
    """Names of IP protocols."""
    return codes_of_list(values.astype(np.int32), _PROTOCOLS)


def tunnels(values: Values) -> Codes:
    """Names of kinds of tunnels; 0 is none."""
    return codes_of_list((values - 1).astype(np.int32), _TUNNELS)


def names(codes: Values, texts: Sequence[str]) -> Codes:
    """Texts by their number; -1 is missing."""
    return Codes(codes.astype(np.int32), texts_of(texts))


def _unique(values: Values) -> tuple[Values, Values]:
    """The different values, sorted, and the number of each value among them."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    is_new = np.ones(len(values), dtype=bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    codes = np.empty(len(values), dtype=np.int64)
    codes[order] = np.cumsum(is_new) - 1
    return ordered[is_new], codes

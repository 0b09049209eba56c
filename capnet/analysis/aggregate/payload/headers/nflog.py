"""Rules of the kernel's firewall that logged packets to this capture (NFLOG; `wire.protocols.nflog` draws the header).

Input: blocks of rows with their bytes. Output: `rules`, one for each point, prefix, hook and pair of interfaces.
Method: the attributes of all headers of a block side by side. Limits: the first MAX_RULES.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.aggregate.payload.octets import be16_at, be32_at
from capnet.analysis.core.payload import LogRule
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.protocols.nflog import ATTRIBUTE_HEADER, HEADER, MAX_ATTRIBUTES, PACKET_HEADER, PAYLOAD

MAX_RULES = 256  # a host logs by a few
MAX_PREFIX = 128  # the kernel's NF_LOG_PREFIXLEN
INPUT, OUTPUT, PREFIX = 4, 5, 10  # attributes: indexes of the interfaces, text with a final 0

PerRow: TypeAlias = Annotated[np.ndarray, "(n,) int64"]
Octets: TypeAlias = Annotated[np.ndarray, "(n,) uint8"]
Keys: TypeAlias = Annotated[np.ndarray, "(n, 4 + MAX_PREFIX) int64: point, hook, interfaces, prefix"]


class NflogRules:
    """Fill with `add`, then read `rules`."""

    def __init__(self) -> None:
        self._rules: dict[bytes, list[int]] = {}  # key → packets, number of the first one

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        rows = np.flatnonzero(block.rows[:, fields.LAYERS] & fields.LAYER_NFLOG)
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        keys = _keys(raw, block.record_at[rows], block.rows[rows, fields.CAPLEN])
        keys[:, 0] = block.rows[rows, fields.POINT] + base
        whole = np.ascontiguousarray(keys).view(np.dtype((np.void, keys.shape[1] * keys.itemsize))).ravel()
        unique, first, packets = np.unique(whole, return_index=True, return_counts=True)
        for n in np.argsort(first, kind="stable"):
            rule = self._rules.get(unique[n].tobytes())
            if rule is not None:
                rule[0] += int(packets[n])
            elif len(self._rules) < MAX_RULES:
                self._rules[unique[n].tobytes()] = [int(packets[n]), int(block.rows[rows[first[n]], fields.FRAME])]

    @property
    def rules(self) -> list[LogRule]:
        """In order of first sight."""
        return [_rule(np.frombuffer(key, dtype=np.int64), *counts) for key, counts in self._rules.items()]


def rule_of(frame: bytes) -> LogRule:
    """What the header of one captured frame says of the rule that logged it."""
    octets = np.frombuffer(frame, dtype=np.uint8)
    keys = _keys(octets, np.zeros(1, dtype=np.int64), np.array([len(frame)]))
    keys[0, 0] = 0
    return _rule(keys[0], 1, 1)


def _rule(key: PerRow, packets: int, first_frame: int) -> LogRule:
    point, hook, indev, outdev = key[:4].tolist()
    prefix = bytes(key[4:].astype(np.uint8)).partition(b"\0")[0].decode("utf-8", "backslashreplace")
    return LogRule(point, prefix, hook, indev, outdev, packets, first_frame)


def _keys(raw: Octets, at: PerRow, caplen: PerRow) -> Keys:
    """What tells rules apart, of the headers at `at`; -1 for what a header does not have."""
    keys = np.full((len(at), 4 + MAX_PREFIX), -1, dtype=np.int64)
    keys[:, 4:] = 0
    end, at = at + caplen, at + HEADER
    is_little = raw[np.minimum(at, len(raw) - 1)] != 0
    live = np.arange(len(at))
    for _ in range(MAX_ATTRIBUTES):
        live = live[at[live] + ATTRIBUTE_HEADER <= end[live]]
        if not len(live):
            break
        length, kind = (_number(raw, at[live] + offset, is_little[live]) for offset in (0, 2))
        value_end = at[live] + length
        is_whole = (length > ATTRIBUTE_HEADER) & (value_end <= end[live]) & (kind != PAYLOAD)
        live, length, kind = live[is_whole], length[is_whole], kind[is_whole]
        value = at[live] + ATTRIBUTE_HEADER
        _read(keys, raw, live, kind, value, length - ATTRIBUTE_HEADER)
        at[live] += (length + 3) // 4 * 4
    return keys


def _read(keys: Keys, raw: Octets, rows: PerRow, kind: PerRow, value: PerRow, size: PerRow) -> None:
    """Values of one attribute of each row into `keys`."""
    hooks = (kind == PACKET_HEADER) & (size >= 4)
    keys[rows[hooks], 1] = raw[value[hooks] + 2]
    for attribute, column in ((INPUT, 2), (OUTPUT, 3)):
        indexes = (kind == attribute) & (size >= 4)
        keys[rows[indexes], column] = be32_at(raw, value[indexes])
    prefixes = np.flatnonzero(kind == PREFIX)
    for offset in range(int(min(size[prefixes].max(initial=0), MAX_PREFIX))):
        longer = prefixes[size[prefixes] > offset]
        keys[rows[longer], 4 + offset] = raw[value[longer] + offset]


def _number(raw: Octets, at: PerRow, is_little: PerRow) -> PerRow:
    """16 bits at each offset, in the byte order of each row's host."""
    number = be16_at(raw, at)
    return np.where(is_little, (number & 255) << 8 | number >> 8, number)

"""What control protocols say in clear: messages of IKE and BGP, and the advertisements of VRRP.

They are read by `wire.protocols.ike`, `bgp` and `vrrp`.
Input: blocks of rows with their bytes. Output: `ike` and `bgp`, one entry per point, tunnel, flow and content, and
`vrrp`, one per point, tunnel, ends and content, in order of first sight.
Limits: MAX_MESSAGES entries of each; MAX_PACKETS of IKE and BGP, MAX_UPDATES that begin with an UPDATE of BGP, and
MAX_ADVERTISEMENTS are looked into; a message of BGP that begins a segment, and those behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capnet.analysis.aggregate.payload.directions import DIRECTION
from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.payload import BgpMessages, IkeMessages, VrrpMaster
from capnet.analysis.core.schema import Values
from capnet.wire import fields
from capnet.wire.addresses import address_text
from capnet.wire.block import Block
from capnet.wire.numbers import PORT_BGP, PORT_IKE, PORT_IPSEC_NAT, VRRP
from capnet.wire.protocols import bgp, ike, vrrp

MAX_MESSAGES = 4096  # more than the sessions of one host make up
MAX_ADVERTISEMENTS = 20_000  # hours of a master
MAX_PACKETS = 20_000  # of each: days of a session
MAX_UPDATES = 1000  # segments: a full table of routes has thousands, and one tells that there is a session
IKE_PORTS = PORT_IKE, PORT_IPSEC_NAT


class ControlMessages:
    """Fill with `add`, then read `ike`, `bgp` and `vrrp`."""

    def __init__(self) -> None:
        self._ike: dict[tuple[int, ...], list[int]] = {}  # key → packets, first frame, first and last time
        self._bgp: dict[tuple[int, ...], list[int]] = {}
        self._vrrp: dict[tuple[object, ...], VrrpMaster] = {}
        self._advertisements = 0
        self._looked_at = {"ike": 0, "bgp": 0, "updates": 0}  # packets

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if block.control:
            self._add_ike(block, base)
            self._add_bgp(block, base)
        if block.odd:  # the decoder does not go on behind the IP header of VRRP
            self._add_vrrp(block, base)

    def _add_ike(self, block: Block, base: int) -> None:
        rows = block.rows
        is_its = is_one_of(rows[:, fields.SPORT], IKE_PORTS) | is_one_of(rows[:, fields.DPORT], IKE_PORTS)
        is_its &= rows[:, fields.LAYERS] & fields.LAYER_UDP != 0
        is_its &= rows[:, fields.TUNNEL] == 0  # no ESP
        for row, payload in _payloads(block, self._first(np.flatnonzero(is_its), "ike", MAX_PACKETS)):
            has_marker = PORT_IPSEC_NAT in (row[fields.SPORT], row[fields.DPORT])
            if message := ike.ike_message(payload, has_marker):
                _count(self._ike, (*_key(row, base), *message), row)

    def _add_bgp(self, block: Block, base: int) -> None:
        rows = block.rows
        is_its = ((rows[:, fields.SPORT] == PORT_BGP) | (rows[:, fields.DPORT] == PORT_BGP)) & (
            rows[:, fields.LAYERS] & fields.LAYER_TCP != 0
        )
        is_its &= (rows[:, fields.PAYLOAD] >= bgp.HEADER) & (rows[:, fields.PAYLOAD_AT] >= 0)
        chosen = np.flatnonzero(is_its)
        at, end = payload_span(block, chosen)
        chosen, kind_at = chosen[at + bgp.HEADER <= end], (at + bgp.HEADER - 1)[at + bgp.HEADER <= end]
        is_update = np.frombuffer(block.raw, dtype=np.uint8)[kind_at] == bgp.UPDATE
        updates = self._first(chosen[is_update], "updates", MAX_UPDATES)
        others = self._first(chosen[~is_update], "bgp", MAX_PACKETS)
        for row, payload in _payloads(block, np.sort(np.concatenate((updates, others)))):
            for message in bgp.bgp_messages(payload):
                _count(self._bgp, (*_key(row, base), *message), row)

    def _first(self, chosen: Values, kind: str, most: int) -> Values:
        """The first of these rows, until so many of their kind were looked at."""
        first_of_them = chosen[: most - self._looked_at[kind]]
        self._looked_at[kind] += len(first_of_them)
        return first_of_them

    def _add_vrrp(self, block: Block, base: int) -> None:
        chosen = np.flatnonzero(block.rows[:, fields.PROTO] == VRRP)
        for row, payload in _payloads(block, chosen[: MAX_ADVERTISEMENTS - self._advertisements]):
            content = vrrp.advertisement(payload, row[fields.LAYERS] & fields.LAYER_IPV6 != 0)
            if content:
                place = row[fields.POINT] + base, row[fields.VIA], row[fields.VIA_VNI]
                source = address_text(row[fields.SRC_HI], row[fields.SRC_LO])
                key = *place, source, address_text(row[fields.DST_HI], row[fields.DST_LO]), *content
                if key not in self._vrrp:
                    if len(self._vrrp) >= MAX_MESSAGES:
                        continue
                    self._vrrp[key] = VrrpMaster._make((*key, [], []))
                self._vrrp[key].times.append(row[fields.TIME])
                self._vrrp[key].frames.append(row[fields.FRAME])
                self._advertisements += 1

    @property
    def ike(self) -> list[IkeMessages]:
        """In order of first sight."""
        return [IkeMessages._make((*key, *counts)) for key, counts in self._ike.items()]

    @property
    def bgp(self) -> list[BgpMessages]:
        """In order of first sight."""
        return [BgpMessages._make((*key, *counts)) for key, counts in self._bgp.items()]

    @property
    def vrrp(self) -> list[VrrpMaster]:
        """In order of first sight."""
        return list(self._vrrp.values())


def _key(row: list[int], base: int) -> tuple[int, ...]:
    return row[fields.POINT] + base, *(row[column] for column in DIRECTION[1:])


def _payloads(block: Block, chosen: Values) -> Iterator[tuple[list[int], bytes]]:
    """Rows that are no fragments and were captured up to their end, and what they carry."""
    rows = block.rows
    is_whole = (rows[chosen, fields.PAYLOAD_AT] >= 0) & (rows[chosen, fields.LAYERS] & fields.LAYER_FRAGMENT == 0)
    chosen = chosen[is_whole]
    at, end = payload_span(block, chosen)
    stop = at + rows[chosen, fields.PAYLOAD]
    is_whole = stop <= end
    columns = rows[chosen[is_whole]].tolist(), at[is_whole].tolist(), stop[is_whole].tolist()
    for row, first, last in zip(*columns, strict=True):
        yield row, bytes(block.raw[first:last])


def _count(entries: dict[tuple[int, ...], list[int]], key: tuple[int, ...], row: list[int]) -> None:
    entry = entries.get(key)
    if entry is not None:
        entry[0] += 1
        entry[3] = row[fields.TIME]
    elif len(entries) < MAX_MESSAGES:
        entries[key] = [1, row[fields.FRAME], row[fields.TIME], row[fields.TIME]]

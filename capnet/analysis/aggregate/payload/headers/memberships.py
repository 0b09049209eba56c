"""Which station joined which multicast group at which point: reports of IGMP and MLD.

They are read by `wire.protocols.group_membership`.
Input: blocks of rows with their bytes. Output: `joined`, one `Membership` per point, tunnel, station and group, in
order of first sight. Limits: MAX_MEMBERSHIPS; that a station leaves again is not kept.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.payload import Membership
from capnet.analysis.core.schema import Values
from capnet.wire import fields
from capnet.wire.addresses import address_text
from capnet.wire.block import Block
from capnet.wire.numbers import IGMP

MAX_MEMBERSHIPS = 4096  # more than the stations and groups of one link
MLD_REPORTS = (131, 143)  # types of ICMPv6: versions 1 and 2


class Memberships:
    """Fill with `add`, then read `joined`."""

    def __init__(self) -> None:
        self._frames: dict[tuple[int, int, int, str, str], int] = {}

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if block.odd:  # the decoder does not go on behind IGMP's IP header
            self._add(block, np.flatnonzero(block.rows[:, fields.PROTO] == IGMP), base)
        if block.layers & fields.LAYER_ICMPV6:
            is_report = is_one_of(block.rows[:, fields.ICMP_TYPE], MLD_REPORTS)
            is_report &= block.rows[:, fields.LAYERS] & fields.LAYER_ICMPV6 != 0
            self._add(block, np.flatnonzero(is_report), base)

    def _add(self, block: Block, chosen: Values, base: int) -> None:
        if not len(chosen):
            return
        from capnet.wire.protocols.group_membership import HEADER, group_message

        for row, record_at in zip(block.rows[chosen].tolist(), block.record_at[chosen].tolist(), strict=True):
            if row[fields.PAYLOAD_AT] < 0 or row[fields.LAYERS] & fields.LAYER_FRAGMENT:
                continue
            is_v6 = row[fields.LAYERS] & fields.LAYER_ICMPV6 != 0
            begin = record_at + row[fields.PAYLOAD_AT] - (HEADER if is_v6 else 0)
            end = record_at + min(row[fields.PAYLOAD_AT] + row[fields.PAYLOAD], row[fields.START] + row[fields.CAPLEN])
            message = group_message(bytes(block.raw[begin:end]), is_v6)
            host = address_text(row[fields.SRC_HI], row[fields.SRC_LO])
            for group in message.joined if message else ():
                key = row[fields.POINT] + base, row[fields.VIA], row[fields.VIA_VNI], host, group
                if len(self._frames) < MAX_MEMBERSHIPS:
                    self._frames.setdefault(key, row[fields.FRAME])

    @property
    def joined(self) -> list[Membership]:
        """In order of first sight."""
        return [Membership(*key, frame) for key, frame in self._frames.items()]

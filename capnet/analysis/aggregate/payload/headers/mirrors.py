"""Mirror sessions: frames that a switch copies to an analyzer in GRE (ERSPAN, draft-foschiano-erspan).

Input: blocks of rows. Output: `sessions`, one for each point, direction and session number.
Limits: the first MAX_SESSIONS.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.payload import Mirror
from capnet.wire import fields
from capnet.wire.addresses import address_text
from capnet.wire.block import Block
from capnet.wire.protocols.erspan import TUNNEL_ERSPAN

MAX_SESSIONS = 256  # a switch has a few

_KEY = [fields.POINT, fields.SRC_HI, fields.SRC_LO, fields.DST_HI, fields.DST_LO, fields.VNI]


class Mirrors:
    """Fill with `add`, then read `sessions`."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[int, ...], list[int]] = {}  # key → frames, number of the first one

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.layers & fields.LAYER_GRE:
            return
        table = block.rows
        rows = np.flatnonzero(table[:, fields.TUNNEL] == TUNNEL_ERSPAN)
        for key, frame in zip(table[rows[:, None], _KEY].tolist(), table[rows, fields.FRAME].tolist(), strict=True):
            session = self._sessions.get((key[0] + base, *key[1:]))
            if session is not None:
                session[0] += 1
            elif len(self._sessions) < MAX_SESSIONS:
                self._sessions[key[0] + base, *key[1:]] = [1, frame]

    @property
    def sessions(self) -> list[Mirror]:
        """In order of first sight."""
        return [
            Mirror(point, address_text(src_hi, src_lo), address_text(dst_hi, dst_lo), max(session, -1), *counts)
            for (point, src_hi, src_lo, dst_hi, dst_lo, session), counts in self._sessions.items()
        ]

"""Alerts of TLS that nothing encrypts: why an end of a connection gives up its handshake (RFC 8446 section 6).

Input: blocks of rows with their bytes. Output: `alerts`, in the order of the pass. Method: a segment with nothing but
one record of seven octets, as TLS libraries send it: type alert, version, length 2, level, description. An encrypted
alert is longer.
Limits: the first MAX_ALERTS; not an alert behind other records of a segment.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.directions import DIRECTION
from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.core.payload import TlsAlert
from capnet.wire import fields
from capnet.wire.block import Block
from capnet.wire.protocols import tls

MAX_ALERTS = 1000


class TlsAlerts:
    """Fill with `add`, then read `alerts`."""

    def __init__(self) -> None:
        self.alerts: list[TlsAlert] = []

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if len(self.alerts) >= MAX_ALERTS:
            return
        rows = block.rows
        chosen = np.flatnonzero(rows[:, fields.PAYLOAD] == tls.ALERT_LENGTH)
        chosen = chosen[(rows[chosen, fields.LAYERS] & fields.LAYER_TCP != 0) & (rows[chosen, fields.PAYLOAD_AT] >= 0)]
        at, end = payload_span(block, chosen)
        for row, begin, stop in zip(chosen.tolist(), at.tolist(), end.tolist(), strict=True):
            octets = bytes(block.raw[begin:stop])
            if tls.is_alert(octets) and len(self.alerts) < MAX_ALERTS:
                values = rows[row, [*DIRECTION, fields.FRAME, fields.TIME]].tolist()
                values[0] += base
                self.alerts.append(TlsAlert._make((*values, octets[5] == tls.FATAL, octets[6])))

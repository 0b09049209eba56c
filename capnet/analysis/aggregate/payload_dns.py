"""Answers of name servers that say a name could not be resolved (RFC 1035 section 4.1).

Input: blocks of rows with their bytes. Output: `failures`, by point, result code and name, in a bounded number of
entries. Limits: UDP from port 53; of compressed names, the part before the first pointer.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.payload import DnsFailureKey, DnsFailures
from capnet.wire.addresses import address_text
from capnet.wire.block import Block
from capnet.wire.fields import (
    CAPLEN,
    FRAME,
    LAYER_UDP,
    LAYERS,
    PAYLOAD_AT,
    POINT,
    SPORT,
    SRC_HI,
    SRC_LO,
    START,
)
from capnet.wire.numbers import PORT_DNS

MAX_NAMES = 1000  # different failures that are kept; more are counted without their name
MAX_FRAMES = 10  # named of each


class DnsAnswers:
    """Fill with `see`, then read `failures`."""

    def __init__(self) -> None:
        self.failures: dict[DnsFailureKey, DnsFailures] = {}

    def see(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.answers:
            return
        rows = block.rows
        udp = np.flatnonzero(rows[:, SPORT] == PORT_DNS)
        if not len(udp):
            return
        udp = udp[(rows[udp, LAYERS] & LAYER_UDP != 0) & (rows[udp, PAYLOAD_AT] >= 0)]
        at, end = payload_span(block, udp)
        whole = at + 12 <= end
        udp, at, end = udp[whole], at[whole], end[whole]
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        failed = np.flatnonzero((raw[at + 2] >= 0x80) & (raw[at + 3] & 15 != 0))
        for i in failed.tolist():
            row = rows[udp[i]]
            name = _question(block.raw, int(at[i]), int(end[i])) if len(self.failures) < MAX_NAMES else ""
            key = DnsFailureKey(int(row[POINT]) + base, int(raw[at[i] + 3]) & 15, name)
            entry = self.failures.setdefault(key, DnsFailures())
            entry.count += 1
            if len(entry.frames) < MAX_FRAMES:
                entry.frames.append(int(row[FRAME]))
                entry.servers.add(address_text(int(row[SRC_HI]), int(row[SRC_LO])))


def payload_span(block: Block, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the payloads of these rows begin in `raw`, and where their frames' captured bytes end."""
    record, table = block.record_at[rows], block.rows
    return record + table[rows, PAYLOAD_AT], record + table[rows, START] + table[rows, CAPLEN]


def _question(raw: memoryview, at: int, end: int) -> str:
    """The name that a message asks about; what was cut or is no name ends it."""
    if raw[at + 4] * 256 + raw[at + 5] == 0:
        return ""
    labels: list[str] = []
    at += 12
    while at < end and 0 < raw[at] < 64 and at + 1 + raw[at] <= end and len(labels) < 128:
        labels.append(bytes(raw[at + 1 : at + 1 + raw[at]]).decode("latin-1"))
        at += 1 + raw[at]
    return ".".join(labels)

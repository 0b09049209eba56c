"""Answers of name servers that say a name could not be resolved (RFC 1035 section 4.1).

Input: blocks of rows with their bytes. Output: `failures`, by point, result code and name, in a bounded number of
entries. Limits: UDP from port 53; of compressed names, the part before the first pointer.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.payload import DnsFailureKey, DnsFailures
from capnet.analysis.core.schema import Values
from capnet.wire import fields, numbers
from capnet.wire.addresses import address_text
from capnet.wire.block import Block

MAX_NAMES = 1000  # different failures that are kept; more are counted without their name
MAX_FRAMES = 10  # named for each
MAX_LABELS = 128  # of a name: more than its 255 octets can hold
HEADER = 12  # octets before the question


class DnsAnswers:
    """Fill with `add`, then read `failures`."""

    def __init__(self) -> None:
        self.failures: dict[DnsFailureKey, DnsFailures] = {}

    def add(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if not block.answers:
            return
        rows = block.rows
        answers = np.flatnonzero(rows[:, fields.SPORT] == numbers.PORT_DNS)
        if not len(answers):
            return
        is_udp = (rows[answers, fields.LAYERS] & fields.LAYER_UDP != 0) & (rows[answers, fields.PAYLOAD_AT] >= 0)
        answers = answers[is_udp]
        at, end = payload_span(block, answers)
        has_header = at + HEADER <= end
        answers, at, end = answers[has_header], at[has_header], end[has_header]
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        failed = np.flatnonzero((raw[at + 2] >= 0x80) & (raw[at + 3] & 15 != 0))
        for i in failed.tolist():
            row = rows[answers[i]]
            name = _question(block.raw, int(at[i]), int(end[i])) if len(self.failures) < MAX_NAMES else ""
            key = DnsFailureKey(int(row[fields.POINT]) + base, int(raw[at[i] + 3]) & 15, name)
            entry = self.failures.setdefault(key, DnsFailures())
            entry.count += 1
            if len(entry.frames) < MAX_FRAMES:
                entry.frames.append(int(row[fields.FRAME]))
                entry.servers.add(address_text(int(row[fields.SRC_HI]), int(row[fields.SRC_LO])))


def payload_span(block: Block, rows: Values) -> tuple[Values, Values]:
    """Where the payloads of these rows begin in `raw`, and where their frames' captured bytes end."""
    record, table = block.record_at[rows], block.rows
    return record + table[rows, fields.PAYLOAD_AT], record + table[rows, fields.START] + table[rows, fields.CAPLEN]


def _question(raw: memoryview, at: int, end: int) -> str:
    """The name that a message asks about; what was cut or is no name ends it."""
    if raw[at + 4] * 256 + raw[at + 5] == 0:
        return ""
    labels: list[str] = []
    at += HEADER
    while at < end and 0 < raw[at] < 64 and at + 1 + raw[at] <= end and len(labels) < MAX_LABELS:
        labels.append(bytes(raw[at + 1 : at + 1 + raw[at]]).decode("latin-1"))
        at += 1 + raw[at]
    return ".".join(labels)

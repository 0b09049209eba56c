"""What only the bytes themselves tell: answers of name servers, and checksums that nobody has filled in yet.

Everything else is concluded from rows. These look into the packets while they are in memory, at a few of them where
there are many, and remember what they saw in a bounded number of entries.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from capnet.wire.frames import (
    CAPLEN,
    DPORT,
    DST_HI,
    DST_LO,
    FRAG_OFFSET,
    FRAME,
    IP_LENGTH,
    LAYER_FRAGMENT,
    LAYER_IPV4,
    LAYER_TCP,
    LAYER_UDP,
    LAYERS,
    PAYLOAD,
    PAYLOAD_AT,
    POINT,
    PROTO,
    SPORT,
    SRC_HI,
    SRC_LO,
    START,
    Block,
    address_text,
)

DNS = 53
MOST_NAMES = 1000  # different failures that are kept; more are counted without their name
SMALL = 20_000  # checksums are looked at up to this frame, in a larger capture also in the first
WINDOW = 256  # frames of each
EVERY = 65_536
MOST_FRAMES = 10


@dataclass
class Failures:
    """Answers with one result code about one name, at one point."""

    count: int = 0
    frames: list[int] = field(default_factory=list)
    servers: set[str] = field(default_factory=set)


@dataclass
class Checksums:
    """TCP and UDP packets at one point: how many were looked at, and how many hold the pseudo-header's sum only."""

    seen: int = 0
    unfilled: int = 0
    frames: list[int] = field(default_factory=list)


class Peeks:
    """Fill with `see`, then read `failures` ((point, result code, name) → Failures) and `checksums` (by point)."""

    def __init__(self) -> None:
        self.failures: dict[tuple[int, int, str], Failures] = {}
        self.checksums: dict[int, Checksums] = {}

    def see(self, block: Block, base: int) -> None:
        """Look into a block of a capture whose first point is number `base`."""
        if block.answers:
            self._answers(block, base)
        if len(block):
            self._checksums(block, base)

    # -- DNS (RFC 1035 section 4.1) -------------------------------------------------------------------
    def _answers(self, block: Block, base: int) -> None:
        rows = block.rows
        udp = np.flatnonzero(rows[:, SPORT] == DNS)
        if not len(udp):
            return
        udp = udp[(rows[udp, LAYERS] & LAYER_UDP != 0) & (rows[udp, PAYLOAD_AT] >= 0)]
        at, end = _span(block, udp)
        whole = at + 12 <= end
        udp, at, end = udp[whole], at[whole], end[whole]
        raw = np.frombuffer(block.raw, dtype=np.uint8)
        failed = np.flatnonzero((raw[at + 2] >= 0x80) & (raw[at + 3] & 15 != 0))
        for i in failed.tolist():
            row = rows[udp[i]]
            name = _question(block.raw, int(at[i]), int(end[i])) if len(self.failures) < MOST_NAMES else ""
            key = int(row[POINT]) + base, int(raw[at[i] + 3]) & 15, name
            entry = self.failures.setdefault(key, Failures())
            entry.count += 1
            if len(entry.frames) < MOST_FRAMES:
                entry.frames.append(int(row[FRAME]))
                entry.servers.add(address_text(int(row[SRC_HI]), int(row[SRC_LO])))

    # -- checksums -----------------------------------------------------------------------------------
    def _checksums(self, block: Block, base: int) -> None:
        """A sender that leaves the sum to its card puts the pseudo-header's (RFC 9293 section 3.1) in its place."""
        first, last = int(block.rows[0, FRAME]), int(block.rows[-1, FRAME])
        if first > SMALL and first % EVERY >= WINDOW and last // EVERY == first // EVERY:
            return
        # By the frame's number, so that it does not matter in which blocks they come.
        rows = block.rows
        frame = rows[:, FRAME]
        picked = np.flatnonzero((frame <= SMALL) | (frame % EVERY < WINDOW))
        layers = rows[picked, LAYERS]
        mine = (layers & (LAYER_TCP | LAYER_UDP) != 0) & (layers & LAYER_FRAGMENT == 0)
        mine &= (rows[picked, PAYLOAD_AT] >= 0) & (rows[picked, FRAG_OFFSET] <= 0)
        picked, layers = picked[mine], layers[mine]
        v4, tcp = layers & LAYER_IPV4 != 0, layers & LAYER_TCP != 0
        length = rows[picked, IP_LENGTH] - np.where(v4, 20, 40)  # of TCP or UDP; options, extension headers: see below
        payload_at, end = _span(block, picked)
        at = payload_at - (length - rows[picked, PAYLOAD])
        inside = (at >= 0) & (at < payload_at) & (at + 18 <= end) & ((rows[picked, PROTO] == 6) == tcp)
        inside |= (at >= 0) & (at + 8 == payload_at) & ~tcp & (payload_at <= end)
        picked, at, tcp, length, v6 = picked[inside], at[inside], tcp[inside], length[inside], ~v4[inside]
        raw = np.frombuffer(block.raw, dtype=np.uint8)

        def be16(offset: np.ndarray) -> np.ndarray:
            return raw[offset].astype(np.int64) * 256 + raw[offset + 1]

        # Where the header does not begin here (IP options), these are not its ports.
        right = (be16(at) == rows[picked, SPORT]) & (be16(at + 2) == rows[picked, DPORT])
        stored = be16(at + np.where(tcp, 16, 6))
        total = np.where(tcp, 6, 17) + length
        for column in (SRC_LO, DST_LO):
            low = rows[picked, column]
            total += (low & 0xFFFF) + (low >> 16 & 0xFFFF)
        for column, shifts in ((SRC_LO, (32, 48)), (DST_LO, (32, 48)), (SRC_HI, _ALL), (DST_HI, _ALL)):
            long = rows[picked[v6], column]
            for shift in shifts:
                total[v6] += long >> shift & 0xFFFF
        for _ in range(3):
            total = (total & 0xFFFF) + (total >> 16)
        right &= stored != 0  # UDP without a checksum
        unfilled = right & (stored == total)
        points = rows[picked, POINT] + base
        for point in sorted(set(points[right].tolist())):
            entry = self.checksums.setdefault(point, Checksums())
            here = np.flatnonzero(unfilled & (points == point))
            entry.seen += int((right & (points == point)).sum())
            entry.unfilled += len(here)
            entry.frames += rows[picked[here[: MOST_FRAMES - len(entry.frames)]], FRAME].tolist()


_ALL = (0, 16, 32, 48)


def _span(block: Block, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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

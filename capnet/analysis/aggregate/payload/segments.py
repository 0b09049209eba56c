"""TCP and UDP headers in a block, for those who read checksums: where they begin, what is stored, what is covered.

Method: a sample of frames, chosen by frame number, so that it does not depend on the blocks they come in. Limits: no
fragments, no packets with IP options or IPv6 extension headers.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.payload.dns import payload_span
from capnet.analysis.aggregate.payload.octets import Octets, be16_at
from capnet.analysis.core import schema
from capnet.analysis.core.schema import Mask, Values
from capnet.quick_tuple import NamedTuple
from capnet.wire import fields, numbers
from capnet.wire.block import Block


class FrameSample(NamedTuple):
    """Frames that are looked at, by their numbers: all up to `beginning`, then the first `of_window` of each window."""

    beginning: int
    of_window: int
    window: int = 65_536


STORED_CHECKSUMS = FrameSample(20_000, 256)
SUMMED_CHECKSUMS = FrameSample(4096, 64)  # to add up all octets takes many times longer

MIN_SPARSE = 4  # segments that are so many times shorter than what they lie in are copied before they are added up


class SegmentHeaders(NamedTuple):
    """TCP and UDP headers of a block, one for each of `rows`, all arrays of one length."""

    rows: Values  # of the block
    at: Values  # where the header begins in `block.raw`
    length: Values  # of header and payload, octets
    is_tcp: Mask
    is_ipv6: Mask

    def take(self, chosen: Mask) -> SegmentHeaders:
        """Those that a mask chooses."""
        return SegmentHeaders(*(array[chosen] for array in self))


def has_sampled_frames(block: Block, sample: FrameSample) -> bool:
    """False where a look at the first and the last frame tells that no frame of a block is in the sample."""
    if not len(block):
        return False
    first, last = int(block.rows[0, fields.FRAME]), int(block.rows[-1, fields.FRAME])
    window = sample.window
    return first <= sample.beginning or first % window < sample.of_window or last // window != first // window


def is_sampled(block: Block, sample: FrameSample) -> Mask:
    """Per row of a block: is its frame in the sample?"""
    frames = block.rows[:, fields.FRAME]
    mask: Mask = (frames <= sample.beginning) | (frames % sample.window < sample.of_window)
    return mask


def segments_of(block: Block, rows: Values) -> SegmentHeaders:
    """The headers of those of these rows that are TCP or UDP, and no fragments."""
    layers = block.rows[rows, fields.LAYERS]
    is_whole = (layers & (fields.LAYER_TCP | fields.LAYER_UDP) != 0) & (layers & fields.LAYER_FRAGMENT == 0)
    is_whole &= (block.rows[rows, fields.PAYLOAD_AT] >= 0) & (block.rows[rows, fields.FRAG_OFFSET] <= 0)
    segments = _headers(block, rows[is_whole])
    return segments.take(_has_its_ports(block, segments))


def stored_checksums(block: Block, segments: SegmentHeaders) -> Values:
    """What the checksum fields hold."""
    return be16_at(_raw(block), segments.at + np.where(segments.is_tcp, 16, 6))


def pseudo_header_sums(block: Block, segments: SegmentHeaders) -> Values:
    """What a sender leaves in the checksum field: addresses, protocol and length, added up in ones' complement."""
    table, is_ipv6 = block.rows, segments.is_ipv6
    total = np.where(segments.is_tcp, numbers.TCP, numbers.UDP) + segments.length
    for column in (fields.SRC_LO, fields.DST_LO):
        values = table[segments.rows, column]
        total += (values & 0xFFFF) + (values >> 16 & 0xFFFF)
    for column, shifts in (
        (fields.SRC_LO, (32, 48)),
        (fields.DST_LO, (32, 48)),
        (fields.SRC_HI, (0, 16, 32, 48)),
        (fields.DST_HI, (0, 16, 32, 48)),
    ):
        values = table[segments.rows[is_ipv6], column]
        for shift in shifts:
            total[is_ipv6] += values >> shift & 0xFFFF
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> 16)
    return total


def is_captured(block: Block, segments: SegmentHeaders) -> Mask:
    """Per segment: was all of it captured?"""
    table, rows = block.rows, segments.rows
    end = block.record_at[rows] + table[rows, fields.START] + table[rows, fields.CAPLEN]
    mask: Mask = segments.at + segments.length <= end
    return mask


def word_sums(block: Block, segments: SegmentHeaders) -> Values:
    """Sums of the words of segments that do not overlap, modulo 0xFFFF; an odd last octet is the high half of one."""
    at, length, raw = segments.at, segments.length, _raw(block)
    if not len(at):
        return np.zeros(0, dtype=np.int64)
    is_sparse = MIN_SPARSE * int(length.sum()) < int(at.max()) - int(at.min())
    sums = (_sums_of_copies if is_sparse else _sums_in_place)(raw, at, length // 2)
    is_odd = length % 2 == 1
    sums[is_odd] += raw[at[is_odd] + length[is_odd] - 1].astype(np.int64) << 8
    return sums


def _sums_in_place(raw: Octets, at: Values, words: Values) -> Values:
    """Of so many words at each place, and of all octets between the places, which takes less than to copy them."""
    sums = np.zeros(len(at), dtype=np.int64)
    for parity in (0, 1):
        chosen = np.flatnonzero(at % 2 == parity)
        if not len(chosen):
            continue
        chosen = chosen[np.argsort(at[chosen])]
        begin, end = at[chosen] // 2, at[chosen] // 2 + words[chosen]
        first = int(begin[0])  # numpy converts the words that it is given, all of them
        bounds = np.stack((begin, end), axis=1).ravel()[:-1] - first  # the last one ends with the words
        sums[chosen] = _sums(raw[parity + 2 * first : parity + 2 * int(end[-1])], bounds, words)[::2]
    return sums


def _sums_of_copies(raw: Octets, at: Values, words: Values) -> Values:
    """As `_sums_in_place`, of places with much else between them: SYNs among data."""
    begin = np.cumsum(words) - words
    octets = np.arange(2 * int(words.sum())) + np.repeat(at - 2 * begin, 2 * words)
    return _sums(raw[octets], begin, words)


def _sums(octets: Octets, bounds: Values, words: Values) -> Values:
    """Sums of the words from each of `bounds` to the next one, modulo 0xFFFF; `words`: how many these may be."""
    # As they lie in memory, and in 32 bits, which are enough for 65,536 words: four times as fast.
    bits = np.uint32 if int(words.max()) <= 65_536 else np.uint64
    sums = np.add.reduceat(octets.view("<u2"), bounds, dtype=bits).astype(np.int64)
    for _ in range(3):  # sums of words whose octets are swapped: RFC 1071 section 2 (B)
        sums = (sums & 0xFFFF) + (sums >> 16)
    return (sums & 0xFF) << 8 | sums >> 8


def checksum_verdicts(block: Block, rows: Values) -> Values:
    """Per row, of rows that do not overlap: the verdict on its checksum (`core.schema`), ABSENT if it was cut."""
    segments = segments_of(block, rows)
    whole = segments.take(is_captured(block, segments))
    stored, pseudo = stored_checksums(block, whole), pseudo_header_sums(block, whole)
    is_right = (pseudo + word_sums(block, whole)) % 0xFFFF == 0
    verdicts = np.select(
        [is_right, ~whole.is_tcp & (stored == 0), stored == pseudo],
        [schema.RIGHT, schema.NO_CHECKSUM, schema.UNFILLED],
        schema.WRONG,
    )
    by_row = np.full(len(block), fields.ABSENT)
    by_row[whole.rows] = verdicts
    return by_row[rows]


def _headers(block: Block, rows: Values) -> SegmentHeaders:
    """Where the headers of these rows begin, if there are neither IP options nor extension headers (else elsewhere)."""
    table = block.rows
    layers = table[rows, fields.LAYERS]
    is_ipv4, is_tcp = layers & fields.LAYER_IPV4 != 0, layers & fields.LAYER_TCP != 0
    length = table[rows, fields.IP_LENGTH] - np.where(is_ipv4, 20, 40)
    payload_at, end = payload_span(block, rows)
    at = payload_at - (length - table[rows, fields.PAYLOAD])
    is_captured = (at >= 0) & (at < payload_at) & (at + 18 <= end)
    is_captured &= (table[rows, fields.PROTO] == numbers.TCP) == is_tcp
    is_captured |= (at >= 0) & (at + 8 == payload_at) & ~is_tcp & (payload_at <= end)
    return SegmentHeaders(*(array[is_captured] for array in (rows, at, length, is_tcp, ~is_ipv4)))


def _has_its_ports(block: Block, segments: SegmentHeaders) -> Mask:
    """Whether the ports stand where the header should begin: else it begins elsewhere."""
    sports = block.rows[segments.rows, fields.SPORT]
    dports = block.rows[segments.rows, fields.DPORT]
    raw = _raw(block)
    return (be16_at(raw, segments.at) == sports) & (be16_at(raw, segments.at + 2) == dports)


def _raw(block: Block) -> np.ndarray:
    return np.frombuffer(block.raw, dtype=np.uint8)

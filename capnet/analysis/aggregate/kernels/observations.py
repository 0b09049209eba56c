"""Writes observations down: packets chosen by their digest, the same ones at every point.

Method: trajectory sampling by hash-based selection (RFC 5475 section 6.2): a packet is chosen where its digest has no
bit in common with EXCLUDED, whatever else passes at a point.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers

# -- columns of `sample`, the state of the selection
COUNT = 0  # observations so far
EXCLUDED = 1  # bits; digests that have one of them are not chosen
ROWS_BEFORE = 2  # rows of earlier blocks
SAMPLE_WIDTH = 3


@inline
def observe(rows: Int64Array, r: int, flow: int, number: int, observations: Int64Array, o: int) -> None:
    """Write the packet in row `r` to `observations[o:]`. `flow`: its flow; `number`: of the row in the whole input."""
    observations[o + schema.OBS_DIGEST] = rows[r + fields.DIGEST]
    observations[o + schema.OBS_TIME] = rows[r + fields.TIME]
    observations[o + schema.OBS_FLOW] = flow
    observations[o + schema.OBS_FRAME] = rows[r + fields.FRAME]
    observations[o + schema.OBS_TTL] = rows[r + fields.TTL]
    observations[o + schema.OBS_LENGTH] = rows[r + fields.IP_LENGTH]
    observations[o + schema.OBS_SEQ] = number
    if rows[r + fields.LAYERS] & fields.LAYER_TCP:
        flags = rows[r + fields.TCP_FLAGS]
        observations[o + schema.OBS_FROM] = rows[r + fields.SEQ]
        observations[o + schema.OBS_BYTES] = rows[r + fields.PAYLOAD] + (flags >> 1 & 1) + (flags & 1)
        observations[o + schema.OBS_CONTROL] = flags << 48 | rows[r + fields.WINDOW] << 32 | rows[r + fields.ACK]
    elif rows[r + fields.PROTO] == numbers.TCP:
        observations[o + schema.OBS_FROM] = fields.ABSENT
        observations[o + schema.OBS_BYTES] = 0
        observations[o + schema.OBS_CONTROL] = fields.ABSENT
    else:
        identification = rows[r + fields.IP_ID] & 0xFFFF
        observations[o + schema.OBS_FROM] = identification << 16 | max(rows[r + fields.FRAG_OFFSET], 0)
        observations[o + schema.OBS_BYTES] = ip_payload(rows, r)
        observations[o + schema.OBS_CONTROL] = fields.ABSENT


@inline
def ip_payload(rows: Int64Array, r: int) -> int:
    """Octets behind the IP header of row `r`, whatever they are."""
    if rows[r + fields.FRAG_OFFSET] > 0:
        return max(rows[r + fields.PAYLOAD], 0)
    if rows[r + fields.LAYERS] & fields.LAYER_IPV4:
        return rows[r + fields.IP_LENGTH] - 20
    return rows[r + fields.IP_LENGTH] - 40

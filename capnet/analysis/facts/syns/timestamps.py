"""Whether a server takes SYNs of one address by their TCP timestamps: those of the clock that is ahead, and no others.

Source: RFC 7323 section 5 (PAWS). Linux before 4.12 with `tcp_tw_recycle` remembers the timestamp of an address, and
drops the SYNs behind it: of all hosts behind one NAT but that whose clock is ahead. Input: SYNs, flows. Method: the
accepted SYNs are of one clock that ticks evenly, and each SYN without an answer is behind the last accepted one.
Limits: clients that choose an offset for each connection (Linux since 4.10) have no such clock.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowRows

MIN_CONNECTIONS = 2  # accepted ones, and ones without an answer
MIN_HZ, MAX_HZ = 50, 1200  # of a clock of timestamps: Linux 100 to 1000, others 100 or 1000
MAX_JITTER = 0.05  # of the rate, from one accepted SYN to the next
_HALF_CIRCLE = 1 << 31  # timestamps wrap around
_ENDS = [schema.FLOW_POINT, schema.FLOW_VIA, *schema.FLOW_ADDRESSES, schema.FLOW_DPORT]
_SYN_ENDS = [schema.SYN_POINT, schema.SYN_VIA, schema.SYN_SRC_HI, schema.SYN_SRC_LO, schema.SYN_DST_HI,
             schema.SYN_DST_LO, schema.SYN_DPORT]  # fmt: skip


def decide_timestamps(context: Context, lost: FlowRows, accepted: FlowRows) -> bool:
    """Do the timestamps tell the SYNs without an answer from the accepted ones? Flow rows to one service."""
    flows = context.flows
    if min(len(lost), len(accepted)) < MIN_CONNECTIONS:
        return False
    ends = flows[lost[0], _ENDS]
    accepted = accepted[(flows[accepted][:, _ENDS] == ends).all(axis=1)]
    if len(accepted) < MIN_CONNECTIONS or not (flows[lost][:, _ENDS] == ends).all():
        return False
    stamps = _stamps(context, ends.tolist())
    of_lost, of_accepted = (_of_rows(context, rows, stamps) for rows in (lost, accepted))
    if of_lost is None or of_accepted is None or not _is_one_clock(of_accepted):
        return False
    return all(_is_behind(when, stamp, of_accepted) for when, stamp in of_lost)


def _stamps(context: Context, ends: list[int]) -> dict[int, int]:
    """Source port → the timestamp of the first SYN between these ends."""
    syns = context.syns[(context.syns[:, _SYN_ENDS] == ends).all(axis=1)]
    return {port: stamp for port, stamp in syns[::-1][:, [schema.SYN_SPORT, schema.SYN_TSVAL]].tolist() if stamp >= 0}


def _of_rows(context: Context, rows: FlowRows, stamps: dict[int, int]) -> list[tuple[int, int]] | None:
    """Time and timestamp of the first SYN of each row, by time; None if one is not known."""
    columns = [schema.FLOW_FIRST, schema.FLOW_SPORT, schema.FLOW_TCP_FLAGS]
    syns = sorted(context.flows[rows][:, columns].tolist())
    if any(port not in stamps or flags & schema.USED_AGAIN for _, port, flags in syns):
        return None
    return [(when, stamps[port]) for when, port, _ in syns]


def _is_one_clock(syns: list[tuple[int, int]]) -> bool:
    """Do the timestamps advance evenly, by a rate that clocks of timestamps have?"""
    times, stamps = np.array(syns, dtype=np.int64).T
    seconds = np.diff(times) / 1e9
    ticks = (np.diff(stamps) + _HALF_CIRCLE) % (2 * _HALF_CIRCLE) - _HALF_CIRCLE
    if (seconds <= 0).any():
        return False
    rates = ticks / seconds
    return bool(rates.min() >= MIN_HZ and rates.max() <= MAX_HZ and np.ptp(rates) <= MAX_JITTER * rates.max() + 5)


def _is_behind(when: int, stamp: int, accepted: list[tuple[int, int]]) -> bool:
    """Was the last accepted SYN before a time ahead of a timestamp?"""
    earlier = [of for at, of in accepted if at < when]
    return bool(earlier) and (stamp - earlier[-1] + _HALF_CIRCLE) % (2 * _HALF_CIRCLE) - _HALF_CIRCLE < 0

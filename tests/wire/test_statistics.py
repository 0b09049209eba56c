"""Interface statistics blocks (draft-ietf-opsawg-pcapng, section 4.6): when captures began and ended, and counts."""

from __future__ import annotations

import io
import struct

import pytest

from capnet.wire.capture import CaptureInterface, open_capture
from tests.made.build import block, interface, options, packet, section

pytestmark = pytest.mark.kernels

NOON = 1_700_000_000_123_456_789
FRAME = bytes(60)


def statistics(order: str, start: int, end: int, counts: list[tuple[int, int]] | None = None) -> bytes:
    """A block of interface 0, with times in units of the file."""
    times = [(code, struct.pack(order + "II", time >> 32, time & 0xFFFFFFFF)) for code, time in ((2, start), (3, end))]
    given = times + [(code, struct.pack(order + "Q", value)) for code, value in counts or []]
    return block(5, struct.pack(order + "III", 0, end >> 32, end & 0xFFFFFFFF) + options(given, order), order)


def read(data: bytes, compiled: bool = False) -> CaptureInterface:
    with open_capture(io.BytesIO(data), compiled=compiled) as capture:
        list(capture.blocks())
    return capture.interfaces[0]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_statistics_give_times_and_counts(order: str, compiled: bool) -> None:
    """Times are two words with the upper one first in either byte order, counters one number."""
    counts = [(4, 12), (5, 1), (6, 11), (7, 2), (8, 9)]
    head = section(order) + interface("a", order=order, resolution=9) + packet(FRAME, NOON, order=order)
    one = read(head + statistics(order, NOON - 5, NOON + 7, counts), compiled)
    assert (one.started, one.ended) == (NOON - 5, NOON + 7)
    assert (one.received, one.dropped, one.delivered) == (12, 3, 9)


@pytest.mark.parametrize("resolution", [6, 9, 128 + 20])
def test_statistics_times_have_the_files_units(resolution: int) -> None:
    """if_tsresol of the interface."""
    per_second = 1 << (resolution & 127) if resolution & 128 else 10**resolution
    ticks = 1_700_000_000 * per_second
    head = section() + interface("a", resolution=resolution) + packet(FRAME, ticks)
    one = read(head + statistics("<", ticks, ticks + per_second))
    assert (one.started, one.ended) == (1_700_000_000_000_000_000, 1_700_000_001_000_000_000)


def test_statistics_of_dumpcap_are_microseconds() -> None:
    """dumpcap 4.0.17 at an interface of nanoseconds, as `-w` wrote them: tshark says January 1970 of them."""
    data = section() + interface("lo", resolution=9) + packet(FRAME, 418125095 << 32 | 3174583219)
    one = read(data + statistics("<", 1795833610874824, 1795833613369623, [(4, 6), (5, 0)]))
    assert (one.started, one.ended) == (1795833610874824000, 1795833613369623000)
    assert one.first is not None and one.started < one.first < one.ended  # type: ignore[operator]


def test_interface_without_statistics_says_nothing() -> None:
    one = read(section() + interface("a") + packet(FRAME, 5))
    assert (one.started, one.ended, one.received, one.dropped, one.delivered) == (None,) * 5

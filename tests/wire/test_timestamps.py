"""Timestamps of pcapng (if_tsresol, if_tsoffset) equal exact arithmetic, as far as 64 bits of ns go."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from capnet.wire.formats.pcapng import MAX_TSOFFSET
from capnet.wire.formats.pcapng_walk import nanoseconds
from capnet.wire.formats.record import MAX_SECONDS

ALL = (1 << 64) - 1


def units(random_source: random.Random) -> Iterator[int]:
    """Timestamps that a file may hold: small, random, and at the edges of 31, 32 and 63 bits."""
    yield from (0, 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, (1 << 63) + 5, ALL)
    yield from (random_source.getrandbits(random_source.randint(1, 64)) for _ in range(300))


@pytest.mark.parametrize("power", range(128))
def test_timestamp_power_of_two_equals_exact(power: int) -> None:
    """if_tsresol with its top bit set; finer units than 2**-32 s are cut to these."""
    for value in units(random.Random(power)):
        actual = nanoseconds(value >> 32, value & 0xFFFFFFFF, 128 | power, 0)
        expected = (value * 1_000_000_000) >> power
        if expected >= MAX_SECONDS * 1_000_000_000:
            assert actual // 1_000_000_000 == MAX_SECONDS
        else:
            assert 0 <= expected - actual <= (power > 32)  # finer ones are cut to 2**-32 s first


@pytest.mark.parametrize("power", range(128))
def test_timestamp_power_of_ten_equals_exact(power: int) -> None:
    """if_tsresol without its top bit."""
    for value in units(random.Random(power)):
        actual = nanoseconds(value >> 32, value & 0xFFFFFFFF, power, 0)
        expected = value * 1_000_000_000 // 10**power
        if value >> 63 and power <= 9:
            assert actual > (min(1 << 62, expected) if power < 9 else 1 << 62)  # beyond 2**63 units: the end of time
        elif expected >= MAX_SECONDS * 1_000_000_000:
            assert actual // 1_000_000_000 == MAX_SECONDS
        else:
            assert actual == expected


@pytest.mark.parametrize("offset", [-MAX_TSOFFSET, -1_700_000_000, -1, 1, 1_700_000_000, MAX_TSOFFSET])
def test_timestamp_offset_is_added_and_clamped(offset: int) -> None:
    """if_tsoffset, before 1970 and beyond 2262 too."""
    for second in (0, 1, 1_700_000_000, MAX_SECONDS):
        expected = max(0, min(MAX_SECONDS, second + offset))
        micro = second * 1_000_000 + 7
        if second < MAX_SECONDS:
            assert nanoseconds(micro >> 32, micro & 0xFFFFFFFF, 6, offset) == expected * 1_000_000_000 + 7_000

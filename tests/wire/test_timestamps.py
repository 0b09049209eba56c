"""if_tsresol of both kinds and if_tsoffset: what arithmetic without bounds says, as far as 64 bits of ns go."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from capnet.wire.formats.pcapng import MAX_TSOFFSET
from capnet.wire.formats.pcapng_walk import nanoseconds
from capnet.wire.formats.record import MAX_SECONDS

ALL = (1 << 64) - 1


def units(some: random.Random) -> Iterator[int]:
    """What a file may hold: few, many, the edges of 31, 32 and 63 bits."""
    yield from (0, 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, (1 << 63) + 5, ALL)
    yield from (some.getrandbits(some.randint(1, 64)) for _ in range(300))


@pytest.mark.parametrize("power", range(128))
def test_powers_of_two(power: int) -> None:
    for value in units(random.Random(power)):
        found = nanoseconds(value >> 32, value & 0xFFFFFFFF, 128 | power, 0)
        wanted = (value * 1_000_000_000) >> power
        if wanted >= MAX_SECONDS * 1_000_000_000:
            assert found // 1_000_000_000 == MAX_SECONDS
        else:
            assert 0 <= wanted - found <= (power > 32)  # finer ones are cut to 2**-32 s first


@pytest.mark.parametrize("power", range(128))
def test_powers_of_ten(power: int) -> None:
    for value in units(random.Random(power)):
        found = nanoseconds(value >> 32, value & 0xFFFFFFFF, power, 0)
        wanted = value * 1_000_000_000 // 10**power
        if value >> 63 and power <= 9:
            assert found > (min(1 << 62, wanted) if power < 9 else 1 << 62)  # beyond 2**63 units: the end of time
        elif wanted >= MAX_SECONDS * 1_000_000_000:
            assert found // 1_000_000_000 == MAX_SECONDS
        else:
            assert found == wanted


@pytest.mark.parametrize("offset", [-MAX_TSOFFSET, -1_700_000_000, -1, 1, 1_700_000_000, MAX_TSOFFSET])
def test_seconds_are_added_and_stay_within_what_there_is(offset: int) -> None:
    for second in (0, 1, 1_700_000_000, MAX_SECONDS):
        wanted = max(0, min(MAX_SECONDS, second + offset))
        micro = second * 1_000_000 + 7
        if second < MAX_SECONDS:
            assert nanoseconds(micro >> 32, micro & 0xFFFFFFFF, 6, offset) == wanted * 1_000_000_000 + 7_000

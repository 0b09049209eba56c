"""The MSS option is found wherever it stands in the options of a SYN (RFC 9293 section 3.1)."""

from __future__ import annotations

import random

import numpy as np

from capnet.analysis.aggregate.payload.syns import mss_options

SACK, TIMESTAMPS, SCALE = bytes.fromhex("0402"), bytes.fromhex("080a0000000100000000"), bytes.fromhex("030307")
MSS, PADDING, END = bytes.fromhex("020405b4"), b"\1", b"\0"


def sizes(*lists: bytes) -> list[int]:
    ends = np.cumsum([len(options) for options in lists])
    starts = ends - np.array([len(options) for options in lists])
    return mss_options(np.frombuffer(b"".join(lists), dtype=np.uint8), starts, ends).tolist()


def in_words(options: bytes) -> int:
    """As RFC 9293 section 3.1 says it: option by option."""
    while options and options[0] != 0:
        size = 1 if options[0] == 1 else options[1] if len(options) > 1 else 0
        if size < 2 and options[0] != 1:
            return 0
        if options[0] == 2 and size == 4:
            return int.from_bytes(options[2:4], "big")
        options = options[size:]
    return 0


def test_mss_is_found_behind_other_options() -> None:
    assert sizes(MSS, SACK + TIMESTAMPS + MSS, PADDING * 3 + SCALE + PADDING + MSS + END) == [1460, 1460, 1460]


def test_list_without_mss_has_none() -> None:
    assert sizes(TIMESTAMPS + SACK, END + MSS, b"\4\0" + MSS, PADDING * 4, b"\2\3\1" + END) == [0, 0, 0, 0, 0]


def test_damaged_lists_are_read_as_one_by_one() -> None:
    numbers = random.Random(7)
    lists = [bytes(numbers.choices([0, 1, 1, 2, 2, 3, 4, 4, 4, 8, 255], k=numbers.randint(1, 40))) for _ in range(5000)]
    expected = [in_words(options) for options in lists]
    assert any(expected) and sizes(*lists) == expected

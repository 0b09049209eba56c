"""Limits on interfaces, sections and names: what exceeds them is left out, and a problem says so."""

from __future__ import annotations

import io
import struct

import pytest
from scapy.all import Ether

from capnet import analyze
from capnet.wire.capture import Capture, open_capture
from capnet.wire.formats import pcapng, pcapng_reader
from tests.made.build import A, B, block, interface, moment, options, packet, section

pytestmark = pytest.mark.kernels

FRAME = bytes(Ether(src=A, dst=B, type=0x1234)) + bytes(50)


def read(data: bytes) -> Capture:
    with open_capture(io.BytesIO(data), compiled=False) as capture:
        for _ in capture.blocks():
            pass
        return capture


def test_interfaces_over_limit_end_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """They count through all sections. What was read before the first one too many is kept."""
    monkeypatch.setattr(pcapng_reader, "MAX_INTERFACES", 8)
    part = section() + interface("a") + interface("b") + packet(FRAME, moment(1), 1)
    whole = read(part * 4)
    assert (len(whole.interfaces), whole.packets, whole.problems) == (8, 4, [])
    capture = read(part * 5)
    assert (len(capture.interfaces), capture.packets) == (8, 4)
    (problem,) = capture.problems
    assert (problem.name, problem.offset) == ("too-many-interfaces", 4 * len(part) + len(section()))


def test_points_of_one_name_get_distinct_names(tmp_path) -> None:
    """300 interfaces of one name."""
    part = section() + interface("a") + packet(FRAME, moment(1))
    (tmp_path / "it.pcapng").write_bytes(part * 300)
    names = [point.name for point in analyze(tmp_path / "it.pcapng").points]
    assert names[:3] == ["a", "it/a", "it/a#2"]
    assert len(set(names)) == 300


def resolution(number: int, name: bytes) -> bytes:
    record = struct.pack(">I", 0x0A000000 + number) + name + b"\0"
    return block(4, struct.pack("<HH", 1, len(record)) + record + bytes(-len(record) % 4) + bytes(4))


def test_names_over_limit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of addresses and one of names per address. One problem is reported, and reading goes on."""
    monkeypatch.setattr(pcapng, "MAX_NAMED_ADDRESSES", 5)
    monkeypatch.setattr(pcapng, "MAX_NAMES_PER_ADDRESS", 3)
    head, tail = section() + interface("a"), packet(FRAME, moment(1))
    fits = b"".join(resolution(number, b"x%d" % name) for number in range(5) for name in range(3)) * 2
    capture = read(head + fits + tail)
    assert (capture.problems, capture.packets) == ([], 1)
    assert capture.names.of["10.0.0.4"] == ["x0", "x1", "x2"]
    for more in (resolution(5, b"y"), resolution(0, b"y")):
        capture = read(head + fits + more * 3 + tail)
        assert capture.packets == 1
        assert [problem.name for problem in capture.problems] == ["too-many-names"]
        assert capture.problems[0].offset == len(head + fits)
        assert capture.names.of == read(head + fits).names.of


def test_sections_over_limit_end_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without interfaces in them."""
    monkeypatch.setattr(pcapng_reader, "MAX_SECTIONS", 8)
    one = section() + interface("a") + packet(FRAME, moment(1))
    assert (read(section() * 7 + one).packets, read(section() * 7 + one).problems) == (1, [])
    capture = read(one + section() * 8 + one)
    assert capture.packets == 1
    assert [(problem.name, problem.offset) for problem in capture.problems] == [
        ("too-many-sections", len(one) + 7 * len(section()))
    ]


@pytest.mark.parametrize("compiled", [False, True])
def test_names_repeated_are_no_longer_parsed(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """One name, a thousand times: the walker passes over the rest of the blocks."""
    monkeypatch.setattr(pcapng, "MAX_NAME_RECORDS", 40)
    head, tail = section() + interface("a"), packet(FRAME, moment(1))
    with open_capture(io.BytesIO(head + resolution(1, b"x") * 1000 + tail), compiled=compiled) as capture:
        read_block = capture.read_block
        calls: list[bool] = []
        capture.read_block = lambda: calls.append(read_block()) or calls[-1]  # type: ignore[method-assign, func-returns-value]
        assert sum(len(rows) for rows in capture.blocks()) == 1
    assert [problem.name for problem in capture.problems] == ["too-many-names"]
    assert capture.names.of == {"10.0.0.1": ["x"]}
    assert len(calls) < 20


def statistics(interface: int, counts: list[tuple[int, bytes]]) -> bytes:
    return block(5, struct.pack("<III", interface, 0, 0) + options(counts))


@pytest.mark.parametrize("with_handler", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_drop_counts_last_block_with_any_counts(compiled: bool, with_handler: bool) -> None:
    """Expected values by construction; interface 3 does not exist."""
    lost = [(5, struct.pack("<Q", 7)), (4, struct.pack("<Q", 99)), (7, struct.pack("<Q", 1 << 33))]
    many = statistics(1, [(5, b"\xff" * 8)] * 3)
    data = section() + interface("first") + packet(FRAME, moment(1))
    data += section() + interface("a") + interface("b") + interface("c")
    data += (statistics(0, lost[:1]) + statistics(0, lost) + statistics(0, lost[1:2]) + many + statistics(3, lost)) * 99
    data += statistics(2, [(5, b"short"), (7, b"too long to be it")]) + packet(FRAME, moment(1))
    on_block = (lambda body, big: None) if with_handler else None
    with open_capture(io.BytesIO(data), compiled=compiled, on_block=on_block) as capture:
        assert sum(len(rows) for rows in capture.blocks()) == 2
    assert [interface.dropped for interface in capture.interfaces] == [None, 7 + (1 << 33), (1 << 62) - 1, None]
    with open_capture(io.BytesIO(data + block(5, bytes(8))), compiled=compiled, on_block=on_block) as capture:
        assert sum(len(rows) for rows in capture.blocks()) == 2
    assert [(problem.name, problem.offset) for problem in capture.problems] == [("damaged-file", len(data))]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [pcapng.JOURNAL, pcapng.CUSTOM, pcapng.CUSTOM_NO_COPY])
def test_numbered_blocks_count_and_are_passed_over(kind: int, compiled: bool) -> None:
    """Each takes a frame number, and all are passed over at once. `tests.conformance` compares the numbers."""
    head, one, two = section() + interface("a"), packet(FRAME, moment(1)), packet(FRAME, moment(2))
    with open_capture(io.BytesIO(head + (block(kind, bytes(8)) * 500 + one) * 2 + two), compiled=compiled) as capture:
        read_block = capture.read_block
        calls: list[bool] = []
        capture.read_block = lambda: calls.append(read_block()) or calls[-1]  # type: ignore[method-assign, func-returns-value]
        numbers = [number for rows in capture.blocks() for number in rows["frame"].tolist()]
    assert (numbers, capture.problems, len(calls)) == ([501, 1002, 1003], [], 1)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [0x0A, 0x77, 0x80000001])
def test_unknown_blocks_are_passed_over(kind: int, compiled: bool) -> None:
    """Decryption secrets (10) and unknown types: ignored unless they are damaged."""
    head, one, two = section() + interface("a"), packet(FRAME, moment(1)), packet(FRAME, moment(2))
    others = b"".join(block(kind, bytes(size)) for size in (0, 4, 70_000, 3)) * 50
    seen: list[bytes] = []
    for on_block in (None, lambda body, _: seen.append(body)):
        with open_capture(
            io.BytesIO(head + others + one + others + two), compiled=compiled, on_block=on_block
        ) as capture:
            numbers = [number for rows in capture.blocks() for number in rows["frame"].tolist()]
        assert (numbers, capture.problems) == ([1, 2], [])
    assert len(seen) == 2 + 400  # a handler is given each of them
    broken = head + one + others[:-4] + b"\1\0\0\0" + two
    with open_capture(io.BytesIO(broken), compiled=compiled) as capture:
        assert sum(len(rows) for rows in capture.blocks()) == 1
    (problem,) = capture.problems
    assert (problem.name, problem.offset) == ("damaged-file", len(head + one + others) - 16)

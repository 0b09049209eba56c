"""More interfaces and names than any network has: so many are kept, and of the rest a problem says so."""

from __future__ import annotations

import io
import struct

import pytest
from scapy.all import Ether

from capnet import analyze
from capnet.wire.capture import Capture, open_capture
from capnet.wire.formats import pcapng, pcapng_reader
from tests.made.build import A, B, block, interface, moment, options, packet, section

FRAME = bytes(Ether(src=A, dst=B, type=0x1234)) + bytes(50)


def read(data: bytes) -> Capture:
    with open_capture(io.BytesIO(data), compiled=False) as found:
        for _ in found.blocks():
            pass
        return found


def test_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted through all sections; what was read before the one too many is kept."""
    monkeypatch.setattr(pcapng_reader, "MAX_INTERFACES", 8)
    part = section() + interface("a") + interface("b") + packet(FRAME, moment(1), 1)
    whole = read(part * 4)
    assert (len(whole.interfaces), whole.packets, whole.problems) == (8, 4, [])
    found = read(part * 5)
    assert (len(found.interfaces), found.packets) == (8, 4)
    (problem,) = found.problems
    assert (problem.name, problem.offset) == ("too-many-interfaces", 4 * len(part) + len(section()))


def test_points_of_one_name_are_told_apart(tmp_path) -> None:
    part = section() + interface("a") + packet(FRAME, moment(1))
    (tmp_path / "it.pcapng").write_bytes(part * 300)
    names = [each.name for each in analyze(tmp_path / "it.pcapng").points]
    assert names[:3] == ["a", "it/a", "it/a#2"]
    assert len(set(names)) == 300


def resolution(number: int, name: bytes) -> bytes:
    record = struct.pack(">I", 0x0A000000 + number) + name + b"\0"
    return block(4, struct.pack("<HH", 1, len(record)) + record + bytes(-len(record) % 4) + bytes(4))


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so many addresses, and of each so many; one problem, and reading goes on."""
    monkeypatch.setattr(pcapng, "MAX_NAMED_ADDRESSES", 5)
    monkeypatch.setattr(pcapng, "MAX_NAMES_PER_ADDRESS", 3)
    head, tail = section() + interface("a"), packet(FRAME, moment(1))
    fits = b"".join(resolution(number, b"x%d" % each) for number in range(5) for each in range(3)) * 2
    found = read(head + fits + tail)
    assert (found.problems, found.packets) == ([], 1)
    assert found.names.of["10.0.0.4"] == ["x0", "x1", "x2"]
    for more in (resolution(5, b"y"), resolution(0, b"y")):
        found = read(head + fits + more * 3 + tail)
        assert found.packets == 1
        assert [each.name for each in found.problems] == ["too-many-names"]
        assert found.problems[0].offset == len(head + fits)
        assert found.names.of == read(head + fits).names.of


def test_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcapng_reader, "MAX_SECTIONS", 8)
    one = section() + interface("a") + packet(FRAME, moment(1))
    assert (read(section() * 7 + one).packets, read(section() * 7 + one).problems) == (1, [])
    found = read(one + section() * 8 + one)
    assert found.packets == 1
    assert [(each.name, each.offset) for each in found.problems] == [
        ("too-many-sections", len(one) + 7 * len(section()))
    ]


@pytest.mark.parametrize("compiled", [False, True])
def test_one_name_again_and_again(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """Reading names ends, reading goes on."""
    monkeypatch.setattr(pcapng, "MAX_NAME_RECORDS", 40)
    head, tail = section() + interface("a"), packet(FRAME, moment(1))
    with open_capture(io.BytesIO(head + resolution(1, b"x") * 1000 + tail), compiled=compiled) as found:
        taken = found._read_block
        calls: list[bool] = []
        found._read_block = lambda: calls.append(taken()) or calls[-1]  # type: ignore[method-assign, func-returns-value]
        assert sum(len(rows) for rows in found.blocks()) == 1
    assert [each.name for each in found.problems] == ["too-many-names"]
    assert found.names.of == {"10.0.0.1": ["x"]}
    assert len(calls) < 20


def statistics(interface: int, given: list[tuple[int, bytes]]) -> bytes:
    return block(5, struct.pack("<III", interface, 0, 0) + options(given))


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_drop_counts_are_those_of_the_last_block_that_has_some(compiled: bool, asked: bool) -> None:
    """By construction; interface 3 does not exist."""
    lost = [(5, struct.pack("<Q", 7)), (4, struct.pack("<Q", 99)), (7, struct.pack("<Q", 1 << 33))]
    many = statistics(1, [(5, b"\xff" * 8)] * 3)
    data = section() + interface("first") + packet(FRAME, moment(1))
    data += section() + interface("a") + interface("b") + interface("c")
    data += (statistics(0, lost[:1]) + statistics(0, lost) + statistics(0, lost[1:2]) + many + statistics(3, lost)) * 99
    data += statistics(2, [(5, b"short"), (7, b"too long to be it")]) + packet(FRAME, moment(1))
    given = (lambda body, big: None) if asked else None
    with open_capture(io.BytesIO(data), compiled=compiled, on_block=given) as found:
        assert sum(len(rows) for rows in found.blocks()) == 2
    assert [each.dropped for each in found.interfaces] == [None, 7 + (1 << 33), (1 << 62) - 1, None]
    with open_capture(io.BytesIO(data + block(5, bytes(8))), compiled=compiled, on_block=given) as found:
        assert sum(len(rows) for rows in found.blocks()) == 2
    assert [(each.name, each.offset) for each in found.problems] == [("damaged-file", len(data))]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [pcapng.JOURNAL, pcapng.CUSTOM, pcapng.CUSTOM_NO_COPY])
def test_blocks_that_wireshark_numbers_are_counted_one_by_one_and_taken_all_at_once(kind: int, compiled: bool) -> None:
    """What Wireshark's numbers are, tests.conformance asks it."""
    head, one, two = section() + interface("a"), packet(FRAME, moment(1)), packet(FRAME, moment(2))
    with open_capture(io.BytesIO(head + (block(kind, bytes(8)) * 500 + one) * 2 + two), compiled=compiled) as found:
        taken = found._read_block
        calls: list[bool] = []
        found._read_block = lambda: calls.append(taken()) or calls[-1]  # type: ignore[method-assign, func-returns-value]
        numbers = [number for rows in found.blocks() for number in rows["frame"].tolist()]
    assert (numbers, found.problems, len(calls)) == ([501, 1002, 1003], [], 1)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [0x0A, 0x77, 0x80000001])
def test_blocks_that_tell_nothing_are_passed_over(kind: int, compiled: bool) -> None:
    """Decryption secrets (10) and unknown ones, many in a row: as if they were not there, but for damage."""
    head, one, two = section() + interface("a"), packet(FRAME, moment(1)), packet(FRAME, moment(2))
    many = b"".join(block(kind, bytes(size)) for size in (0, 4, 70_000, 3)) * 50
    seen: list[bytes] = []
    for given in (None, lambda body, _: seen.append(body)):
        with open_capture(io.BytesIO(head + many + one + many + two), compiled=compiled, on_block=given) as found:
            numbers = [number for rows in found.blocks() for number in rows["frame"].tolist()]
        assert (numbers, found.problems) == ([1, 2], [])
    assert len(seen) == 2 + 400  # who asks for them gets them, one by one
    broken = head + one + many[:-4] + b"\1\0\0\0" + two
    with open_capture(io.BytesIO(broken), compiled=compiled) as found:
        assert sum(len(rows) for rows in found.blocks()) == 1
    (problem,) = found.problems
    assert (problem.name, problem.offset) == ("damaged-file", len(head + one + many) - 16)

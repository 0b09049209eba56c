"""A block at hand: its columns, addresses as text, what it shows of itself, and Arrow's C interface."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

import capnet
from capnet.errors import UsageError
from capnet.wire.block import Block
from capnet.wire.capture import Capture
from capnet.wire.fields import NAMES
from tests.conftest import PROJECT


@contextmanager
def first_block(name: str) -> Iterator[Block]:
    with capnet.open_capture(PROJECT / "tests" / "made" / name) as capture:
        yield next(iter(capture.blocks()))


def test_columns_are_those_that_can_be_asked_for() -> None:
    with first_block("vxlan.pcap") as block:
        assert block.columns == NAMES
        assert all(len(block[name]) == len(block) for name in block.columns)


def test_unknown_column_lists_the_columns() -> None:
    with first_block("tcp.pcap") as block:
        with pytest.raises(KeyError, match=r"no column 'tttl': the columns are frame, time, .*, related"):
            block["tttl"]
        with pytest.raises(KeyError, match=r"block\.text\('src'\) has it as text"):
            block["src"]
        with pytest.raises(KeyError, match="'ttl' is no address"):
            block.text("ttl")


def test_addresses_are_text_on_request() -> None:
    with first_block("arp.pcap") as block:
        assert block.text("src")[0] == "172.17.0.2"
        assert block.text("smac")[0] == "02:42:ac:11:00:02"
    with first_block("llc.pcap") as block:
        assert set(block.text("dst")) == {None}


def test_block_shows_its_size_and_columns() -> None:
    with first_block("vxlan_in_vxlan.pcap") as block:
        assert repr(block).startswith(f"<capnet block of {len(block)} rows, up to ")
        assert "src_hi" in repr(block)


def test_notebook_shows_the_first_rows_escaped() -> None:
    with first_block("vxlan.pcap") as block:
        page = block._repr_html_()
    assert page.count("<tr>") <= 21
    assert "<th>via_vni</th>" in page and "02:42:ac:11:00:02" in page


def test_block_is_a_record_batch() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="heavy, and optional: pip install 'capnet[export]'")
    with first_block("vxlan.pcap") as block:
        batch = pyarrow.record_batch(block)
        assert batch.num_rows == len(block)
        assert batch["src"].to_pylist() == block.text("src")


def test_fields_of_many_blocks_can_be_kept() -> None:
    """What a program with numpy does first: one array of a field of all blocks, which share their memory."""
    with many_frames() as capture:
        numbers = [block["frame"] for block in capture.blocks()]
    assert len(numbers) > 1
    assert np.concatenate(numbers).tolist() == list(range(1, FRAMES + 1))


def test_block_that_was_overwritten_says_so() -> None:
    with many_frames() as capture:
        first, *_, last = list(capture.blocks())
    assert last["frame"][-1] == FRAMES
    for ask in (lambda: first["frame"], lambda: first.text("src"), lambda: first.raw, lambda: list(first.dicts())):
        with pytest.raises(UsageError, match=r"overwritten by the next one: copy what you need .* capture\.frames"):
            ask()
    assert repr(first) == f"<capnet block of {len(first)} rows, overwritten by the next one>"
    assert "overwritten" in first._repr_html_()
    with pytest.raises(AttributeError, match="no attribute 'tll'"):
        last.tll  # noqa: B018


def test_block_is_not_pickled() -> None:
    with first_block("tcp.pcap") as block, pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(block)


FRAMES = 20_000


@contextmanager
def many_frames() -> Iterator[Capture]:
    """A capture of more frames than a block has rows."""
    frame = bytes.fromhex("0242ac110003 0242ac110002 88b5") + bytes(46)
    record = struct.pack("<4I", 1, 0, len(frame), len(frame)) + frame
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + record * FRAMES
    with capnet.open_capture(io.BytesIO(data)) as capture:
        yield capture

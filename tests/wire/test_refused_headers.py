"""Headers that are not decoded to their end say why: a TCP data offset below 5 words, label stacks without end."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from capnet import analyze
from capnet.wire import fields
from capnet.wire.capture import open_capture
from capnet.wire.protocols.mpls import MAX_LABELS
from tests.made.build import interface, moment, packet, section
from tests.stories import tcp

ETHERNET = bytes.fromhex("020000000002 020000000001")


def capture_of(frame: bytes) -> bytes:
    return section() + interface("eth0") + packet(frame, moment(1))


@pytest.mark.parametrize("captured", [20, 16, 13])
@pytest.mark.parametrize("offset", [0, 4])
def test_tcp_data_offset_below_five_is_malformed(offset: int, captured: int) -> None:
    """RFC 9293 section 3.1. Ports and sequence number stand before it; flags and window mean nothing."""
    whole = bytearray(tcp("10.0.0.1:4000 > 10.0.0.2:80", seq=7, ack=8, flags=0x29).frame())
    whole[14 + 20 + 12] = offset << 4
    with open_capture(io.BytesIO(capture_of(bytes(whole[: 34 + captured]))), compiled=False) as capture:
        (row,) = [row for block in capture.blocks() for row in block.rows]
    assert (row[fields.REASON], row[fields.DETAIL]) == (fields.REASON_MALFORMED, fields.LAYER_TCP)
    assert (row[fields.SPORT], row[fields.DPORT], row[fields.SEQ]) == (4000, 80, 7)
    assert row[fields.TCP_FLAGS] < 0 and row[fields.WINDOW] < 0


@pytest.mark.parametrize(
    ("labels", "undecoded"), [(MAX_LABELS, {}), (MAX_LABELS + 1, {f"more than {MAX_LABELS} MPLS labels": 1})]
)
def test_label_stack_beyond_limit_says_so(tmp_path: Path, labels: int, undecoded: dict[str, int]) -> None:
    stack = b"".join(struct.pack(">I", (100 + number) << 12 | 64) for number in range(labels - 1))
    last = struct.pack(">I", 99 << 12 | 0x100 | 64)
    frame = ETHERNET + b"\x88\x47" + stack + last + tcp("10.0.0.1:4000 > 10.0.0.2:80").ip()
    (tmp_path / "mpls.pcapng").write_bytes(capture_of(frame))
    assert analyze([tmp_path / "mpls.pcapng"], compiled=False).coverage.undecoded == undecoded

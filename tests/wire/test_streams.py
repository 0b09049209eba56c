"""Compressed captures, streams and growing files read as plain files do, in bounded memory, without temporary files."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import lz4.frame
import numpy as np
import pytest

from capnet.errors import UnreadableInput
from capnet.wire.capture import open_capture
from capnet.wire.formats import compression
from tests.conftest import GOLDENS
from tests.wire.as_users_run import environment

try:
    from compression import zstd
except ModuleNotFoundError:
    from backports import zstd

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
    "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
}


def rows(where: Path | io.BytesIO, compiled: bool = False) -> tuple[np.ndarray, list[str], str | None]:
    with open_capture(where, name="it", compiled=compiled) as capture:
        blocks = [block.rows.copy() for block in capture.blocks()]
        return np.concatenate(blocks), [problem.name for problem in capture.problems], capture.compression


@pytest.mark.parametrize("name", COMPRESSIONS)
@pytest.mark.parametrize("path", GOLDENS[:2], ids=lambda path: path.name)
def test_compressed_capture_reads_as_plain(path: Path, name: str, tmp_path: Path) -> None:
    """From a file and from a stream; no other file is written."""
    plain = rows(path)[0]
    packed = tmp_path / "packed"
    packed.write_bytes(COMPRESSIONS[name](path.read_bytes()))
    for where in (packed, io.BytesIO(packed.read_bytes())):
        actual, problems, compression = rows(where)
        assert (problems, compression) == ([], name)
        np.testing.assert_array_equal(actual, plain)
    assert list(tmp_path.iterdir()) == [packed]


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_several_frames_are_one_stream(name: str) -> None:
    """What `cat a.gz b.gz` makes."""
    data = GOLDENS[0].read_bytes()
    packed = b"".join(COMPRESSIONS[name](data[at : at + 5000]) for at in range(0, len(data), 5000))
    np.testing.assert_array_equal(rows(io.BytesIO(packed))[0], rows(GOLDENS[0])[0])


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_twice_error_says_so(name: str) -> None:
    """Every pair of compressions."""
    data = GOLDENS[0].read_bytes()
    for outer in COMPRESSIONS.values():
        with pytest.raises(UnreadableInput, match="compressed twice"):
            open_capture(io.BytesIO(outer(COMPRESSIONS[name](data))), compiled=False)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_stream_cut_or_damaged_is_read_to_there(name: str) -> None:
    """The first of two compressed frames is whole, so its packets are read."""
    data = GOLDENS[0].read_bytes()
    parts = [COMPRESSIONS[name](data[:20_000]), COMPRESSIONS[name](data[20_000:])]
    plain = rows(GOLDENS[0])[0]
    flipped = bytearray(parts[1])
    flipped[len(flipped) // 2] ^= 0xFF
    for second in (parts[1][:-4], flipped):
        actual, problems, _ = rows(io.BytesIO(parts[0] + second))
        assert 10 < len(actual) <= len(plain)
        if second is flipped:  # what comes out may be damaged before the compression's checksum tells so
            assert problems and set(problems) <= {"broken-compression", "damaged-file", "truncated-file"}
        else:
            assert problems == ["broken-compression"]
            np.testing.assert_array_equal(actual, plain[: len(actual)])


def skippable(size: int, number: int = 0) -> bytes:
    """RFC 8878 section 3.1.2; lz4 has the same."""
    return struct.pack("<II", 0x184D2A50 + number, size) + bytes(size)


@pytest.mark.parametrize("name", ["zstd", "lz4"])
def test_compressed_skippable_frames_are_skipped(name: str) -> None:
    """pzstd begins its files with one."""
    data = GOLDENS[0].read_bytes()
    first, second = (COMPRESSIONS[name](part) for part in (data[:5000], data[5000:]))
    begin = skippable(4) + skippable(0, 15) + skippable(300_000, 7)
    for packed in (begin + first + second, first + skippable(70_000) + second, first + second + skippable(3)):
        actual, problems, compression = rows(io.BytesIO(packed))
        assert (problems, compression) == ([], name)
        np.testing.assert_array_equal(actual, rows(GOLDENS[0])[0])
    for nothing in (skippable(9), begin):
        with pytest.raises(UnreadableInput, match="standard input is empty"):
            open_capture(io.BytesIO(nothing), compiled=False)
    for cut in (skippable(9)[:-1], skippable(9)[:6]):
        with pytest.raises(UnreadableInput):
            open_capture(io.BytesIO(cut), compiled=False)


def cut_by_damage(name: str, data: bytes) -> bytes:
    """All of `data`, compressed, and then in the same frame what cannot be a block."""
    if name == "gzip":
        deflate = zlib.compressobj(wbits=31)
        return deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH) + b"\xff" * 20
    if name == "zstd":
        return zstd.ZstdCompressor().compress(data, zstd.ZstdCompressor.FLUSH_BLOCK) + b"\xff" * 20
    pack = lz4.frame.LZ4FrameCompressor(block_size=lz4.frame.BLOCKSIZE_MAX4MB, auto_flush=True)
    return pack.begin() + pack.compress(data) + b"\xff\xff\xff\x7f"


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_frame_damaged_gives_bytes_before(name: str) -> None:
    """At most one piece (`compression.PIECE`) before the damage is lost."""
    data = b"".join(random.Random(1).randbytes(500) + bytes(500) for _ in range(1000))
    stream, data_before, into = (
        compression.decompressed(name, io.BytesIO(cut_by_damage(name, data))),
        b"",
        bytearray(1 << 21),
    )
    with pytest.raises((OSError, RuntimeError, zlib.error, zstd.ZstdError)):
        while got := stream.readinto(into):
            data_before += into[:got]
    assert data.startswith(data_before) and len(data_before) > len(data) - compression.PIECE


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_stream_damaged_at_start_is_not_empty(name: str) -> None:
    """Not one byte comes out: the error names the damage."""
    for packed in (COMPRESSIONS[name](bytes(100))[:5], COMPRESSIONS[name](bytes(100))[:4] + b"\xff" * 40):
        with pytest.raises(UnreadableInput, match=f"the {name} stream is damaged where it begins: ."):
            open_capture(io.BytesIO(packed), compiled=False)


class Failing(io.BytesIO):
    """A file whose end cannot be read, as on a broken disk or a lost server."""

    def readinto(self, into) -> int:
        if self.tell() == len(self.getvalue()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().readinto(into)


@pytest.mark.parametrize("name", [None, *COMPRESSIONS])
def test_read_error_is_not_called_damaged_compression(name: str | None) -> None:
    """The disk fails in the middle of a plain or compressed capture."""
    data = GOLDENS[0].read_bytes()
    half = COMPRESSIONS[name](data[:20_000]) + COMPRESSIONS[name](data[20_000:])[:-9] if name else data[:20_000]
    with open_capture(Failing(half), name="it", compiled=False) as capture:
        actual = np.concatenate([block.rows.copy() for block in capture.blocks()])
    assert [(problem.name, problem.says) for problem in capture.problems] == [
        ("read-error", "nothing behind this could be read: Input/output error")
    ]
    assert len(actual) > 10 and (actual == rows(GOLDENS[0])[0][: len(actual)]).all()


PEAK = """
import resource, sys
from capnet import analyze
import capnet.analysis.engine as engine
report = engine.analyze([sys.argv[1]], compiled=sys.argv[2] == "compiled")
print(report.inputs[0].packets, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(path: Path) -> tuple[int, int]:
    """(packets, peak memory in MiB) of an analysis in a process of its own."""
    code = PEAK.replace("from capnet import analyze\n", "")
    command = [sys.executable, "-c", code, str(path), "compiled"]
    # Started by an interpreter with nothing loaded: a process's peak begins with that of the one that started it.
    start = [sys.executable, "-I", "-S", "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"]
    done = subprocess.run([*start, *command], env=environment(), check=True, capture_output=True, text=True)
    packets, mib = done.stdout.split()
    return int(packets), int(mib)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_decompression_bomb_needs_no_more_memory(name: str, tmp_path: Path) -> None:
    """512 MB of zeros in frames of 256 KiB, in a file of a thousandth of that size."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    frame = struct.pack("<IIII", 1, 0, 262144, 262144) + bytes(262144)
    small, bomb = tmp_path / "small", tmp_path / "bomb"
    small.write_bytes(head + frame)
    bomb.write_bytes(COMPRESSIONS[name](head) + COMPRESSIONS[name](frame * 64) * 32)
    assert bomb.stat().st_size < 5_000_000
    few, least = peak(small)
    many, most = peak(bomb)
    assert (few, many) == (1, 2048)
    assert most < least + 48


def test_growing_file_ends_when_until_is_set(tmp_path: Path) -> None:
    """Also read: what is written behind the middle of a record, and just before the end."""
    data = GOLDENS[0].read_bytes()
    path = tmp_path / "growing.pcapng"
    path.write_bytes(data[:10_001])
    until, blocks, has_block = Event(), [], Event()

    def read() -> None:
        with open_capture(path, compiled=False, until=until) as capture:
            for block in capture.blocks():
                blocks.append(block.rows.copy())
                has_block.set()
            assert capture.problems == []

    # `compiled` is given: to choose by size, a growing capture is read to its end first.
    reader = Thread(target=read)
    reader.start()
    assert has_block.wait(20)
    with path.open("ab") as more:
        more.write(data[10_001:])
    until.set()
    reader.join(20)
    assert not reader.is_alive()
    np.testing.assert_array_equal(np.concatenate(blocks), rows(GOLDENS[0])[0])


@pytest.mark.parametrize("meanwhile", ["cut", "emptied", "rotated", "removed", "left alone"])
def test_growing_file_cut_or_replaced_is_reported(tmp_path: Path, meanwhile: str) -> None:
    """A file that was cut ends by itself, as no byte would be read again. A rotated one may grow under its new name."""
    data = GOLDENS[0].read_bytes()
    path = tmp_path / "growing.pcapng"
    path.write_bytes(data[:10_001])
    until, has_block, problems = Event(), Event(), []

    def read() -> None:
        with open_capture(path, compiled=False, until=until) as capture:
            for _ in capture.blocks():
                has_block.set()
            problems.extend(problem.name for problem in capture.problems)

    reader = Thread(target=read)
    reader.start()
    assert has_block.wait(20)
    if meanwhile == "rotated":
        path.rename(tmp_path / "growing.1")
        path.write_bytes(data)
    elif meanwhile == "removed":
        path.unlink()
    elif meanwhile != "left alone":
        os.truncate(path, 5000 if meanwhile == "cut" else 0)
    if meanwhile not in ("cut", "emptied"):
        until.set()
    reader.join(20)
    assert not reader.is_alive()
    assert problems == {
        "cut": ["read-error"],
        "emptied": ["read-error"],
        "rotated": ["truncated-file", "file-replaced"],
    }.get(meanwhile, ["truncated-file"])


def test_lent_buffer_read_ahead_stays_unchanged() -> None:
    """Batches that were read ahead keep their bytes while reading goes on."""
    from capnet.wire.block import RecordBatch

    data = b"".join(
        [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
        + [struct.pack("<IIII", i, 0, 1000, 1000) + struct.pack("<I", i) * 250 for i in range(9000)]
    )
    with open_capture(io.BytesIO(data), compiled=False) as capture:
        batches = [RecordBatch(capture.machine) for _ in range(5)]
        filled = [batch for batch in batches if capture.read_batch(batch)]
        assert len(filled) == 5
        for batch in filled:
            for at, _, _, _, _, _, number in batch.records[: batch.count * 7].reshape(-1, 7).tolist():
                assert batch.buffer[at : at + 4] == struct.pack("<I", number - 1)

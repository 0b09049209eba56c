"""Opens captures: the first bytes say the format, and the reader of that format reads on.

    with open_capture(Path("overlay.pcapng")) as capture:
        for block in capture.blocks():
            block["ttl"]                 # int64 array, one value per row

Damage does not raise: reading stops there, and `capture.problems` says what is wrong at which offset. A pcap is read on
where records certainly begin again. Only a file that is no capture at all is an error (UnreadableInput).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from os import PathLike
from pathlib import Path
from threading import Event
from typing import BinaryIO

from capnet.errors import UnreadableInput, UsageError
from capnet.jit.kernel import Machine
from capnet.wire.block import MAX_ROWS, Block, RecordBatch
from capnet.wire.decode import decode
from capnet.wire.formats import compression, pcap, pcapng
from capnet.wire.formats.byte_source import ByteSource, open_source
from capnet.wire.formats.file_reader import FileReader
from capnet.wire.formats.pcapng_reader import BlockHandler, PcapngReader
from capnet.wire.formats.reader import Capture, CaptureInterface, CaptureProblem, Record, Splitter
from capnet.wire.numbers import MAX_PORT

__all__ = [
    "MAX_ROWS",
    "Capture",
    "CaptureInterface",
    "CaptureProblem",
    "Record",
    "RecordBatch",
    "open_capture",
    "worth_compiling",
]

# Smaller captures are read faster interpreted: bytes, with machine code that is loaded directly, with machine code that
# LLVM loads, and without any.
MIN_COMPILED_DIRECT = 24 << 10
MIN_COMPILED_CACHED = 1 << 20
MIN_COMPILED_UNCACHED = 6 << 20
COMPRESSION_RATIO = 6  # typical of captures


def open_capture(
    where: str | PathLike[str] | BinaryIO,
    *,
    name: str | None = None,
    size: int | None = None,
    compiled: bool | None = None,
    vxlan_port: int = 0,
    on_block: BlockHandler | None = None,
    until: Event | None = None,
    split_any: bool = False,
    waiting: Callable[[], None] | None = None,
) -> FileReader:
    """Open a pcap or pcapng file, plain or compressed, or a binary stream of one.

    `name`: what problems and errors call it. `size`: bytes on disk, if the caller knows them.
    `compiled`: run the kernels compiled (True), interpreted (False), or as fits the size (None).
    `vxlan_port`: a UDP port that always is VXLAN, besides 4789.
    `on_block` is given every pcapng block that is no packet, in its place among the packets, and whether it is
    big-endian. `until`: the file may be growing, and ends when this is set; `waiting` is called while nothing comes.
    `split_any`: a capture at `any` of link type LINUX_SLL2 has a point for each interface of the host.
    Raises UnreadableInput, UsageError for no port, and TypeError for anything that is neither path nor stream.
    """
    if not isinstance(where, str | PathLike) and not hasattr(where, "read"):
        what = f"a capture is a path (str or Path) or a binary stream, not {type(where).__name__}"
        raise TypeError(f"{what}: io.BytesIO(DATA) makes a stream of bytes")
    if not 0 <= vxlan_port <= MAX_PORT:
        raise UsageError(f"vxlan_port is a UDP port, 1 to {MAX_PORT}, or 0 for none, not {vxlan_port}")
    source = open_source(Path(where) if isinstance(where, str | PathLike) else where, name, until, size, waiting)
    try:
        machine = Machine(_is_worth_compiling(source) if compiled is None else compiled)
        reader = _reader(source, machine, vxlan_port, on_block)
        reader.make_splitter = _any_interfaces if split_any else None
        return reader
    except BaseException:  # also Ctrl-C while a stream is awaited: the file is closed in any case
        source.close()
        raise


def worth_compiling(sizes: Iterable[tuple[Path, int]]) -> bool:
    """Whether files of these sizes in all are read faster compiled, loading or running the compiler included.

    Compressed files count by what they probably hold.
    """
    total = sum(size * (COMPRESSION_RATIO if path.suffix in compression.SUFFIXES else 1) for path, size in sizes)
    return _is_large(total)


def _is_worth_compiling(source: ByteSource) -> bool:
    """Whether a source is large enough. If its size does not tell, it is read until it is."""
    if source.size is not None and source.compression is None:
        return _is_large(source.size)
    for limit in (MIN_COMPILED_DIRECT, MIN_COMPILED_CACHED, MIN_COMPILED_UNCACHED):
        while source.end < limit and source.read_more(limit):
            pass
        if source.end < limit or _is_large(source.end):
            break
    return _is_large(source.end)


def _is_large(size: int) -> bool:
    """Whether so many bytes are read faster compiled. Machine code is looked for only where it decides."""
    if size >= MIN_COMPILED_UNCACHED:
        return True
    if size >= MIN_COMPILED_CACHED:
        return decode.is_cached()
    return size >= MIN_COMPILED_DIRECT and decode.is_loaded_directly()


def _reader(source: ByteSource, machine: Machine, vxlan_port: int, on_block: BlockHandler | None) -> FileReader:
    """The reader of the source's format. UnreadableInput if it is no capture, or damaged where it begins."""
    source.ensure(pcap.HEADER)
    head = bytes(source.buffer[source.pos : min(source.end, source.pos + pcap.HEADER)])
    if not head:
        raise UnreadableInput(f"{source.name}: {_why_empty(source)}")
    decoder = partial(_decode_batch, machine, vxlan_port)
    try:
        if pcap.is_pcap(head):
            return pcap.PcapReader(source, machine, decoder)
        if pcapng.is_pcapng(head):
            return PcapngReader(source, machine, decoder, on_block)
        if compression.detect(head):
            raise ValueError("compressed twice; unpack it once")
        if unread := compression.unread(head):
            raise ValueError(unread)
        raise ValueError("neither pcap nor pcapng (capnet reads these, plain or gzip, zstd, lz4)")
    except ValueError as error:
        raise UnreadableInput(f"{source.name}: {error}") from error


def _any_interfaces() -> Splitter:
    from capnet.wire.any_interfaces import AnyInterfaces

    return AnyInterfaces()


def _why_empty(source: ByteSource) -> str:
    if source.error and not source.failure:
        return f"the {source.compression} stream is damaged where it begins: {source.error}"
    return source.failure or ("standard input is empty" if source.name == "-" else "the file is empty")


def _decode_batch(machine: Machine, vxlan_port: int, batch: RecordBatch) -> Block | None:
    """The next block of rows of a batch, valid until the batch is decoded further or read again; None at its end.

    Several threads may decode, each a batch of its own.
    """
    if batch.done == batch.count:
        return None
    view = batch.view
    machine.run(decode)(
        machine.bytes(batch.buffer), view["records"], batch.done, batch.count, vxlan_port,
        view["blank"], view["flat"], MAX_ROWS, view["record_at"], view["out"],
    )  # fmt: skip
    batch.done, rows, layers, *flags = batch.out.tolist()
    flagged = map(bool, flags)  # in the order of Block
    raw = memoryview(batch.buffer)
    return Block(batch.flat, view["flat"], rows, raw, batch.record_at, layers, *flagged)

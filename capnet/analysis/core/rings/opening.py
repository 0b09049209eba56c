"""Opens a source for a pass: a file, a stream, or several files that follow each other as one capture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from capnet.analysis.core.options import Options
from capnet.analysis.core.sources import Source
from capnet.wire.capture import Capture, open_capture, worth_compiling

# Is given a source, the file of it that was read to its end, the capture, and the number of its first frame.
PartEnded = Callable[[Source, Source, Capture, int], None]


def open_source(
    source: Source,
    options: Options,
    size: int | None = None,
    on_block: Callable[[bytes, bool], None] | None = None,
    part_ended: PartEnded | None = None,
) -> Capture:
    """The capture of a source. Raises UnreadableInput, of several files also while it is read.

    `size`: bytes on disk, if they are known. `on_block`: as of `open_capture`. `part_ended` is called for each of
    several files.
    """
    opened = partial(open_capture, vxlan_port=options.vxlan_port, on_block=on_block, split_any=True)
    if not source.later:
        return opened(
            source.path or source.stream or sys.stdin.buffer, name=source.label, size=size, compiled=options.compiled,
            until=options.until, waiting=options.waiting,
        )  # fmt: skip
    from capnet.analysis.core.rings.file_names import is_next
    from capnet.wire.series import Series, SeriesFile

    files = [part.path for part in source.parts if part.path]
    compiled = options.compiled  # the same for all files: they share the memory that rows are decoded in
    if compiled is None:
        compiled = worth_compiling((file, file.stat().st_size) for file in files)
    parts = [
        SeriesFile(
            partial(opened, file, name=str(file), compiled=compiled), bool(before and is_next(before, file, files))
        )
        for before, file in zip([None, *files], files, strict=False)
    ]
    ended = iter(source.parts)
    return Series(parts, part_ended and (lambda capture, first: part_ended(source, next(ended), capture, first)))

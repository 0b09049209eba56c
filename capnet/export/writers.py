"""The formats of `capnet export`, and which one a file's name asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from capnet.errors import UsageError
from capnet.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from capnet.table.table import Table


class FileFormat(NamedTuple):
    """A format: endings of its files' names, and whether it is text."""

    suffixes: tuple[str, ...]
    is_text: bool


FORMATS = {
    "parquet": FileFormat((".parquet", ".pq"), False),
    "csv": FileFormat((".csv",), True),
    "jsonl": FileFormat((".jsonl", ".ndjson"), True),
    "arrow": FileFormat((".arrow", ".arrows"), False),
}
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4")


def format_for(asked: str | None, output: Path | None) -> str:
    """The format that is asked for, else that of the output's name. UsageError if neither says one, or if the name is
    that of a compressed file.
    """
    if output and output.suffix.lower() in COMPRESSED:
        raise UsageError(f"--output {output}: export compresses no files; write to - and pipe it into a compressor")
    named = next((name for name, kind in FORMATS.items() if output and output.suffix.lower() in kind.suffixes), None)
    if asked and named and asked != named:
        raise UsageError(f"--to {asked} and --output {output} contradict each other: name the file otherwise")
    if asked is None and named is None:
        raise UsageError(f"--output {output or '-'} names no format; say --to with one of {', '.join(FORMATS)}")
    return asked or named or ""


def write(table: Table, format_: str, file: BinaryIO) -> None:
    """Write a table into a file. EnvironmentLacks if the format needs a library that is not there."""
    if FORMATS[format_].is_text:
        from capnet.export.text_rows import csv_pieces, jsonl_pieces

        pieces: Callable[[Table], Iterator[str]] = csv_pieces if format_ == "csv" else jsonl_pieces
        text = TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        try:
            text.writelines(pieces(table))
            text.flush()
        finally:
            text.detach()
        return
    from capnet.export.parquet import write_arrow, write_parquet

    (write_parquet if format_ == "parquet" else write_arrow)(table, file)

"""Blocks of an annotated capture that are no packets: kept in their place, or turned for the merged section.

A pcapng file that is annotated alone keeps its blocks (`KeptBlocks`). Several sources become one little-endian section
(`MergedBlocks`), where only blocks whose meaning does not depend on their section are written.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from capnet import __version__
from capnet.analysis.engine import Study
from capnet.analysis.trace.packet_ids import open_again
from capnet.record.bundle.file_interfaces import FileInterfaces
from capnet.record.bundle.pcapng_blocks import (
    INTERFACE_NUMBERS,
    encodable,
    is_mac,
    kind_of,
    made_block,
    order_of,
    statistics,
    turned_names,
)
from capnet.wire.formats import pcapng, pcapng_walk
from capnet.wire.formats import pcapng_writer as writer
from capnet.wire.formats.pcap import PcapReader


class SourceBlocks:
    """What a first pass over the sources keeps of their other blocks: its `see` is the `on_block` of the study.

    `interfaces`: per source, interface description blocks and whether they are big-endian. `names`: all name records.
    """

    def __init__(self) -> None:
        self.interfaces: dict[int, list[tuple[bytes, bool]]] = {}
        self.names = pcapng.ResolvedNames()

    def see(self, source: int, block: bytes, big: bool) -> None:
        """Keeps the block of source number `source` if it describes an interface or names addresses."""
        kind = kind_of(block, big)
        if kind == pcapng.INTERFACE_DESCRIPTION:
            self.interfaces.setdefault(source, []).append((block, big))
        elif kind == pcapng.NAME_RESOLUTION:
            pcapng.parse_names(block, big, self.names)


@dataclass
class AnnotatedOutput:
    """Where the annotated capture goes; `number` is that of the last frame, as Wireshark counts."""

    write: Callable[[Any], object]
    number: int = 0


class KeptBlocks:
    """`on_block` of a pcapng file that is annotated alone: its other blocks stay where they are."""

    def __init__(
        self, study: Study, source_blocks: SourceBlocks, output: AnnotatedOutput, interfaces: FileInterfaces
    ) -> None:
        self.first_interface = 0  # of the current section
        self._study = study
        self._source_blocks = source_blocks
        self._output = output
        self._names = interfaces.names
        self._interfaces = 0
        self._is_first_section = True

    def __call__(self, block: bytes, big: bool) -> None:
        kind = kind_of(block, big)
        if kind == pcapng.SECTION_HEADER:
            self.first_interface = self._interfaces
            # The section grows: its length is left unspecified (section 4.1).
            self._output.write(block[:16] + b"\xff" * 8 + block[24:])
            if self._is_first_section:
                self._is_first_section = False
                self._output.write(name_block(self._study.report.names, self._source_blocks.names, big))
            return
        if kind == pcapng.INTERFACE_DESCRIPTION:
            block = named_interface(block, big, self._names[self._interfaces], big)
            self._interfaces += 1
        if pcapng_walk.is_numbered(kind):
            self._output.number += 1
        self._output.write(block)


class MergedBlocks:
    """`on_block` of one of several sources: writes what keeps its meaning in the one section that they become."""

    def __init__(self, output: AnnotatedOutput, base: int) -> None:
        self._output = output
        self._interfaces = base  # so far, those of earlier sources included
        self._first = base  # of the current section

    def __call__(self, block: bytes, big: bool) -> None:
        kind = kind_of(block, big)
        if kind == pcapng.SECTION_HEADER:
            self._first = self._interfaces
        elif kind == pcapng.INTERFACE_DESCRIPTION:
            self._interfaces += 1
        elif kind == pcapng.INTERFACE_STATISTICS:
            number = int.from_bytes(block[8:12], order_of(big)) + self._first
            if number < self._interfaces:
                self._output.write(statistics(block, big, number))
        elif kind == pcapng.NAME_RESOLUTION:
            self._output.write(turned_names(block) if big else block)
        elif not big:  # custom blocks, secrets, journal: their bytes mean the same here
            self._output.number += pcapng_walk.is_numbered(kind)
            self._output.write(block)


def merged_head(study: Study, source_blocks: SourceBlocks, interfaces: FileInterfaces) -> bytes:
    """Section header, interface descriptions and names of the one section that several sources, or a pcap, become."""
    blocks = [writer.section(userappl=f"capnet {__version__}")]
    names = iter(interfaces.names)
    for number, given in enumerate(study.report.inputs):
        for block, big in source_blocks.interfaces.get(number, []):
            blocks.append(named_interface(block, big, next(names), False))
        if given.format == "pcap":
            with open_again(study, study.sources[number]) as capture:
                assert isinstance(capture, PcapReader)
                head = capture.header
                blocks.append(
                    writer.interface(
                        encodable(next(names)),
                        linktype=head.linktype,
                        snaplen=head.snaplen,
                        resolution=9 if head.unit == 1 else 6,
                    )
                )
    return b"".join([*blocks, name_block(study.report.names, source_blocks.names, False)])


def named_interface(block: bytes, big: bool, name: str, big_out: bool) -> bytes:
    """An interface description block in the byte order `big_out`, with `name` for its if_name."""
    options = list(pcapng.options(block[16:-4], big))
    own = next((pcapng.text(value) for code, value in options if code == 2), None)
    if own == name and big == big_out:
        return block
    turned = [
        (code, value[::-1] if big != big_out and INTERFACE_NUMBERS.get(code) == len(value) else value)
        for code, value in options
        if code != 2
    ]
    linktype, _, snaplen = struct.unpack_from(">HHI" if big else "<HHI", block, 8)
    body = struct.pack(">HHI" if big_out else "<HHI", linktype, 0, snaplen)
    return made_block(pcapng.INTERFACE_DESCRIPTION, body, [(2, encodable(name).encode()), *turned], big_out)


def name_block(report_names: Mapping[str, str], stored: pcapng.ResolvedNames, big: bool) -> bytes:
    """The report's names of addresses and MACs as a name resolution block; empty when the input has them all."""
    addresses: list[tuple[str, str]] = []
    macs: list[tuple[str, str]] = []
    for key, name in report_names.items():
        if stored.of.get(key) != [name]:
            (macs if is_mac(key) else addresses).append((key, encodable(name)))
    if not addresses and not macs:
        return b""
    block = writer.names(addresses, macs)
    return turned_names(block) if big else block

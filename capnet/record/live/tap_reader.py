"""Reads what a capture program has written so far, as Enhanced Packet Blocks of the merged file.

Input: a growing pcap or pcapng file of one interface, in either byte order. What is read is given back to the file
system (fallocate(2), FALLOC_FL_PUNCH_HOLE), so that a capture of days needs no second copy on disk.
Output: (time in ns since 1970, block) for each packet, in the order of the file. A packet that is only half there
waits for the rest. What cannot be a record ends the reading; `problem` says where.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import TypeAlias

from capnet.wire.formats import pcap, pcapng
from capnet.wire.formats.record import MAX_BLOCK, MAX_CAPLEN
from capnet.wire.numbers import LINKTYPE_ETHERNET

TimedBlock: TypeAlias = tuple[int, bytes]

_PAD = (b"", bytes(3), bytes(2), bytes(1))  # by length modulo 4
_HEAD, _TAIL = struct.Struct("<7I"), struct.Struct("<I")
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h
_MIN_HOLE = 1 << 20  # bytes; a system call for less would cost more than the pages are worth
_PAGE = 4096
SKIP_SIZE = 1 << 20  # bytes that are passed over at once


class TapReader:
    """The packets at one capture point, whose interface in the merged file is number `interface`."""

    def __init__(self, path: Path, interface: int) -> None:
        self.interface = interface
        self.packets = 0
        self.wire_bytes = 0
        self.oldest_ns: int | None = None  # time of the first packet
        self.newest_ns = 0  # time of the last packet
        self.linktype = LINKTYPE_ETHERNET
        self.problem: str | None = None
        self.left_out = 0  # packets that `skip` has passed over
        self._is_skipping = False
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._taken = 0  # bytes read so far
        self._given_back = 0
        self._rest = b""  # the beginning of a record
        self._unit = 0  # ns per unit of time; 0 until the header was read
        self._order = "<"
        self._is_pcapng = False

    def unread(self) -> int:
        """Bytes that the program has written and `read` has not seen."""
        return 0 if self.problem else os.fstat(self._fd).st_size - self._taken

    def read(self, size: int) -> list[TimedBlock]:
        """The packets in the next `size` bytes."""
        data = os.read(self._fd, size)
        if not data or self.problem:
            return []
        self._taken += len(data)
        self._give_back()
        data = self._rest + data
        blocks: list[TimedBlock] = []
        at = 0
        if not self._unit and not self._is_pcapng:
            at = self._read_header(data)
            if at < 0:
                self._rest = data
                return []
        at = (self._read_pcapng if self._is_pcapng else self._read_pcap)(data, at, blocks)
        self._rest = data[at:]
        self.packets += len(blocks)
        if blocks:
            self.oldest_ns = blocks[0][0] if self.oldest_ns is None else self.oldest_ns
            self.newest_ns = blocks[-1][0]
        return blocks

    def skip(self, size: int) -> None:
        """Passes over the packets in the next `size` bytes, and counts them."""
        self._is_skipping = True
        end = self._taken + size
        while self._taken < end and self.unread() > 0:
            self.read(SKIP_SIZE)
        self._is_skipping = False

    def peek_linktype(self) -> int | None:
        """The link type that the beginning of the file names; None as long as it is not there."""
        head = os.pread(self._fd, _PAGE, 0)
        if not pcapng.is_pcapng(head):
            return pcap.parse_header(head).linktype if pcap.is_pcap(head) and len(head) >= pcap.HEADER else None
        if len(head) < 12:
            return None
        order = ">" if pcapng.section_order(head) else "<"
        (length,) = struct.unpack_from(f"{order}I", head, 4)
        block = head[length : length + 16]
        if len(block) < 16 or struct.unpack_from(f"{order}I", block)[0] != pcapng.INTERFACE_DESCRIPTION:
            return None
        linktype: int = struct.unpack_from(f"{order}H", block, 8)[0]
        return linktype

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)

    # -- formats -----------------------------------------------------------------------------------
    def _read_header(self, data: bytes) -> int:
        """Offset behind the file header; -1 if it is not wholly there."""
        if len(data) < pcap.HEADER:
            return -1
        if pcapng.is_pcapng(data):
            self._is_pcapng = True
            return 0
        try:
            header = pcap.parse_header(data[: pcap.HEADER])
        except ValueError as error:
            self.problem = str(error)
            return len(data)
        self._order, self._unit, self.linktype = ">" if header.big else "<", header.unit, header.linktype
        return pcap.HEADER

    def _read_pcap(self, data: bytes, at: int, blocks: list[TimedBlock]) -> int:
        """Adds the records from offset `at` on to `blocks`; the offset of the first that is not wholly there."""
        unpack = struct.Struct(f"{self._order}4I").unpack_from
        unit, end = self._unit, len(data)
        while at + 16 <= end:
            seconds, fraction, caplen, wirelen = unpack(data, at)
            if caplen > MAX_CAPLEN:
                return self._stop_at(at, end)
            behind = at + 16 + caplen
            if behind > end:
                break
            if self._is_skipping:
                self.left_out += 1
            else:
                blocks.append(self._block(seconds * 1_000_000_000 + fraction * unit, data[at + 16 : behind], wirelen))
            at = behind
        return at

    def _read_pcapng(self, data: bytes, at: int, blocks: list[TimedBlock]) -> int:
        """As `_read_pcap`, for the blocks of a pcapng file. Blocks that are no packets are passed over."""
        end = len(data)
        while at + 12 <= end:
            kind, length = struct.unpack_from(f"{self._order}2I", data, at)
            if kind == pcapng.SECTION_HEADER:
                self._order = ">" if pcapng.section_order(data[at : at + 12]) else "<"
                (length,) = struct.unpack_from(f"{self._order}I", data, at + 4)
            if not 12 <= length <= MAX_BLOCK or length % 4:
                return self._stop_at(at, end)
            if at + length > end:
                break
            if kind == pcapng.ENHANCED_PACKET and self._is_skipping:
                self.left_out += 1
            elif kind == pcapng.ENHANCED_PACKET:
                _, high, low, caplen, wirelen = struct.unpack_from(f"{self._order}5I", data, at + 8)
                begin = at + pcapng.PACKET_HEADER
                if begin + caplen > at + length:
                    return self._stop_at(at, end)
                time = ((high << 32) | low) * self._unit
                blocks.append(self._block(time, data[begin : begin + caplen], wirelen))
            elif kind == pcapng.INTERFACE_DESCRIPTION:
                described = pcapng.parse_interface(data[at : at + length], self._order == ">")
                self.linktype, self._unit = described.linktype, 10 ** max(0, 9 - described.resolution)
            at += length
        return at

    def _block(self, time: int, frame: bytes, wirelen: int) -> TimedBlock:
        caplen = len(frame)
        length = 32 + (caplen + 3 & ~3)
        self.wire_bytes += wirelen
        head = _HEAD.pack(
            pcapng.ENHANCED_PACKET, length, self.interface, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF, caplen, wirelen
        )
        return time, b"".join((head, frame, _PAD[caplen & 3], _TAIL.pack(length)))

    def _stop_at(self, at: int, end: int) -> int:
        offset = self._taken - (end - at)
        self.problem = f"what the capture program wrote at offset {offset} is no packet"
        return end

    def _give_back(self) -> None:
        """Frees the pages that were read. A file system that cannot do it keeps them until the capture ends."""
        behind = self._taken // _PAGE * _PAGE
        if behind - self._given_back >= _MIN_HOLE:
            fallocate = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
            if fallocate is not None:
                fallocate(
                    self._fd,
                    _PUNCH_HOLE | _KEEP_SIZE,
                    ctypes.c_int64(self._given_back),
                    ctypes.c_int64(behind - self._given_back),
                )
            self._given_back = behind


def interface_of(block: bytes) -> int:
    """The interface of an Enhanced Packet Block that `TapReader` made."""
    return block[8] | block[9] << 8


def wire_length_of(block: bytes) -> int:
    """Bytes on the wire of its frame."""
    return int.from_bytes(block[24:28], "little")


_libc = ctypes.CDLL(None)

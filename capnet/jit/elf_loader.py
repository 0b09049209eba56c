"""Puts the machine code of an object file into memory, without LLVM: its library takes 60 ms to load, this 0.2 ms.

Kernels refer to their own constants, to `memcpy` and to `memset`, all by 64-bit addresses (R_X86_64_64), wherever these
lie. A file with anything else, as of another processor, is refused: LLVM loads it (`native`).
Source: System V ABI, ELF-64 object files, and its supplement for AMD64, section 4.4.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Iterator

from capnet.quick_tuple import NamedTuple

_FILE = struct.Struct("<4s5B7x2HI3QI6H")
_SECTION = struct.Struct("<2I4Q2I2Q")
_SYMBOL = struct.Struct("<I2BH2Q")
_RELOCATION = struct.Struct("<QIIq")
_ADDRESS = struct.Struct("<Q")

_ELF64_LITTLE = (b"\x7fELF", 2, 1, 1)  # magic, class, byte order, version
_RELOCATABLE, _X86_64 = 1, 62
_SYMTAB, _RELA, _NOBITS, _REL = 2, 4, 8, 9  # types of sections
_WRITE, _ALLOC = 1, 2  # flags of sections
_R_X86_64_64 = 1
_UNDEFINED = 0  # the section of a symbol of another file

loaded: list[mmap.mmap] = []  # the process keeps the code that it may run


class UnknownFormat(Exception):
    """The object file has something that this does not know."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


class _Symbol(NamedTuple):
    name: str  # empty of a section
    address: int  # 0 of what is not in memory


def load(code: bytes, symbol: str) -> int:
    """The address of a function in an object file, once it may be called. UnknownFormat if LLVM has to load it.

    Code and constants can no longer be written then, and other data cannot be run.
    """
    try:
        sections = _sections(code)
        places, fixed, size = _places(sections)
        memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for number, place in places.items():
            section = sections[number]
            if section.kind != _NOBITS:
                memory[place : place + section.size] = _content(code, section)
        symbols = list(_symbols(code, sections, {number: start + place for number, place in places.items()}))
        for section in sections:
            if section.kind in (_RELA, _REL) and section.info in places:
                _relocate(code, section, memory, places[section.info], symbols)
        address = next(each.address for each in symbols if each.name == symbol)
    except (struct.error, IndexError, StopIteration, ValueError, OverflowError, OSError) as error:
        raise UnknownFormat(str(error)) from error
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if protect(start, fixed, mmap.PROT_READ | mmap.PROT_EXEC):
        raise UnknownFormat(f"mprotect: error {ctypes.get_errno()}")
    loaded.append(memory)
    return address


def _sections(code: bytes) -> list[_Section]:
    magic, *kinds, file_type, machine, _, _, _, table, _, _, _, _, entry_size, count, _ = _FILE.unpack_from(code)
    if (magic, *kinds[:3]) != _ELF64_LITTLE or (file_type, machine) != (_RELOCATABLE, _X86_64):
        raise UnknownFormat("no object file of x86-64")
    return [_Section(*_SECTION.unpack_from(code, table + number * entry_size)) for number in range(count)]


def _places(sections: list[_Section]) -> tuple[dict[int, int], int, int]:
    """Section → where it goes; then bytes that are not written later, whole pages, and bytes in all."""
    places: dict[int, int] = {}
    end = fixed = 0
    for flags in (_ALLOC, _ALLOC | _WRITE):
        for number, section in enumerate(sections):
            if section.flags & (_ALLOC | _WRITE) == flags and section.size:
                places[number] = end = _rounded(end, section.alignment)
                end += section.size
        end = _rounded(end, mmap.PAGESIZE)
        fixed = fixed or end
    return places, fixed, end


def _rounded(offset: int, alignment: int) -> int:
    return -(-offset // max(alignment, 1)) * max(alignment, 1)


def _content(code: bytes, section: _Section) -> bytes:
    content = code[section.offset : section.offset + section.size]
    if len(content) != section.size:
        raise UnknownFormat("the file is cut")
    return content


def _symbols(code: bytes, sections: list[_Section], addresses: dict[int, int]) -> Iterator[_Symbol]:
    table = next(section for section in sections if section.kind == _SYMTAB)
    names = _content(code, sections[table.link])
    for start, _, _, section, value, _ in _SYMBOL.iter_unpack(_content(code, table)):
        name = names[start : names.index(b"\0", start)].decode("ascii")
        if section == _UNDEFINED and name:
            yield _Symbol(name, _address_in_c_library(name))
        else:
            yield _Symbol(name, addresses[section] + value if section in addresses else 0)


def _address_in_c_library(name: str) -> int:
    if name not in ("memcpy", "memset"):
        raise UnknownFormat(f"it calls {name}")
    return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0


def _relocate(code: bytes, section: _Section, memory: mmap.mmap, place: int, symbols: list[_Symbol]) -> None:
    """Write the addresses that code or constants at `place` refer to; `section` lists them."""
    for offset, kind, symbol, addend in _RELOCATION.iter_unpack(_content(code, section)):
        if section.kind != _RELA or kind != _R_X86_64_64 or not symbols[symbol].address:
            raise UnknownFormat(f"relocation {kind}")
        _ADDRESS.pack_into(memory, place + offset, symbols[symbol].address + addend)

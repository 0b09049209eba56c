"""The columns of a table: name, type and meaning.

Types are those of Arrow (arrow.apache.org/docs/format/CDataInterface.html). Any value may be missing.
"""

from __future__ import annotations

from capnet.quick_tuple import NamedTuple


class ColumnType(NamedTuple):
    """A type of columns: as Arrow's C interface writes it, as numpy does, as Arrow names it, and in documentation."""

    format: str
    dtype: str
    type: str
    says: str


KINDS = {
    "bool": ColumnType("b", "?", "bool", "true or false"),
    "uint8": ColumnType("C", "u1", "uint8", "8 bits"),
    "uint16": ColumnType("S", "u2", "uint16", "16 bits"),
    "uint32": ColumnType("I", "u4", "uint32", "32 bits"),
    "int16": ColumnType("s", "i2", "int16", "16 bits, signed"),  # of small numbers that are subtracted, as TTLs are
    "int32": ColumnType("i", "i4", "int32", "32 bits, signed"),
    "int64": ColumnType("l", "i8", "int64", "64 bits, signed"),
    "float64": ColumnType("g", "f8", "float64", "floating point"),
    "time": ColumnType("tsn:UTC", "i8", "timestamp[ns, UTC]", "timestamp[ns, UTC]"),
    "text": ColumnType("u", "i4", "string", "text"),
    "texts": ColumnType("+l", "i4", "list<string>", "list of text"),
    "numbers": ColumnType("+l", "u2", "list<uint16>", "list of numbers of 16 bits"),
    "address": ColumnType("u", "i4", "string", "text, or 16 octets (`--addresses binary`)"),
    "octets": ColumnType(
        "w:16", "V16", "fixed_size_binary[16]", "16 octets"
    ),  # what an address is then: IPv6, IPv4 as ::ffff:a.b.c.d
}


class DataColumn(NamedTuple):
    """A column. `kind`: a key of KINDS. `says`: its meaning, a line."""

    name: str
    kind: str
    says: str

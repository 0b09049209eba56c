"""What replaces addresses, names and payload, and which payload keeps its form."""

from __future__ import annotations

from capnet.quick_tuple import NamedTuple
from capnet.reduce.anonymise.addresses import Addresses
from capnet.reduce.anonymise.names import NameMap


class Replacements(NamedTuple):
    """`key`: of octets that replace payload; `reads`: fields of `Context` that the finding declares to read."""

    addresses: Addresses
    names: NameMap
    key: bytes
    reads: frozenset[str]

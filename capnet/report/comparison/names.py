"""Sentences with names instead of addresses, and the names that a comparison uses with their addresses.

Docker draws addresses anew; a name holds in both captures. A rule of the kernel or a command is quoted as it is.
Limits: an address that several hosts have (`names_at`) stays an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from capnet.analysis.core.contract.document import Document
from capnet.report.comparison.identity import Identity

_ADDRESS = re.compile(
    r"(?<![\w.:/])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?![\w/])(?!:[0-9a-f]*:)"
)
_MAC_LENGTH = 17


def with_names(row: Document, identity: Identity) -> str:
    """What a finding says, with the names of addresses."""
    quoted = "|".join(re.escape(text) for text in sorted(_quoted(row["facts"]), key=len, reverse=True))
    parts = re.split(f"({quoted}|`[^`]*`)" if quoted else "(`[^`]*`)", row["says"])
    return "".join(part if number % 2 else _ADDRESS.sub(_name(identity), part) for number, part in enumerate(parts))


def _quoted(facts: Mapping[str, Any]) -> Iterator[str]:
    """Facts of more than a word: texts of rules."""
    return (value for value in facts.values() if isinstance(value, str) and " " in value.strip())


def _name(identity: Identity) -> Any:
    def name(match: re.Match[str]) -> str:
        address = match[0]
        return address if len(address) == _MAC_LENGTH and address.count(":") == 5 else identity.words.address(address)

    return name


def used_names(comparison: Document, identities: Iterable[Identity]) -> dict[str, list[str]]:
    """Name → its addresses, of the first capture and then of the second, for each name in the texts of a comparison."""
    words = set(re.split(r"[^\w.@-]+", " ".join(_texts(comparison))))
    names: dict[str, list[str]] = {}
    for identity in identities:
        for name, addresses in identity.words.all_names():
            if name in words:
                own = names.setdefault(name, [])
                own += [address for address in addresses.split(", ") if address not in own]
    return dict(sorted(names.items()))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key not in ("good", "bad", "fix", "id") or not isinstance(below, list):
                yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)
    elif isinstance(value, str):
        yield value

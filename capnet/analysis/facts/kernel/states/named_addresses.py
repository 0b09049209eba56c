"""The addresses that the facts of a finding name: who asks, who is asked, and to whom that is translated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

ASKED = ("server", "destination", "for", "targets")
_PARTIES = (*ASKED, "backends", "address", "clients", "sources", "asks")
_PORT_AND_NAME = re.compile(r"(:\d+)?( \(.*\))?$")  # of `172.17.0.2:80 (web)`
MAX_PARTIES = 100


def named_addresses(facts: Mapping[str, object], keys: tuple[str, ...] = _PARTIES) -> Iterator[str]:
    """The texts of these facts, and the addresses in them without port and name."""
    for key in keys:
        value = facts.get(key)
        for text in value[:MAX_PARTIES] if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield text
                yield _PORT_AND_NAME.sub("", text).strip("[]")

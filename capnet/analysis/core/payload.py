"""What the bytes of packets tell that their rows do not: results of `aggregate.payload`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class DnsFailureKey(NamedTuple):
    """Answers that are counted together."""

    point: int
    code: int  # RFC 1035 section 4.1.1: RCODE
    name: str  # "" where it is not known


@dataclass
class DnsFailures:
    """Answers with one result code about one name, at one point."""

    count: int = 0
    frames: list[int] = field(default_factory=list)
    servers: set[str] = field(default_factory=set)


@dataclass
class Checksums:
    """TCP and UDP packets at one point: how many were looked at, and how many hold the pseudo-header's sum only."""

    seen: int = 0
    unfilled: int = 0
    frames: list[int] = field(default_factory=list)

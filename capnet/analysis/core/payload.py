"""What a pass reads from the bytes of packets, beside their rows: filled by `aggregate.payload`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class DnsFailureKey(NamedTuple):
    """Answers that are counted together."""

    point: int
    code: int  # RFC 1035 section 4.1.1: RCODE
    name: str  # "" where it is not known


@dataclass(eq=False, repr=False)
class DnsFailures:
    """Answers with one result code about one name, at one point."""

    count: int = 0
    frames: list[int] = field(default_factory=list)  # the first ones
    servers: set[str] = field(default_factory=set)  # addresses of those that answered


@dataclass(eq=False, repr=False)
class Checksums:
    """TCP and UDP packets in a sample of the frames of one point."""

    seen: int = 0
    unfilled: int = 0  # of them, with the sum of the pseudo-header only
    frames: list[int] = field(default_factory=list)  # the first of these

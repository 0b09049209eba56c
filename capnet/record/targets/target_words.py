"""The words of the command line: which are targets, and where a capture filter begins.

`capnet capture web db port 80` captures web and db, filtered by `port 80`: a filter begins with the first word with
which pcap-filter(7) lets one begin, unless that is the name of a container, or with several words in quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from capnet.errors import UsageError
from capnet.quick_tuple import NamedTuple

_QUALIFIERS = (
    "host net port portrange src dst ether fddi tr wlan link ip ip6 arp rarp decnet atalk aarp iso stp ipx netbeui "
    "lat moprc mopdl tcp udp sctp icmp icmp6 igmp igrp pim ah esp vrrp carp proto protochain gateway less greater "
    "broadcast multicast inbound outbound vlan mpls pppoed pppoes geneve vxlan llc len not"
)
_BEGINNINGS = frozenset(_QUALIFIERS.split())
_SYMBOLS = ("!", "(")


class TargetWords(NamedTuple):
    """What the arguments of the command mean."""

    targets: list[str]
    capture_filter: str


def split_words(words: Sequence[str], capture_filter: str | None, is_target: Callable[[str], bool]) -> TargetWords:
    """The targets and the filter; `capture_filter` is that of the option. UsageError if there are two filters."""
    count = next((i for i, word in enumerate(words) if _begins_filter(word) and not is_target(word)), len(words))
    trailing = " ".join(words[count:]).strip()
    if trailing and capture_filter:
        raise UsageError(f"two filters: {trailing!r} and -f {capture_filter!r}; give one, joined by `and`")
    chosen = trailing or (capture_filter or "").strip()
    if chosen.startswith("-"):
        raise UsageError(f"the filter {chosen!r} begins with -: options belong before the filter")
    return TargetWords(list(words[:count]), chosen)


def _begins_filter(word: str) -> bool:
    first = word.split()[0] if word.split() else word
    has_space = len(word.split()) > 1  # no container's name has one: it is a filter, right or wrong
    return has_space or first in _BEGINNINGS or first.startswith(_SYMBOLS) or "[" in first
